"""What servers and services hold of ours, on disk, so that it outlives the kernel."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from aoai_magic.state.database import Database, open_database, storable


@dataclass(frozen=True)
class Entry:
    """An uploaded file.

    Attributes
    ----------
    target
        Where it is.
    digest
        `Attachment.sha256` of what was sent.
    file_id
        Its id there.
    name, bytes
        What it was here, and how large.
    sent_at, expires_at
        Seconds since 1970; ``expires_at`` is None for a file that stays.
    place
        The notebook that sent it; empty where that is not known.
    """

    target: str
    digest: str
    file_id: str
    name: str
    bytes: int
    sent_at: float
    expires_at: float | None
    place: str = ""


class UploadLog:
    """The record of uploads in the data directory `folder`, written for one notebook."""

    def __init__(self, folder: Path, place: str = "") -> None:
        self.folder = folder
        self.place = place

    def lookup(self, target: str, digest: str) -> str | None:
        """Return the id of the newest file of that content that has not expired."""
        key = (target, digest, time.time())
        row = self._database.read(lambda database: database.execute(_LOOKUP, key).fetchone())
        return str(row[0]) if row else None

    def record(
        self,
        target: str,
        digest: str,
        file_id: str,
        name: str,
        bytes: int,  # noqa: A002 - the field's term
        expires_at: float | None = None,
    ) -> None:
        """Remember a file that was sent; one of the same id is replaced."""
        now = time.time()
        place = storable(self.place)
        row = (target, digest, file_id, storable(name), bytes, now, expires_at, place)

        def record(database: sqlite3.Connection) -> None:
            database.execute("DELETE FROM uploads WHERE expires_at <= ?", (now,))
            database.execute(_RECORD, row)

        self._database.write(record)

    def touch(self, target: str, file_id: str) -> None:
        """Mark a file as used again, as if it had been sent now."""
        values = (time.time(), target, file_id)
        self._database.write(lambda database: database.execute(_TOUCH, values))

    def forget(self, target: str, file_id: str) -> None:
        """Remove a file that is no longer there; an unknown one is no error."""
        key = (target, file_id)
        self._database.write(lambda database: database.execute(_FORGET, key))

    def entries(self, target: str | None = None) -> list[Entry]:
        """Return what is there, oldest first, of one target or of all."""
        key = (time.time(), target, target)
        rows = self._database.read(lambda database: database.execute(_ENTRIES, key).fetchall())
        return [Entry(*row) for row in rows]

    @property
    def _database(self) -> Database:
        return open_database(self.folder)


_LOOKUP = """
SELECT file_id FROM uploads WHERE target = ? AND digest = ?
AND (expires_at IS NULL OR expires_at > ?) ORDER BY sent_at DESC, rowid DESC LIMIT 1
"""
_RECORD = "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_TOUCH = "UPDATE uploads SET sent_at = ? WHERE target = ? AND file_id = ?"
_FORGET = "DELETE FROM uploads WHERE target = ? AND file_id = ?"
_ENTRIES = """
SELECT target, digest, file_id, name, bytes, sent_at, expires_at, place FROM uploads
WHERE (expires_at IS NULL OR expires_at > ?) AND (? IS NULL OR target = ?)
ORDER BY sent_at, rowid
"""
