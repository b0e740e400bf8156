"""The endpoints of conversations and their items."""

from __future__ import annotations

from sqlalchemy import Connection
from starlette.responses import Response

from aoai_magic.engine.agent.response_input import items, resolved
from aoai_magic.engine.api import pagination
from aoai_magic.engine.api.request_context import Call, reply
from aoai_magic.engine.api.responses.responses import included
from aoai_magic.engine.api.responses.schemas import (
    CreateConversation,
    CreateItems,
    UpdateConversation,
)
from aoai_magic.engine.errors import ApiError
from aoai_magic.engine.storage import conversations, store
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import CONVERSATION_ITEMS, CONVERSATIONS


def _id(call: Call) -> str:
    return call.path("conversation_id", "conv")


async def create(call: Call) -> Response:
    """Make a conversation, with items if some are given."""
    given = await call.body(CreateConversation)
    new, metadata = items(given.get("items") or []), given.get("metadata") or {}

    def work(connection: Connection) -> Body:
        return conversations.create(connection, resolved(connection, new), metadata)

    return reply(await call.write(work))


async def retrieve(call: Call) -> Response:
    """Return a conversation."""
    id_ = _id(call)
    return reply(await call.read(lambda c: conversations.load(c, id_)))


async def modify(call: Call) -> Response:
    """Change the metadata of a conversation."""
    id_, given = _id(call), await call.body(UpdateConversation)

    def work(connection: Connection) -> Body:
        body = conversations.load(connection, id_)
        return store.patch(connection, CONVERSATIONS, id_, given) or body

    return reply(await call.write(work))


async def remove(call: Call) -> Response:
    """Delete a conversation, with its session if it has one; its responses stay."""
    id_ = _id(call)

    def work(connection: Connection) -> None:
        conversations.load(connection, id_)
        conversations.remove(connection, id_)

    await call.write(work)
    await call.engine.sessions.discard(id_)
    return reply({"id": id_, "object": "conversation.deleted", "deleted": True})


# Items


async def _shown(call: Call, bodies: list[Body]) -> list[Body]:
    return await call.engine.responses.shown(bodies, included(call))


async def list_items(call: Call) -> Response:
    """List the items of a conversation."""
    id_ = _id(call)
    await call.read(lambda c: conversations.load(c, id_))
    where = CONVERSATION_ITEMS.c.conversation_id == id_
    page = await pagination.listing(call, CONVERSATION_ITEMS, "item", where)
    return reply({**page, "data": await _shown(call, page["data"])})


async def add_items(call: Call) -> Response:
    """Add items to a conversation; gives them."""
    id_, given = _id(call), await call.body(CreateItems)

    def work(connection: Connection) -> list[Body]:
        conversations.load(connection, id_)
        new = resolved(connection, items(given["items"]))
        conversations.append(connection, id_, new)
        return new

    return reply(pagination.as_list(await _shown(call, await call.write(work))))


def _load_item(connection: Connection, id_: str, item_id: str) -> Body:
    where = (CONVERSATION_ITEMS.c.id == item_id, CONVERSATION_ITEMS.c.conversation_id == id_)
    row = store.row(connection, CONVERSATION_ITEMS, *where)
    if row is None:
        raise ApiError(f"Item with id '{item_id}' not found in conversation '{id_}'.", status=404)
    return dict(row.body)


async def retrieve_item(call: Call) -> Response:
    """Return an item."""
    id_, item_id = _id(call), str(call.request.path_params["item_id"])
    body = await call.read(lambda c: _load_item(c, id_, item_id))
    return reply((await _shown(call, [body]))[0])


async def remove_item(call: Call) -> Response:
    """Delete an item; gives the conversation."""
    id_, item_id = _id(call), str(call.request.path_params["item_id"])

    def work(connection: Connection) -> Body:
        _load_item(connection, id_, item_id)
        conversations.remove_item(connection, item_id)
        return conversations.load(connection, id_)

    return reply(await call.write(work))
