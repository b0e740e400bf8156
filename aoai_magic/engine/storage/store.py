"""The store: transactions over the tables, and the few statements that everything needs.

Everything that is written goes through `Store.write`: one transaction at a time in one
thread, begun as a writing one. SQLite has one writer anyway, and a transaction that
starts to read and then turns to writing fails at once (SQLITE_BUSY, no waiting) when
another process wrote in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import anyio
import anyio.to_thread
from pydantic_core import from_json, to_json
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    create_engine,
    event,
    insert,
    make_url,
    select,
    tuple_,
    update,
)

from aoai_magic.engine.storage.ids import now_ns
from aoai_magic.engine.storage.migrations import upgrade
from aoai_magic.shared.private_files import private_file

T = TypeVar("T")
Body = dict[str, Any]

_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000")


class Store:
    """The database of one data folder; several engines may share it."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self._sqlite = parsed.get_backend_name() == "sqlite"
        if self._sqlite and parsed.database:
            private_file(Path(parsed.database))
        self._engine = create_engine(
            parsed,
            json_serializer=lambda value: to_json(value).decode(),
            json_deserializer=from_json,
            connect_args={"check_same_thread": False} if self._sqlite else {},
        )
        if self._sqlite:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        self._writers = self._engine.execution_options(writes=True)
        self._writer = anyio.CapacityLimiter(1)
        self._readers = anyio.CapacityLimiter(4)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a writing transaction; it is rolled back when ``work`` raises."""

        def transaction() -> T:
            with self._writers.begin() as connection:
                return work(connection)

        return await anyio.to_thread.run_sync(transaction, limiter=self._writer)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on a consistent view of the database."""

        def transaction() -> T:
            with self._engine.connect() as connection:
                return work(connection)

        return await anyio.to_thread.run_sync(transaction, limiter=self._readers)

    def prepare(self) -> None:
        """Migrate the database to this engine's schema; wait for another that does.

        Raises
        ------
        SchemaError
            When a newer engine has written it.
        """
        with self._writers.begin() as connection:
            upgrade(connection)

    async def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _prepare_sqlite(dbapi: Any, _record: object) -> None:
    # The driver's own idea of transactions would begin them late and as reading ones.
    dbapi.isolation_level = None
    for pragma in _PRAGMAS:
        dbapi.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@dataclass(frozen=True)
class Page:
    """Which part of a list is asked for; ids are exclusive bounds."""

    limit: int = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None


def add(connection: Connection, table: Table, body: Body, **columns: object) -> Body:
    """Insert an object; gives the body back."""
    values = {"id": body["id"], "at": now_ns(), "body": body, **columns}
    connection.execute(insert(table).values(values))
    return body


def add_all(
    connection: Connection, table: Table, bodies: Sequence[Body], **columns: object
) -> None:
    """Insert objects in their order."""
    values = [{"id": body["id"], "at": now_ns(), "body": body, **columns} for body in bodies]
    if values:
        connection.execute(insert(table), values)


def row(connection: Connection, table: Table, *where: ColumnElement[bool]) -> Row[Any] | None:
    """Return the one row that fits, or None."""
    return connection.execute(select(table).where(*where)).one_or_none()


def get(connection: Connection, table: Table, id: str) -> Body | None:  # noqa: A002
    """Return the object with that id, or None."""
    found = connection.execute(select(table.c.body).where(table.c.id == id)).scalar_one_or_none()
    return None if found is None else dict(found)


def patch(
    connection: Connection,
    table: Table,
    id: str,  # noqa: A002
    changes: Body,
    *where: ColumnElement[bool],
    **columns: object,
) -> Body | None:
    """Change keys of a stored object, where it is still as ``where`` says; None if not."""
    fits = (table.c.id == id, *where)
    found = connection.execute(select(table.c.body).where(*fits)).scalar_one_or_none()
    if found is None:
        return None
    body = {**found, **changes}
    connection.execute(update(table).where(*fits).values({"body": body, **columns}))
    return body


def bodies(connection: Connection, table: Table, *where: ColumnElement[bool]) -> list[Body]:
    """Return all objects that fit, oldest first."""
    query = select(table.c.body).where(*where).order_by(table.c.at, table.c.seq)
    return [dict(body) for body in connection.execute(query).scalars()]


def page(
    connection: Connection, table: Table, asked: Page, *where: ColumnElement[bool]
) -> tuple[list[Body], bool]:
    """Return one page of the objects that fit, and whether there are more behind it."""
    key = tuple_(table.c.at, table.c.seq)
    bounds = _bounds(connection, table, asked, where)
    # A page that only names its end is the one just before that end.
    backwards = asked.before is not None and asked.after is None
    descending = (asked.order == "desc") != backwards
    columns = (table.c.at, table.c.seq)
    order = [column.desc() if descending else column.asc() for column in columns]
    query = select(table.c.body).where(*where, *(test(key) for test in bounds))
    found: Sequence[Body] = (
        connection.execute(query.order_by(*order).limit(asked.limit + 1)).scalars().all()
    )
    data = [dict(body) for body in found[: asked.limit]]
    return (data[::-1] if backwards else data), len(found) > asked.limit


def _bounds(
    connection: Connection, table: Table, asked: Page, where: Sequence[ColumnElement[bool]]
) -> list[Callable[[Any], ColumnElement[bool]]]:
    tests: list[Callable[[Any], ColumnElement[bool]]] = []
    for id_, after in ((asked.after, True), (asked.before, False)):
        if id_ is None:
            continue
        query = select(table.c.at, table.c.seq).where(table.c.id == id_, *where)
        place = connection.execute(query).one_or_none()
        if place is None:
            raise LookupError(id_)
        tests.append(_beyond(tuple(place), later=after == (asked.order == "asc")))
    return tests


def _beyond(place: tuple[int, ...], later: bool) -> Callable[[Any], ColumnElement[bool]]:
    return lambda key: key > place if later else key < place
