"""Databases of other versions: an older one is kept whole, a newer one is left alone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from aoai_magic.engine.config import EngineConfig
from aoai_magic.engine.errors import StoreError
from aoai_magic.engine.server.app import create_app
from aoai_magic.engine.storage import objects
from aoai_magic.engine.storage.migrations import VERSION
from aoai_magic.engine.storage.schema import METADATA, tables

FIRST = Path(__file__).with_name("schema-1.sql")
"""The tables of the first engines, which wrote no version."""


@pytest.fixture
def old(tmp_path):
    """Make a data folder as the first engines left it."""
    with closing(sqlite3.connect(tmp_path / "engine.sqlite")) as database:
        database.executescript(FIRST.read_text())
    return tmp_path


def put(folder, table, body, **columns):
    row = {"id": body["id"], "at": 1, "body": json.dumps(body), **columns}
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    with closing(sqlite3.connect(folder / "engine.sqlite")) as database, database:
        database.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))


def test_older_database_is_kept_and_brought_up_to_date(old, start_engine):
    thread = objects.thread({"k": "v"}, {})
    message = objects.message(thread["id"], "user", [objects.text("Hello.")])
    file = objects.file("file-old", "assistants", "old.txt", 5)
    put(old, "threads", thread)
    put(old, "messages", message, thread_id=thread["id"])
    put(old, "files", file, purpose="assistants")
    blob = old / "files" / "ld" / "file-old"
    blob.parent.mkdir(parents=True)
    blob.write_text("zebra")
    held = {"id": "vs_old", "object": "vector_store", "created_at": 1, "name": "", "metadata": {}}
    held |= {"usage_bytes": 0, "status": "completed", "expires_after": None, "expires_at": None}
    put(old, "vector_stores", {**held, "last_active_at": 1})
    entry = {"id": "file-old", "object": "vector_store.file", "created_at": 1, "usage_bytes": 5}
    entry |= {"vector_store_id": "vs_old", "status": "completed", "last_error": None}
    static = {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}
    entry |= {"attributes": {}, "chunking_strategy": {"type": "static", "static": static}}
    columns = {"vector_store_id": "vs_old", "status": "completed", "bytes": 5}
    put(old, "vector_store_files", entry, **columns)

    client = start_engine(data_dir=old).openai()
    assert client.beta.threads.retrieve(thread["id"]).metadata == {"k": "v"}
    (kept,) = client.beta.threads.messages.list(thread["id"])
    assert kept.content[0].text.value == "Hello."
    assert client.files.content("file-old").text == "zebra"
    (found,) = client.vector_stores.search("vs_old", query="zebra").data
    assert found.filename == "old.txt"
    database = create_engine(f"sqlite:///{old / 'engine.sqlite'}")
    for table in tables("sqlite"):
        there = inspect(database)
        assert {c["name"] for c in there.get_columns(table.name)} == set(table.columns.keys())
        names = {index["name"] for index in there.get_indexes(table.name)}
        assert {index.name for index in table.indexes} <= names
    database.dispose()


def test_a_missing_column_is_added_and_rows_stay(old):
    with closing(sqlite3.connect(old / "engine.sqlite")) as database, database:
        database.execute("INSERT INTO sessions VALUES ('thread_1', 1, 2)")
        database.execute("ALTER TABLE runs DROP COLUMN owner")
        database.execute("DROP TABLE containers")
    create_app(EngineConfig(data_dir=old))
    with closing(sqlite3.connect(old / "engine.sqlite")) as database:
        assert database.execute("SELECT thread_id FROM sessions").fetchall() == [("thread_1",)]
        assert database.execute("SELECT owner FROM runs").fetchall() == []
        assert database.execute("SELECT version FROM schema_version").fetchall() == [(VERSION,)]


def test_columns_that_come_later_can_be_added_to_rows_that_are_there():
    """A column that the first tables lack must be nullable or have a default."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(FIRST.read_text())
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
        for table in METADATA.sorted_tables:
            if table.name in tables:
                first = {row[1] for row in database.execute(f"PRAGMA table_info({table.name})")}
                later = [column for column in table.columns if column.name not in first]
                assert all(column.nullable or column.server_default for column in later)
                assert first <= set(table.columns.keys())


def test_newer_database_is_left_alone(tmp_path):
    create_app(EngineConfig(data_dir=tmp_path))
    with closing(sqlite3.connect(tmp_path / "engine.sqlite")) as database, database:
        database.execute("UPDATE schema_version SET version = ?", [VERSION + 1])
    with pytest.raises(StoreError, match=f"its schema is {VERSION + 1}, this one knows {VERSION}"):
        create_app(EngineConfig(data_dir=tmp_path))
