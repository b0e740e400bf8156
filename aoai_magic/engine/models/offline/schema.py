"""What is known of the data: tables and their columns, as the schema cards tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from itertools import takewhile
from typing import Literal

Kind = Literal["number", "text", "date", "period", "flag", "other"]

_UNITS = frozenset(
    [
        "mm",
        "cm",
        "m",
        "km",
        "mg",
        "g",
        "kg",
        "ms",
        "s",
        "sec",
        "min",
        "usd",
        "eur",
        "jpy",
        "twd",
        "gbp",
        "pct",
        "sqft",
        "lbs",
    ]
)
_ADDITIVE = re.compile(
    r"precipitation|rain|revenue|sales|amount|turnover|income|profit|quantity|qty|units|volume"
    r"|passengers|bytes|kwh|(?<!unit.)costs?|fees?$|fines?$|spend|expense|population|降水|雨量|売上|金額"
    r"|利益|数量|個数|在庫数|費用|營收|銷售|營業額|收入|利潤|數量|銷量|支出|人口|庫存",
    re.IGNORECASE,
)
"""Names of columns whose sum means something; of others the figure must be named."""

_DURATION = re.compile("time|delay|duration|wait|elapsed|response|travel|sleep", re.IGNORECASE)
_TITLE = re.compile(
    r"^`(?P<name>[^`\n]+)`: (?P<kind>[\w.]+), (?P<rows>[\d,]+) (?:rows?|values?)\b", re.MULTILINE
)
_COLUMN = re.compile(
    r"(?P<name>.+?): (?P<dtype>\S+(?:, [\w/+=:'.-]+[\])]+)?)"
    r"(?: \((?P<values>.*)\))?(?:; (?P<nulls>[\d,]+) null)?"
)
_KINDS: tuple[tuple[str, Kind], ...] = (
    (r"bool|Boolean", "flag"),
    (r"u?int\d|float\d|double|U?Int\d|Float\d|[Dd]ecimal|Sparse\[(int|float)", "number"),
    (r"datetime64|timestamp|Datetime|date32|Date$", "date"),
    (r"period", "period"),
    (r"object|str|String|Utf8|large_string|string|category|Categorical|Enum|dictionary", "text"),
)
OFFSET = r"(?:Z|[+-]\d\d:?\d\d)$"
"""How a time written as text ends that says its distance to UTC."""

_ISO = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?")
_ISO_OFFSET = re.compile(rf"\d{{4}}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)? ?{OFFSET}")

_SPANS = {
    # As they stand: pandas' weeks begin on a Monday, the data's may not.
    **dict.fromkeys(("week", "週", "周", "hour", "minute", "second"), ""),
    **dict.fromkeys(("year", "年", "年份"), "Y"),
    **dict.fromkeys(("quarter", "四半期", "季"), "Q"),
    **dict.fromkeys(("month", "月", "月份"), "M"),
}


@dataclass(frozen=True)
class Column:
    """A column, or a named level of the index.

    ``values`` are examples of a text column's values; ``complete`` says whether they are
    all. A ``date`` of the dtype ``text`` is written as text in the data; ``has_offset`` says
    whether with offsets to UTC, which change with summer time. ``is_key`` is true of numbers
    that only count the rows. ``formula`` is the column, sign and column that it is worked out
    from, where the data has not got it.
    """

    name: str
    kind: Kind
    dtype: str = ""
    values: tuple[str, ...] = ()
    complete: bool = False
    nulls: int = 0
    low: str = ""
    high: str = ""
    is_level: bool = False
    is_key: bool = False
    has_offset: bool = False
    formula: tuple[str, str, str] | None = None

    @property
    def label(self) -> str:
        """The name as people write it: "body mass (g)"."""
        parts = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name).split("_")
        if len(parts) == 1 or not all(re.fullmatch(r"[A-Za-z0-9]+", part) for part in parts):
            return self.name
        parts = [part if part.isupper() and len(part) > 1 else part.lower() for part in parts]
        unit = f" ({parts.pop()})" if self.unit == parts[-1] else ""
        parts = parts[:-1] if unit and parts[-1] == "in" else parts
        return " ".join(parts) + unit

    @property
    def adds_up(self) -> bool:
        """Whether the sum of its values means something."""
        ratio = self.formula is not None and self.formula[1] == "/"
        return not ratio and bool(_ADDITIVE.search(self.name))

    @property
    def words(self) -> tuple[str, ...]:
        """The words of its name, lower case and singular, without a unit at the end."""
        words = split_name(self.name)
        return words[:-1] if self.unit in words[1:] else words

    @property
    def unit(self) -> str:
        """The unit that its name ends with, or ``""``."""
        found = re.findall(r"[a-z]+|[%€$£¥]|円|元", self.name.lower())
        # "temp_min" is the lowest temperature, "delay_min" a number of minutes.
        lowest = found[-1:] == ["min"] and not _DURATION.search(self.name)
        known = found[1:] and found[-1] in _UNITS | set("%€$£¥円元")
        return found[-1] if known and not lowest else ""

    @property
    def span(self) -> str:
        """The alias in pandas of what a date in it stands for; ``""`` for the date as it is."""
        return _SPANS.get(self.words[-1] if self.words else self.name, "D")

    @property
    def is_whole(self) -> bool:
        """Whether it holds whole numbers."""
        return self.kind == "number" and "int" in self.dtype.lower()

    @property
    def is_kind(self) -> bool:
        """Whether its numbers name kinds of rows, such as a number of cylinders."""
        ends = re.fullmatch(r"(-?\d+) (-?\d+)", f"{self.low} {self.high}")
        few = ends is not None and int(ends[2]) - int(ends[1]) < 30
        return self.is_whole and not self.adds_up and few

    @property
    def is_year(self) -> bool:
        """Whether it holds years as whole numbers."""
        return self.is_whole and ("year" in self.words or self.name in {"年", "年度", "年份"})

    @property
    def is_id(self) -> bool:
        """Whether its values name things, so that no sum or mean of them means anything."""
        named = self.words[-1:] and self.words[-1] in {"id", "code", "key", "zip", "no", "uuid"}
        named = named or self.name.endswith(("編號", "番号"))
        return self.kind in ("number", "text") and bool(named)

    @property
    def is_measure(self) -> bool:
        """Whether figures of it mean something."""
        return self.kind == "number" and not (self.is_id or self.is_year or self.is_key)

    @property
    def has_zone(self) -> bool:
        """Whether its times have a time zone."""
        zone = re.search(r"datetime64\[\w+, |tz=|time_zone='", self.dtype)
        return self.kind == "date" and zone is not None


@dataclass(frozen=True)
class Table:
    """A table that code can name.

    ``name`` is the variable's, ``label`` what the user calls it; ``setup`` is the line of
    code that defines the variable, where the session has not got it.
    """

    name: str
    columns: tuple[Column, ...]
    rows: int = 0
    kind: str = "pandas.DataFrame"
    label: str = ""
    setup: str = ""

    @property
    def days_are_rows(self) -> bool:
        """Whether each row is one day: as many rows as its only dates have days."""
        dates = [column for column in self.columns if column.kind == "date"]
        try:
            ends = [date.fromisoformat(end[:10]) for c in dates for end in (c.low, c.high)]
        except ValueError:
            return False
        return len(ends) == 2 and (ends[1] - ends[0]).days + 1 == self.rows


@lru_cache(maxsize=4096)
def split_name(name: str) -> tuple[str, ...]:
    """Split a name as written by programs into lower-case singular words."""
    name = re.sub(r"(?<=\w)\s*[(\[].*[)\]]\s*$", "", name)
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return tuple(singular(word) for word in re.findall(r"[a-z]+|\d+", spaced.lower()))


def singular(word: str) -> str:
    """Return the singular of an English word, as far as the ending shows it."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] not in "sui" else word


def read_card(text: str) -> Table | None:
    """Read the table that a card describes; None if it describes something else."""
    title = _TITLE.search(text)
    if not title:
        return None
    lines = text[title.start() :].split("\n")
    columns = list(_read_lines(lines))
    if not columns or len({column.name for column in columns}) < len(columns):
        return None
    rows = int(title["rows"].replace(",", ""))
    columns = [replace(column, is_key=counts_rows(column, rows)) for column in columns]
    return Table(title["name"], tuple(columns), rows, title["kind"], title["name"])


def counts_rows(column: Column, rows: int) -> bool:
    """Return whether a column numbers the rows: whole numbers that span as many as the rows."""
    ends = re.fullmatch(r"(-?\d+) (-?\d+)", f"{column.low} {column.high}")
    if not ends or not column.is_whole or rows < 10:
        return False
    return int(ends[2]) - int(ends[1]) + 1 == rows


def _read_lines(lines: list[str]) -> Iterator[Column]:
    """Read the levels of the index, and the lines below "Columns:"."""
    levels = [line[7:].removesuffix(".") for line in lines[1:3] if line.startswith("Index: ")]
    for found in map(_COLUMN.fullmatch, "; ".join(levels).split("; ")):
        if found and found["name"] != "unnamed":
            yield replace(_column(found), is_level=True)
    start = lines.index("Columns:") + 1 if "Columns:" in lines else len(lines)
    for line in takewhile(lambda line: line.startswith("- "), lines[start:]):
        if found := _COLUMN.fullmatch(line[2:]):
            yield _column(found)


def _column(found: re.Match[str]) -> Column:
    nulls = int((found["nulls"] or "0").replace(",", ""))
    return make_column(found["name"], found["dtype"], found["values"] or "", nulls)


def make_column(name: str, dtype: str, values: str, nulls: int) -> Column:
    """Make a column of its dtype and what a card says of its values."""
    kinds = [kind for pattern, kind in _KINDS if re.match(pattern, dtype)]
    kind: Kind = kinds[0] if kinds else "other"
    if kind in ("number", "date", "period"):
        # A column of Arrow's days is one of Python's dates in pandas.
        dtype = "text" if re.match("date32|Date$", dtype) else dtype
        low, _, high = values.partition(" to ")
        return Column(name, kind, dtype, nulls=nulls, low=low, high=high or low)
    if kind != "text":
        return Column(name, kind, dtype, nulls=nulls)
    listed = re.sub(r", … (.*)$|, …$", "", values)
    texts = tuple(value for value in listed.split(", ") if value and "…" not in value)
    if texts and all(_ISO.fullmatch(text) for text in texts):
        return Column(name, "date", "text", nulls=nulls)
    if texts and all(_ISO_OFFSET.fullmatch(text) for text in texts):
        return Column(name, "date", "text", nulls=nulls, has_offset=True)
    return Column(name, kind, dtype, texts, listed == values and bool(values), nulls)
