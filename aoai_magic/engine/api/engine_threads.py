"""The engine's own endpoints of threads and conversations: the newest, copies, whole deletion."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, desc, func, select
from starlette.responses import Response

from aoai_magic.engine.agent import thread_copies
from aoai_magic.engine.api.assistants import threads
from aoai_magic.engine.api.request_context import Call, reply
from aoai_magic.engine.api.validation import Closed
from aoai_magic.engine.search import vector_stores
from aoai_magic.engine.storage import conversations, objects
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import (
    CONVERSATION_ITEMS,
    CONVERSATIONS,
    MESSAGES,
    THREADS,
)

_MOST = 50
_TITLE = 80  # characters


class CopyThread(Closed):
    """The body of a copy: of what, and as far as the last of which items."""

    source: str
    until: list[str] | None = None


async def list_(call: Call) -> Response:
    """List the newest threads and conversations, each with the beginning of its first message."""
    return reply({"object": "list", "data": await call.read(_newest)})


def _newest(connection: Connection) -> list[Body]:
    found = [
        *_listed(connection, THREADS, MESSAGES, MESSAGES.c.thread_id),
        *_listed(connection, CONVERSATIONS, CONVERSATION_ITEMS, _CONVERSATION),
    ]
    return [body for _, body in sorted(found, key=lambda pair: -pair[0])[:_MOST]]


_CONVERSATION = CONVERSATION_ITEMS.c.conversation_id


def _listed(
    connection: Connection, table: Table, said: Table, parent: Any
) -> list[tuple[int, Body]]:
    """Return the newest of a table with the time of each, titled by the first of what was said."""
    newest = select(table.c.id, table.c.at, table.c.body).order_by(desc(table.c.at)).limit(_MOST)
    rows = connection.execute(newest).all()
    ids = [row.id for row in rows]
    first = select(func.min(said.c.seq)).where(parent.in_(ids)).group_by(parent)
    found = connection.execute(select(parent, said.c.body).where(said.c.seq.in_(first)))
    titles = {id_: _title(body) for id_, body in found}
    return [
        (
            row.at,
            {
                "id": row.id,
                "object": row.body["object"],
                "created_at": row.body["created_at"],
                "title": titles.get(row.id, ""),
            },
        )
        for row in rows
    ]


def _title(message: Body) -> str:
    content = message.get("content")
    texts = (part.get("text") for part in content or () if isinstance(part, dict))
    plain = (text["value"] if isinstance(text, dict) else text for text in texts if text)
    return " ".join(next(plain, "").split())[:_TITLE]


async def copy(call: Call) -> Response:
    """Copy a thread or a conversation with its files, as far as an item; gives a conversation."""
    given = await call.body(CopyThread)
    made = await call.engine.responses.copy(given["source"], given.get("until"))
    call.engine.library.wake()
    return reply(made)


async def remove(call: Call) -> Response:
    """Delete a thread or a conversation with all that is in it: session, runs or responses."""
    id_ = str(call.request.path_params["thread_id"])
    if id_.startswith("thread"):
        return await threads.remove(call)
    body = await call.read(lambda c: conversations.load(c, id_))
    await call.engine.responses.delete_all(id_)
    if documents := thread_copies.store_of(body):
        await call.write(lambda c: vector_stores.remove(c, documents))
        await call.engine.library.drop(documents)
    return reply(objects.deleted("thread", id_))
