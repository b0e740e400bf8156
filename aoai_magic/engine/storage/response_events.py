"""Response events: what a response in the background sent, for those who listen elsewhere."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from aoai_magic.engine.storage.schema import RESPONSE_EVENTS as TABLE


def append(
    connection: Connection, response_id: str, number: int, events: list[str], *, last: bool
) -> None:
    """Store the events from that number on; ``last`` says that no more will come."""
    row = {"response_id": response_id, "number": number, "events": events, "last": last}
    connection.execute(insert(TABLE).values(row))


def read_from(connection: Connection, response_id: str, number: int) -> tuple[list[str], bool]:
    """Return the events from a number on, and whether no more will come."""
    of_it = TABLE.c.response_id == response_id
    first = select(TABLE.c.number).where(of_it, TABLE.c.number <= number)
    start = connection.execute(first.order_by(TABLE.c.number.desc()).limit(1)).scalar() or 0
    query = select(TABLE).where(of_it, TABLE.c.number >= start).order_by(TABLE.c.number)
    rows = connection.execute(query).all()
    events = [event for row in rows for event in row.events]
    return events[max(number - start, 0) :], any(row.last for row in rows)


def count(connection: Connection, response_id: str) -> int:
    """Return how many events are stored."""
    return len(read_from(connection, response_id, 0)[0])


def remove(connection: Connection, response_id: str) -> None:
    """Delete the events of a response."""
    connection.execute(delete(TABLE).where(TABLE.c.response_id == response_id))
