"""Which tables among the files stand in the answer already: no table is shown twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from aoai_magic.display.saved.table_preview import Preview, previews
from aoai_magic.results.read_markdown import table_rows
from aoai_magic.turn import view as views

_NUMBER = re.compile(r"([+-]?)[^\w+-]?(\d+(?:\.(\d+))?(?:e[+-]?\d+)?)\s?[^\w]?")
_GROUP = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


Rows = Sequence[Sequence[str]]


def unseen_tables(view: views.View, files: Iterable[views.File]) -> Iterator[Preview]:
    """Yield the heads of the tables in ``files`` whose rows stand nowhere else.

    A table with a column for each group says the same as one with a row for each.
    """
    tables = [table for file in files for table in previews(file)]
    shown = table_rows(view.text) if tables else []
    seen = [form for rows in shown for form in _forms(rows[0], rows[1:])]
    for table in tables:
        forms = _forms([column.name for column in table.columns], table.head)
        if not any(_holds(rows, form) for rows in seen for form in forms):
            seen += forms
            yield table


def _forms(names: Sequence[str], rows: Rows) -> list[Rows]:
    """Return rows as they are, and with a row of its own for each value and its column's name."""
    pairs = [(row, place) for row in rows for place in range(1, len(row))]
    long = [(row[0], names[place], row[place]) for row, place in pairs]
    return [rows, long] if len(names) > 2 else [rows]


def _holds(rows: Rows, head: Rows) -> bool:
    """Return whether all rows of a head are among ``rows``, which may have an index too."""
    width = len(head[0])
    if not rows or not width <= len(rows[0]) <= width + 1:
        return False
    return all(any(_same(row, one) for one in rows) for row in head)


def _same(row: Sequence[str], other: Sequence[str]) -> bool:
    left = list(other)
    for cell in row:
        match = next((one for one in left if _equal(cell, one)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _equal(one: str, other: str) -> bool:
    """Return whether two cells say the same, up to the digits of the shorter number."""
    if one == other:
        return True
    numbers = [_NUMBER.fullmatch(_GROUP.sub("", cell.strip())) for cell in (one, other)]
    if not all(numbers):
        return False
    (a, digits), (b, more) = ((float(m[1] + m[2]), len(m[3] or "")) for m in numbers if m)
    return abs(a - b) <= 0.5000001 * 10.0 ** -min(digits, more)
