"""The endpoints of threads and their messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, select
from starlette.responses import Response

from aoai_magic.engine.agent.runs import active_run
from aoai_magic.engine.api import pagination, references
from aoai_magic.engine.api.assistants import v1
from aoai_magic.engine.api.assistants.schemas import (
    CreateMessage,
    CreateThread,
    ModifyMetadata,
    ModifyThread,
)
from aoai_magic.engine.api.request_context import Call, reply
from aoai_magic.engine.errors import ApiError, file_not_found, invalid_url, not_found
from aoai_magic.engine.search import vector_stores
from aoai_magic.engine.storage import objects, store
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import (
    MESSAGES,
    RUNS,
    STEPS,
    THREADS,
)

_MOST_MESSAGES = 100_000


def load(connection: Connection, id_: str) -> Body:
    """Return a thread.

    Raises
    ------
    ApiError
        When there is none.
    """
    body = store.get(connection, THREADS, id_)
    if body is None:
        raise not_found("thread", id_)
    return body


def check(connection: Connection, given: Body, prefix: str = "") -> None:
    """Check what the body of a new thread refers to."""
    resources = given.get("tool_resources")
    named = list(references.in_resources(resources, prefix))
    messages = [
        (f"{prefix}messages[{index}].", message)
        for index, message in enumerate(given.get("messages") or ())
    ]
    for path, message in messages:
        named += references.in_message(message, path)
    found = references.check_files(connection, named)
    references.check_searchable(found, messages)
    references.check_stores(connection, resources, prefix)


def insert(connection: Connection, given: Body) -> Body:
    """Store a new thread with its first messages."""
    resources = vector_stores.resolve(connection, given.get("tool_resources") or {})
    body = objects.thread(given.get("metadata"), resources)
    store.add(connection, THREADS, body)
    return add_messages(connection, body, given.get("messages") or ())[0]


def add_messages(
    connection: Connection, thread: Body, given: Sequence[Body]
) -> tuple[Body, list[Body]]:
    """Store messages; their files become the thread's.

    Returns
    -------
    tuple
        The thread and the stored messages.

    Raises
    ------
    ApiError
        When the thread would hold more messages than a thread may.
    """
    held = select(func.count()).select_from(MESSAGES).where(MESSAGES.c.thread_id == thread["id"])
    if given and connection.execute(held).scalar_one() + len(given) > _MOST_MESSAGES:
        raise ApiError(f"{thread['id']} may hold at most {_MOST_MESSAGES} messages.")
    messages = [_message(thread, entry) for entry in given]
    store.add_all(connection, MESSAGES, messages, thread_id=thread["id"], run_id=None)
    return _share_files(connection, thread, messages), messages


def _message(thread: Body, given: Body) -> Body:
    attachments = [
        {"file_id": entry["file_id"], "tools": entry["tools"]}
        for entry in given.get("attachments") or ()
    ]
    return objects.message(
        thread["id"],
        given["role"],
        _content(given["content"]),
        attachments=attachments,
        metadata=given.get("metadata") or {},
    )


def _share_files(connection: Connection, thread: Body, messages: Sequence[Body]) -> Body:
    """Make the files that messages attach the thread's; returns the thread."""
    attachments = [entry for message in messages for entry in message["attachments"]]
    resources = dict(thread["tool_resources"])
    _add_code_files(resources, _attached(attachments, "code_interpreter"))
    _add_search_files(connection, resources, _attached(attachments, "file_search"))
    if resources == thread["tool_resources"]:
        return thread
    return store.patch(connection, THREADS, thread["id"], {"tool_resources": resources}) or thread


def _attached(attachments: list[Body], tool: str) -> list[str]:
    """Return the ids of the files that are attached for a tool."""
    return [
        entry["file_id"]
        for entry in attachments
        if any(meant["type"] == tool for meant in entry["tools"])
    ]


def _add_code_files(resources: Body, ids: list[str]) -> None:
    if ids:
        held = (resources.get("code_interpreter") or {}).get("file_ids", [])
        resources["code_interpreter"] = {"file_ids": list(dict.fromkeys([*held, *ids]))}


def _add_search_files(connection: Connection, resources: Body, ids: list[str]) -> None:
    """Put files into the thread's vector store, which is made for the first of them."""
    if not ids:
        return
    held = (resources.get("file_search") or {}).get("vector_store_ids")
    if held:
        there = vector_stores.holding(connection, held[0])
        entries = [{"file_id": id_} for id_ in ids if id_ not in there]
        vector_stores.add_files(connection, held[0], entries, None)
    else:
        made = vector_stores.create(connection, {"file_ids": ids})
        resources["file_search"] = {"vector_store_ids": [made["id"]]}


def _content(given: Any) -> list[Body]:
    """Turn the content of a request into that of a message."""
    if isinstance(given, str):
        return [objects.text(given)]
    return [objects.text(part["text"]) if part["type"] == "text" else part for part in given]


async def create(call: Call) -> Response:
    """Create a thread."""
    given = await call.given(CreateThread)

    def work(connection: Connection) -> Body:
        check(connection, given)
        return insert(connection, given)

    made = await call.write(work)
    if given:
        call.engine.library.wake()
    return call.answer(made)


async def retrieve(call: Call) -> Response:
    """Return a thread."""
    id_ = call.path("thread_id", "thread")
    return call.answer(await call.read(lambda c: load(c, id_)))


async def modify(call: Call) -> Response:
    """Change metadata and resources of a thread."""
    id_ = call.path("thread_id", "thread")
    given = await call.given(ModifyThread)

    def work(connection: Connection) -> Body:
        body = load(connection, id_)
        check(connection, given)
        changes = {key: value for key, value in given.items() if value is not None}
        if "tool_resources" in changes:
            resources = vector_stores.resolve(connection, changes["tool_resources"])
            changes["tool_resources"] = objects.tool_resources(resources, [])
        return store.patch(connection, THREADS, id_, changes) or body

    changed = await call.write(work)
    call.engine.library.wake()
    return call.answer(changed)


async def remove(call: Call) -> Response:
    """Delete a thread with all that is in it; a run that goes on in it is cancelled."""
    id_ = call.path("thread_id", "thread")
    active = await call.read(lambda c: (load(c, id_), active_run(c, id_))[1])
    if active is not None:
        await call.engine.runs.abort(active)

    def work(connection: Connection) -> None:
        load(connection, id_)
        for table in (STEPS, RUNS, MESSAGES):
            connection.execute(delete(table).where(table.c.thread_id == id_))
        vector_stores.remove(connection, vector_stores.hidden_id(id_))
        connection.execute(delete(THREADS).where(THREADS.c.id == id_))

    await call.write(work)
    await call.engine.library.drop(vector_stores.hidden_id(id_))
    await call.engine.sessions.discard(id_)
    return reply(objects.deleted("thread", id_))


# Messages


def load_message(connection: Connection, thread_id: str, id_: str) -> Body:
    """Return a message of a thread.

    Raises
    ------
    ApiError
        When there is no such thread or message.
    """
    load(connection, thread_id)
    body = store.get(connection, MESSAGES, id_)
    if body is None or body["thread_id"] != thread_id:
        raise not_found("message", id_)
    return body


async def create_message(call: Call) -> Response:
    """Add a message to a thread that no run is active on."""
    id_ = call.path("thread_id", "thread")
    given = await call.given(CreateMessage)

    def work(connection: Connection) -> Body:
        thread = load(connection, id_)
        active = active_run(connection, id_)
        if active is not None:
            raise ApiError(f"Can't add messages to {id_} while a run {active} is active.")
        found = references.check_files(connection, list(references.in_message(given)))
        references.check_searchable(found, [("", given)])
        return add_messages(connection, thread, [given])[1][0]

    made = await call.write(work)
    if given.get("attachments"):
        call.engine.library.wake()
    return call.answer(made)


async def list_messages(call: Call) -> Response:
    """List the messages of a thread, or of one run in it."""
    id_ = call.path("thread_id", "thread")
    await call.read(lambda c: load(c, id_))
    where = [MESSAGES.c.thread_id == id_]
    run_id = call.request.query_params.get("run_id")
    if run_id:
        where.append(MESSAGES.c.run_id == run_id)
    return call.answer(await pagination.listing(call, MESSAGES, "message", *where))


def _ids(call: Call) -> tuple[str, str]:
    return call.path("thread_id", "thread"), call.path("message_id", "msg")


async def retrieve_message(call: Call) -> Response:
    """Return a message."""
    ids = _ids(call)
    return call.answer(await call.read(lambda c: load_message(c, *ids)))


async def modify_message(call: Call) -> Response:
    """Change the metadata of a message."""
    ids = _ids(call)
    given = await call.given(ModifyMetadata)

    def work(connection: Connection) -> Body:
        body = load_message(connection, *ids)
        metadata = given.get("metadata") or body["metadata"]
        return store.patch(connection, MESSAGES, ids[1], {"metadata": metadata}) or body

    return call.answer(await call.write(work))


async def remove_message(call: Call) -> Response:
    """Delete a message."""
    ids = _ids(call)

    def work(connection: Connection) -> None:
        load_message(connection, *ids)
        connection.execute(delete(MESSAGES).where(MESSAGES.c.id == ids[1]))

    call.only_v2()
    await call.write(work)
    return reply(objects.deleted("thread.message", ids[1]))


# Files of messages: version 1 only


async def _message_v1(call: Call) -> tuple[Body, list[str]]:
    if call.version != "v1":
        raise invalid_url(call.request.method, call.request.url.path)
    ids = _ids(call)
    body = await call.read(lambda c: load_message(c, *ids))
    return body, [entry["file_id"] for entry in body["attachments"]]


async def list_files(call: Call) -> Response:
    """List the files of a message."""
    body, ids = await _message_v1(call)
    show = v1.message_file
    return reply(pagination.cut(call, ids, "file", lambda file_id: show(body, file_id)))


async def retrieve_file(call: Call) -> Response:
    """Return a file of a message."""
    body, ids = await _message_v1(call)
    file_id = call.request.path_params["file_id"]
    if file_id not in ids:
        raise file_not_found(file_id)
    return reply(v1.message_file(body, file_id))
