"""Files in which earlier versions kept what is now in the database; read once, then deleted."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

_LOG = logging.getLogger(__name__)

_COPIES = (
    (
        "threads.sqlite",
        "SELECT place, target, name, id, used FROM threads",
        "INSERT OR IGNORE INTO threads VALUES (?, ?, ?, ?, ?)",
    ),
    (
        "usage.sqlite",
        "SELECT place, at, target, model, input, cached, output, minutes, cost FROM turns",
        "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    (
        "uploads.sqlite3",
        "SELECT target, digest, file_id, name, bytes, sent_at, expires_at, '' FROM uploads",
        "INSERT OR IGNORE INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    ),
)
"""File of an earlier version, what to read there, and where that goes."""


def import_all(database: sqlite3.Connection, folder: Path) -> None:
    """Import what earlier versions left in ``folder`` into the database, each file once.

    A file that cannot be read stays where it is; the log says so.
    """
    for name, read, write in _COPIES:
        path = folder / name
        if path.is_file():
            _import_once(database, path, lambda old=path, get=read: _rows(old, get), write)
    for path in folder.glob("containers/*/*/manifest.json"):
        write = "INSERT OR IGNORE INTO container_copies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        _import_once(database, path, lambda old=path: list(_manifest(old)), write)


def _import_once(database: sqlite3.Connection, path: Path, read: object, write: str) -> None:
    try:
        stamp = f"{path}:{path.stat().st_ino}"
        # The file goes after the commit: where this process ends in between, the next one
        # knows by the stamp that the rows are there.
        known = database.execute("SELECT 1 FROM imported WHERE file = ?", (stamp,)).fetchone()
        if known is None:
            rows = read()  # type: ignore[operator]
            with database:
                database.executemany(write, rows)
                database.execute("INSERT INTO imported VALUES (?)", (stamp,))
    except (sqlite3.Error, OSError, ValueError, TypeError, LookupError):
        _LOG.warning("%s of an earlier version cannot be read", path, exc_info=True)
        return
    with contextlib.suppress(OSError):
        path.unlink()


def _rows(path: Path, read: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path, timeout=1.0)) as old:
        return old.execute(read).fetchall()


def _manifest(path: Path) -> Iterator[tuple[object, ...]]:
    at, place = path.stat().st_mtime, path.parent
    for one in json.loads(path.read_text("utf-8")):
        kept = (one["path"], one["digest"], one["name"], one["id"], one["blob"], one["sent"])
        yield (place.parent.name, place.name, *kept, at)
