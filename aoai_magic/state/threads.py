"""Which thread a name means: in this kernel, and in the kernels after it."""

from __future__ import annotations

import itertools
import os
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aoai_magic.state.database import Database, open_database, storable

UNNAMED = ""
"""The thread of cells that name none. A notebook's goes on in its next kernel; where no
notebook is known, as in a terminal, it begins afresh with each: several may share a folder."""


@dataclass(frozen=True)
class Known:
    """A thread that this place knows; ``used`` is a Unix time in seconds."""

    name: str
    target: str
    id: str
    used: float


@dataclass(frozen=True)
class StartedThread:
    """A thread that some kernel over this data directory began; ``used`` as in `Known`."""

    target: str
    id: str
    place: str
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
    is_notebook
        Whether the place is a notebook.
    """

    folder: Path
    place: str
    is_notebook: bool = False
    _unnamed: dict[str, Known] = field(default_factory=dict)
    _newest: dict[tuple[str, str], int] = field(default_factory=dict)

    def get(self, name: str, target: str) -> str | None:
        """Return the id of a thread, None if there is none of that name."""
        if name == UNNAMED and (target in self._unnamed or not self.is_notebook):
            return self.current(target)
        key = (storable(self.place), target, storable(name))
        row = self._database.read(lambda database: database.execute(_GET, key).fetchone())
        return str(row[0]) if row else None

    def current(self, target: str) -> str | None:
        """Return the id of the thread without a name that this kernel has used."""
        known = self._unnamed.get(target)
        return known.id if known else None

    def is_earlier(self, name: str, target: str) -> bool:
        """Return whether a name means a thread that an earlier kernel used last."""
        return (name, target) not in self._newest and self.get(name, target) is not None

    def put(self, name: str, target: str, id_: str, number: int = 0) -> None:
        """Store a thread under a name.

        ``number`` is the question's place among the kernel's: where a later one has begun the
        thread afresh, an earlier one that ends after it changes nothing.
        """
        if number < self._newest.get((name, target), 0):
            return
        self._newest[name, target] = number
        now = time.time()
        if name == UNNAMED:
            self._unnamed[target] = Known(name, target, id_, now)
        row = (storable(self.place), target, storable(name), id_, now)
        is_named = name != UNNAMED or self.is_notebook
        self._database.write(lambda database: _put(database, row, is_named=is_named))

    def newest(self, name: str, target: str) -> int:
        """Return the number of the question that said last what the name means."""
        return self._newest.get((name, target), 0)

    def forget(self, name: str, target: str) -> None:
        """Forget a thread; an unknown one is no error."""
        if name == UNNAMED:
            self._unnamed.pop(target, None)
        key = (storable(self.place), target, storable(name))
        self._database.write(lambda database: database.execute(_FORGET, key))

    def free(self, name: str, target: str) -> str:
        """Return the first of ``name``, ``name-2``, … that names no thread here."""
        taken = {thread.name for thread in self.all() if thread.target == target}
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        return next(free for free in itertools.chain([name], numbered) if free not in taken)

    def all(self) -> list[Known]:
        """Return the threads of this place, the one used last first."""
        key = (storable(self.place),)
        rows = self._database.read(lambda database: database.execute(_ALL, key).fetchall())
        written = [known for known in (Known(*row) for row in rows) if self._is_own(known)]
        known = [*self._unnamed.values(), *written]
        return sorted(known, key=lambda thread: -thread.used)

    def _is_own(self, known: Known) -> bool:
        is_unnamed_here = not self.is_notebook or known.target in self._unnamed
        return known.name != UNNAMED or not is_unnamed_here

    @property
    def _database(self) -> Database:
        return open_database(self.folder)


_GET = "SELECT id FROM threads WHERE place = ? AND target = ? AND name = ?"
_FORGET = "DELETE FROM threads WHERE place = ? AND target = ? AND name = ?"
_ALL = "SELECT name, target, id, used FROM threads WHERE place = ?"


def _put(
    database: sqlite3.Connection, row: tuple[str, str, str, str, float], *, is_named: bool
) -> None:
    place_, target, _name, id_, used = row
    if is_named:
        database.execute("INSERT OR REPLACE INTO threads VALUES (?, ?, ?, ?, ?)", row)
    # A service's thread has another id after each turn, and the same container.
    _response, _bar, rest = id_.partition("|")
    if container := rest.partition("|")[0]:
        database.execute(
            "DELETE FROM begun_threads WHERE target = ? AND id || '|' LIKE '%|' || ? || '|%'",
            (target, container),
        )
    database.execute(
        "INSERT OR REPLACE INTO begun_threads VALUES (?, ?, ?, ?)", (target, id_, place_, used)
    )


def started_threads(folder: Path, place_: str | None = None) -> list[StartedThread]:
    """Return the threads that kernels began, of one place or all, the longest unused first."""
    key = None if place_ is None else storable(place_)
    rows = open_database(folder).read(
        lambda database: database.execute(
            "SELECT target, id, place, used FROM begun_threads WHERE ? IS NULL OR place = ?"
            " ORDER BY used",
            (key, key),
        ).fetchall()
    )
    return [StartedThread(*row) for row in rows]


def forget_started(folder: Path, target: str, id_: str) -> None:
    """Forget a thread that was deleted, and every name for it."""

    def forget(database: sqlite3.Connection) -> None:
        database.execute("DELETE FROM begun_threads WHERE target = ? AND id = ?", (target, id_))
        database.execute("DELETE FROM threads WHERE target = ? AND id = ?", (target, id_))

    open_database(folder).write(forget)


def place(namespace: Mapping[str, Any]) -> str:
    """Return the notebook, or the working folder where none is known."""
    return notebook(namespace) or _working_folder()


def notebook(namespace: Mapping[str, Any]) -> str | None:
    """Describe which notebook this kernel belongs to, as far as front ends tell.

    Jupyter's server sets JPY_SESSION_NAME, VS Code a variable in the namespace.
    """
    found = namespace.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return str(found) if found else None


def _working_folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # somebody deleted it
        return os.environ.get("PWD", "")
