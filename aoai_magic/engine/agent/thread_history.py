"""History: a thread as the messages that a model takes.

A thread is told in order: what users wrote, and for each run its steps, that is, its
texts, its tool calls and what came of them. Outputs of earlier runs are shortened.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import anyio.to_thread
from sqlalchemy import Connection, select

from aoai_magic.engine.agent.cell_outputs import as_text, shorten
from aoai_magic.engine.config import Bounds
from aoai_magic.engine.models import token_estimate
from aoai_magic.engine.models.base import FILE_SEARCH_TOOL, PYTHON_TOOL
from aoai_magic.engine.storage import files
from aoai_magic.engine.storage.annotations import marker
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import MESSAGES, RUNS, STEPS
from aoai_magic.engine.storage.store import Store

Chat = dict[str, Any]

_IMAGE_TYPES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".webp": "webp"}
_LARGEST_IMAGE = 20 << 20


@dataclass(frozen=True)
class Thread:
    """All that is stored of a thread, oldest first.

    Messages and runs come with the time of their creation in nanoseconds; steps, by run
    id, have the number of their model call beside their own keys, as ``reply``.
    """

    messages: list[tuple[int, Body]]
    runs: list[tuple[int, Body]]
    steps: Mapping[str, list[Body]]
    images: Mapping[str, Body]


async def load(store_: Store, thread_id: str) -> Thread:
    """Read a thread."""
    return await store_.read(lambda connection: _load(connection, thread_id))


def _load(connection: Connection, thread_id: str) -> Thread:
    messages = _timed(connection, MESSAGES, thread_id)
    steps: dict[str, list[Body]] = {}
    query = select(STEPS.c.body, STEPS.c.reply).where(STEPS.c.thread_id == thread_id)
    for row in connection.execute(query.order_by(STEPS.c.at, STEPS.c.seq)):
        steps.setdefault(row.body["run_id"], []).append({**row.body, "reply": row.reply})
    images = [id_ for _, message in messages for id_ in _image_ids(message)]
    found = files.find(connection, images) if images else {}
    return Thread(messages, _timed(connection, RUNS, thread_id), steps, found)


def _timed(connection: Connection, table: Any, thread_id: str) -> list[tuple[int, Body]]:
    query = select(table.c.at, table.c.body).where(table.c.thread_id == thread_id)
    rows = connection.execute(query.order_by(table.c.at, table.c.seq))
    return [(row.at, dict(row.body)) for row in rows]


def _image_ids(message: Body) -> list[str]:
    if message["role"] != "user":
        return []
    parts = [part for part in message["content"] if part["type"] == "image_file"]
    return [part["image_file"]["file_id"] for part in parts]


class History:
    """Turns a thread into chat messages for one run of it."""

    def __init__(self, thread: Thread, run: Body, bounds: Bounds, blob: Any) -> None:
        self._thread = thread
        self._run = run
        self._bounds = bounds
        self._blob = blob
        self._by_id = {body["id"]: body for _, body in thread.messages}

    async def messages(self) -> list[Chat]:
        """Give the chat messages, oldest first, as many as the run's truncation allows."""
        entries = [entry async for entry in self._entries()]
        strategy = self._run["truncation_strategy"] or {}
        if strategy.get("type") == "last_messages" and strategy.get("last_messages"):
            entries = entries[-strategy["last_messages"] :]
        entries = self._fit(entries)
        return [chat for entry in entries for chat in entry]

    def _fit(self, entries: list[list[Chat]]) -> list[list[Chat]]:
        """Leave out the oldest entries until the rest is small enough."""
        limit = self._bounds.history
        if self._run["max_prompt_tokens"]:
            limit = min(limit, self._run["max_prompt_tokens"])
        sizes = [sum(map(token_estimate.count, entry)) for entry in entries]
        while len(sizes) > 1 and sum(sizes) > limit:
            sizes.pop(0)
            entries = entries[1:]
        return entries

    async def _entries(self) -> Any:
        """Give the thread's entries: a user's message, or all that one run said and did."""
        told = [(at, body) for at, body in self._thread.messages if not self._of_run(body)]
        for _, body in sorted(told + self._thread.runs, key=lambda pair: pair[0]):
            if body["object"] == "thread.run":
                entry = list(self._tell(body))
            else:
                entry = [await self._said(body)]
            if entry:
                yield entry

    def _of_run(self, message: Body) -> bool:
        return message["run_id"] in self._thread.steps

    async def _said(self, message: Body) -> Chat:
        if message["role"] == "assistant":
            return {"role": "assistant", "content": _text(message)}
        parts = [await self._part(part) for part in message["content"]]
        if len(parts) == 1 and parts[0]["type"] == "text":
            return {"role": "user", "content": parts[0]["text"]}
        return {"role": "user", "content": parts}

    async def _part(self, part: Body) -> Chat:
        if part["type"] == "text":
            return {"type": "text", "text": part["text"]["value"]}
        if part["type"] == "image_url":
            return {"type": "image_url", "image_url": part["image_url"]}
        image = self._thread.images.get(part["image_file"]["file_id"])
        suffix = Path(image["filename"]).suffix.lower() if image else ""
        if image is None or suffix not in _IMAGE_TYPES or image["bytes"] > _LARGEST_IMAGE:
            return {"type": "text", "text": "[An image that cannot be shown to you.]"}
        data = await anyio.to_thread.run_sync(self._blob(image["id"]).read_bytes)
        url = f"data:image/{_IMAGE_TYPES[suffix]};base64,{base64.b64encode(data).decode()}"
        return {"type": "image_url", "image_url": {"url": url}}

    def _tell(self, run: Body) -> Iterator[Chat]:
        """Tell what a run said and did, one model call after the other."""
        limit = self._bounds.earlier_tool_output
        if run["id"] == self._run["id"]:
            limit = self._bounds.tool_output
        steps = self._thread.steps.get(run["id"], [])
        for _, group in groupby(steps, key=lambda step: step["reply"]):
            yield from self._reply(list(group), limit)

    def _reply(self, steps: list[Body], limit: int) -> Iterator[Chat]:
        """Tell one answer of the model: its text, its calls, and what came of them."""
        text = "".join(self._written(step) for step in steps)
        pairs = [(s, call) for s in steps for call in s["step_details"].get("tool_calls", ())]
        if pairs:
            asked = [_call(step, call) for step, call in pairs]
            yield {"role": "assistant", "content": text or None, "tool_calls": asked}
        elif text:
            yield {"role": "assistant", "content": text}
        for step, call in pairs:
            yield tool_result(call["id"], _result(step, call, limit))

    def _written(self, step: Body) -> str:
        created = step["step_details"].get("message_creation")
        message = self._by_id.get(created["message_id"]) if created else None
        return _text(message) if message else ""


def _call(step: Body, call: Body) -> Chat:
    if call["type"] == "code_interpreter":
        arguments = json.dumps({"code": call["code_interpreter"]["input"]})
        return tool_call(call["id"], PYTHON_TOOL, arguments)
    if call["type"] == "function":
        return tool_call(call["id"], call["function"]["name"], call["function"]["arguments"])
    query = {"query": step["metadata"].get("query", "")}
    return tool_call(call["id"], FILE_SEARCH_TOOL, json.dumps(query, ensure_ascii=False))


def _result(step: Body, call: Body, limit: int) -> str:
    if call["type"] == "code_interpreter":
        return as_text(call["code_interpreter"]["outputs"], limit)
    if call["type"] == "function":
        return shorten(call["function"]["output"] or "(no output)", limit)
    return shorten(passages(step["metadata"].get("search", ""), call), limit)


def passages(number: str, call: Body) -> str:
    """Tell a model what a search found; ``number`` is that of the search in its thread."""
    results = call["file_search"].get("results") or ()
    told = [
        f"{marker(f'{number}:{index}', one['file_name'])}\n{one['content'][0]['text'].strip()}"
        for index, one in enumerate(results)
    ]
    return "\n\n".join(told) or "Nothing was found; search with other words."


def places(number: str, call: Body) -> dict[str, str]:
    """Give the file ids of the passages that a search found, by where they can be cited."""
    results = call["file_search"].get("results") or ()
    return {f"{number}:{index}": one["file_id"] for index, one in enumerate(results)}


def tool_call(id_: str, name: str, arguments: str) -> Chat:
    """Make an assistant's tool call in the chat form."""
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def tool_result(id_: str, text: str) -> Chat:
    """Make the answer to a tool call in the chat form."""
    return {"role": "tool", "tool_call_id": id_, "content": text}


def _text(message: Body) -> str:
    parts = [part["text"]["value"] for part in message["content"] if part["type"] == "text"]
    return "\n".join(parts)
