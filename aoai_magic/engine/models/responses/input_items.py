"""Chat messages as input items of the Responses API, with the reasoning that came with them.

Reasoning has to stand where it stood among the message and the calls of its answer.
`Outline` notes that order while an answer is read; it is kept in the assistant's message
(`REASONING_ITEMS`) and puts the answer together again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aoai_magic.engine.models.base import REASONING_ITEMS

Item = dict[str, Any]

_REASONING_KEYS = ("id", "summary", "encrypted_content", "content")


class Outline:
    """The order of reasoning, message and calls in one answer.

    ``origin`` names endpoint and model: nobody else can read the reasoning.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._entries: list[Item] = []

    def add_reasoning(self, item: Mapping[str, Any]) -> None:
        """Record a reasoning item; only what the service takes back is kept."""
        kept = {key: item[key] for key in _REASONING_KEYS if item.get(key) is not None}
        self._entries.append({"type": "reasoning", "summary": [], **kept})

    def add_message(self, item: Mapping[str, Any], length: int) -> None:
        """Record a message of so many characters."""
        entry = {"type": "message", "length": length}
        self._entries.append({**entry, **({"phase": item["phase"]} if item.get("phase") else {})})

    def add_call(self) -> None:
        """Record a call."""
        self._entries.append({"type": "function_call"})

    @property
    def value(self) -> dict[str, Any] | None:
        """What has to be sent back, None where the messages alone say it all."""
        opaque = any(entry["type"] == "reasoning" or "phase" in entry for entry in self._entries)
        return {"origin": self._origin, "entries": self._entries} if opaque else None


def input_items(messages: Sequence[Mapping[str, Any]], origin: str) -> tuple[str, list[Item]]:
    """Return the instructions and the input items that say what the messages say."""
    head = next((n for n, m in enumerate(messages) if m["role"] not in _SYSTEM), len(messages))
    instructions = "\n\n".join(_text(message.get("content")) for message in messages[:head])
    items = [item for message in messages[head:] for item in _items(message, origin)]
    return instructions, items


_SYSTEM = ("system", "developer")


def _items(message: Mapping[str, Any], origin: str) -> Iterator[Item]:
    if message["role"] == "tool":
        output = _text(message.get("content"))
        yield {
            "type": "function_call_output",
            "call_id": message["tool_call_id"],
            "output": output,
        }
    elif message["role"] == "assistant":
        yield from _answer(message, origin)
    else:
        role = "developer" if message["role"] in _SYSTEM else message["role"]
        yield {"type": "message", "role": role, "content": _content(message.get("content"))}


def _answer(message: Mapping[str, Any], origin: str) -> Iterator[Item]:
    text = _text(message.get("content"))
    calls = [_call(call) for call in message.get("tool_calls") or ()]
    kept = message.get(REASONING_ITEMS) or {}
    entries = kept.get("entries", ()) if kept.get("origin") == origin else ()
    messages = sum(entry["type"] == "message" for entry in entries)
    for entry in entries:
        if entry["type"] == "reasoning":
            yield dict(entry)
        elif entry["type"] == "message":
            messages -= 1
            # The last one takes what is left, should the text have been changed meanwhile.
            cut = entry["length"] if messages else len(text)
            if text[:cut]:
                yield _said(text[:cut], entry)
            text = text[cut:]
        elif calls:
            yield calls.pop(0)
    if text:
        yield _said(text, {})
    yield from calls


def _said(text: str, entry: Mapping[str, Any]) -> Item:
    item: Item = {"type": "message", "role": "assistant", "content": text}
    return {**item, "phase": entry["phase"]} if "phase" in entry else item


def _call(call: Mapping[str, Any]) -> Item:
    function = call["function"]
    return {
        "type": "function_call",
        "call_id": call["id"],
        "name": function["name"],
        "arguments": function["arguments"],
    }


def _content(content: Any) -> str | list[Item]:
    return content if isinstance(content, str) else [_part(part) for part in content or ()]


def _part(part: Mapping[str, Any]) -> Item:
    if part["type"] != "image_url":
        return {"type": "input_text", "text": part.get("text", "")}
    image = part["image_url"]
    detail = image.get("detail") or "auto"
    return {"type": "input_image", "image_url": image["url"], "detail": detail}


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n\n".join(part["text"] for part in content if part.get("text"))
