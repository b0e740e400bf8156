"""Two tables joined: on which columns, and what the joined table holds."""

from __future__ import annotations

import re
from dataclasses import replace

from aoai_magic.engine.models.offline.columns import words_of
from aoai_magic.engine.models.offline.schema import Column, Join, Table


def joined(left: Table, right: Table, text: str = "") -> Table | None:
    """Join two tables on the columns that fit best, or that the text names.

    Each row of the one table, the left, finds its partner in the other, whose key says
    each value once; None if the tables have no column in common.
    """
    key = _key(left, right, text)
    if key is None:
        return None
    if _is_unique(key[0], left) and not _is_unique(key[1], right):
        left, right, key = right, left, key[::-1]
    return Table(
        name=f"{left.name} + {right.name}",
        file="",
        rows=left.rows,
        columns=tuple(_columns(left, right, key)),
        join=Join(left, right, key),
    )


def is_lookup(table: Table) -> bool:
    """Whether the join adds columns to the rows of one table and no rows."""
    return table.join is not None and _is_unique(table.join.on[1], table.join.right)


def suffixes(left: Table, right: Table) -> tuple[str, str]:
    """Give what is added to the names that both tables have."""
    first, second = (re.sub(r"\W+", "_", table.name) for table in (left, right))
    return f"_{first}", f"_{second}"


def _columns(left: Table, right: Table, key: tuple[Column, Column]) -> list[Column]:
    shared = key[0].name if key[0].name == key[1].name else None
    both = {c.name for c in left.columns} & {c.name for c in right.columns} - {shared}
    first, second = suffixes(left, right)
    own = [replace(c, name=c.name + first) if c.name in both else c for c in left.columns]
    others = [c for c in right.columns if c.name != shared]
    return own + [replace(c, name=c.name + second) if c.name in both else c for c in others]


def _is_unique(column: Column, table: Table) -> bool:
    return column.distinct >= table.rows - column.nulls


def _key(left: Table, right: Table, text: str) -> tuple[Column, Column] | None:
    """Find the columns that join two tables: alike in name, the most telling ones first."""
    pairs = [(a, b) for a in left.columns for b in right.columns if _joins(a, b, left, right)]
    named = [pair for pair in pairs if re.search(rf"\b{re.escape(pair[0].name)}\b", text)]
    return max(named or pairs, key=lambda pair: _fitness(*pair), default=None)


def _joins(a: Column, b: Column, left: Table, right: Table) -> bool:
    if a.numeric != b.numeric or a.temporal != b.temporal:
        return False
    first, second = words_of(a.name) or (a.name,), words_of(b.name) or (b.name,)
    owned = (words_of(left.name) + first, words_of(right.name) + second)
    return first == second or first == owned[1] or second == owned[0]


def _fitness(a: Column, b: Column) -> tuple[bool, int]:
    return a.identifying or a.name.lower().endswith("id"), min(a.distinct, b.distinct)
