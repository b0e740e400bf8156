"""Copies of threads and conversations: what was said and done, and the files, as a conversation.

Variables are not copied: the copy's session begins afresh, and its model is told so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, insert, select

from aoai_magic.engine.agent.response_input import new_item_id
from aoai_magic.engine.agent.task import Services
from aoai_magic.engine.agent.thread_input import thread_items
from aoai_magic.engine.errors import ApiError, not_found
from aoai_magic.engine.search import vector_stores
from aoai_magic.engine.storage import conversations, store
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import (
    CONVERSATIONS,
    SESSION_FILES,
    SESSIONS,
    THREADS,
    VECTOR_STORES,
)

STORE = "vector_store_id"
"""Metadata of a conversation that names the vector store of its documents."""


async def copy(services: Services, source: str, until: Collection[str] | None) -> Body:
    """Copy a thread or a conversation as far as the last item named in ``until``.

    Returns
    -------
    dict
        The new conversation.

    Raises
    ------
    ApiError
        When there is no such source, or none of the items is in it.
    """
    if source.startswith("thread"):
        body = await services.store.read(lambda c: store.get(c, THREADS, source))
        if body is None:
            raise not_found("thread", source)
        items = await thread_items(services, source)
    else:
        body = await services.store.read(lambda c: conversations.load(c, source))
        items = await services.store.read(lambda c: conversations.items(c, source))
    kept = items if until is None else _until(items, until)
    return await services.store.write(lambda c: _store(c, body, kept))


def _until(items: list[Body], until: Collection[str]) -> list[Body]:
    named = [n for n, one in enumerate(items) if {one.get("id"), one.get("_part")} & {*until}]
    if not named:
        raise ApiError("None of the items of 'until' is in the thread.", status=404, param="until")
    return items[: named[-1] + 1]


def _store(connection: Connection, source: Body, items: Iterable[Body]) -> Body:
    """Store the copy, with the documents and the session's files of its source."""
    made = conversations.create(connection, (), dict(source["metadata"]))
    id_ = made["id"]
    conversations.append(connection, id_, [_renewed(item, id_) for item in items])
    _copy_rows(connection, SESSIONS, source["id"], id_)
    _copy_rows(connection, SESSION_FILES, source["id"], id_)
    documents = store_of(source)
    if documents is None or store.get(connection, VECTOR_STORES, documents) is None:
        return made
    held = vector_stores.holding(connection, documents)
    new = vector_stores.create(connection, {"file_ids": sorted(held)})
    metadata = {**made["metadata"], STORE: new["id"]}
    return store.patch(connection, CONVERSATIONS, id_, {"metadata": metadata}) or made


def store_of(body: Body) -> str | None:
    """Return the vector store of a thread's or a conversation's documents, None without one."""
    search = (body.get("tool_resources") or {}).get("file_search") or {}
    ids = search.get("vector_store_ids") or [body["metadata"].get(STORE)]
    return None if ids[0] is None else str(ids[0])


def _copy_rows(connection: Connection, table: Any, source: str, target: str) -> None:
    rows = connection.execute(select(table).where(table.c.thread_id == source)).mappings().all()
    if rows:
        connection.execute(insert(table), [{**row, "thread_id": target} for row in rows])


def _renewed(item: Body, conversation: str) -> Body:
    """Return an item under an id of its own; code that ran did so in the copy's session."""
    new = {"status": "completed", **item, "id": new_item_id(item["type"])}
    if item["type"] == "code_interpreter_call":
        new["container_id"] = conversation
        new["outputs"] = list(map(_output, item.get("outputs") or ()))
    if item["type"] == "message":
        new["content"] = list(map(_part, item["content"]))
    return new


def _output(part: Body) -> Body:
    """Return an output of a step as one of a call; pictures are told there in another form."""
    if part["type"] != "image" or "image" not in part:
        return part
    id_ = part["image"]["file_id"]
    return {"type": "image", "_file": id_, "_suffix": "png", "_id": id_, "_name": id_}


def _part(part: Body) -> Body:
    return {"annotations": [], **part} if part["type"] == "output_text" else part
