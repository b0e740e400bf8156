"""One clause read with the schema at hand: the columns, conditions and words in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from aoai_magic.engine.models.offline import vocabulary
from aoai_magic.engine.models.offline.columns import Mention, mentions
from aoai_magic.engine.models.offline.condition import Filter
from aoai_magic.engine.models.offline.figures import Figure, find_figures
from aoai_magic.engine.models.offline.filters import find_filters, undecided
from aoai_magic.engine.models.offline.language import HAN_NUMBER, NUMBER_WORD, count
from aoai_magic.engine.models.offline.schema import Column, Table
from aoai_magic.engine.models.offline.times import RECENT, compared_periods, is_vague
from aoai_magic.engine.models.offline.unknown import Strange, unknown_value

MOST_GROUPS = 50
"""A number with more distinct values than that is no group."""

_SURE = 3
"""Score from which a mention is surely the column's name."""

_N = rf"(\d+|{NUMBER_WORD})"
_NUMBERS = [
    rf"\b(?:top|bottom|best|worst|first|last|latest|newest|recent|head|tail|random|highest|lowest|largest|biggest)\s+{_N}\b",
    rf"\b{_N}\s+(?:\w+\s+)?(?:best|top|worst|highest|lowest|largest|biggest|smallest|most|first)\b",
    rf"\b{_N}\s+(?:\w+\s+){{0,2}}(?:with|having|by)\b",
    rf"\b{_N}\s+{vocabulary.SUPERLATIVE}",
    rf"(?:上位|下位|トップ|ベスト|ワースト|前|後|最初の|最後の|先頭|末尾|最新)\s*([\d０-９]+|{HAN_NUMBER})",
    rf"([\d０-９]+|{HAN_NUMBER})\s*(?:件|名|位|社|人|個|大|つ|匹|頭|羽|隻|筆|種|家|項|天|日間|行)",
    rf"([\d０-９]+|{HAN_NUMBER})\s*日(?!\d|\s*[年月日])(?=を|の|が|は|$)",
]

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
        text = blank(RECENT, self.text)
        for mention in self.named:
            if mention.score >= _SURE:
                hidden = "◯" * (mention.end - mention.start)
                text = text[: mention.start] + hidden + text[mention.end :]
        return text

    @cached_property
    def number(self) -> int | None:
        """How many are asked for, if that is said."""
        text = blank(RECENT, self.text)
        for pattern in _NUMBERS:
            for match in re.finditer(pattern, text, re.IGNORECASE):
                number = count(match[1])
                if number and number < 1900:
                    return number
        return None

    @cached_property
    def kinds(self) -> list[str]:
        """What the words may mean, the likeliest first."""
        found = [k for k, words in vocabulary.KINDS.items() if words.search(self.words)]
        return found if self._quantity is None else [*(k for k in found if k != "count"), "compare"]

    @cached_property
    def _quantity(self) -> Column | None:
        """The number after "how many": units where these are a column, and no rows."""
        for mention in self.named:
            number = mention.column.numeric and not mention.column.identifying
            if number and vocabulary.HOW_MANY.search(self.text[: mention.start]):
                return mention.column
        return None

    @cached_property
    def frequency(self) -> str:
        """The frequency that is asked for, or ``""``."""
        found = vocabulary.first(self.words, vocabulary.FREQUENCIES)
        yearly = any(m.column.yearly and self._divides(m) for m in self.named)
        compared = compared_periods(self.text) or ("Y" if yearly else "")
        return found or (compared if self.date else "")

    @cached_property
    def aggregation(self) -> str:
        """The aggregation that is asked for, or ``""``."""
        names = self.aggregations
        if column := self._quantity:
            summed = bool(vocabulary.ADDITIVE.search(column.name.replace("_", " ")))
            return next(iter(names), "sum" if summed else "")
        return "count" if "count" in names else next(iter(names), "")

    @cached_property
    def aggregations(self) -> tuple[str, ...]:
        """All figures that are asked for."""
        names = tuple(figure.name for figure in self._figures)
        return names if self._quantity is None else tuple(n for n in names if n != "count")

    @cached_property
    def _figures(self) -> list[Figure]:
        return find_figures(self.words)

    def aggregation_of(self, column: Column) -> str:
        """Give the figure that is asked for of one among several columns, each with its own."""
        mention = next(m for m in self.named if m.column == column)
        before = [figure.name for figure in self._figures if figure.end <= mention.start]
        after = [figure.name for figure in self._figures if figure.start >= mention.end]
        if after and (not before or re.match("の|的", self.text[mention.end :])):
            return after[0]
        return before[-1]

    @cached_property
    def apiece(self) -> bool:
        """Whether each column has a figure of its own: "average price and total revenue"."""
        if len(self.measures) < 2 or len(self._figures) < 2:
            return False
        first, last = self._figures[0].end, self._figures[-1].start
        named = [m for m in self.named if m.column in self.measures]
        return len(named) > 1 and any(first <= m.start < last for m in named)

    @cached_property
    def cycle(self) -> str:
        """The part of the calendar that is asked for, or ``""``."""
        found = vocabulary.first(self.words, vocabulary.CYCLES) or ""
        for condition in self.filters:
            # "January and July" are there to be compared, a weekend's two days are not.
            listed = isinstance(condition.value, tuple) and "," in condition.label
            if not found and listed:
                found = {"month": "month", "day_of_week": "weekday"}.get(condition.part, "")
        return found if self.date and not self.date.yearly else ""

    @cached_property
    def end(self) -> str:
        """``first``, ``last`` or ``random`` if rows are asked for by their place, or ``""``."""
        if self.measures or self.group or self.aggregations or self.frequency or self.cycle:
            return ""
        return vocabulary.first(blank(RECENT, self.words), vocabulary.ENDS) or ""

    @property
    def complete(self) -> bool:
        """Whether a measure and what to do with it are told."""
        return bool(self.measures and (self.grouped or self.aggregation or self.frequency))

    @property
    def counts_rows(self) -> bool:
        """Whether what the rows are is all that is named: "orders per region" by their ids."""
        named = [m.column for m in self.named if m.column != self.group]
        ids = [c for c in named if c.identifying and not c.yearly]
        return bool(ids) and not self.measures and self.aggregation in {"", "count"}

    @cached_property
    def strange(self) -> Strange | None:
        """A word that may be meant as a value and is none."""
        return unknown_value(self.text, self.table, self.named, self.filters)

    @cached_property
    def unclear(self) -> str:
        """A condition that can't be followed: of no column, or counted from today."""
        amount = undecided(self.text, self.table, self.named)
        return amount or (is_vague(self.text) if self.table.dates else "")

    @cached_property
    def chart(self) -> str:
        """The chart that is asked for, or ``""``."""
        found = vocabulary.first(self.words, vocabulary.CHARTS) or ""
        return "scatter" if self.against and found in {"", "line"} else found

    @cached_property
    def against(self) -> bool:
        """Whether one number is set against another: "price against weight"."""
        return not self.frequency and bool(self._side_by_side(vocabulary.AGAINST))

    @cached_property
    def subtracts(self) -> bool:
        """Whether the difference of two columns is asked for."""
        differs = vocabulary.DIFFERENCE.search(self.words)
        return bool(differs) and self._side_by_side(vocabulary.AND) is not None

    @cached_property
    def per(self) -> Column | None:
        """The number for whose units another is told: "revenue per unit"."""
        numbers = [m for m in self.named if m.column.numeric and not m.column.identifying]
        pair = self._side_by_side(vocabulary.RATIO) or _for_each(self.text, numbers)
        if pair:
            column = pair[1].column
            amount = vocabulary.ADDITIVE.search(column.name.replace("_", " "))
            return column if amount or column.distinct > MOST_GROUPS else None
        others = {m.column for m in numbers}
        if not others or not vocabulary.PER_PIECE.search(self.words):
            return None
        return next((c for c in self.table.quantities if c not in others), None)

    def _side_by_side(self, joint: re.Pattern[str]) -> tuple[Mention, Mention] | None:
        """Find two numbers with no more than a joint between them."""
        numbers = [m for m in self.named if m.column.numeric and not m.column.yearly]
        for first, second in pairwise(numbers):
            if joint.fullmatch(self.text[first.end : second.start]):
                return first, second
        return None

    @cached_property
    def measures(self) -> list[Column]:
        """The numeric columns that are named; those with a condition only if no others are."""
        limited = {f.column for f in self.filters}
        found = [m.column for m in self.named if m.column.numeric and m != self._grouping]
        found = [column for column in found if not column.identifying and column != self.per]
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
            if condition.chooses and len(condition.value) > 1:  # type: ignore[arg-type]
                return condition.column
        limited = {f.column for f in self.filters if f.operator != "not in"}
        if "count" in self.kinds and (self.frequency or self.cycle):
            return None  # "the number of events per day": events are what is counted
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
            if several and condition.chooses and condition.column != self.group:
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
        if column == self.per:
            return False
        if column.numeric and not column.identifying and {"top", "correlate"} & set(self.kinds):
            return False
        return self._divides(mention)

    def _divides(self, mention: Mention) -> bool:
        """Whether "per" or the like stands at a column."""
        before, after = self.text[: mention.start], self.text[mention.end :]
        before = vocabulary.HOW_MANY.sub("", before)  # "by number of beds"
        if mention.column.numeric and re.search(r"\bbetween\s*$", before):
            return False
        return bool(vocabulary.GROUPING.search(before) or vocabulary.GROUPED.match(after))

    @cached_property
    def date(self) -> Column | None:
        """The column that says when: the one that is named, or the first."""
        named = [m.column for m in self.named if m.column in self.table.dates]
        return next(iter([*named, *self.table.dates]), None)


def _for_each(text: str, numbers: list[Mention]) -> tuple[Mention, Mention] | None:
    """Find what is told for each of what, as Japanese and Chinese say it."""
    for match in vocabulary.FOR_EACH.finditer(text):
        before = [m for m in numbers if m.end == match.start()]
        after = [m for m in numbers if m.start >= match.end()]
        if before and after:
            return after[0], before[0]
        if text[match.start()] == "每" and len(after) > 1 and after[0].start == match.end():
            return after[1], after[0]
    return None


def blank(pattern: re.Pattern[str], text: str) -> str:
    """Hide what a pattern finds, and leave all else where it stands."""
    return pattern.sub(lambda match: "◯" * len(match[0]), text)


def read_clause(clause: str, table: Table) -> Reading:
    """Find columns and conditions in a clause."""
    named = mentions(clause, table)
    if vocabulary.KINDS["count"].search(clause):
        # What is counted is rather a value of the data than another word for a column.
        values = {v.lower() for column in table.columns for v in column.values}
        named = [
            m for m in named if m.score > _SURE or clause[m.start : m.end].lower() not in values
        ]
    if table.join:
        # "Merge sales with customers" names tables, and no column called customer.
        names = {source.name.lower() for source in table.sources}
        named = [
            m for m in named if m.score > _SURE or clause[m.start : m.end].lower() not in names
        ]
    return Reading(clause, table, named, find_filters(clause, table, named))
