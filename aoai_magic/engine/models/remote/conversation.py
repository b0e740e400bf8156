"""What of a conversation is sent to a model: pictures, length and tools as it takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aoai_magic.engine.models import token_estimate
from aoai_magic.engine.models.base import PYTHON_TOOL, REASONING_ITEMS, Request
from aoai_magic.engine.models.remote import fenced_code
from aoai_magic.engine.models.remote.learned import Learned

_NO_PICTURE = "[An image that cannot be shown to you.]"


def sent_messages(request: Request, learned: Learned) -> list[dict[str, Any]]:
    """Return the messages that are sent, by what was learned of the model."""
    messages = [_flattened(message, learned.pictures) for message in request.messages]
    if learned.limit is not None:
        messages = [dict(message) for message in token_estimate.fit(messages, learned.limit)]
    if offers_python(request) and not learned.tools:
        return fenced_code.with_fences(messages)
    return messages


def offers_python(request: Request) -> bool:
    """Return whether the model may run code."""
    names = (tool["function"]["name"] for tool in request.tools)
    return request.tool_choice != "none" and PYTHON_TOOL in names


def shows_pictures(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether there is more than text in the messages."""
    return any(not isinstance(message.get("content") or "", str) for message in messages)


def without_reasoning(request: Request) -> Request | None:
    """Return the request without reasoning items; None where there are none."""
    if not any(REASONING_ITEMS in message for message in request.messages):
        return None
    messages = [
        {key: value for key, value in message.items() if key != REASONING_ITEMS}
        for message in request.messages
    ]
    return Request(messages, request.tools, request.tool_choice, request.options)


def _flattened(message: Mapping[str, Any], pictures: bool) -> dict[str, Any]:
    """Join a content of text parts alone: not every server takes a list."""
    content = message.get("content")
    if isinstance(content, str) or not isinstance(content, Sequence):
        return dict(message)
    if not pictures:
        blank = {"type": "text", "text": _NO_PICTURE}
        content = [part if part.get("type") == "text" else blank for part in content]
    if any(part.get("type") != "text" for part in content):
        return dict(message)
    return {**message, "content": "\n\n".join(part["text"] for part in content)}
