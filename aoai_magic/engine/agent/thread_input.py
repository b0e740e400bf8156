"""Thread input: what a run is to do, read from its thread, its assistant and its messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from aoai_magic.engine.agent import history
from aoai_magic.engine.agent.assistants_sink import AssistantsSink
from aoai_magic.engine.agent.chat_messages import image_url
from aoai_magic.engine.agent.handed_over import new_files
from aoai_magic.engine.agent.session_workspace import SessionWorkspace
from aoai_magic.engine.agent.sink import Search
from aoai_magic.engine.agent.task import (
    Services,
    Task,
    model_options,
    search_settings,
    write_system,
)
from aoai_magic.engine.agent.tools import Toolbox
from aoai_magic.engine.models.base import Usage
from aoai_magic.engine.search import vector_stores
from aoai_magic.engine.storage import files, store
from aoai_magic.engine.storage.file_names import place
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import MESSAGES, RUNS, STEPS, THREADS, VECTOR_STORES


@dataclass(frozen=True)
class _Thread:
    """All that is stored of a thread, oldest first.

    Messages and runs come with the time of their creation in nanoseconds; steps, by run
    id, have the number and the reasoning of their model call beside their own keys.
    """

    body: Body
    messages: list[tuple[int, Body]]
    runs: list[tuple[int, Body]]
    steps: Mapping[str, list[Body]]
    images: Mapping[str, Body]

    @property
    def all_steps(self) -> list[Body]:
        """The steps of all runs."""
        return [step for steps in self.steps.values() for step in steps]


class Entries:
    """What was said and done in a thread, as items."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def of(self, thread: _Thread) -> AsyncIterator[list[Body]]:
        """Yield the thread's items, those of each message or run together."""
        by_id = {body["id"]: body for _, body in thread.messages}
        said = [(at, body) for at, body in thread.messages if body["run_id"] not in thread.steps]
        for _, body in sorted(said + thread.runs, key=lambda pair: pair[0]):
            if body["object"] == "thread.run":
                steps = thread.steps.get(body["id"], [])
                yield [item for step in steps for item in _step_items(step, by_id)]
            else:
                yield [await self._said(body, thread.images)]

    async def _said(self, message: Body, images: Mapping[str, Body]) -> Body:
        content = [await self._part(part, images) for part in message["content"]]
        item = {"type": "message", "role": message["role"], "content": content}
        item["_part"] = message["id"]
        return {**item, "_files": _attached(message) if message["role"] == "user" else []}

    async def _part(self, part: Body, images: Mapping[str, Body]) -> Body:
        if part["type"] == "text":
            return {"type": "input_text", "text": part["text"]["value"]}
        given = part[part["type"]]
        url, image = given.get("url"), images.get(given.get("file_id"))
        if image is not None:
            url = await image_url(self._services.files, image)
        return {"type": "input_image", "image_url": url, "detail": given.get("detail")}


async def thread_items(services: Services, thread_id: str) -> list[Body]:
    """Return all of a thread as items, which have no ids; ``_part`` names message or step.

    Files that are the thread's, and no message's, come with its first message.
    """
    thread = await services.store.read(lambda c: _load(c, thread_id))
    items = [item async for entry in Entries(services).of(thread) for item in entry]
    if items and (standing := _resources(thread.body)):
        items[0]["_files"] = list(dict.fromkeys([*items[0].get("_files", ()), *standing]))
    return items


class ThreadInput:
    """Builds the task of one run."""

    def __init__(self, services: Services, sink: AssistantsSink, context: Body) -> None:
        self._services = services
        self._store = services.store
        self._sink = sink
        self._run = sink.run
        self._context = context

    async def task(self) -> Task:
        """Read the thread and write down all that the model is given."""
        run, toolbox = self._run, Toolbox(self._run)
        thread = await self._store.read(lambda c: _load(c, run["thread_id"]))
        entries = [entry async for entry in Entries(self._services).of(thread) if entry]
        items = [item for entry in entries for item in entry]
        searches = [item for item in items if item["type"] == "file_search_call"]
        for item in searches:
            self._sink.citations |= history.places(item)
        items = [item for entry in self._last(entries) for item in entry]
        self._resume(thread)
        workspace = await self._workspace(thread, items) if toolbox.python else None
        search = await self._search(thread.body) if toolbox.search else None
        instructions = [run["instructions"], self._context.get("additional_instructions")]
        form = None if run["response_format"] in (None, "auto") else run["response_format"]
        limit = run["max_prompt_tokens"]
        return Task(
            model=run,
            system=await write_system(self._services, instructions, items, workspace, search),
            messages=history.messages(items, self._services.bounds, limit),
            toolbox=toolbox,
            options=model_options(run, form, run["reasoning_effort"]),
            tokens=run["max_completion_tokens"],
            prompt_tokens=limit,
            workspace=workspace,
            search=search,
            due=run["id"] not in thread.steps,
            searches=len(searches),
            pictures=sum(map(_count_images, thread.all_steps)),
        )

    def _resume(self, thread: _Thread) -> None:
        """Resume the count where the run stopped to ask its client."""
        steps = thread.steps.get(self._run["id"], [])
        self._sink.reply = max((step["reply"] for step in steps), default=0)
        for used in filter(None, (step["usage"] for step in steps)):
            usage = Usage(used["prompt_tokens"], used["completion_tokens"])
            self._sink.count(usage, heard=False)

    # What was said and done

    def _last(self, entries: list[list[Body]]) -> list[list[Body]]:
        strategy = self._run["truncation_strategy"] or {}
        if strategy.get("type") == "last_messages" and strategy.get("last_messages"):
            return entries[-strategy["last_messages"] :]
        return entries

    # Documents

    async def _search(self, thread: Body) -> Search:
        """Return how the run searches the vector stores of run and thread that there are."""
        tool = next(tool for tool in self._run["tools"] if tool["type"] == "file_search")

        def work(connection: Connection) -> list[str]:
            ids = dict.fromkeys([*_store_ids(self._run), *_store_ids(thread)])
            found = [id_ for id_ in ids if store.get(connection, VECTOR_STORES, id_)]
            for id_ in found:
                vector_stores.usable(connection, id_)
            if self._context.get("v1"):
                named = [*_resources(self._run), *_resources(thread)]
                found.append(vector_stores.hidden(connection, self._run["thread_id"], named))
            return found

        return search_settings(tool.get("file_search") or {}, await self._store.write(work))

    # Files

    async def _workspace(self, thread: _Thread, items: Sequence[Body]) -> SessionWorkspace:
        given, new = await self._given(thread), new_files(items)
        azure = bool(self._context.get("azure"))
        session = self._run["thread_id"]
        workspace = await SessionWorkspace.of(self._services, session, given, new, azure=azure)
        self._sink.links = workspace.links
        return workspace

    async def _given(self, thread: _Thread) -> dict[str, Body]:
        """Find the files of assistant, thread and messages, and name them."""
        attached = [_attached(body) for _, body in thread.messages if body["role"] == "user"]
        brought = {id_ for ids in attached for id_ in ids}
        standing = [*_resources(self._run), *_resources(thread.body)]
        found = await self._services.files.many([*standing, *brought])
        own = dict.fromkeys(id_ for id_ in standing if id_ in found and id_ not in brought)
        return place(
            [found[id_] for id_ in own],
            [[found[id_] for id_ in ids if id_ in found] for ids in attached],
        )


def _load(connection: Connection, thread_id: str) -> _Thread:
    messages = _timed(connection, MESSAGES, thread_id)
    steps: dict[str, list[Body]] = {}
    columns = (STEPS.c.body, STEPS.c.reply, STEPS.c.reasoning)
    query = select(*columns).where(STEPS.c.thread_id == thread_id)
    for row in connection.execute(query.order_by(STEPS.c.at, STEPS.c.seq)):
        own = {"reply": row.reply, "reasoning": row.reasoning}
        steps.setdefault(row.body["run_id"], []).append({**row.body, **own})
    images = [id_ for _, message in messages for id_ in _image_ids(message)]
    found = files.find(connection, images) if images else {}
    body = store.get(connection, THREADS, thread_id) or {}
    return _Thread(body, messages, _timed(connection, RUNS, thread_id), steps, found)


def _timed(connection: Connection, table: Any, thread_id: str) -> list[tuple[int, Body]]:
    query = select(table.c.at, table.c.body).where(table.c.thread_id == thread_id)
    rows = connection.execute(query.order_by(table.c.at, table.c.seq))
    return [(row.at, dict(row.body)) for row in rows]


def _image_ids(message: Body) -> list[str]:
    if message["role"] != "user":
        return []
    parts = [part for part in message["content"] if part["type"] == "image_file"]
    return [part["image_file"]["file_id"] for part in parts]


def _step_items(step: Body, messages: Mapping[str, Body]) -> Iterator[Body]:
    """Turn a step into the items that hold the same."""
    reply = {"_reply": f"{step['run_id']}/{step['reply']}", "_reasoning": step["reasoning"]}
    created = step["step_details"].get("message_creation")
    if created and (message := messages.get(created["message_id"])):
        texts = [part["text"]["value"] for part in message["content"] if part["type"] == "text"]
        if texts:
            content = [{"type": "output_text", "text": text} for text in texts]
            reply["_part"] = message["id"]
            yield {"type": "message", "role": "assistant", "content": content, **reply}
    for call in step["step_details"].get("tool_calls", ()):
        yield {**_call_item(step, call), "_part": step["id"], **reply}
    for call in step["step_details"].get("tool_calls", ()):
        if call["type"] == "function":
            output = call["function"]["output"] or ""
            answer = {"type": "function_call_output", "call_id": call["id"], "output": output}
            yield {**answer, **reply}


def _call_item(step: Body, call: Body) -> Body:
    details = call[call["type"]]
    if call["type"] == "code_interpreter":
        item = {"type": "code_interpreter_call", "id": call["id"], "code": details["input"]}
        return {**item, "outputs": details["outputs"]}
    if call["type"] == "function":
        item = {"type": "function_call", "call_id": call["id"], "name": details["name"]}
        return {**item, "arguments": details["arguments"]}
    results = [
        {**one, "filename": one["file_name"], "text": one["content"][0]["text"]}
        for one in details.get("results") or ()
    ]
    facts = step["metadata"]
    item = {"type": "file_search_call", "id": call["id"], "queries": [facts.get("query", "")]}
    return {**item, "results": results, "_number": facts.get("search", "")}


def _store_ids(body: Body) -> list[str]:
    search = (body.get("tool_resources") or {}).get("file_search") or {}
    ids: list[str] = search.get("vector_store_ids") or []
    return ids


def _attached(message: Body) -> list[str]:
    """Return the ids of a message's files that are meant for code."""
    return [
        entry["file_id"]
        for entry in message["attachments"]
        if any(tool["type"] == "code_interpreter" for tool in entry["tools"] or ())
    ]


def _resources(body: Body) -> list[str]:
    resources = body.get("tool_resources") or {}
    ids: list[str] = (resources.get("code_interpreter") or {}).get("file_ids") or []
    return ids


def _count_images(step: Body) -> int:
    calls = step["step_details"].get("tool_calls", ())
    outputs = [out for call in calls for out in call.get("code_interpreter", {}).get("outputs", ())]
    return sum(output["type"] == "image" for output in outputs)
