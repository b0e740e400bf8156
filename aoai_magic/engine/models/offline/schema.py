"""The schema of the data: what the inspection found, as values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["number", "date", "flag", "text", "amount as text", "date as text", "other"]
"""What a column holds; the two "as text" want a conversion before use."""

NUMERIC: frozenset[Kind] = frozenset({"number", "amount as text"})
TEMPORAL: frozenset[Kind] = frozenset({"date", "date as text"})
CATEGORICAL: frozenset[Kind] = frozenset({"text", "flag"})

_NAMING = {"id", "no", "code", "zip", "postcode", "index", "unnamed", "key", "uuid"}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    dtype
        The name of its pandas dtype.
    nulls, distinct
        How many values are missing, and how many different ones there are.
    values
        All values of a text column with few of them, most frequent first; else examples.
    low, high
        The range of a number or a date, as text.
    form
        How text is to be read: ``decimal comma``, ``day first`` or ``年月日``.
    """

    name: str
    kind: Kind
    dtype: str = ""
    nulls: int = 0
    distinct: int = 0
    values: tuple[str, ...] = ()
    low: str = ""
    high: str = ""
    form: str = ""

    @property
    def numeric(self) -> bool:
        """Whether it can be summed."""
        return self.kind in NUMERIC

    @property
    def temporal(self) -> bool:
        """Whether it says when."""
        return self.kind in TEMPORAL

    @property
    def yearly(self) -> bool:
        """Whether it is a number that names years."""
        named = re.search(r"year|\byr\b|^年|年度|年份|西暦", self.name, re.IGNORECASE)
        years = [text.partition(".")[0] for text in (self.low, self.high)]
        return bool(named) and all(re.fullmatch(r"1[5-9]\d\d|2[01]\d\d", y) for y in years)

    @property
    def categorical(self) -> bool:
        """Whether it names groups."""
        return self.kind in CATEGORICAL

    @property
    def identifying(self) -> bool:
        """Whether it is a number that only names things, so that its sum means nothing."""
        words = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.name).lower()))
        cjk = self.name.endswith(("番号", "編號", "コード", "代碼"))
        return self.numeric and (bool(_NAMING & words) or cjk or self.yearly)


@dataclass(frozen=True)
class Join:
    """How a table is joined of two: each row of `left` with its partner in `right`."""

    left: Table
    right: Table
    on: tuple[Column, Column]


@dataclass(frozen=True)
class Table:
    """A table in the session.

    Attributes
    ----------
    name
        What people call it: the variable's name or the file's stem.
    file
        The file's name under the data folder.
    variable
        Name of the variable that also holds it, or ``""``.
    kind
        The variable's type, such as ``pandas.DataFrame``.
    sheet
        The sheet of a workbook with more than one, or ``""``.
    options
        Keywords that the reader of the file takes.
    indexed, labelled
        Whether its index says something, and whether its labels are not all texts.
    join
        The two tables that it is joined of, if it is.
    given
        Whether it came with the prompt that is being read; no part of what it is.
    """

    name: str
    file: str
    rows: int
    columns: tuple[Column, ...]
    variable: str = ""
    kind: str = ""
    sheet: str = ""
    options: tuple[tuple[str, str | bool], ...] = ()
    indexed: bool = False
    labelled: bool = False
    join: Join | None = None
    given: bool = field(default=False, compare=False)

    @property
    def sources(self) -> list[Table]:
        """The tables of the session that it is made of."""
        return [self.join.left, self.join.right] if self.join else [self]

    def column(self, name: str) -> Column | None:
        """Find a column by its exact name."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def dates(self) -> list[Column]:
        """The columns that say when."""
        yearly = [column for column in self.columns if column.yearly]
        return [column for column in self.columns if column.temporal] or yearly

    @property
    def numbers(self) -> list[Column]:
        """The columns that can be summed, without those that only name things."""
        return [c for c in self.columns if c.numeric and not c.identifying]

    @property
    def quantities(self) -> list[Column]:
        """The numbers that say how many pieces there are."""
        words = r"quantit|qty|units?\b(?!\s*(price|cost))|数量|個数|數量|件數|銷量"
        spaced = {c: re.sub(r"_|(?<=[a-z])(?=[A-Z])", " ", c.name) for c in self.numbers}
        return [c for c, name in spaced.items() if re.search(words, name, re.IGNORECASE)]

    @property
    def categories(self) -> list[Column]:
        """The columns that name groups, the ones with few groups first."""
        groups = [column for column in self.columns if column.categorical]
        return sorted(groups, key=lambda column: column.distinct)
