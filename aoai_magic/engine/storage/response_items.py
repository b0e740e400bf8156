"""Response items: which response holds an item, so that others can refer to it by its id."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select

from aoai_magic.engine.storage import store
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import RESPONSE_ITEMS, RESPONSES


def put(connection: Connection, response_id: str, items: Iterable[Body]) -> None:
    """Record the items of a response; one that was in an earlier response stays that one's."""
    ids = [item["id"] for item in items]
    query = select(RESPONSE_ITEMS.c.id).where(RESPONSE_ITEMS.c.id.in_(ids))
    known = set(connection.execute(query).scalars())
    new = [
        {"id": id_, "response_id": response_id} for id_ in dict.fromkeys(ids) if id_ not in known
    ]
    if new:
        connection.execute(insert(RESPONSE_ITEMS), new)


def find(connection: Connection, id_: str) -> Body | None:
    """Return an item of any response, or None."""
    holder = select(RESPONSE_ITEMS.c.response_id).where(RESPONSE_ITEMS.c.id == id_)
    response_id = connection.execute(holder).scalar_one_or_none()
    row = store.row(connection, RESPONSES, RESPONSES.c.id == response_id)
    if row is None:
        return None
    items = [*row.input, *row.body["output"]]
    return next((dict(item) for item in items if item["id"] == id_), None)


def remove(connection: Connection, response_id: str) -> None:
    """Forget the items of a response."""
    of_it = RESPONSE_ITEMS.c.response_id == response_id
    connection.execute(delete(RESPONSE_ITEMS).where(of_it))
