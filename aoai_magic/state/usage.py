"""Token use and cost of a notebook's turns, also those of earlier kernels."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from aoai_magic.state.database import open_database, storable
from aoai_magic.turn.events import Usage
from aoai_magic.turn.view import View


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
class UsageLog:
    """The record of one place, which is the notebook's path or the working folder."""

    folder: Path
    place: str

    def add(self, view: View) -> None:
        """Remember what a turn took, if it took anything."""
        used = view.usage
        if not used.total_tokens and not used.container_minutes:
            return
        amounts = (used.input_tokens, used.cached_tokens, used.output_tokens)
        row = (
            storable(self.place),
            time.time(),
            view.target,
            storable(view.model),
            *amounts,
            used.container_minutes,
            view.cost,
        )
        open_database(self.folder).write(
            lambda database: database.execute(
                "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row
            )
        )

    def sums(self) -> list[Sum]:
        """Return the sums by target and model."""
        key = (storable(self.place),)
        rows = open_database(self.folder).read(
            lambda database: database.execute(_SUMS, key).fetchall()
        )
        return [
            Sum(target, model, turns, Usage(*used), cost, unpriced, since)
            for target, model, turns, *used, cost, unpriced, since in rows
        ]


_SUMS = """
SELECT target, model, COUNT(*), SUM(input), SUM(output), SUM(cached), SUM(minutes), TOTAL(cost),
    COUNT(*) - COUNT(cost), MIN(at)
FROM usage WHERE place = ? GROUP BY target, model ORDER BY MIN(at)
"""
