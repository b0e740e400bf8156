"""A GGUF file of some 60 kB: one layer with random weights, which says nothing of sense."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

WIDTH, HEADS, INNER, CONTEXT = 32, 2, 32, 512
_U32, _F32, _STRING, _ARRAY, _I32 = 4, 6, 8, 9, 5
_BYTES = [f"<0x{n:02X}>" for n in range(256)]
_TOKENS = ["<unk>", "<s>", "</s>", *_BYTES, "▁", "a", "b"]
_TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"


def write(path: Path, pooling: int = 0) -> Path:
    """Write the file; with a kind of pooling, 1 for the mean, it makes embeddings."""
    size, kinds = len(_TOKENS), [2, 3, 3, *[6] * 256, 1, 1, 1]
    fields: list[tuple[str, bytes]] = [
        ("general.architecture", _text("llama")),
        ("llama.context_length", _number(CONTEXT)),
        ("llama.embedding_length", _number(WIDTH)),
        ("llama.block_count", _number(1)),
        ("llama.feed_forward_length", _number(INNER)),
        ("llama.attention.head_count", _number(HEADS)),
        ("llama.attention.head_count_kv", _number(HEADS)),
        ("llama.rope.dimension_count", _number(WIDTH // HEADS)),
        ("llama.attention.layer_norm_rms_epsilon", struct.pack("<If", _F32, 1e-5)),
        ("llama.vocab_size", _number(size)),
        ("llama.pooling_type", _number(pooling)),
        ("tokenizer.ggml.model", _text("llama")),
        ("tokenizer.ggml.tokens", _array(_STRING, [_string(t) for t in _TOKENS])),
        ("tokenizer.ggml.scores", _array(_F32, [struct.pack("<f", -n) for n in range(size)])),
        ("tokenizer.ggml.token_type", _array(_I32, [struct.pack("<i", k) for k in kinds])),
        ("tokenizer.ggml.bos_token_id", _number(1)),
        ("tokenizer.ggml.eos_token_id", _number(2)),
        ("tokenizer.ggml.unknown_token_id", _number(0)),
        ("tokenizer.chat_template", _text(_TEMPLATE)),
    ]
    square, layer = (WIDTH, WIDTH), "blk.0."
    tensors: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (WIDTH, size),
        "output_norm.weight": (WIDTH,),
        "output.weight": (WIDTH, size),
        **{f"{layer}{name}.weight": (WIDTH,) for name in ("attn_norm", "ffn_norm")},
        **{f"{layer}attn_{name}.weight": square for name in ("q", "k", "v", "output")},
        **{f"{layer}ffn_{name}.weight": square for name in ("gate", "up", "down")},
    }
    path.write_bytes(_file(fields, tensors))
    return path


def _file(fields: list[tuple[str, bytes]], tensors: dict[str, tuple[int, ...]]) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(fields))
    head += b"".join(_string(name) + value for name, value in fields)
    rng, data = random.Random(0), b""
    for name, shape in tensors.items():
        head += _string(name) + struct.pack("<I", len(shape))
        head += struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", 0, len(data))
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        data += struct.pack(f"<{count}f", *(rng.gauss(0, 0.5) for _ in range(count)))
        data += bytes(-len(data) % 32)
    return head + bytes(-len(head) % 32) + data


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _text(text: str) -> bytes:
    return struct.pack("<I", _STRING) + _string(text)


def _number(value: int) -> bytes:
    return struct.pack("<II", _U32, value)


def _array(kind: int, values: list[Any]) -> bytes:
    return struct.pack("<IIQ", _ARRAY, kind, len(values)) + b"".join(values)
