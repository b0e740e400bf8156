"""Response input: what a new response is to do, gathered and checked before it begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio.to_thread
from sqlalchemy import Connection

from aoai_magic.engine.agent import history
from aoai_magic.engine.agent.cell_outputs import shorten
from aoai_magic.engine.agent.chat_messages import image_url
from aoai_magic.engine.agent.compaction import summary_of
from aoai_magic.engine.agent.containers import Containers, expired
from aoai_magic.engine.agent.handed_over import StoredFile, new_files
from aoai_magic.engine.agent.responses_sink import ResponsesSink
from aoai_magic.engine.agent.sandbox_sessions import Collected, Lease
from aoai_magic.engine.agent.session_workspace import SessionWorkspace
from aoai_magic.engine.agent.sink import Search
from aoai_magic.engine.agent.task import (
    Services,
    Task,
    Workspace,
    model_options,
    search_settings,
    write_system,
)
from aoai_magic.engine.agent.tools import Toolbox, missing_tool
from aoai_magic.engine.errors import ApiError, file_not_found
from aoai_magic.engine.models.pictures import Picture
from aoai_magic.engine.search import vector_stores
from aoai_magic.engine.search.reading import Unreadable
from aoai_magic.engine.storage import conversations, response_items, response_objects, store
from aoai_magic.engine.storage.file_names import place, safe_name, untaken_name
from aoai_magic.engine.storage.ids import new_id
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import CONVERSATION_ITEMS, RESPONSES

_PREFIXES = {
    "message": "msg_",
    "compaction": "cmp_",
    "code_interpreter_call": "ci_",
    "file_search_call": "fs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "reasoning": "rs_",
}
_LONGEST_TEXT = 100_000
"""Characters of a file that the model is given where no code can read it."""


class ContainerWorkspace:
    """The session of a container, with its files; ``attached`` are those of this response."""

    def __init__(
        self, containers: Containers, sink: ResponsesSink, attached: frozenset[str], *, azure: bool
    ) -> None:
        assert sink.container_id is not None
        self.id: str = sink.container_id
        self.attached = attached
        self._containers = containers
        self._sink = sink
        self._azure = azure

    @property
    def aliases(self) -> dict[str, str]:
        """Names in the folder by their files' ids, here and where they were copied from."""
        files = self._sink.files.items()
        ids = {body["id"]: name for name, body in files}
        return ids | {body["_copy_of"]: name for name, body in files if "_copy_of" in body}

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Lease]:
        """Hold the session for one cell."""
        async with self._containers.lease(self.id, self.attached) as lease:
            self.attached = frozenset()
            yield lease

    async def collect(self, lease: Lease) -> Collected:
        """Store what the cell made or changed in the container."""
        return await self._containers.collect(lease, self._azure)

    async def keep(self, picture: Picture, number: int) -> Body:
        """Store a picture in the container, under its id; ``number`` is of no use there."""
        source = BytesIO(picture.data)
        body, stored = await self._containers.add_picture(self.id, source, picture.suffix)
        return {**body, "_file": stored}

    async def listed(self) -> list[StoredFile]:
        """List the container's files."""
        return await self._containers.listed(self.id, self.attached)


@dataclass(frozen=True)
class ResponseInput:
    """What a response is to do.

    Attributes
    ----------
    given
        The request's body.
    earlier
        Items of the responses before, oldest first.
    new
        Items that the client sends now.
    container_id
        Where code runs, None without the code interpreter.
    conversation
        The conversation that all this becomes part of, if there is one.
    in_session
        Whether code runs in the conversation's own session.
    azure
        Whether the request came by Azure's path.
    """

    given: Body
    earlier: Sequence[Body]
    new: Sequence[Body]
    container_id: str | None
    conversation: str | None
    in_session: bool
    azure: bool

    async def task(self, services: Services, containers: Containers, sink: ResponsesSink) -> Task:
        """Write down all that the model is given."""
        # The tools as they were given: what is echoed of them is more than was asked for.
        asked = {**sink.response, "tools": self.given.get("tools") or []}
        response, run = sink.response, as_run(asked)
        toolbox = Toolbox(run)
        items = [*self.earlier, *self.new]
        searches = _numbered(items)
        for item in searches:
            sink.citations |= history.places(item)
        workspace = await self._workspace(services, containers, sink, items)
        search = await self._search(services, response) if toolbox.search else None
        offered = workspace if toolbox.python else None
        instructions = [await containers.skill_notes(self.container_id), response["instructions"]]
        return Task(
            model=response,
            system=await write_system(services, instructions, items, offered, search),
            messages=history.messages(items, services.bounds),
            toolbox=toolbox,
            options=model_options(
                response,
                _response_format(response["text"]["format"]),
                response["reasoning"]["effort"],
            ),
            tokens=response["max_output_tokens"],
            tool_calls=response["max_tool_calls"],
            workspace=workspace,
            search=search,
            searches=len(searches),
            pictures=sum(map(_count_pictures, items)) if self.in_session else 0,
        )

    async def _workspace(
        self,
        services: Services,
        containers: Containers,
        sink: ResponsesSink,
        items: Sequence[Body],
    ) -> Workspace | None:
        if self.in_session:
            return await self._session(services, sink, items)
        if self.container_id is None:
            return None
        sink.container_id = self.container_id
        sink.files = await containers.names(self.container_id)
        attached = frozenset(new_files(items) & sink.files.keys())
        return ContainerWorkspace(containers, sink, attached, azure=self.azure)

    async def _session(
        self, services: Services, sink: ResponsesSink, items: Sequence[Body]
    ) -> SessionWorkspace:
        assert self.conversation is not None
        brought = [item["_files"] for item in items if "_files" in item]
        found = await services.files.many([id_ for ids in brought for id_ in ids])
        given = place([], [[found[id_] for id_ in ids if id_ in found] for ids in brought])
        workspace = await SessionWorkspace.of(
            services, self.conversation, given, new_files(items), azure=self.azure
        )
        sink.container_id, sink.links = self.conversation, workspace.links
        return workspace

    async def _search(self, services: Services, response: Body) -> Search:
        tool = next(tool for tool in response["tools"] if tool["type"] == "file_search")
        return search_settings(tool, list(tool["vector_store_ids"]))


def _count_pictures(item: Body) -> int:
    return sum(part["type"] == "image" for part in item.get("outputs") or ())


def _numbered(items: Iterable[Body]) -> list[Body]:
    """Return the searches; one that a client lists is numbered by its place."""
    searches = [item for item in items if item["type"] == "file_search_call"]
    for number, item in enumerate(searches):
        item.setdefault("_number", str(number))
        empty = {"file_id": "", "filename": "", "text": ""}
        item["results"] = [{**empty, **one} for one in item.get("results") or ()]
    return searches


class Gathering:
    """Gathers what responses are to do out of requests and what is stored."""

    def __init__(self, services: Services, containers: Containers) -> None:
        self._store = services.store
        self._files = services.files
        self._reader = services.library.reader
        self._bounds = services.bounds
        self._containers = containers

    async def gather(self, given: Body, *, azure: bool) -> ResponseInput:
        """Build the input that a request asks for.

        Raises
        ------
        ApiError
            When it names what is not there or has expired, or leaves a call unanswered.
        """
        conversation = conversation_id(given.get("conversation"))
        tools = given.get("tools") or []
        _check_choice(given)
        session = _session(tools, conversation)
        earlier, new = await self.conversation(given, forgiving=session is not None)
        await self._store.read(lambda c: _check_stores(c, tools))
        if session is not None:
            await self._hand_over(session.get("file_ids") or [], new)
            tools = []
        container_id, fresh, names = await self._container(tools, [*earlier, *new])
        await self._load_again(earlier, container_id, fresh=fresh)
        parts = list(_parts(new))
        names |= await self._copy(parts, container_id, names)
        for part in parts:
            if "_name" not in part:
                await self._fill(part, container_id, names)
        for item in new if session is None else ():
            named = [part["_name"] for part in _parts([item]) if part["type"] == "input_file"]
            item |= {"_files": named} if named else {}
        in_session = session is not None
        return ResponseInput(given, earlier, new, container_id, conversation, in_session, azure)

    async def conversation(
        self, given: Body, *, forgiving: bool = False
    ) -> tuple[list[Body], list[Body]]:
        """Return the items before a request, and those that it brings.

        ``forgiving`` answers for the client, with nothing, what it left unanswered earlier.

        Raises
        ------
        ApiError
            When it names what is not there, or leaves a call unanswered.
        """
        conversation = conversation_id(given.get("conversation"))
        earlier = await self._earlier(given.get("previous_response_id"), conversation)
        earlier = list(filter(_whole, earlier))
        new = await self._store.read(lambda c: resolved(c, items(given.get("input") or [])))
        new = list(_once(earlier, new))
        if forgiving:
            earlier += _unanswered(earlier, new)
        _check_answered(earlier, new)
        return earlier, new

    async def _earlier(self, previous: str | None, conversation: str | None) -> list[Body]:
        """Return the items of a response and of all before it, or those of a conversation."""
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

    async def _container(
        self, tools: list[Body], items: list[Body]
    ) -> tuple[str | None, bool, dict[str, str]]:
        """Return where code runs, whether that is new, and the names of the tool's files by id."""
        tool = next((tool for tool in tools if tool["type"] == "code_interpreter"), None)
        if tool is None:
            return None, False, {}
        last = await self._last_container(items)
        asked = tool["container"]
        if isinstance(asked, str):
            return str((await self._containers.running(asked))["id"]), False, {}
        place = f"tools[{tools.index(tool)}].container.file_ids"
        files = await self._named(asked.get("file_ids") or [], place)
        if last is not None:
            await self._containers.running(last)
            return last, False, await self._containers.copy(last, files)
        created = await self._containers.create(
            "auto", {}, memory=asked.get("memory_limit"), skills=asked.get("skills")
        )
        made = str(created["id"])
        return made, True, await self._containers.copy(made, files)

    async def _last_container(self, items: list[Body]) -> str | None:
        """Return the container that the conversation used last; None if that was deleted.

        A conversation with a call whose container has expired is refused, as the service
        does: its model would count on variables that are gone.
        """
        used = [item["container_id"] for item in items if item["type"] == "code_interpreter_call"]
        last = None
        for id_ in dict.fromkeys(reversed(used)):
            body = await self._containers.find(id_)
            if body is not None and body["status"] != "running":
                raise expired()
            if body is not None and id_ == used[-1]:
                last = str(id_)
        return last

    # Files

    async def _hand_over(self, ids: list[str], new: Sequence[Body]) -> None:
        """Note with the question the files that its code is given in the session."""
        files = await self._named(ids, "tools.container.file_ids")
        for part in _parts(new):
            if part["type"] == "input_file" and part.get("file_id"):
                (file,) = await self._named([part["file_id"]], "input")
                part["_name"] = file["filename"]
                files.append(file)
        if files and new:
            ids = list(dict.fromkeys(body["id"] for body in files))
            new[-1]["_files"] = ids

    async def _named(self, ids: list[str], path: str) -> list[Body]:
        found = await self._files.many(ids)
        for id_ in ids:
            if id_ not in found:
                raise file_not_found(id_, path)
        return [found[id_] for id_ in dict.fromkeys(ids)]

    async def _copy(
        self, parts: Sequence[Body], container_id: str | None, beside: Mapping[str, str]
    ) -> dict[str, str]:
        """Copy the stored files that parts name into the container; gives names by id."""
        ids = [p["file_id"] for p in parts if p["type"] == "input_file" and p.get("file_id")]
        files = await self._named(ids, "input")
        if container_id is None:
            return {body["id"]: str(body["filename"]) for body in files}
        return await self._containers.copy(container_id, files, beside.values())

    async def _load_again(
        self, earlier: Sequence[Body], container_id: str | None, *, fresh: bool
    ) -> None:
        """Load what was not loaded yet, as in a conversation's items, or was in another container.

        What has been deleted since is left out.
        """
        names: dict[str, str] = {}
        for part in _parts(earlier):
            if fresh or not {"_url", "_name"} & part.keys():
                with suppress(ApiError):
                    names |= await self._copy([part], container_id, names)
                    await self._fill(part, container_id, names)

    async def _fill(self, part: Body, container_id: str | None, names: dict[str, str]) -> None:
        """Load what a part names: a picture for the model, any other file for its code.

        Where no code can run, the model is given the file's text.
        """
        if part["type"] == "input_image" and part.get("file_id"):
            (file,) = await self._named([part["file_id"]], "input")
            part["_url"] = await image_url(self._files, file)
        elif part["type"] == "input_file" and container_id is not None:
            part["_name"] = await self._bring(part, container_id, names)
        elif part["type"] == "input_file":
            part["_name"] = names.get(part.get("file_id", "")) or part.get("filename") or "file"
            part["_text"] = await self._text(part)

    async def _bring(self, part: Body, container_id: str, names: dict[str, str]) -> str:
        """Upload what a part holds; gives the name by which code finds its file."""
        if part.get("file_id"):
            return names[part["file_id"]]
        name = part.get("filename") or "file"
        if not part.get("file_data"):
            return str(name)
        source = BytesIO(_decoded(part["file_data"]))
        name = untaken_name(safe_name(name), names.values())
        names[f"input {len(names)}"] = name  # a second one of that name is not to replace it
        await self._containers.upload(container_id, source, name)
        return name

    async def _text(self, part: Body) -> str:
        if part.get("file_id"):
            return await self._read(await self._files.path(part["file_id"]), part["_name"])
        with TemporaryDirectory() as folder:
            path = Path(folder, "file")
            await anyio.to_thread.run_sync(path.write_bytes, _decoded(part.get("file_data") or ""))
            return await self._read(path, part["_name"])

    async def _read(self, path: Path, name: str) -> str:
        """Return the text of a file as the model is given it."""
        try:
            return shorten((await self._reader.read(path, name)).text, _LONGEST_TEXT)
        except Unreadable as error:
            return f"[Its text cannot be read: {error}]"


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


# Items


def conversation_id(given: str | Body | None) -> str | None:
    """Return the id of a conversation, which may be named in two ways."""
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
    if kind == "compaction":
        item["_summary"] = summary_of(item)
    if not item.get("id"):
        item["id"] = new_item_id(kind)
    return item


def new_item_id(kind: str) -> str:
    """Return an id for an item of that type."""
    return new_id(_PREFIXES.get(kind, "item_"))


def _content(role: str, content: Any) -> Any:
    if not isinstance(content, str):
        return content
    if role == "assistant":
        return [response_objects.output_text(content, [])]
    return [{"type": "input_text", "text": content}]


def _parts(items: Iterable[Body]) -> Iterator[Body]:
    """Yield the parts of items that may name files."""
    for item in items:
        content = item.get("content") if item["type"] == "message" else item.get("output")
        yield from content if isinstance(content, list) else ()


def resolved(connection: Connection, given: Iterable[Body]) -> list[Body]:
    """Replace references by the stored items.

    Raises
    ------
    ApiError
        When nothing is stored under an id.
    """
    return [_resolve(connection, item) for item in given]


def _resolve(connection: Connection, item: Body) -> Body:
    if item["type"] != "item_reference":
        return item
    found = store.get(connection, CONVERSATION_ITEMS, item["id"])
    found = found or response_items.find(connection, item["id"])
    if found is None:
        raise ApiError(
            f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set "
            "to false. Try again with `store` set to true, or remove this item from your input.",
            status=404,
            param="input",
        )
    return found


def _chain(connection: Connection, id_: str | None) -> list[Body]:
    turns: list[list[Body]] = []
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
        turns.append([*row.input, *row.body["output"]])
        id_ = row.previous_id
    return [item for items_ in reversed(turns) for item in items_]


def _whole(item: Body) -> bool:
    """Leave out calls that were cut off: nobody can answer them."""
    return bool(item["type"] != "function_call" or item["status"] == "completed")


def _once(earlier: Iterable[Body], new: Iterable[Body]) -> Iterator[Body]:
    """Leave out answers that are sent once more; refuse whatever else is there twice.

    Semantic Kernel sends the answers of earlier turns again.
    """
    ids = {item["id"] for item in earlier}
    calls = {item["call_id"] for item in earlier if item["type"] == "function_call"}
    answers = {i["call_id"]: i["output"] for i in earlier if i["type"] == "function_call_output"}
    for item in new:
        call = item.get("call_id")
        if item["type"] == "function_call_output" and call in answers:
            if _bare(answers[call]) != _bare(item["output"]):
                raise _duplicate(f"function call output found for call_id {call}")
            continue
        if item["id"] in ids:
            raise _duplicate(f"item found with id {item['id']}")
        if item["type"] == "function_call" and call in calls:
            raise _duplicate(f"function call found with call_id {call}")
        ids.add(item["id"])
        if item["type"] == "function_call":
            calls.add(call)
        elif item["type"] == "function_call_output":
            answers[call] = item["output"]
        yield item


def _duplicate(what: str) -> ApiError:
    text = f"Duplicate {what}. Remove duplicate items from your input and try again."
    return ApiError(text, param="input")


def _bare(output: Any) -> Any:
    return output if isinstance(output, str) else list(map(response_objects.bare, output))


def _unanswered(earlier: Sequence[Body], new: Sequence[Body]) -> list[Body]:
    """Return empty answers to the earlier calls that nobody has answered."""
    outputs = [item for item in (*earlier, *new) if item["type"] == "function_call_output"]
    answered = {item["call_id"] for item in outputs}
    calls = [item["call_id"] for item in earlier if item["type"] == "function_call"]
    empty = {"type": "function_call_output", "output": "", "status": "completed"}
    return [{**empty, "id": new_id("fco_"), "call_id": id_} for id_ in calls if id_ not in answered]


def _check_answered(earlier: Sequence[Body], new: Sequence[Body]) -> None:
    items = [*earlier, *new]
    calls = [item["call_id"] for item in items if item["type"] == "function_call"]
    answers = [item["call_id"] for item in items if item["type"] == "function_call_output"]
    for id_ in calls:
        if id_ not in answers:
            raise ApiError(f"No tool output found for function call {id_}.", param="input")
    for id_ in answers:
        if id_ not in calls:
            text = f"No tool call found for function call output with call_id {id_}."
            raise ApiError(text, param="input")


# Tools


def _session(tools: Iterable[Body], conversation: str | None) -> Body | None:
    """Return how a request asks for the session of its conversation, None if it does not."""
    for tool in tools:
        asked = tool.get("container")
        if isinstance(asked, dict) and asked["type"] == "session":
            if conversation is None:
                raise ApiError(
                    "A container of type 'session' needs a 'conversation', whose session it is.",
                    param="conversation",
                )
            return asked
    return None


def as_run(response: Mapping[str, Any]) -> Body:
    """Return tools and tool choice in the form that a run has them."""
    tools = []
    for tool in response["tools"]:
        if tool["type"] == "function":
            keys = ("name", "description", "parameters", "strict")
            function = {key: tool[key] for key in keys if tool.get(key) is not None}
            tools.append({"type": "function", "function": function})
        else:
            tools.append({"type": tool["type"]})
    return {"tools": tools, "tool_choice": _choice(response["tool_choice"])}


def _choice(choice: Any) -> Any:
    if not isinstance(choice, dict):
        return choice
    if choice["type"] == "allowed_tools":
        return {**choice, "tools": list(map(_choice, choice["tools"]))}
    if choice["type"] == "function":
        return {"type": "function", "function": {"name": choice["name"]}}
    return choice


def _check_choice(given: Body) -> None:
    """Check that what the request forces or allows is a tool that it has."""
    tools, choice = given.get("tools") or [], given.get("tool_choice") or "auto"
    if choice == "required" and not tools:
        raise ApiError(
            "Tool choice 'required' must be specified with 'tools' parameter.", param="tool_choice"
        )
    missing = missing_tool(as_run({"tools": tools, "tool_choice": choice}))
    if missing is not None:
        name = missing["function"]["name"] if "function" in missing else missing["type"]
        text = f"Tool choice '{name}' not found in 'tools' parameter."
        raise ApiError(text, param="tool_choice")


def _check_stores(connection: Connection, tools: Iterable[Body]) -> None:
    for tool in tools:
        for id_ in tool.get("vector_store_ids") or ():
            vector_stores.usable(connection, id_)


def _response_format(form: Mapping[str, Any]) -> Body | None:
    if form["type"] == "text":
        return None
    if form["type"] != "json_schema":
        return dict(form)
    schema = {key: value for key, value in form.items() if key != "type" and value is not None}
    return {"type": "json_schema", "json_schema": schema}
