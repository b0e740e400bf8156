"""SQLite: one file on this machine, which the engines of one account may share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import URL, Connection, Engine, create_engine, event

from aoai_magic.shared.private_files import private_file

_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000")


def open_sqlite(url: URL) -> Engine:
    """Return the connections to a file, which is made if it is missing."""
    if url.database:
        private_file(Path(url.database))
    engine = create_engine(
        url,
        json_serializer=lambda value: to_json(value).decode(),
        json_deserializer=from_json,
        connect_args={"check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(dbapi: Any, _record: object) -> None:
    # The driver's own idea of transactions would begin them late and as reading ones.
    dbapi.isolation_level = None
    for pragma in _PRAGMAS:
        dbapi.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
