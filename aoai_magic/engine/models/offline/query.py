"""What a question asks for, once every word of it is accounted for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from aoai_magic.engine.models.offline.dates import Period
from aoai_magic.engine.models.offline.lexicon import Language, plain, sentence
from aoai_magic.engine.models.offline.schema import Column, Table

FIGURES = frozenset(["mean", "median", "max", "min", "sum", "std"])
_SIGNS = {"in": "=", "not in": "≠", "==": "=", "!=": "≠", "period": "=", "not period": "≠"}

_BEYOND = {"words", "incomplete", "groups", "rank", "share", "plot", "save"}
"""Reasons that other words may not help with, so that the answer says what the rules can do."""


class Refusal(Exception):  # noqa: N818
    """The question is not answered: ``reason`` names a sentence, ``words`` go into it."""

    def __init__(self, reason: str, *words: str) -> None:
        super().__init__(reason, *words)
        self.reason, self.words = reason, words

    def text(self, language: Language) -> str:
        """Describe in one line why there is no answer, and what can be done."""
        names = [plain(word) for word in dict.fromkeys(self.words)]
        if self.reason == "words":
            names = [sentence("quoted", language, name) for name in names]
        names = [*names[:12], "…"] if len(names) > 12 else names
        listed, rest = (sentence("comma", language).join(part) for part in (names, names[1:]))
        words = {"words": listed, "first": "".join(names[:1]), "rest": rest}
        line = sentence(f"no {self.reason}", language, **words)
        if self.reason in {"no python", "unreadable", "failed", "file exists"}:
            return line
        rules = [sentence("can", language)] if self.reason in _BEYOND else []
        space = " " if language == "en" else ""
        return space.join([line, *rules, sentence("model", language)])


@dataclass(frozen=True)
class Filter:
    """A condition on rows.

    ``operator`` is ``in``, ``not in``, a comparison, ``between``, ``true``, ``false``; or,
    of a `Period`, ``period``, ``not period``, ``since``, ``after``, ``before``, ``until``, and
    ``recent`` for what counts back from the end of the data.
    """

    column: Column
    operator: str
    value: tuple[object, ...] = ()

    @property
    def is_date(self) -> bool:
        """Whether it is about a time."""
        return isinstance((*self.value, "")[0], Period)

    def text(self, language: Language) -> str:
        """Name the condition: "region = Europe"."""
        name, values = self.column.label, self.value
        if self.operator in ("true", "false"):
            return sentence(f"flag {self.operator}", language, name)
        if self.operator == "between":
            return f"{values[0]} ≤ {name} ≤ {values[1]}"
        texts = [value.text if isinstance(value, Period) else str(value) for value in values]
        if self.operator == "recent" and isinstance(values[0], Period):
            return sentence("span recent", language, name, texts[0], start=values[0].start)
        if self.operator in ("since", "after", "before", "until"):
            return f"{name} {sentence(f'span {self.operator}', language, texts[0])}"
        sign = _SIGNS.get(self.operator, self.operator)
        return f"{name} {sign} {sentence('or', language).join(texts)}"


@dataclass(frozen=True)
class Group:
    """What rows are grouped by: a column, its periods (``M``), or a part of the calendar."""

    column: Column
    by: str = ""

    @property
    def is_time(self) -> bool:
        """Whether the groups follow one another in time."""
        return bool(self.by) or self.column.is_year or self.column.kind == "period"

    def name(self, language: Language) -> str:
        """Name what the groups are: "region", "month"."""
        return sentence(f"time {self.by}", language) if self.by else self.column.label

    def label(self, text: str, language: Language) -> str:
        """Write the label of one group as people know it; safe in Markdown."""
        whole = text.removesuffix(".0") if re.fullmatch(r"-?\d+\.0", text) else text
        if self.by == "weekend":
            return sentence(f"weekend {text}", language)
        names = {"weekday": ("weekdays", 0), "month": ("months", 1)}
        if self.by in names and whole.isdecimal():
            key, first = names[self.by]
            return sentence(key, language).split()[int(whole) - first]
        return plain(whole.removesuffix(" 00:00:00"))


@dataclass(frozen=True)
class Measure:
    """A figure of a column; without a column, the number of rows. `over` divides its sum."""

    column: Column | None
    figure: str = "size"
    over: Column | None = None

    def name(self, language: Language) -> str:
        """Name it: "total revenue"."""
        if self.column is None:
            return sentence("rows", language)
        key, p = ("p", self.figure[1:]) if re.match(r"p\d", self.figure) else (self.figure, "")
        text = sentence(f"figure {key or 'none'}", language, self.column.label, p=p)
        return text + (f" ÷ {replace(self, column=self.over, over=None).name(language)}") * bool(
            self.over
        )


@dataclass(frozen=True)
class Rank:
    """Which groups or rows are asked for; ``place`` is 2 for the second."""

    descending: bool = True
    count: int | None = None
    place: int = 1


@dataclass(frozen=True)
class Join:
    """A further table, and the columns by which its rows are found."""

    table: Table
    left: str
    right: str


@dataclass(frozen=True)
class Query:
    """A question, as slots that its words fill.

    Attributes
    ----------
    task
        ``figure``, ``share``, ``change``, ``rows``, ``table``, or one of `recipes`; empty where
        the sentence only changes the query before it, by ``figures`` among other things.
    clean
        What is left out of the rows first: ``duplicates``, ``outliers`` of the measure.
    any_of
        Whether one of the filters is enough.
    step
        What is worked out of the figures of groups: ``growth``, ``cumulative``, ``rolling``,
        ``each`` (a rank within each of the first groups), or a figure of all of them.
    periods
        The two periods between which something changes.
    window
        The periods that a rolling mean is over, or the bins of a histogram.
    pair
        The two values of the group whose difference is tested.
    notes
        Misspelt words, and what they were taken for.
    """

    table: Table
    task: str = ""
    joins: tuple[Join, ...] = ()
    measures: tuple[Measure, ...] = ()
    groups: tuple[Group, ...] = ()
    filters: tuple[Filter, ...] = ()
    any_of: bool = False
    clean: tuple[str, ...] = ()
    step: str = ""
    periods: tuple[Filter, ...] = ()
    window: int = 0
    percent: bool = False
    rank: Rank | None = None
    ends: str = ""
    plot: str = ""
    colour: Column | None = None
    line: bool = False
    wide: bool = False
    save: str = ""
    file: str = ""
    pair: tuple[object, ...] = ()
    notes: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    figures: tuple[str, ...] = field(default=(), compare=False)
    follows: bool = field(default=False, compare=False)
    adds: bool = field(default=False, compare=False)

    @property
    def columns(self) -> list[Column]:
        """The columns of the measures."""
        return [measure.column for measure in self.measures if measure.column]

    @property
    def counts_rows(self) -> bool:
        """Whether it is the number of rows alone, which can be 0."""
        return self.task == "figure" and not self.groups and not self.columns

    @property
    def lacks_rows(self) -> bool:
        """Whether it asks for values of a table that has no rows."""
        return not (self.table.rows or self.counts_rows or self.task in ("overview", "missing"))

    @property
    def used(self) -> list[Column]:
        """Every column that the answer depends on."""
        found = [self.colour, *(measure.over for measure in self.measures), *self.columns]
        found += [group.column for group in self.groups]
        found += [one.column for one in (*self.filters, *self.periods)]
        return [column for column in found if column]

    @property
    def is_time(self) -> bool:
        """Whether the groups follow one another in time."""
        return any(group.is_time for group in self.groups)

    @property
    def in_percent(self) -> bool:
        """Whether its figures are written in per cent."""
        return self.percent or self.task in ("share", "change") or self.step == "growth"

    def value_name(self, language: Language) -> str:
        """Name what is worked out: "total revenue"."""
        if self.task == "share":
            name = self.columns[0].label if self.columns else sentence("row noun", language)
            return sentence("share of", language, name)
        text = sentence("and", language).join(m.name(language) for m in self.measures)
        step = "change" if self.task == "change" else self.step
        if step in ("", "each"):
            return text
        if step in ("growth", "cumulative", "rolling", "change"):
            unit = sentence(f"time {self.groups[0].by or 'Y'}", language) if self.groups else ""
            return sentence(f"step {step}", language, text, n=self.window, unit=unit)
        group = sentence("by", language, figure=text, group=self.groups[0].name(language))
        return sentence(f"figure {step}", language, group)

    def name(self, language: Language) -> str:
        """Name the query without its conditions: "total revenue by region"."""
        if self.task in ("scatter", "correlation", "regression"):
            return sentence("against", language, *(column.label for column in self.columns))
        text = self.value_name(language)
        if self.groups and self.step not in FIGURES:
            groups = sentence("and", language).join(group.name(language) for group in self.groups)
            text = sentence("by", language, figure=text, group=groups)
        return text

    def title(self, language: Language) -> str:
        """Name the query for the title of a chart."""
        text = self.name(language)
        return text[:1].upper() + text[1:] + self.conditions(language)

    def conditions(self, language: Language) -> str:
        """Name the conditions in brackets: " (region = Europe, date = 2024)"."""
        texts = [found.text(language) for found in self.filters]
        if self.any_of:
            texts = [sentence("or", language).join(texts)]
        texts += [sentence(f"without {what}", language) for what in self.clean]
        return (
            sentence("brackets", language, sentence("comma", language).join(texts)) if texts else ""
        )

    def file_stem(self) -> str:
        """Name a file after what is in it."""
        label = self.table.label or self.table.name
        if self.task == "table":
            return label
        name = {"rows": f"{label}_rows", "outliers": f"{label}_outliers"}.get(self.task)
        if self.rank and self.task == "rows" and self.columns:
            name = f"top_{self.rank.count or 1}_{self.columns[0].name}"
        text = re.sub(r"[^\w]+", "_", name or self.name("en")).strip("_").lower()
        return text[:80] or "result"
