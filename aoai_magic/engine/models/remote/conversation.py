"""What of a conversation is sent to a model: pictures, length and tools as it takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aoai_magic.engine.models import token_estimate
from aoai_magic.engine.models.base import FAILED, REASONING_ITEMS, Request
from aoai_magic.engine.models.remote import fenced_code
from aoai_magic.engine.models.remote.learned import Learned
from aoai_magic.engine.models.remote.questions import asked_question, awaits_results, is_follow_up

_NO_PICTURE = "[An image that cannot be shown to you.]"
_LONGEST_REPEATED = 500


def sent_messages(request: Request, learned: Learned) -> list[dict[str, Any]]:
    """Return the messages that are sent, by what was learned of the model."""
    messages = [_flattened(message, learned.pictures) for message in request.messages]
    if learned.limit is not None:
        messages = [dict(message) for message in token_estimate.fit(messages, learned.limit)]
    has_run = any(message["role"] == "tool" for message in messages)
    if learned.tools or not (request.runs_python or has_run):
        return messages
    if words := _next_step(request):
        # What stands last weighs most with small models.
        asked = words.format(question=asked_question(request)[:_LONGEST_REPEATED])
        messages.append({"role": "user", "content": asked})
    instructions = fenced_code.INSTRUCTIONS if request.runs_python else fenced_code.NO_CODE
    return fenced_code.with_fences(messages, instructions)


def _next_step(request: Request) -> str:
    """Return how a model without tools is told what to do now; ``""`` where it needs no telling."""
    last = request.messages[-1]
    if last["role"] == "tool" and not request.runs_python:
        return fenced_code.LAST
    if last["role"] == "tool":
        return "" if FAILED in str(last["content"]) else fenced_code.THEN
    if last["role"] != "user" or not awaits_results(request):
        return ""
    return fenced_code.FURTHER if is_follow_up(request) else fenced_code.FIRST


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
