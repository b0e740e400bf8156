"""Spent: what the turns of a notebook took, also those of the kernels before."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aoai_magic.turn.events import Usage
from aoai_magic.turn.view import View

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sum:
    """What the turns with one model took.

    ``cost`` is in US dollars and counts the turns with a known price; ``unpriced`` is
    the number of the others. ``since`` is a Unix time in seconds.
    """

    target: str
    model: str
    turns: int
    usage: Usage
    cost: float
    unpriced: int
    since: float


@dataclass(frozen=True)
class Spent:
    """The record of one place, which is the notebook's path or the working folder."""

    folder: Path
    place: str

    def add(self, view: View) -> None:
        """Remember what a turn took, if it took anything.

        Where that cannot be written the log says so: it must not cost the user the turn.
        """
        used = view.usage
        if not used.total_tokens and not used.container_minutes:
            return
        amounts = (used.input_tokens, used.cached_tokens, used.output_tokens)
        row = (self.place, time.time(), view.target, view.model, *amounts)
        try:
            with self._database() as database:
                database.execute(
                    "INSERT INTO turns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*row, used.container_minutes, view.cost),
                )
        except (sqlite3.Error, OSError):
            _LOG.warning("What the turn took could not be recorded", exc_info=True)

    def sums(self) -> list[Sum]:
        """Add up by target and model."""
        with self._database() as database:
            rows = database.execute(
                "SELECT target, model, COUNT(*), SUM(input), SUM(output), SUM(cached), "
                "SUM(minutes), TOTAL(cost), COUNT(*) - COUNT(cost), MIN(at) FROM turns "
                "WHERE place = ? GROUP BY target, model ORDER BY MIN(at)",
                (self.place,),
            ).fetchall()
        return [
            Sum(target, model, turns, Usage(*used), cost, unpriced, since)
            for target, model, turns, *used, cost, unpriced, since in rows
        ]

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.folder / "usage.sqlite")) as database, database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS turns (place TEXT, at REAL, target TEXT, model TEXT, "
                "input INTEGER, cached INTEGER, output INTEGER, minutes INTEGER, cost REAL)"
            )
            yield database
