"""PostgreSQL: one database for any number of engines on any number of machines.

Transactions that write are serializable, so that what is looked up and then written, as on
SQLite, cannot be overtaken by another engine; the loser of a conflict is tried again.
"""

from __future__ import annotations

from pydantic_core import from_json, to_json
from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from aoai_magic.engine.errors import StoreError

READING = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""Execution options of transactions that see the database as it was at their start."""

PREPARING = {"isolation_level": "READ COMMITTED"}
"""Execution options of the one that waits for the schema, and has to see what it waited for."""

_CONFLICTS = ("40001", "40P01")
"""PostgreSQL's codes of a transaction that could not be serialized, and of a deadlock."""

_SCHEMA_LOCK = 0x616F6169
"""The number under which engines wait for one another when the schema is made: "aoai"."""


_PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""A server that cannot be reached is an error before the lease of this engine is over."""


def open_postgresql(url: URL) -> Engine:
    """Return the connections to a database.

    Raises
    ------
    StoreError
        When the driver is not installed.
    """
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            isolation_level="SERIALIZABLE",
            # JSON has no NaN; PostgreSQL refuses what SQLite lets pass.
            json_serializer=lambda value: to_json(value, inf_nan_mode="null").decode(),
            json_deserializer=from_json,
            pool_pre_ping=True,
            connect_args=_PATIENCE,
        )
    except ImportError as error:
        raise StoreError(
            "PostgreSQL needs psycopg, which is not installed: pip install 'aoai-magic[team]'"
        ) from error


def lock_schema(connection: Connection) -> None:
    """Wait until no other engine makes or changes the tables; holds to the transaction's end."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _SCHEMA_LOCK})


def is_conflict(error: DBAPIError) -> bool:
    """Return whether a transaction only came in another's way, and may be tried again."""
    return getattr(error.orig, "sqlstate", None) in _CONFLICTS
