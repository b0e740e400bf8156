"""Compaction: a conversation replaced by a summary, and how many tokens it would take.

https://platform.openai.com/docs/api-reference/responses/compact: the client sends the compacted
items in the place of the conversation. What the service encrypts is only encoded here: it holds
nothing but what this client sent and was told.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import astuple, replace
from typing import Any

from aoai_magic.engine.agent import history
from aoai_magic.engine.agent.task import Services, closing
from aoai_magic.engine.errors import ApiError
from aoai_magic.engine.models import token_estimate
from aoai_magic.engine.models.base import Model, ModelError, Request, Text, Usage
from aoai_magic.engine.storage import response_objects
from aoai_magic.engine.storage.ids import new_id, now
from aoai_magic.engine.storage.objects import Body

_SUMMARIZE = (
    "Write a summary of this conversation that takes its place: what the user wants, the data and "
    "files by name, the variables that code made, every result with its numbers, decisions, and "
    "what is still to be done. Write only the summary."
)
_PREFIX = "aoai-magic:"
_LONG = 1 << 40


def count_tokens(services: Services, items: Sequence[Body], given: Body) -> int:
    """Return about how many tokens a model would be given for these items."""
    bounds = replace(services.bounds, history=_LONG, tool_output=_LONG, earlier_tool_output=_LONG)
    tokens = sum(map(token_estimate.count, history.messages(items, bounds)))
    tools = [str(tool) for tool in given.get("tools") or ()]
    return tokens + sum(map(token_estimate.of_text, [given.get("instructions") or "", *tools]))


async def compact(services: Services, items: Sequence[Body], given: Body) -> Body:
    """Let the model summarize a conversation; return the compacted one.

    Raises
    ------
    ApiError
        When the model cannot write summaries, fails or says nothing.
    """
    model = await services.model({"model": given["model"]})
    if model.name == "offline":
        raise ApiError("The offline model cannot summarize; start the engine with another --model.")
    asked = history.messages(items, services.bounds)
    system = "\n\n".join(filter(None, [given.get("instructions"), _SUMMARIZE]))
    messages = [
        {"role": "system", "content": system},
        *asked,
        {"role": "user", "content": _SUMMARIZE},
    ]
    summary, usage = await _ask(model, messages)
    if not summary.strip():
        raise ApiError("The model wrote no summary; try again.", status=500, type="server_error")
    return {
        "id": new_id("resp_"),
        "object": "response.compaction",
        "created_at": now(),
        "output": [_item(summary)],
        "usage": response_objects.usage(*astuple(usage)),
    }


async def _ask(model: Model, messages: list[Any]) -> tuple[str, Usage]:
    text, usage = "", Usage()
    try:
        async with closing(model.stream(Request(messages))) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, Text):
                    text += chunk.text
                elif isinstance(chunk, Usage):
                    usage = chunk
    except ModelError as error:
        raise ApiError(str(error), status=500, type="server_error") from error
    return text, usage


def _item(summary: str) -> Body:
    encoded = base64.b64encode(f"{_PREFIX}{summary}".encode()).decode()
    return {"id": new_id("cmp_"), "type": "compaction", "encrypted_content": encoded}


def summary_of(item: Body) -> str:
    """Return the summary that a compaction item holds.

    Raises
    ------
    ApiError
        When another server made it.
    """
    try:
        text = base64.b64decode(item["encrypted_content"], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        text = ""
    if not text.startswith(_PREFIX):
        raise ApiError(
            "The encrypted content of a compaction item could not be verified: another server "
            "made it. Send the conversation itself.",
            param="input",
            code="invalid_encrypted_content",
        )
    return text.removeprefix(_PREFIX)
