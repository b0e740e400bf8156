"""History: the items of a conversation as the messages that a model takes.

Items are those of the Responses API; a thread's messages and steps are turned into them
(`thread_input`). Keys that begin with ``_`` are the engine's own: ``_reply`` names the model
call that an item came of, ``_number`` the place of a search in its conversation, ``_summary``
what a compaction holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from aoai_magic.engine.agent.cell_outputs import as_text, shorten
from aoai_magic.engine.agent.chat_messages import Chat, tool_call, tool_result
from aoai_magic.engine.agent.tools import offered_function
from aoai_magic.engine.config import Bounds
from aoai_magic.engine.models import pictures, token_estimate
from aoai_magic.engine.models.base import FILE_SEARCH_TOOL, PYTHON_TOOL, REASONING_ITEMS
from aoai_magic.engine.storage.annotations import marker
from aoai_magic.engine.storage.objects import Body

_CALLS = ("code_interpreter_call", "file_search_call", "function_call")
_DETAILS = ("low", "high")
_SUMMARY = "Summary of the conversation up to here:"
_NO_PICTURE = "[An image that cannot be shown to you.]"


def messages(items: Sequence[Body], bounds: Bounds, limit: int | None = None) -> list[Chat]:
    """Return the items as chat messages, as many of the newest as fit into ``limit`` tokens.

    What one reply of the model held is one message again. Its calls are followed by their
    results, whatever the client put between them: models refuse any other order. Outputs
    before the last question are shortened.
    """
    asked = [n for n, item in enumerate(items) if item.get("role") == "user"]
    last = asked[-1] if asked else -1
    results: dict[str, Chat] = {}
    shown: dict[str, Chat] = {}
    for place, item in enumerate(items):
        size = bounds.tool_output if place > last else bounds.earlier_tool_output
        if (result := _result(item, size)) is not None:
            results.setdefault(result["tool_call_id"], result)
            if seen := _pictures(item):
                shown.setdefault(result["tool_call_id"], seen)
    chats = [
        chat
        for _, group in groupby(items, _reply)
        for message in _chats(list(group))
        for chat in _followed(message, results, shown)
    ]
    fitting = token_estimate.fit(chats, min(bounds.history, limit or bounds.history))
    return [dict(chat) for chat in fitting]


def _followed(message: Chat, results: dict[str, Chat], shown: dict[str, Chat]) -> Iterator[Chat]:
    yield message
    ids = [call["id"] for call in message.get("tool_calls") or ()]
    yield from (results.get(id_) or tool_result(id_, "(no output)") for id_ in ids)
    yield from (shown[id_] for id_ in ids if id_ in shown)


def _reply(item: Body) -> Any:
    """Return which reply an item was part of; calls that a client lists were one reply."""
    if "_reply" in item:
        return item["_reply"]
    return "calls" if item["type"] in _CALLS else id(item)


def _chats(group: list[Body]) -> list[Chat]:
    """Return what one reply or message is told as: one message, or none."""
    if group[0]["type"] == "compaction":
        return [{"role": "system", "content": f"{_SUMMARY}\n{group[0]['_summary']}"}]
    calls = [_call(item) for item in group if item["type"] in _CALLS]
    spoken = [item for item in group if item["type"] == "message"]
    if not calls and len(spoken) < 2:
        chats = list(map(_message, spoken))
    else:
        text = "".join(_text(item["content"]) for item in spoken)
        chats = [{"role": "assistant", "content": text or None}]
        if calls:
            chats[0]["tool_calls"] = calls
    for item in group:
        if chats and item.get("_reasoning"):
            chats[0][REASONING_ITEMS] = item["_reasoning"]
    return chats


def _call(item: Body) -> Chat:
    if item["type"] == "function_call":
        return tool_call(item["call_id"], offered_function(item["name"]), item["arguments"])
    if item["type"] == "file_search_call":
        query = {"query": "\n".join(item.get("queries") or ())}
        arguments = json.dumps(query, ensure_ascii=False)
        return tool_call(item["id"], FILE_SEARCH_TOOL, arguments)
    return tool_call(item["id"], PYTHON_TOOL, json.dumps({"code": item.get("code") or ""}))


def _result(item: Body, limit: int) -> Chat | None:
    """Return what came of a call, from the item that holds it; None from any other."""
    if item["type"] == "code_interpreter_call":
        return tool_result(item["id"], as_text(item.get("outputs") or [], limit))
    if item["type"] == "file_search_call":
        return tool_result(item["id"], shorten(passages(item), limit))
    if item["type"] == "function_call_output":
        text = _text(item["output"])
        return tool_result(item["call_id"], shorten(text, limit) or "(no output)")
    return None


def _pictures(item: Body) -> Chat | None:
    """Return the pictures that a function returned; a tool's answer itself is only text."""
    output = item.get("output")
    if not isinstance(output, list):
        return None
    parts = [_part(part) for part in output if part["type"] == "input_image"]
    return pictures.returned(parts) if parts else None


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
    url = part.get("_url") or part.get("image_url")
    if part["type"] == "input_image" and url:
        detail = part.get("detail")
        given = {"detail": detail} if detail in _DETAILS else {}
        return {"type": "image_url", "image_url": {"url": url, **given}}
    return {"type": "text", "text": _text([part])}


def _text(content: str | list[Body]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(map(_words, content))


def _words(part: Body) -> str:
    if part["type"] == "input_image":
        return "[An image.]" if part.get("_url") or part.get("image_url") else _NO_PICTURE
    if part["type"] == "input_file":
        name = f"[The file {part.get('_name') or 'attached'!r}.]"
        return f"{name}\n{part['_text']}" if part.get("_text") else name
    return str(part.get("text") or part.get("refusal") or "")


def passages(item: Body) -> str:
    """Return what a search found, as the model is given it."""
    number, found = item["_number"], enumerate(item.get("results") or ())
    texts = [
        f"{marker(f'{number}:{index}', one['filename'])}{_place(one)}\n{one['text'].strip()}"
        for index, one in found
    ]
    return "\n\n".join(texts) or "Nothing was found; search with other words."


def _place(result: Body) -> str:
    return f" ({result['place']})" if result.get("place") else ""


def places(item: Body) -> dict[str, Body]:
    """Return ``file_id`` and ``filename`` of what a search found, by where it can be cited."""
    found = enumerate(item.get("results") or ())
    return {
        f"{item['_number']}:{index}": {key: one[key] for key in ("file_id", "filename")}
        for index, one in found
    }
