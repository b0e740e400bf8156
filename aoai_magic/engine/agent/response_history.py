"""History: the items of a conversation as the messages that a model takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from aoai_magic.engine.agent.cell_outputs import as_text, shorten
from aoai_magic.engine.agent.thread_history import Chat, tool_call, tool_result
from aoai_magic.engine.config import Bounds
from aoai_magic.engine.models import token_estimate
from aoai_magic.engine.models.base import PYTHON_TOOL
from aoai_magic.engine.storage.objects import Body

_CALLS = ("code_interpreter_call", "function_call")


def messages(items: Iterable[Body], bounds: Bounds) -> list[Chat]:
    """Tell the items in the chat form, as many of the newest as the bounds allow.

    What one reply of a model held is one message again; a call's result follows it.
    """
    told = [chat for _, group in groupby(items, _reply) for chat in _tell(list(group), bounds)]
    return [dict(chat) for chat in token_estimate.fit(told, bounds.history)]


def _reply(item: Body) -> Any:
    """Tell which reply an item was part of; calls that a client lists were one reply."""
    if "_reply" in item:
        return item["_reply"]
    return item["type"] if item["type"] in _CALLS else id(item)


def _tell(group: list[Body], bounds: Bounds) -> Iterator[Chat]:
    calls = [item for item in group if item["type"] in _CALLS]
    texts = [_text(item["content"]) for item in group if _is_answer(item)]
    if calls:
        yield {
            "role": "assistant",
            "content": "\n".join(texts) or None,
            "tool_calls": [_call(item) for item in calls],
        }
    for item in group:
        if item["type"] == "code_interpreter_call":
            yield tool_result(item["id"], _outputs(item, bounds.earlier_tool_output))
        elif item["type"] == "function_call_output":
            text = shorten(_text(item["output"]), bounds.tool_output)
            yield tool_result(item["call_id"], text or "(no output)")
        elif item["type"] == "message" and not (calls and _is_answer(item)):
            yield _message(item)


def _is_answer(item: Body) -> bool:
    return bool(item["type"] == "message" and item["role"] == "assistant")


def _call(item: Body) -> Chat:
    if item["type"] == "function_call":
        return tool_call(item["call_id"], item["name"], item["arguments"])
    return tool_call(item["id"], PYTHON_TOOL, json.dumps({"code": item["code"] or ""}))


def _outputs(item: Body, limit: int) -> str:
    return as_text(item["outputs"] or [], limit)


def _message(item: Body) -> Chat:
    role = "system" if item["role"] in ("system", "developer") else item["role"]
    content = item["content"]
    if role != "user" or isinstance(content, str):
        return {"role": role, "content": _text(content)}
    parts = [_part(part) for part in content]
    if len(parts) == 1 and parts[0]["type"] == "text":
        return {"role": role, "content": parts[0]["text"]}
    return {"role": role, "content": parts}


def _part(part: Body) -> Chat:
    if part["type"] == "input_image":
        url = part.get("_url") or part.get("image_url")
        if url:
            return {"type": "image_url", "image_url": {"url": url}}
        return {"type": "text", "text": "[An image that cannot be shown to you.]"}
    if part["type"] == "input_file":
        return {"type": "text", "text": f"[The file {part.get('_name') or 'attached'!r}.]"}
    return {"type": "text", "text": _text([part])}


def _text(content: str | list[Body]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text") or part.get("refusal") or "" for part in content)
