"""What a condition on rows is."""

from __future__ import annotations

from dataclasses import dataclass

from aoai_magic.engine.models.offline.schema import Column


@dataclass(frozen=True)
class Filter:
    """A condition: `column` `operator` `value`.

    The operators are those of Python, and ``in`` and ``not in`` for several texts; values of
    dates are ISO dates. With a `part` it is a condition on that part of a date: ``year``,
    ``month``, ``day_of_week`` (0 is Monday), or ``M`` and ``Q`` for periods such as 2024-03;
    `label` is how the prompt puts it.
    """

    column: Column
    operator: str
    value: float | str | tuple[str, ...] | tuple[int, ...]
    part: str = ""
    label: str = ""

    @property
    def chooses(self) -> bool:
        """Whether it takes some values of a column that names groups."""
        return self.operator == "in" and self.column.categorical
