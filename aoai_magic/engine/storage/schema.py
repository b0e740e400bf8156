"""The database's tables: what is looked up or ordered by is a column, the rest is JSON.

``body`` holds the object as version 2 of the API shows it; version 1 is a view of it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

METADATA = MetaData()


class Name(TypeDecorator[str]):
    """Text in which a NUL, which PostgreSQL refuses, becomes U+FFFD: as an id it fits nothing."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        """Return what is stored or looked up."""
        return value and value.replace("\0", "\ufffd")


_SEQUENCE = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself in INTEGER primary keys only."""


def _table(name: str, *columns: Column[object], parent: str | None = None) -> Table:
    """Declare a table of objects, ordered by the nanosecond of their creation."""
    order = [parent, "at", "seq"] if parent else ["at", "seq"]
    return Table(
        name,
        METADATA,
        Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
        Column("id", Name, nullable=False, unique=True),
        Column("at", BigInteger, nullable=False),
        Column("body", JSON, nullable=False),
        *columns,
        Index(f"ix_{name}_order", *order),
    )


def _reference(name: str) -> Column[object]:
    return Column(name, Name, nullable=False)


SCHEMA = Table("schema_version", METADATA, Column("version", Integer, nullable=False))
ENGINES = Table(
    "engines",
    METADATA,
    Column("id", Name, primary_key=True),
    # Seconds since 1970 by the database's own clock, since those of machines differ.
    Column("until", Float(53), nullable=False),
    # Of what one engine at a time may do: the one that does it.
    Column("holder", Name),
    info={"database": "postgresql"},
)
FILES = _table("files", Column("purpose", Name, nullable=False, index=True))
UPLOADS = _table("uploads", Column("context", JSON, nullable=False))
UPLOAD_PARTS = _table(
    "upload_parts",
    _reference("upload_id"),
    Column("bytes", BigInteger, nullable=False),
    parent="upload_id",
)
ASSISTANTS = _table("assistants")
THREADS = _table("threads")
MESSAGES = _table(
    "messages",
    _reference("thread_id"),
    Column("run_id", Name, index=True),
    parent="thread_id",
)
RUNS = _table(
    "runs",
    _reference("thread_id"),
    Column("status", Name, nullable=False, index=True),
    Column("owner", Name),
    Column("context", JSON, nullable=False),
    parent="thread_id",
)
STEPS = _table(
    "steps",
    _reference("run_id"),
    Column("thread_id", Name, index=True),
    Column("reply", Integer, nullable=False),
    Column("reasoning", JSON),
    parent="run_id",
)
VECTOR_STORES = _table("vector_stores")
VECTOR_STORE_BATCHES = _table("vector_store_batches", _reference("vector_store_id"))
VECTOR_STORE_FILES = Table(
    "vector_store_files",
    METADATA,
    Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("id", Name, nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("body", JSON, nullable=False),
    Column("vector_store_id", Name, nullable=False),
    Column("batch_id", Name, index=True),
    Column("status", Name, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Index("ix_vector_store_files_order", "vector_store_id", "at", "seq"),
    Index("ix_vector_store_files_file", "vector_store_id", "id", unique=True),
    Index("ix_vector_store_files_status", "status"),
)
PASSAGES = Table(
    "passages",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=True),
    Column("vector_store_id", Name, nullable=False),
    Column("file_id", Name, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("text", Name, nullable=False),
    Column("place", Name, nullable=False),
    Column("length", Integer, nullable=False),
    Column("words", Name, nullable=False),
    Column("terms", TSVECTOR, nullable=False),
    Column("format", Integer, nullable=False, server_default="3"),
    Index("ix_passages_order", "vector_store_id", "file_id", "start"),
    Index("ix_passages_terms", "terms", postgresql_using="gin"),
    info={"database": "postgresql"},
)
"""What file search finds; beside SQLite each vector store has a file of its own for it."""

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("thread_id", Name, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=False),
    # The engine that holds the session, where engines have folders of their own.
    Column("holder", Name),
)
SESSION_FILES = Table(
    "session_files",
    METADATA,
    Column("thread_id", Name, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("file_id", Name, nullable=False),
    Column("given_id", Name),
    Column("bytes", BigInteger, nullable=False),
    Column("modified_ns", BigInteger, nullable=False),
)
RESPONSES = _table(
    "responses",
    Column("status", Name, nullable=False, index=True),
    Column("owner", Name),
    Column("previous_id", Name),
    Column("input", JSON, nullable=False),
    # A list where the events can be had again; what is not in it is in `RESPONSE_EVENTS`.
    Column("events", JSON),
    Column("conversation_id", Name, index=True),
    Column("idempotency_key", Name, index=True),
)
RESPONSE_EVENTS = Table(
    "response_events",
    METADATA,
    Column("response_id", Name, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("events", JSON, nullable=False),
    Column("last", Boolean, nullable=False),
)
RESPONSE_ITEMS = Table(
    "response_items",
    METADATA,
    Column("id", Name, primary_key=True),
    Column("response_id", Name, nullable=False, index=True),
)
CONVERSATIONS = _table("conversations")
CONVERSATION_ITEMS = _table(
    "conversation_items", _reference("conversation_id"), parent="conversation_id"
)
CONTAINERS = _table(
    "containers",
    Column("status", Name, nullable=False, index=True),
    Column("used_at", BigInteger, nullable=False),
    Column("idle_ns", BigInteger, nullable=False),
)
CONTAINER_PURPOSE = "container"
"""Purpose of the stored files that containers and skills hold; clients do not see them as files."""

SKILLS = _table("skills")
SKILL_VERSIONS = _table(
    "skill_versions",
    _reference("skill_id"),
    _reference("version"),
    _reference("file_id"),
    parent="skill_id",
)
CONTAINER_FILES = _table(
    "container_files",
    _reference("container_id"),
    Column("name", Text, nullable=False),
    Column("file_id", Name, nullable=False),
    parent="container_id",
)


def tables(database: str) -> list[Table]:
    """Return the tables of a kind of database, ``sqlite`` or ``postgresql``."""
    return [
        table
        for table in METADATA.sorted_tables
        if table.info.get("database", database) == database
    ]
