"""Tokens of chat messages, counted without knowing the model, and histories cut to fit.

What a model counts differs from model to model, and its vocabulary is not here: four
bytes of UTF-8 a token are close for English, and for Chinese and Japanese too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aoai_magic.engine.models import pictures
from aoai_magic.engine.models.base import REASONING_ITEMS

BYTES_PER_TOKEN = 4
IMAGE_TOKENS = 1_000
"""What a picture takes about, whatever its bytes."""

_EACH = 4
LEFT_OUT = "[The oldest part of this conversation was left out, since it is too long.]"

Chat = Mapping[str, Any]


def count(message: Chat) -> int:
    """Count about how many tokens a chat message takes."""
    content = message.get("content") or ""
    parts = [{"text": content}] if isinstance(content, str) else content
    texts = [part["text"] for part in parts if "text" in part]
    images = IMAGE_TOKENS * (len(parts) - len(texts))
    texts += [json.dumps(call["function"]) for call in message.get("tool_calls") or ()]
    if REASONING_ITEMS in message:
        texts.append(json.dumps(message[REASONING_ITEMS]))
    return _EACH + sum(map(of_text, texts)) + images


def of_text(text: str) -> int:
    """Count about how many tokens a text takes."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def fit(messages: Sequence[Chat], limit: int) -> list[Chat]:
    """Return the messages without the oldest, so that they take at most ``limit`` tokens.

    What comes first and is the system's stays, and so does the last question; a call of
    a tool stays or goes together with its result. The last of all stays in any case.
    """
    if sum(map(count, messages)) <= limit:
        return list(messages)
    head, units = _apart(messages)
    question = next((unit for unit in reversed(units) if _asks(unit)), [])
    left = limit - sum(map(count, [*head, *question])) - of_text(LEFT_OUT)
    kept: list[list[Chat]] = []
    for unit in reversed(units):
        size = 0 if unit is question else sum(map(count, unit))
        if size > left and kept:
            break
        left -= size
        kept.insert(0, unit)
    if not any(unit is question for unit in kept):
        kept.insert(0, question)
    # Chat templates want the first to be the user's.
    while kept and not _asks(kept[0]):
        del kept[0]
    return [*_told(head), *(message for unit in kept for message in unit)]


def _apart(messages: Sequence[Chat]) -> tuple[list[Chat], list[list[Chat]]]:
    """Separate the system's messages at the start, and what belongs together after them."""
    start = next((n for n, m in enumerate(messages) if m["role"] not in _SYSTEM), len(messages))
    return list(messages[:start]), list(_units(messages[start:]))


_SYSTEM = ("system", "developer")


def _units(messages: Sequence[Chat]) -> Iterator[list[Chat]]:
    unit: list[Chat] = []
    for message in messages:
        if unit and not _continues(unit[-1], message):
            yield unit
            unit = []
        unit.append(message)
    if unit:
        yield unit


def _continues(before: Chat, message: Chat) -> bool:
    """Return whether a message belongs to the one before: a result, or the pictures of one."""
    return message["role"] == "tool" or (before["role"] == "tool" and pictures.are(message))


def _asks(unit: Sequence[Chat]) -> bool:
    return bool(unit) and unit[0]["role"] == "user"


def _told(head: Sequence[Chat]) -> list[Chat]:
    if not head:
        return [{"role": "system", "content": LEFT_OUT}]
    last = head[-1]
    return [*head[:-1], {**last, "content": f"{last['content']}\n\n{LEFT_OUT}"}]
