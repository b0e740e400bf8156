"""The store: transactions over the tables, and the few statements that everything needs.

Everything that is written goes through `Store.write`: one transaction at a time in one
thread, begun as a writing one. SQLite has one writer anyway, and a transaction that
starts to read and then turns to writing fails at once (SQLITE_BUSY, no waiting) when
another process wrote in between. What differs between the databases is in `sqlite` and
`postgresql`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    insert,
    make_url,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import DBAPIError

from aoai_magic.engine.errors import StoreError
from aoai_magic.engine.storage.ids import now_ns
from aoai_magic.engine.storage.migrations import upgrade
from aoai_magic.engine.storage.postgresql import (
    PREPARING,
    READING,
    is_conflict,
    lock_schema,
    open_postgresql,
)
from aoai_magic.engine.storage.sqlite import open_sqlite

T = TypeVar("T")
Body = dict[str, Any]

_MOST_CONFLICTS = 50


class Store:
    """The database of one data folder, or of many engines; they may share it."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        if backend not in ("sqlite", "postgresql"):
            raise StoreError(f"The database must be sqlite or postgresql, not {backend}.")
        self._name = parsed.render_as_string(hide_password=True)
        self.file = Path(parsed.database) if backend == "sqlite" and parsed.database else None
        """The file of an SQLite database."""
        self.sqlite = backend == "sqlite"
        self._engine = open_sqlite(parsed) if self.sqlite else open_postgresql(parsed)
        self._readers = self._engine.execution_options(**({} if self.sqlite else READING))
        self._writers = self._engine.execution_options(writes=True)
        self._write_limit = anyio.CapacityLimiter(1 if self.sqlite else 4)
        self._read_limit = anyio.CapacityLimiter(4)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a writing transaction; it is rolled back when ``work`` raises.

        On PostgreSQL ``work`` runs again, on a fresh view, where another engine came in its way.
        """
        return await anyio.to_thread.run_sync(self.write_here, work, limiter=self._write_limit)

    def write_here(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` as `write` does, in the present thread."""
        for attempt in range(_MOST_CONFLICTS):
            try:
                with self._writers.begin() as connection:
                    return work(connection)
            except DBAPIError as error:
                if not is_conflict(error):
                    raise
            time.sleep(random.random() * min(2**attempt, 100) / 1000)  # noqa: S311 - not a secret
        with self._writers.begin() as connection:
            return work(connection)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on a consistent view of the database."""
        return await anyio.to_thread.run_sync(self.read_here, work, limiter=self._read_limit)

    def read_here(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` as `read` does, in the present thread."""
        with self._readers.connect() as connection:
            return work(connection)

    def prepare(self) -> None:
        """Migrate the database to this engine's schema; wait for another that does.

        Raises
        ------
        StoreError
            When the database cannot be reached, or a newer engine has written it.
        """
        options = {} if self.sqlite else PREPARING
        try:
            with (
                self._writers.connect() as connection,
                connection.execution_options(**options).begin(),
            ):
                if not self.sqlite:
                    lock_schema(connection)
                upgrade(connection)
        except DBAPIError as error:
            reason = str(error.orig).strip().partition("\n")[0]
            raise StoreError(f"The database {self._name} cannot be used: {reason}") from error

    async def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


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
