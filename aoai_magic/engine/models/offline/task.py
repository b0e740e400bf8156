"""A task: one thing that a prompt asks for, with everything that its code needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aoai_magic.engine.models.offline.condition import Filter
from aoai_magic.engine.models.offline.schema import Column, Table


@dataclass(frozen=True)
class Task:
    """What to do.

    Attributes
    ----------
    kind
        The recipe's name.
    table, other
        The data, and the second table of a join.
    measure
        The column that is summed, averaged or drawn; None counts rows.
    measures
        All numeric columns that were named.
    group, second
        The column whose values are compared, and one that divides these further.
    date, frequency
        The column that says when, and ``D``, ``W``, ``M``, ``Q`` or ``Y`` if one was asked for.
    cycle
        ``month``, ``quarter``, ``weekday`` or ``hour``: the part of the calendar that divides.
    aggregation
        The name of a figure: ``sum``, ``mean``, ``std``, ``p90`` and so on.
    aggregations
        All figures of the measure that were asked for, if there are several.
    per
        The column by whose sum that of the measure is divided.
    number
        How many to show, if that was said.
    end
        ``first``, ``last`` or ``random``, if rows are asked for by their place.
    ignored
        A word of the prompt that may be a value and that the data do not have.
    lowest
        Whether the low end is wanted.
    chart
        The kind of chart that was asked for, ``""`` for the fitting one, or ``none``.
    save
        The format of the file that was asked for, or ``""``.
    stem
        The name of that file, without suffix, if it was given.
    text
        The clause that asks, for tasks that are read from the text itself.
    """

    kind: str
    table: Table | None = None
    other: Table | None = None
    measure: Column | None = None
    measures: tuple[Column, ...] = ()
    group: Column | None = None
    second: Column | None = None
    date: Column | None = None
    frequency: str = ""
    cycle: str = ""
    aggregation: str = ""
    aggregations: tuple[str, ...] = ()
    per: Column | None = None
    number: int | None = None
    end: str = ""
    ignored: str = ""
    lowest: bool = False
    chart: str = ""
    filters: tuple[Filter, ...] = ()
    save: str = ""
    stem: str = ""
    text: str = ""


@dataclass(frozen=True)
class Way:
    """How the code goes about it; each repair changes one thing.

    Attributes
    ----------
    chart
        Draw; off where matplotlib is missing.
    variables
        Use the session's variables; off where they are not there: files are read then.
    coerce
        Convert every column that is used, and let what can't be converted go.
    excel, sympy
        Use these libraries; off where they are missing.
    """

    chart: bool = True
    variables: bool = True
    coerce: bool = False
    excel: bool = True
    sympy: bool = True


def used_columns(task: Task) -> list[Column]:
    """Give the columns that the task's code touches, each once."""
    found: Iterable[Column | None] = [
        *(f.column for f in task.filters),
        task.measure,
        *task.measures,
        task.per,
        task.date if task.kind in {"trend", "growth", "season"} else None,
        task.group,
        task.second,
    ]
    return list(dict.fromkeys(column for column in found if column))
