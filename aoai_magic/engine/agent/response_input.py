"""Gathering: what a new response is told, collected and checked before it begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

import anyio.to_thread
from sqlalchemy import Connection

from aoai_magic.engine.agent.containers import Containers, expired
from aoai_magic.engine.errors import ApiError, file_not_found
from aoai_magic.engine.storage import conversations, response_objects, store
from aoai_magic.engine.storage.file_names import safe_name, untaken_name
from aoai_magic.engine.storage.files import Files
from aoai_magic.engine.storage.ids import new_id
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import RESPONSES
from aoai_magic.engine.storage.store import Store

_PREFIXES = {
    "message": "msg_",
    "code_interpreter_call": "ci_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "reasoning": "rs_",
}
_IMAGE_TYPES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".webp": "webp"}
_LARGEST_IMAGE = 20 << 20


@dataclass(frozen=True)
class Told:
    """What a response is told.

    Attributes
    ----------
    earlier
        Items of the responses before, oldest first.
    new
        Items that the client sends now.
    container_id
        Where code runs, None without the code interpreter.
    conversation
        The conversation that all this becomes part of, if there is one.
    """

    earlier: Sequence[Body]
    new: Sequence[Body]
    container_id: str | None
    conversation: str | None


class Gathering:
    """Gathers what responses are told out of what is stored."""

    def __init__(self, store_: Store, files: Files, containers: Containers) -> None:
        self._store = store_
        self._files = files
        self._containers = containers

    async def gather(self, given: Body) -> Told:
        """Gather what a request asks for.

        Raises
        ------
        ApiError
            When it names what is not there or has expired, or leaves a call unanswered.
        """
        conversation = conversation_id(given.get("conversation"))
        earlier = await self._earlier(given.get("previous_response_id"), conversation)
        new = [item for item in items(given["input"]) if item["type"] != "item_reference"]
        _check_answered(earlier, new)
        container_id, names = await self._container(given, [*earlier, *new])
        parts = [part for item in new for part in _parts(item)]
        names |= await self._copy(parts, container_id, names)
        for part in parts:
            await self._fill(part, container_id, names)
        return Told(earlier, new, container_id, conversation)

    async def _earlier(self, previous: str | None, conversation: str | None) -> list[Body]:
        """Give the items of a response and of all before it, or those of a conversation."""
        if conversation is None:
            return await self._store.read(lambda c: _chain(c, previous))
        if previous is not None:
            raise ApiError(
                "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. "
                "Provide only one.",
                param="conversation",
                code="mutually_exclusive_parameters",
            )
        return await self._store.read(lambda c: conversations.items(c, conversation))

    # Containers

    async def _container(self, given: Body, told: list[Body]) -> tuple[str | None, dict[str, str]]:
        """Give the id of the response's container, and the names of the tool's files by id."""
        tools = given.get("tools") or []
        tool = next((tool for tool in tools if tool["type"] == "code_interpreter"), None)
        if tool is None:
            return None, {}
        used = [i["container_id"] for i in told if i["type"] == "code_interpreter_call"]
        await self._check_alive(dict.fromkeys(used))
        asked = tool["container"]
        if isinstance(asked, str):
            return str((await self._containers.running(asked))["id"]), {}
        files = await self._named(asked.get("file_ids") or [], "tools[0].container.file_ids")
        if used:
            await self._containers.running(used[-1])
            container_id = str(used[-1])
        else:
            memory = asked.get("memory_limit")
            container_id = str((await self._containers.create("auto", {}, memory=memory))["id"])
        return container_id, await self._containers.copy(container_id, files)

    async def _check_alive(self, ids: Iterable[str]) -> None:
        """Refuse a conversation with a call whose container has gone, as the service does."""
        for id_ in ids:
            try:
                alive = (await self._containers.get(id_))["status"] == "running"
            except ApiError:
                alive = False
            if not alive:
                raise expired()

    # Files in messages

    async def _named(self, ids: list[str], path: str) -> list[Body]:
        found = await self._files.many(ids)
        for id_ in ids:
            if id_ not in found:
                raise file_not_found(id_, path)
        return [found[id_] for id_ in dict.fromkeys(ids)]

    async def _copy(
        self, parts: Sequence[Body], container_id: str | None, beside: Mapping[str, str]
    ) -> dict[str, str]:
        """Copy the stored files that messages name into the container; gives names by id."""
        named = [part for part in parts if part["type"] == "input_file" and part.get("file_id")]
        files = await self._named([part["file_id"] for part in named], "input")
        if container_id is None:
            return {body["id"]: str(body["filename"]) for body in files}
        return await self._containers.copy(container_id, files, beside.values())

    async def _fill(self, part: Body, container_id: str | None, names: dict[str, str]) -> None:
        """Load what a part names: a picture for the model, any other file for its code."""
        if part["type"] == "input_image" and part.get("file_id"):
            (file,) = await self._named([part["file_id"]], "input")
            part["_url"] = await self._data_url(file)
        elif part["type"] == "input_file":
            part["_name"] = await self._bring(part, container_id, names)

    async def _data_url(self, file: Body) -> str | None:
        suffix = _IMAGE_TYPES.get(PurePosixPath(file["filename"]).suffix.lower())
        if suffix is None or file["bytes"] > _LARGEST_IMAGE:
            return None
        data = await anyio.to_thread.run_sync(self._files.path(file["id"]).read_bytes)
        return f"data:image/{suffix};base64,{base64.b64encode(data).decode()}"

    async def _bring(self, part: Body, container_id: str | None, names: dict[str, str]) -> str:
        """Upload what a part holds; gives the name by which code finds its file."""
        if part.get("file_id"):
            return names[part["file_id"]]
        name = part.get("filename") or "file"
        if not part.get("file_data") or container_id is None:
            return str(name)
        source = BytesIO(_decoded(part["file_data"]))
        name = untaken_name(safe_name(name), names.values())
        names[f"input {len(names)}"] = name  # a second one of that name is not to replace it
        await self._containers.upload(container_id, source, name)
        return name


def _parts(item: Body) -> list[Body]:
    is_list = item["type"] == "message" and isinstance(item["content"], list)
    return item["content"] if is_list else []


def _decoded(data: str) -> bytes:
    text = data.partition(";base64,")[2] if data.startswith("data:") else data
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ApiError(
            "Invalid 'input': 'file_data' is no base64-encoded data.",
            param="input",
            code="invalid_value",
        ) from error


def conversation_id(given: str | Body | None) -> str | None:
    """Give the id of a conversation, which may be named in two ways."""
    return given["id"] if isinstance(given, dict) else given


def items(given: str | list[Body]) -> list[Body]:
    """Make items of a request's input: all have a type, an id, and parts for content."""
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    return [_item(item) for item in given]


def _item(item: Body) -> Body:
    kind = item.get("type") or ("message" if "role" in item else "item_reference")
    item = {**item, "type": kind}
    if kind == "message":
        item["content"] = _content(item["role"], item["content"])
    if kind in ("message", "function_call_output", "function_call"):
        item["status"] = item.get("status") or "completed"
    if not item.get("id"):
        item["id"] = new_id(_PREFIXES.get(kind, "item_"))
    return item


def _content(role: str, content: Any) -> Any:
    if not isinstance(content, str):
        return content
    if role == "assistant":
        return [response_objects.output_text(content, [])]
    return [{"type": "input_text", "text": content}]


def _chain(connection: Connection, id_: str | None) -> list[Body]:
    told: list[list[Body]] = []
    first = id_
    while id_ is not None:
        row = store.row(connection, RESPONSES, RESPONSES.c.id == id_)
        if row is None and id_ == first:
            raise ApiError(
                f"Previous response with id '{id_}' not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        if row is None:
            break  # one further back was deleted: what it said is forgotten
        if row.status in response_objects.GOING:
            raise ApiError(
                f"Previous response with id '{id_}' has status '{row.status}'.",
                param="previous_response_id",
            )
        told.append([*row.input, *filter(_whole, row.body["output"])])
        id_ = row.previous_id
    return [item for items_ in reversed(told) for item in items_]


def _whole(item: Body) -> bool:
    """Leave out calls that were cut off: nobody can answer them."""
    return bool(item["type"] != "function_call" or item["status"] == "completed")


def _check_answered(earlier: Sequence[Body], new: Sequence[Body]) -> None:
    told = [*earlier, *new]
    calls = [item["call_id"] for item in told if item["type"] == "function_call"]
    answers = [item["call_id"] for item in told if item["type"] == "function_call_output"]
    for id_ in calls:
        if id_ not in answers:
            raise ApiError(f"No tool output found for function call {id_}.", param="input")
    for id_ in answers:
        if id_ not in calls:
            text = f"No tool call found for function call output with call_id {id_}."
            raise ApiError(text, param="input")
