"""What the far side holds of ours, on disk, so that it outlives the kernel.

One SQLite file in the data directory. Kernels that run side by side write to it at
once, so every call opens its own connection and is one transaction.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS uploads (
    target TEXT NOT NULL,
    digest TEXT NOT NULL,
    file_id TEXT NOT NULL,
    name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sent_at REAL NOT NULL,
    expires_at REAL,
    PRIMARY KEY (target, file_id)
);
CREATE INDEX IF NOT EXISTS uploads_digest ON uploads (target, digest);
"""

_BUSY_SECONDS = 10.0


@dataclass(frozen=True)
class Entry:
    """A file on the far side.

    Attributes
    ----------
    target
        Where it is.
    digest
        `Attachment.sha256` of what was sent.
    file_id
        The far side's name for it.
    name, bytes
        What it was here, and how large.
    sent_at, expires_at
        Seconds since 1970; ``expires_at`` is None for a file that stays.
    """

    target: str
    digest: str
    file_id: str
    name: str
    bytes: int
    sent_at: float
    expires_at: float | None


class Ledger:
    """The record of uploads in the data directory `folder`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "uploads.sqlite3"

    def lookup(self, target: str, digest: str) -> str | None:
        """Give the id of the newest file of that content that has not expired."""
        with self._connection() as db:
            _drop_expired(db)
            row = db.execute(
                "SELECT file_id FROM uploads WHERE target = ? AND digest = ?"
                " ORDER BY sent_at DESC, rowid DESC LIMIT 1",
                (target, digest),
            ).fetchone()
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
        values = (target, digest, file_id, name, bytes, time.time(), expires_at)
        with self._connection() as db:
            db.execute("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def forget(self, target: str, file_id: str) -> None:
        """Strike out a file that the far side has no more; an unknown one is no error."""
        with self._connection() as db:
            db.execute("DELETE FROM uploads WHERE target = ? AND file_id = ?", (target, file_id))

    def entries(self, target: str | None = None) -> list[Entry]:
        """List what is there, oldest first, of one target or of all."""
        with self._connection() as db:
            _drop_expired(db)
            rows = db.execute(
                "SELECT target, digest, file_id, name, bytes, sent_at, expires_at FROM uploads"
                " WHERE ? IS NULL OR target = ? ORDER BY sent_at, rowid",
                (target, target),
            ).fetchall()
        return [Entry(*row) for row in rows]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as db, db:
            # The names of a user's data are nobody else's business.
            self.path.chmod(0o600)
            db.executescript(_SCHEMA)
            yield db


def _drop_expired(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM uploads WHERE expires_at <= ?", (time.time(),))
