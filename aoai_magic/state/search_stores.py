"""The vector stores that were made at services, and the documents in each, on disk."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aoai_magic.state.database import Database, open_database, storable


@dataclass(frozen=True)
class StoredDocument:
    """A document of a vector store.

    Attributes
    ----------
    file_id
        Id of the uploaded file.
    digest
        `Attachment.sha256` of what was sent.
    source
        Path or expression of the document, whatever its content.
    within
        The argument by which it was found: a folder, a pattern, or itself.
    error
        Why it cannot be searched; empty where it can. ``file_id`` is then no file's.
    """

    file_id: str
    digest: str
    source: str
    within: str
    name: str
    bytes: int
    error: str = ""


@dataclass(frozen=True)
class SearchStore:
    """A vector store; ``place`` is the notebook that made it, ``created`` seconds since 1970."""

    id: str
    place: str
    created: float
    documents: int
    bytes: int


class SearchStores:
    """The vector stores of one service, in the data directory `folder`."""

    def __init__(self, folder: Path, service: str, place: str = "") -> None:
        self._folder = folder
        self._service = service
        self._place = storable(place)

    def add(self, store: str) -> None:
        """Record a store that was made."""
        row = (self._service, store, self._place, time.time())
        self._write("INSERT OR REPLACE INTO search_stores VALUES (?, ?, ?, ?)", row)

    def put(self, store: str, document: StoredDocument) -> None:
        """Record a document of a store; one of the same file is replaced."""
        names = (storable(document.source), storable(document.within), storable(document.name))
        ids = (self._service, store, document.file_id, document.digest)
        row = (*ids, *names, document.bytes, document.error)
        self._write("INSERT OR REPLACE INTO search_files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def documents(self, store: str) -> list[StoredDocument]:
        """Return the documents of a store."""
        return [StoredDocument(*row) for row in self._read(_DOCUMENTS, (self._service, store))]

    def find(self, digest: str) -> str | None:
        """Return the id of a file of that content in any store."""
        rows = self._read(_FIND, (self._service, digest))
        return str(rows[0][0]) if rows else None

    def holders(self, file_id: str) -> list[str]:
        """Return the stores that hold a file."""
        rows = self._read(_HOLDERS, (self._service, file_id))
        return [str(row[0]) for row in rows]

    def stores(self, place: str | None = None) -> list[SearchStore]:
        """Return the stores of a notebook, or all, oldest first."""
        key = None if place is None else storable(place)
        return [SearchStore(*row) for row in self._read(_STORES, (self._service, key, key))]

    def remove(self, store: str, file_id: str) -> None:
        """Forget a document of a store."""
        key = (self._service, store, file_id)
        self._write("DELETE FROM search_files WHERE service = ? AND store = ? AND file_id = ?", key)

    def drop(self, store: str) -> None:
        """Forget a store."""
        key = (self._service, store)

        def drop(database: sqlite3.Connection) -> None:
            database.execute("DELETE FROM search_files WHERE service = ? AND store = ?", key)
            database.execute("DELETE FROM search_stores WHERE service = ? AND id = ?", key)

        self._database.write(drop)

    def _read(self, query: str, key: tuple[object, ...]) -> list[Any]:
        return self._database.read(lambda database: database.execute(query, key).fetchall())

    def _write(self, query: str, row: tuple[object, ...]) -> None:
        self._database.write(lambda database: database.execute(query, row))

    @property
    def _database(self) -> Database:
        return open_database(self._folder)


_DOCUMENTS = """
SELECT file_id, digest, source, within, name, bytes, error FROM search_files
WHERE service = ? AND store = ? ORDER BY rowid
"""
_FIND = """
SELECT file_id FROM search_files WHERE service = ? AND digest = ? AND error = ''
ORDER BY rowid DESC LIMIT 1
"""
_HOLDERS = "SELECT store FROM search_files WHERE service = ? AND file_id = ?"
_STORES = """
SELECT id, place, created, COUNT(file_id), COALESCE(SUM(bytes), 0) FROM search_stores
LEFT JOIN search_files ON search_files.service = search_stores.service
AND search_files.store = search_stores.id AND error = ''
WHERE search_stores.service = ? AND (? IS NULL OR place = ?)
GROUP BY id, place, created ORDER BY created
"""
