"""Which recipe a clause asks for: what its words say, and what its columns make of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from aoai_magic.engine.models.offline import vocabulary
from aoai_magic.engine.models.offline.reading import Reading


def feasible(reading: Reading, besides: str = "") -> str | None:
    """Give the likeliest kind that the table allows."""
    kinds = (kind for kind in reading.kinds if kind != besides)
    return next((kind for kind in kinds if _FEASIBLE.get(kind, _always)(reading)), None)


def _always(reading: Reading) -> bool:
    return True


def _plain_extreme(reading: Reading) -> bool:
    figures = len(reading.aggregations) > 1
    return not (reading.aggregation in {"max", "min"} and reading.grouped) and not figures


def _relates(reading: Reading) -> bool:
    drawn = reading.chart == "scatter"
    return len(reading.table.numbers) > 1 and (drawn or not reading.grouped)


def _lists(reading: Reading) -> bool:
    wanted = bool(reading.filters or reading.end or vocabulary.ROWS.search(reading.text))
    return wanted and not (reading.grouped or reading.aggregation or reading.frequency)


_FEASIBLE: Mapping[str, Callable[[Reading], bool]] = {
    "correlate": _relates,
    "growth": lambda r: bool(r.table.dates),
    "share": lambda r: bool(r.group or r.filters or r.table.categories),
    "top": _plain_extreme,
    "trend": lambda r: bool(r.table.dates),
    "unique": lambda r: bool(r.named),
    "overview": lambda r: not (r.grouped or (r.measures and r.group)),
    "convert": lambda r: vocabulary.first(r.text, vocabulary.FORMATS) is not None,
    "list": _lists,
}
"""Kinds whose words say other things as well, and when they are meant."""


def _names_a_quality(reading: Reading) -> bool:
    """Whether "the heaviest" or the like is asked for, which only one of the columns could tell."""
    match = re.search(rf"\b{vocabulary.SUPERLATIVE}\b", reading.words, re.IGNORECASE)
    if match is None or match[0].lower() == "busiest":
        return False
    return not vocabulary.LATEST.search(reading.words)


def settled(kind: str | None, reading: Reading) -> str:
    """Give the recipe for what the words and the columns say together."""
    if kind == "top" and not reading.measures and _names_a_quality(reading):
        return "help"
    if reading.cycle and kind in _ALSO_BY_CALENDAR:
        return "season"
    if reading.end and kind in {None, "list", "top"}:
        return _by_place(reading)
    if reading.against and len(reading.measures) > 1 and kind in {None, "plot", "compare", "list"}:
        return "correlate"
    if kind is None and _only_limits(reading):
        return "list"
    if kind in _BY_KIND:
        return _BY_KIND[kind](reading)
    return _drawn(reading) if kind in {None, "plot", "compare"} else str(kind)


def _by_place(reading: Reading) -> str:
    """Take the last orders by their date, the last rows by their place."""
    placed = reading.end == "random" or vocabulary.POSITION.search(reading.text)
    dated = reading.date and not reading.date.yearly
    return "list" if placed or not dated else "top"


def _only_limits(reading: Reading) -> bool:
    """Whether nothing is told but which rows are wanted: "orders above 500"."""
    limited = {f.column for f in reading.filters if not isinstance(f.value, tuple)}
    return bool(limited) and not reading.grouped and set(reading.measures) <= limited


def _top(reading: Reading) -> str:
    if reading.frequency and not reading.group and reading.date:
        return "trend"
    if reading.grouped and reading.second and (reading.number or 1) > 1:
        return "help"  # the first ones of every group
    ordered = vocabulary.SORTED.search(reading.text) and not reading.number
    return "compare" if reading.grouped and (reading.second or ordered) else "top"


def _share(reading: Reading) -> str:
    chosen = any(f.chooses for f in reading.filters)
    flagged = any(f.column.kind == "flag" for f in reading.filters) and not reading.grouped
    alone = not (reading.group or chosen)
    return "fraction" if reading.filters and (alone or flagged) else "share"


def _count(reading: Reading) -> str:
    if reading.frequency and reading.date:
        return "trend"
    if reading.measures and len(reading.aggregations) > 1:
        return "figures"
    return "compare" if reading.grouped else "count"


def _unique(reading: Reading) -> str:
    return "compare" if reading.grouped and len(reading.named) < 2 else "unique"


_BY_KIND: Mapping[str | None, Callable[[Reading], str]] = {
    "count": _count,
    "share": _share,
    "top": _top,
    "unique": _unique,
}
_ALSO_BY_CALENDAR = {None, "compare", "count", "list", "plot", "top", "trend"}
"""Kinds that the parts of the calendar can divide."""


def _drawn(reading: Reading) -> str:
    timed = bool(reading.date and (reading.frequency or _names_a_date(reading)))
    spanned = reading.aggregation == "range" and not reading.measures and timed
    several = len(reading.aggregations) > 1 and not (reading.apiece or timed)
    if several or (spanned and not reading.frequency):
        return "figures"  # a date's range is from the first day to the last
    plain = not (reading.group or reading.aggregation or reading.filters)
    if reading.chart in _OF_CHART:
        return _OF_CHART[reading.chart]
    if len(reading.measures) > 1 and plain:
        return "correlate"
    if timed:
        return "trend"
    return _untimed(reading)


_OF_CHART = {"hist": "distribution", "box": "distribution", "pie": "share", "scatter": "correlate"}


def _untimed(reading: Reading) -> str:
    if reading.group:
        return "compare"
    if reading.aggregation or reading.filters or reading.per:
        return "total"
    return "distribution" if reading.measures else "compare"


def _names_a_date(reading: Reading) -> bool:
    """Whether a date is named, and "days" are not what the rows are: "on snowy days"."""
    dates = [m for m in reading.named if m.column in reading.table.dates]
    words = {reading.text[m.start : m.end].lower() for m in dates}
    return bool(words - {"day", "days", "time", "times"})
