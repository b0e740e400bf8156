"""Conversations: items that outlive the responses which they came from."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete

from aoai_magic.engine.errors import ApiError
from aoai_magic.engine.storage import store
from aoai_magic.engine.storage.ids import new_id, now
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import CONVERSATION_ITEMS, CONVERSATIONS


def create(connection: Connection, new: Sequence[Body], metadata: Body) -> Body:
    """Make a conversation."""
    body: Body = {
        "id": new_id("conv_"),
        "object": "conversation",
        "created_at": now(),
        "metadata": metadata,
    }
    store.add(connection, CONVERSATIONS, body)
    append(connection, body["id"], new)
    return body


def load(connection: Connection, id_: str) -> Body:
    """Return a conversation.

    Raises
    ------
    ApiError
        When there is none of that id.
    """
    body = store.get(connection, CONVERSATIONS, id_)
    if body is None:
        raise ApiError(f"Conversation with id '{id_}' not found.", status=404)
    return body


def items(connection: Connection, id_: str) -> list[Body]:
    """Return the items of a conversation, oldest first.

    Raises
    ------
    ApiError
        When there is no such conversation.
    """
    load(connection, id_)
    return store.bodies(connection, CONVERSATION_ITEMS, CONVERSATION_ITEMS.c.conversation_id == id_)


def append(connection: Connection, id_: str, new: Sequence[Body]) -> None:
    """Add items; nothing is added to a conversation that was deleted meanwhile."""
    if store.get(connection, CONVERSATIONS, id_) is None:
        return
    for item in new:
        # An item that a client sends again, with its id, takes the place of the first.
        remove_item(connection, item["id"])
        store.add(connection, CONVERSATION_ITEMS, item, conversation_id=id_)


def remove_item(connection: Connection, item_id: str) -> None:
    """Delete an item."""
    connection.execute(delete(CONVERSATION_ITEMS).where(CONVERSATION_ITEMS.c.id == item_id))


def remove(connection: Connection, id_: str) -> None:
    """Delete a conversation with its items."""
    of_it = CONVERSATION_ITEMS.c.conversation_id == id_
    connection.execute(delete(CONVERSATION_ITEMS).where(of_it))
    connection.execute(delete(CONVERSATIONS).where(CONVERSATIONS.c.id == id_))
