"""Content hashes: of data, not of its text form.

A table is hashed in pieces of about `PIECE` bytes: the memory of numbers and texts as it
is, without a copy; nested types as Arrow serialises them. Pieces are hashed on all
processors, and the SHA-256 of the schema and of the pieces' hashes is the table's: it sees
every cell, null, dtype and column name, and makes no difference between one chunk and
several, or between a slice and a copy of it. Pieces are hashed with BLAKE3, which is as
hard to deceive as SHA-256 and was measured to be three to eight times as fast; looking at
data would otherwise take a good part of the time of sending it.

Two equal values may get different hashes (a pickled column need not come out the same
twice, nor what stands in memory below a null); they are then sent again. Different
values never get the same one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from blake3 import blake3

from aoai_magic.frame_codec import Contents
from aoai_magic.turn import progress as meter

PIECE = 4 << 20
"""Bytes of a column that are serialised and hashed at a time."""

_OFFSETS = {"string": "i4", "binary": "i4", "large_string": "i8", "large_binary": "i8"}
"""Types of text and bytes, and the dtype of the offsets that say where each one ends."""


def of_contents(contents: Contents, *names: str) -> str:
    """Hash a value taken apart, under the names of its variable and file."""
    about = [contents.kind, contents.rows, contents.columns, contents.header, *names]
    schema = contents.table.schema.serialize()
    return _combined([json.dumps(about).encode(), schema, *_leaves(contents.table)])


def _leaves(table: Any) -> Iterator[bytes]:
    """Yield the hashes of a table's pieces, in their order; tells the meter of each."""
    progress = meter.current()
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        pieces = list(_pieces(table))
        for piece, leaf in zip(pieces, pool.map(_hash_piece, pieces), strict=True):
            yield leaf
            progress.add(piece.nbytes)
    finally:
        pool.shutdown(cancel_futures=True)


def of_bytes(data: bytes, name: str) -> str:
    """Hash bytes under a file's name."""
    return _combined([name.encode("utf-8", "surrogateescape"), blake3(data).digest()])


def of_files(files: Iterable[tuple[str, Path]], name: str) -> str:
    """Hash files, each under its name within a whole called `name`.

    Raises
    ------
    OSError
        A file cannot be read.
    """
    parts: list[bytes] = [name.encode("utf-8", "surrogateescape")]
    for inner, path in files:
        parts += [inner.encode("utf-8", "surrogateescape"), _hash_file(path)]
    return _combined(parts)


def _pieces(table: Any) -> Iterator[Any]:
    for column in _plain_columns(table):
        width = max(1, column.nbytes // max(1, len(column)))
        # A multiple of eight, so that bitmaps are cut between bytes.
        step = max(8, PIECE // width // 8 * 8)
        for start in range(0, max(1, len(column)), step):
            yield column.slice(start, step)


def _plain_columns(table: Any) -> Iterator[Any]:
    """Yield the columns, each dictionary apart from the codes that point into it."""
    import pyarrow as pa

    for column in table.columns:
        if pa.types.is_dictionary(column.type) and column.num_chunks:
            chunks = column.unify_dictionaries().chunks
            yield pa.chunked_array([chunk.indices for chunk in chunks])
            yield pa.chunked_array([chunks[0].dictionary])
        else:
            yield column


def _hash_piece(piece: Any) -> bytes:
    digest = blake3(f"{len(piece)} {piece.null_count}".encode())
    for buffer in _buffers(piece):
        digest.update(memoryview(buffer).cast("B"))
    return digest.digest()


def _buffers(piece: Any) -> Iterator[Any]:
    """Yield the memory that holds exactly the piece's values."""
    import pyarrow as pa

    is_text = str(piece.type) in _OFFSETS
    if not (is_text or pa.types.is_primitive(piece.type)) or pa.types.is_boolean(piece.type):
        yield _serialised(piece)
        return
    array = piece.chunk(0) if piece.num_chunks == 1 else piece.combine_chunks()
    if array.null_count:
        yield array.is_valid().buffers()[1]
    yield from _text_buffers(array) if is_text else _fixed_buffers(array)


def _fixed_buffers(array: Any) -> Iterator[Any]:
    width = array.type.bit_width // 8
    data = array.buffers()[1]
    yield data.slice(array.offset * width, len(array) * width) if data else b""


def _text_buffers(array: Any) -> Iterator[Any]:
    import numpy as np

    _, offsets, data = array.buffers()
    if not len(array):
        return
    kind = np.dtype(_OFFSETS[str(array.type)])
    ends = np.frombuffer(offsets, kind, len(array) + 1, array.offset * kind.itemsize)
    # From zero, so that it makes no difference where in a larger column they stand.
    yield ends - ends[0]
    yield data.slice(ends[0], ends[-1] - ends[0]) if data else b""


def _serialised(piece: Any) -> Any:
    import pyarrow as pa

    # Arrow never shortens the buffers of a view, whatever slice it shows of them. The
    # view types are younger than the oldest pyarrow that is supported.
    if str(piece.type) in {"string_view", "binary_view"}:
        piece = piece.cast(pa.large_binary())
    table = pa.table([piece], [""])
    if piece.num_chunks > 1:
        with contextlib.suppress(pa.ArrowException):  # nested dictionaries stay in chunks
            table = table.combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _hash_file(path: Path) -> bytes:
    digest = blake3()
    with meter.MeteredFile(path) as file:
        while block := file.read(PIECE):
            digest.update(block)
    return digest.digest()


def _combined(parts: Iterable[Any]) -> str:
    """Hash the parts' hashes, so that no two lists of parts run together alike."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()
