"""One clause read with the schema at hand: the columns, conditions and words in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from . import vocabulary
from .columns import Mention, mentions
from .filters import Filter, compares_years, find_filters
from .schema import Column, Table

MOST_GROUPS = 50
"""A number with more distinct values than that is no group."""

_SURE = 3
"""Score from which a mention is surely the column's name."""

_AND = re.compile(r"\s*(and|と|和|與|及|、|&)\s*")


@dataclass(frozen=True)
class Reading:
    """One clause, and all that was found in it."""

    text: str
    table: Table
    named: list[Mention]
    filters: list[Filter]

    @cached_property
    def words(self) -> str:
        """The text without names of columns, which may be words of other meaning too."""
        text = self.text
        for mention in self.named:
            if mention.score >= _SURE:
                blank = "◯" * (mention.end - mention.start)
                text = text[: mention.start] + blank + text[mention.end :]
        return text

    @cached_property
    def kinds(self) -> list[str]:
        """What the words may mean, the likeliest first."""
        return [k for k, words in vocabulary.KINDS.items() if words.search(self.words)]

    @cached_property
    def frequency(self) -> str:
        """The frequency that is asked for, or ``""``."""
        found = vocabulary.first(self.words, vocabulary.FREQUENCIES)
        yearly = any(m.column.yearly and self._divides(m) for m in self.named)
        yearly = yearly or compares_years(self.text)
        return found or ("Y" if yearly and self.date else "")

    @cached_property
    def aggregation(self) -> str:
        """The aggregation that is asked for, or ``""``."""
        return vocabulary.first(self.words, vocabulary.AGGREGATIONS) or ""

    @cached_property
    def chart(self) -> str:
        """The chart that is asked for, or ``""``."""
        return vocabulary.first(self.words, vocabulary.CHARTS) or ""

    @cached_property
    def measures(self) -> list[Column]:
        """The numeric columns that are named; those with a condition only if no others are."""
        limited = {f.column for f in self.filters}
        found = [m.column for m in self.named if m.column.numeric and m != self._grouping]
        found = [column for column in found if not column.identifying]
        if not found and vocabulary.ALL_NUMBERS.search(self.text):
            found = self.table.numbers
        return [column for column in found if column not in limited] or found

    @cached_property
    def group(self) -> Column | None:
        """The column whose values are compared."""
        if self._grouping:
            return (self._beside or self._grouping).column
        for condition in self.filters:
            # "Asia and Europe" are there to be compared, "Asia" alone is a condition.
            if condition.operator == "in" and len(condition.value) > 1:  # type: ignore[arg-type]
                return condition.column
        limited = {f.column for f in self.filters}
        named = [m.column for m in self.named if m.column not in limited]
        plain = [c for c in named if c.categorical]
        rows = self.table.rows
        plain += [c for c in named if c.identifying and not c.yearly and c.distinct < rows]
        return plain[0] if plain else None

    @cached_property
    def second(self) -> Column | None:
        """The column that divides the groups further: "by region and product"."""
        if self._grouping is None:
            return None
        if self._beside:
            return self._grouping.column
        for condition in self.filters:
            several = isinstance(condition.value, tuple) and len(condition.value) > 1
            if several and condition.operator == "in" and condition.column != self.group:
                return condition.column
        if "top" in self.kinds and self._grouping.column.categorical:
            others = [m.column for m in self.named if m != self._grouping]
            return next((column for column in others if column.categorical), None)
        later = [m.column for m in self.named if m.start > self._grouping.start]
        return next((column for column in later if column.categorical), None)

    @cached_property
    def grouped(self) -> bool:
        """Whether "per" or "by" stands at a column."""
        return self._grouping is not None

    @cached_property
    def _beside(self) -> Mention | None:
        """The column that stands before the grouping one: "地域と商品ごと"."""
        place = self._grouping
        for mention in self.named:
            joint = self.text[mention.end : place.start] if place else ""
            if mention.column.categorical and _AND.fullmatch(joint):
                return mention
        return None

    @cached_property
    def _grouping(self) -> Mention | None:
        found = [m for m in self.named if self._is_grouping(m)]
        # "Which customer is best in each region": the regions divide.
        return next(iter(reversed(found) if "top" in self.kinds else found), None)

    def _is_grouping(self, mention: Mention) -> bool:
        column = mention.column
        few = column.distinct <= MOST_GROUPS
        if column.temporal or column.yearly:
            return False  # it says when, and divides by its period
        if not (column.categorical or column.identifying or few):
            return False
        if column.numeric and not column.identifying and {"top", "correlate"} & set(self.kinds):
            return False
        return self._divides(mention)

    def _divides(self, mention: Mention) -> bool:
        """Whether "per" or the like stands at a column."""
        before, after = self.text[: mention.start], self.text[mention.end :]
        return bool(vocabulary.GROUPING.search(before) or vocabulary.GROUPED.match(after))

    @cached_property
    def date(self) -> Column | None:
        """The column that says when: the one that is named, or the first."""
        named = [m.column for m in self.named if m.column in self.table.dates]
        return next(iter([*named, *self.table.dates]), None)


def read_clause(clause: str, table: Table) -> Reading:
    """Find columns and conditions in a clause."""
    named = mentions(clause, table)
    if vocabulary.KINDS["count"].search(clause):
        # What is counted is rather a value of the data than another word for a column.
        values = {v.lower() for column in table.columns for v in column.values}
        named = [
            m for m in named if m.score > _SURE or clause[m.start : m.end].lower() not in values
        ]
    return Reading(clause, table, named, find_filters(clause, table, named))
