"""Which thread a name means: in this kernel, and for named ones in the kernels after it."""

from __future__ import annotations

import itertools
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UNNAMED = ""
"""The thread of cells that name none: it begins afresh with each kernel, so that
running a notebook again gives the same conversation again."""


@dataclass(frozen=True)
class Known:
    """A thread that this place knows; ``used`` is a Unix time in seconds."""

    name: str
    target: str
    id: str
    used: float


@dataclass
class Threads:
    """The threads of one place, which is the notebook's path or the working folder.

    Attributes
    ----------
    folder
        The data directory, which holds the named ones.
    place
        Names are each place's own.
    """

    folder: Path
    place: str
    _unnamed: dict[str, Known] = field(default_factory=dict)

    def get(self, name: str, target: str) -> str | None:
        """Give the id of a thread, None if there is none of that name."""
        if name == UNNAMED:
            known = self._unnamed.get(target)
            return known.id if known else None
        with self._database() as database:
            row = database.execute(
                "SELECT id FROM threads WHERE place = ? AND target = ? AND name = ?",
                (self.place, target, name),
            ).fetchone()
        return str(row[0]) if row else None

    def put(self, name: str, target: str, id_: str) -> None:
        """Remember the id of a thread."""
        if name == UNNAMED:
            self._unnamed[target] = Known(name, target, id_, time.time())
            return
        with self._database() as database:
            database.execute(
                "INSERT OR REPLACE INTO threads VALUES (?, ?, ?, ?, ?)",
                (self.place, target, name, id_, time.time()),
            )

    def forget(self, name: str, target: str) -> None:
        """Forget a thread; an unknown one is no error."""
        if name == UNNAMED:
            self._unnamed.pop(target, None)
            return
        with self._database() as database:
            database.execute(
                "DELETE FROM threads WHERE place = ? AND target = ? AND name = ?",
                (self.place, target, name),
            )

    def free(self, name: str, target: str) -> str:
        """Give the first of ``name``, ``name-2``, … that names no thread here."""
        taken = {thread.name for thread in self.all() if thread.target == target}
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        return next(free for free in itertools.chain([name], numbered) if free not in taken)

    def all(self) -> list[Known]:
        """Give the threads of this place, the one used last first."""
        with self._database() as database:
            rows = database.execute(
                "SELECT name, target, id, used FROM threads WHERE place = ?", (self.place,)
            ).fetchall()
        known = [*self._unnamed.values(), *(Known(*row) for row in rows)]
        return sorted(known, key=lambda thread: -thread.used)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.folder / "threads.sqlite")) as database, database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS threads (place TEXT, target TEXT, name TEXT, "
                "id TEXT, used REAL, PRIMARY KEY (place, target, name))"
            )
            yield database


def place(namespace: Mapping[str, Any]) -> str:
    """Say which notebook this kernel belongs to, as far as front ends tell.

    Jupyter's server sets JPY_SESSION_NAME, VS Code a variable in the namespace.
    """
    notebook = namespace.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return str(notebook or Path.cwd())
