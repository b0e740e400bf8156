"""Conditions: dates, numbers and values that a sentence names, taken out of it as filters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

from aoai_magic.engine.models.offline.dates import Period, month_end
from aoai_magic.engine.models.offline.lexicon import concepts
from aoai_magic.engine.models.offline.phrase import Phrase, columns, of, refuse, texts
from aoai_magic.engine.models.offline.query import Filter, Group, Refusal
from aoai_magic.engine.models.offline.scan import Match, Token
from aoai_magic.engine.models.offline.schema import Column, Table
from aoai_magic.engine.models.offline.units import factor

_OPPOSITE = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}
_NUMBER, _VALUE = "[ND]", "[vq]"
_TIME_WORDS = {">=": "since", ">": "after", "<": "before", "<=": "until", "from": "since"}


class Conditions(Phrase):
    """A sentence whose conditions are read."""

    def __init__(self, tokens: Sequence[Token], table: Table) -> None:
        super().__init__(tokens, table)
        self.filters: list[Filter] = []
        self.groups: list[Group] = []
        self.clean: list[str] = []
        self.periods: tuple[Filter, ...] = ()
        self.any_of = False
        self.compares = self.has("CVse")
        self.together = False

    def read_conditions(self) -> None:
        """Return every condition, and remove it from the question."""
        for what in "id":
            if self.take(f"!{what}", rf"{what}\^"):
                self.clean.append({"i": "outliers", "d": "duplicates"}[what])
        if self.has("e") and self.has("%"):  # "by how many percent does it differ"
            self.left = [replace(t, kind="g") if t.kind == "e" else t for t in self.left]
        if self.has("g"):
            self._read_change()
        self._read_dates()
        self._read_numbers()
        self._read_values()
        while self.take(r"\.\|\."):
            self.any_of = True
        self._check_reach()

    def _read_change(self) -> None:
        """Remove and return the two periods between which something changes."""
        dates = of("D", self.left)
        periods = [t.value for t in dates if isinstance(t.value, Period) and t.value.start]
        if len(dates) != 2 or len(periods) != 2:
            return
        column = self.date_column(dates)
        first, last = sorted(periods, key=lambda period: str(period.start))
        if first.unit != last.unit or first == last or (periods[0] != first and self.take("ID:D")):
            refuse(dates)
        for period in periods:
            _check_whole(column, period)
        self.left = [t for t in self.left if t.kind not in "DI~:jC"]
        while self.take(r"(?<=[g.])&|&(?=[g.])"):
            pass
        self.periods = (Filter(column, "period", (first,)), Filter(column, "period", (last,)))

    # Dates

    def _read_dates(self) -> None:
        # "from" without a date is a preposition.
        kinds = self.kinds + "."
        self.left = [t for i, t in enumerate(self.left) if t.value != "from" or kinds[i + 1] == "D"]
        while taken := self.take("t?=?~D[&:]D", "t?=?I?D:D~?"):
            dates = of("D", taken)
            for operator, end in zip(("since", "until"), dates, strict=True):
                self._add_dates(self.date_column(taken), operator, [end])
        while taken := self.take(
            r"t?=?D([V&]D)+", r"(?<![><~])(?<![><~][&:])[ty]?=?!?I?Dj?\^?(?!<)"
        ):
            self._add_period(taken)

    def _add_period(self, taken: list[Token]) -> None:
        dates, words = of("D", taken), of("Ij", taken)
        negated = bool(of("!^", taken))
        if len(words) > 1 or (words and negated):
            refuse(taken)
        operator = _TIME_WORDS[str(words[0].value)] if words else "period"
        column = self.date_column(taken)
        self._add_dates(column, "not period" if negated else operator, dates)
        self.together |= len(dates) > 1 and not negated
        if len(dates) > 1 and self.compares:
            first = dates[0].value
            assert isinstance(first, Period)
            by = first.unit or first.part
            self.groups.append(Group(column, "" if column.is_year else by))

    def date_column(self, taken: Sequence[Token]) -> Column:
        """Find the column that dates are about."""
        if named := of("ty", taken):
            return named[0].column
        times = [c for c in self.table.columns if c.kind == "date"]
        times = times or [c for c in self.table.columns if c.kind == "period"]
        dates = of("D", taken)
        only_years = all(isinstance(t.value, Period) and t.value.unit == "Y" for t in dates)
        found = times or [c for c in self.table.columns if c.is_year and only_years]
        if len(found) != 1:
            reason = "which date" if found else "no date"
            raise Refusal(reason, dates[0].text, *(c.name for c in found))
        return found[0]

    def _add_dates(self, column: Column, operator: str, dates: Sequence[Token]) -> None:
        periods = [t.value for t in dates if isinstance(t.value, Period)]
        if periods[0].back:
            self._add_recent(column, operator, dates)
            return
        units = {period.unit or period.part for period in periods}
        (unit,) = units if len(units) == 1 else ("",)
        known = {"number": ("Y",), "period": ("Y", "Q", "M")}.get(column.kind, (unit,))
        if not unit or unit not in known or (periods[0].part and "period" not in operator):
            refuse(dates)
        self.filters.append(Filter(column, operator, tuple(periods)))

    def _add_recent(self, column: Column, operator: str, dates: Sequence[Token]) -> None:
        """Count "last month" back from the last day of the data."""
        period = dates[0].value
        assert isinstance(period, Period)
        last = last_day(column)
        if not last or operator not in ("period", "since") or len(dates) > 1:
            raise Refusal("recent", *texts(dates))
        self.filters.append(Filter(column, "recent", (period.resolve(last),)))

    # Numbers

    def _read_numbers(self) -> None:
        n = _NUMBER
        between = f"[ny]=?!?~{n}[&:]{n}~?", f"[ny]=?I?{n}[&:j]{n}~", f"~{n}[&:]{n}[ny]"
        while taken := self.take(*between):
            refuse(of("!", taken))
            column = of("ny", taken)[0].column
            ends = [self._amount(t, column) for t in of(n, taken)]
            self.filters.append(Filter(column, "between", tuple(ends)))
        if re.search(f"[ny]=?>{n}n", self.kinds) and all(
            t.text.isascii() for t in of(">", self.left)
        ):
            raise Refusal("which number", *texts(of("n", self.left)))
        named = f"[ny]=?!?>{n}", f"[ny]=?!?{n}<\\^?", f">{n}[ny]", f"{n}<[ny]"
        equal = "n=?!?N(?!n)", "c=?!?=?N", "(?<![TLSE])Nn(?![&V])"
        while taken := self.take(*named, *equal, f"!?>{n}", f"{n}<"):
            self._compare(taken)

    def _compare(self, taken: list[Token]) -> None:
        words = of("<>", taken)
        operator, _, concept = str(words[0].value).partition(":") if words else ("==", "", "")
        if of("!^", taken):
            operator = _OPPOSITE[operator]
        number = of(_NUMBER, taken)[0]
        named = columns(of("nyc", taken))
        column = named[0] if named else self._column_of(concept, number, operator)
        # "status 404" is a condition, as numbers name kinds there; "revenue 500" is not.
        names = not column.is_measure or (column.is_whole and not column.adds_up)
        if not words and not of("=", taken) and not names:
            raise Refusal("number", number.text)
        if column.kind != "text":
            self.filters.append(Filter(column, operator, (self._amount(number, column),)))
        elif operator in ("==", "!="):
            how = "in" if operator == "==" else "not in"
            self.filters.append(Filter(column, how, (number.text,)))
        else:
            raise Refusal("not a number", column.name)

    def _column_of(self, concept: str, number: Token, operator: str) -> Column:
        """Find the column of "heavier than 5 kg", or ask for it."""
        shown = f"{operator} {number.text}"
        if concept:
            return self.by_adjective(concept, shown)
        unit = number.value[1] if isinstance(number.value, tuple) else ""
        numbers = [c for c in self.table.columns if c.is_measure]
        same = [c for c in numbers if unit and c.unit and factor(unit, c) is not None]
        if len(same) != 1:
            raise Refusal("which condition", shown, *(c.name for c in same or numbers))
        return same[0]

    def by_adjective(self, concept: str, text: str, end: str = "") -> Column:
        """Find the column of "heaviest" or "older": the one that its noun names."""
        dates = [c for c in self.table.columns if c.kind == "date"]
        numbers = [c for c in self.table.columns if c.is_measure]
        nouns = next((e | {*f} for e, f in concepts() if concept in e), {concept})
        nouns = nouns | {"duration"} if concept == "length" else nouns
        found = dates if concept == "date" else [c for c in numbers if {*c.words, c.name} & nouns]
        # The hottest day is one of the highest temp_max, not temp_min.
        ends = [c for c in found if {"desc": "max", "asc": "min"}.get(end) in c.words]
        found = ends if len(ends) == 1 else found
        if len(found) != 1:
            raise Refusal("which column", text, *(c.name for c in found or numbers))
        return found[0]

    def _amount(self, token: Token, column: Column) -> float:
        if isinstance(token.value, Period):
            if not token.text.strip().isdecimal():
                refuse([token])
            return int(token.text)
        assert isinstance(token.value, tuple)
        number, unit = token.value
        scale = factor(unit, column)
        if scale is None:
            raise Refusal("unit", unit, column.name)
        amount = round(float(number) * scale, 10)
        return int(amount) if amount == int(amount) else amount

    # Values

    def _read_values(self) -> None:
        v = _VALUE
        patterns = (
            rf"[cf]?=?!?=?{v}([&|V!]*{v})*c?\^",
            rf"(?<!B)(?<![A-z]&)c?=?!?=?{v}([&|V]!?{v})*",
            rf"!?=?{v}([&|V]!?{v})*",
        )
        while taken := self.take(*patterns):
            self._add_values(taken)
        while not re.search("f&|&f", self.kinds) and (
            taken := self.take(
                r"(?<![BW])(?<![BW]r)=?!?=?fr?\^", r"(?<![BW])(?<![BW]r)=?!?=?f(?![bk&])"
            )
        ):
            how = "false" if of("!^", taken) else "true"
            self.filters.append(Filter(of("f", taken)[0].column, how))

    def _add_values(self, taken: list[Token]) -> None:
        named, names = columns(of("c", taken)), of("q", taken)
        found = {t.column.name: t.column for t in of("v", taken)}
        if names:
            found |= {c.name: c for c in named or ([] if found else self._open(names))}
        if len(found) != 1 or any(c.name not in found for c in named):
            self._separate(taken, named, found)
            return
        (column,) = found.values()
        if names and column.kind != "text":
            raise Refusal("no value", *texts(names))
        if names and column.complete and self.table.rows <= 1000:
            raise Refusal("no value", *texts(names))
        negated = bool(of("!^", taken))
        self._in(column, of(_VALUE, taken), negated)
        self._drop_noun(column)
        self.together |= bool(of("&", taken)) and not negated
        if self.compares and of("&V", taken) and not negated:
            self.groups.append(Group(column))
        else:
            refuse(of("V", taken))

    def _in(self, column: Column, tokens: Iterable[Token], negated: bool = False) -> None:
        found = [t.value.value if isinstance(t.value, Match) else t.value for t in tokens]
        how = "not in" if negated else "in"
        self.filters.append(Filter(column, how, tuple(dict.fromkeys(found))))

    def _drop_noun(self, column: Column) -> None:
        """Drop the column's name behind its value: "high priority tickets"."""
        place = self.kinds.find(".c")
        while place >= 0:
            if self.left[place + 1].column == column:
                del self.left[place + 1]
            place = self.kinds.find(".c", place + 1)

    def _separate(self, taken: list[Token], named: list[Column], found: dict[str, Column]) -> None:
        """Read values of several columns side by side as one condition each."""
        refuse(of("!^V", taken))
        self.any_of = bool(of("|", taken))
        if self.any_of and of("&", taken):
            refuse(of("|&", taken))
        if named and named[0].name not in found:
            # The name before the values is no part of the condition.
            spot = next(i for i, t in enumerate(self.left) if t.start == taken[0].start)
            self.left.insert(spot, of("c", taken)[0])
        for name, column in found.items():
            self._in(column, [t for t in of("v", taken) if t.column.name == name])
        refuse(of("q", taken))

    def _open(self, names: Sequence[Token]) -> list[Column]:
        """Find the one column in which a name may stand that no card shows."""
        kinds = [c for c in self.table.columns if c.kind == "text" and not c.is_id]
        found = [c for c in kinds if not c.complete]
        if not any(name.text.isupper() for name in names):  # no codes, such as JPN
            found = [c for c in found if not all(value.isupper() for value in c.values)]
        if len(found) != 1:
            reason = "which value" if found else "no value"
            raise Refusal(reason, *texts(names), *(c.name for c in found))
        return found

    def _check_reach(self) -> None:
        """Refuse a condition behind a "not" or "or" whose reach is not certain."""
        if self.any_of and len(self.filters) != 2:
            raise Refusal("negation", *texts(of("vqDNf", self.all)))
        spots = of("!", self.all)
        if not spots or len(self.filters) < 2:
            return
        after = [t for t in self.all if t.start > spots[-1].end]
        kinds = "".join(t.kind for t in after)
        reach = re.match(r"[_=Ir]*[vfDq]([_=&|rI]|[vq](?=v))*[^nAHBW%]*?[vfDqN]", kinds)
        found = of("vfDqN", after)
        names = {t.column.name if t.kind in "vf" else t.text for t in found}
        if reach and len(names) > 1:
            raise Refusal("negation", *texts(found))


def _check_whole(column: Column, period: Period) -> None:
    """Refuse to compare a period that the data covers in part."""
    last = last_day(column)
    assert period.start
    assert period.end
    if last and (period.end - last).days - 1 > (period.end - period.start).days / 10:
        raise Refusal("partly", period.text, str(last))


def last_day(column: Column) -> date | None:
    """Return the last day of a column of dates, as far as its card tells it."""
    try:
        last = date.fromisoformat(column.high[:10])
    except ValueError:
        return None
    # The first of a month stands for all of it in a column called month.
    return month_end(last) if column.span == "M" else last
