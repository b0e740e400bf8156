"""The grammar: from tokens to a query, or to a refusal.

Each token is one character (see `lexicon`; of the data: n number, c category, t time,
f flag, y year, v value, N number, D date, q a name in quotes). Conditions, groups and
ranks are taken out of that string by patterns; what is left must be what the task needs,
to the last token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from aoai_magic.engine.models.offline.dates import Period
from aoai_magic.engine.models.offline.lexicon import ADDITIVE, concepts
from aoai_magic.engine.models.offline.query import Filter, Group, Measure, Query, Rank, Refusal
from aoai_magic.engine.models.offline.scan import Match, Token
from aoai_magic.engine.models.offline.schema import Column, Table
from aoai_magic.engine.models.offline.units import factor

_OPPOSITE = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}
_ITEM, _NUMBER, _VALUE = "[cfytmFY]", "[ND]", "[vq]"
_TIME_WORDS = {">=": "since", ">": "after", "<": "before", "<=": "until", "from": "since"}
_FEWEST = re.compile(r"most|fewest|least|多|少", re.IGNORECASE)


def parse(tokens: Sequence[Token], table: Table) -> Query:
    """Read one sentence about one table; raise `Refusal` where its meaning is not certain."""
    if unknown := [token.text for token in tokens if token.kind == "?"]:
        raise Refusal("words", *unknown)
    for token in tokens:
        if token.kind == "*":
            raise Refusal("which column", token.text, *token.value)  # type: ignore[misc]
    return _Parser(tokens, table).query()


def _texts(tokens: Iterable[Token]) -> list[str]:
    return [token.text for token in tokens]


def _number(token: Token) -> tuple[float, str]:
    assert isinstance(token.value, tuple)
    return token.value


def _dated(tokens: Iterable[Token]) -> list[Token]:
    """Join "day of ts" and "ts by day" each to one token: the unit, which knows its column."""
    joined: list[Token] = []
    for token in tokens:
        last = joined[-1:]
        units = [t for t in (*last, token) if t.kind in "mFY"]
        times = [t for t in (*last, token) if t.kind == "t" and t.column.kind == "date"]
        if len(units) == len(times) == 1:
            joined[-1] = replace(units[0], start=last[0].start, end=token.end)
            joined[-1] = replace(joined[-1], dates=times[0].column)
        else:
            joined.append(token)
    return joined


class _Parser:
    def __init__(self, tokens: Sequence[Token], table: Table) -> None:
        self._table = table
        self._all = [
            replace(t, kind="r") if t.kind == "m" and t.value == "D" and table.days_are_rows else t
            for t in tokens
        ]
        # A column that is named twice in a row: "体重（body_mass_g）".
        named = [t.column if t.kind in "ncytf" else t for t in self._all if t.kind != "_"]
        left = [t for t in self._all if t.kind != "_"]
        self._left = _dated(t for i, t in enumerate(left) if not i or named[i] != named[i - 1])
        self._points_back = any(t.value == "it" for t in self._of("u"))
        self._groups: list[Group] = []
        self._filters: list[Filter] = []
        self._sorting: Column | None = None
        self._rank: Rank | None = None
        self._compares = self._has("CV")
        self._together = False
        self._result = Query(table)

    # The string of kinds

    @property
    def _kinds(self) -> str:
        return "".join(token.kind for token in self._left)

    def _take(self, *patterns: str) -> list[Token]:
        """Take the first match of a pattern out, leaving a mark where it was."""
        for pattern in patterns:
            match = re.search(pattern, self._kinds)
            if match and match[0]:
                taken = self._left[slice(*match.span())]
                mark = Token(".", None, "", taken[0].start, taken[-1].end)
                self._left[slice(*match.span())] = [mark]
                return taken
        return []

    def _all_of(self, kinds: str) -> list[Token]:
        """Take all tokens of these kinds out."""
        taken = self._of(kinds)
        self._left = [token for token in self._left if token.kind not in kinds]
        return taken

    def _of(self, kinds: str, tokens: Iterable[Token] | None = None) -> list[Token]:
        return [t for t in (self._left if tokens is None else tokens) if t.kind in kinds]

    def _has(self, kinds: str) -> bool:
        return bool(self._of(kinds))

    def _refuse(self, tokens: Iterable[Token]) -> None:
        if texts := _texts(tokens):
            raise Refusal("words", *texts)

    def _put(self, **values: Any) -> None:
        self._result = replace(self._result, **values)

    def _set(self, task: str, *measures: Measure) -> None:
        self._put(task=task, measures=measures)

    def query(self) -> Query:
        begins = re.match("[=u]*&", self._kinds)
        follows = any(t.value == "follow" for t in self._all_of("u")) or bool(begins)
        while self._left and self._left[0].kind == "&":
            del self._left[0]
        colour = self._take("k[cfy]", "[cfy]b?k")
        self._date_filters()
        self._number_filters()
        self._value_filters()
        self._check_negation()
        self._find_groups()
        self._output()
        self._ranking()
        self._task()
        texts = [t.column for t in self._of("c") if t.column.kind == "text"]
        if len(texts) == 1 and len(self._of("cAS")) == len(self._left) - len(self._of(".=&lu")):
            raise Refusal("not a number", texts[0].name)
        self._refuse(t for t in self._left if t.kind not in ".=&lu")
        self._put(
            groups=tuple(sorted(self._groups, key=lambda group: not group.is_time)),
            filters=tuple(self._filters),
            rank=self._rank,
            colour=self._of("cfy", colour)[0].column if colour else None,
            follows=follows,
        )
        return self._result

    # Conditions

    def _date_filters(self) -> None:
        # "from" without a date is a preposition.
        kinds = self._kinds + "."
        self._left = [
            t for i, t in enumerate(self._left) if t.value != "from" or kinds[i + 1] == "D"
        ]
        while taken := self._take("t?=?~D[&:]D", "t?=?I?D:D~?"):
            dates = self._of("D", taken)
            for operator, date in zip(("since", "until"), dates, strict=True):
                self._add_date(self._date_column(taken), operator, [date])
        while taken := self._take(
            r"t?=?D([V&]D)+", r"(?<![><~])(?<![><~][&:])[ty]?=?!?I?Dj?\^?(?!<)"
        ):
            dates, words = self._of("D", taken), self._of("Ij", taken)
            negated = bool(self._of("!^", taken))
            if len(words) > 1 or (words and negated):
                self._refuse(taken)
            operator = _TIME_WORDS[str(words[0].value)] if words else "period"
            column = self._date_column(taken)
            self._add_date(column, "not period" if negated else operator, dates)
            self._together |= len(dates) > 1 and not negated
            if len(dates) > 1 and self._compares:
                first = dates[0].value
                assert isinstance(first, Period)
                by = first.unit or first.part
                self._groups.append(Group(column, "" if column.is_year else by))

    def _date_column(self, taken: Sequence[Token]) -> Column:
        """Find the column that dates are about."""
        if named := self._of("ty", taken):
            return named[0].column
        times = [c for c in self._table.columns if c.kind == "date"]
        times = times or [c for c in self._table.columns if c.kind == "period"]
        dates = self._of("D", taken)
        only_years = all(isinstance(t.value, Period) and t.value.unit == "Y" for t in dates)
        found = times or [c for c in self._table.columns if c.is_year and only_years]
        if len(found) != 1:
            reason = "which date" if found else "no date"
            raise Refusal(reason, dates[0].text, *(c.name for c in found))
        return found[0]

    def _add_date(self, column: Column, operator: str, dates: Sequence[Token]) -> None:
        periods = [t.value for t in dates if isinstance(t.value, Period)]
        units = {period.unit or period.part for period in periods}
        (unit,) = units if len(units) == 1 else ("",)
        known = {"number": ("Y",), "period": ("Y", "Q", "M")}.get(column.kind, (unit,))
        if not unit or unit not in known or (periods[0].part and "period" not in operator):
            self._refuse(dates)
        self._filters.append(Filter(column, operator, tuple(periods)))

    def _number_filters(self) -> None:
        n = _NUMBER
        between = f"[ny]=?!?~{n}[&:]{n}~?", f"[ny]=?{n}[&:]{n}~", f"~{n}[&:]{n}[ny]"
        while taken := self._take(*between):
            self._refuse(self._of("!", taken))
            column = self._of("ny", taken)[0].column
            ends = [self._amount(t, column) for t in self._of(n, taken)]
            self._filters.append(Filter(column, "between", tuple(ends)))
        if re.search(f"[ny]=?>{n}n", self._kinds) and all(t.text.isascii() for t in self._of(">")):
            raise Refusal("which number", *_texts(self._of("n")))
        named = f"[ny]=?!?>{n}", f"[ny]=?!?{n}<\\^?", f">{n}[ny]", f"{n}<[ny]"
        equal = "n=?!?N(?!n)", "c=?!?=?N"
        while taken := self._take(*named, *equal, f"!?>{n}", f"{n}<"):
            self._compare(taken)

    def _compare(self, taken: list[Token]) -> None:
        words = self._of("<>", taken)
        operator, _, concept = str(words[0].value).partition(":") if words else ("==", "", "")
        if self._of("!^", taken):
            operator = _OPPOSITE[operator]
        number = self._of(_NUMBER, taken)[0]
        columns = [t.column for t in self._of("nyc", taken)]
        column = columns[0] if columns else self._column_of(concept, number, operator)
        # "status 404" is a condition, as numbers name kinds there; "revenue 500" is not.
        names = not column.is_measure or (column.is_whole and not ADDITIVE.search(column.name))
        if not words and not self._of("=", taken) and not names:
            raise Refusal("number", number.text)
        if column.kind != "text":
            self._filters.append(Filter(column, operator, (self._amount(number, column),)))
        elif operator in ("==", "!="):
            how = "in" if operator == "==" else "not in"
            self._filters.append(Filter(column, how, (number.text,)))
        else:
            raise Refusal("not a number", column.name)

    def _column_of(self, concept: str, number: Token, operator: str) -> Column:
        """Find the column of "heavier than 5 kg", or ask for it."""
        shown = f"{operator} {number.text}"
        if concept:
            return self._by_adjective(concept, shown)
        unit = number.value[1] if isinstance(number.value, tuple) else ""
        numbers = [c for c in self._table.columns if c.is_measure]
        same = [c for c in numbers if unit and c.unit and factor(unit, c) is not None]
        if len(same) != 1:
            raise Refusal("which condition", shown, *(c.name for c in same or numbers))
        return same[0]

    def _by_adjective(self, concept: str, text: str) -> Column:
        """Find the column of "heaviest" or "older": the one that its noun names."""
        dates = [c for c in self._table.columns if c.kind == "date"]
        numbers = [c for c in self._table.columns if c.is_measure]
        nouns = next((e | {*f} for e, f in concepts() if concept in e), {concept})
        nouns = nouns | {"duration"} if concept == "length" else nouns
        named = [c for c in numbers if {*c.words, c.name} & nouns]
        found = dates if concept == "date" else named
        if len(found) != 1:
            raise Refusal("which column", text, *(c.name for c in found or numbers))
        return found[0]

    def _amount(self, token: Token, column: Column) -> float:
        if isinstance(token.value, Period):
            if not token.text.strip().isdecimal():
                self._refuse([token])
            return int(token.text)
        number, unit = _number(token)
        scale = factor(unit, column)
        if scale is None:
            raise Refusal("unit", unit, column.name)
        amount = round(float(number) * scale, 10)
        return int(amount) if amount == int(amount) else amount

    def _value_filters(self) -> None:
        v = _VALUE
        patterns = (
            rf"[cf]?=?!?=?{v}([&|V!]*{v})*c?\^",
            rf"(?<![B&])c?=?!?=?{v}([&|V]!?{v})*",
            rf"!?=?{v}([&|V]!?{v})*",
        )
        while taken := self._take(*patterns):
            self._values(taken)
        while not re.search("f&|&f", self._kinds) and (
            taken := self._take(r"(?<![BW])(?<![BW]r)=?!?=?f\^?(?![bk&])")
        ):
            how = "false" if self._of("!^", taken) else "true"
            self._filters.append(Filter(self._of("f", taken)[0].column, how))

    def _values(self, taken: list[Token]) -> None:
        named = [t.column for t in self._of("c", taken)]
        names = self._of("q", taken)
        columns = {t.column.name: t.column for t in self._of("v", taken)}
        if names:
            columns |= {c.name: c for c in named or ([] if columns else self._open(names))}
        if len(columns) != 1 or any(c.name not in columns for c in named):
            self._separate(taken, named, columns)
            return
        (column,) = columns.values()
        if names and column.complete and self._table.rows <= 1000:
            raise Refusal("no value", *_texts(names))
        negated = bool(self._of("!^", taken))
        self._in(column, self._of(_VALUE, taken), negated)
        self._drop_noun(column)
        self._together |= bool(self._of("&", taken)) and not negated
        if self._compares and self._of("&V", taken) and not negated:
            self._groups.append(Group(column))
        else:
            self._refuse(self._of("V", taken))

    def _in(self, column: Column, tokens: Iterable[Token], negated: bool = False) -> None:
        found = [t.value.value if isinstance(t.value, Match) else t.value for t in tokens]
        how = "not in" if negated else "in"
        self._filters.append(Filter(column, how, tuple(dict.fromkeys(found))))

    def _drop_noun(self, column: Column) -> None:
        """Drop the column's name behind its value: "high priority tickets"."""
        place = self._kinds.find(".c")
        while place >= 0:
            if self._left[place + 1].column == column:
                del self._left[place + 1]
            place = self._kinds.find(".c", place + 1)

    def _separate(
        self, taken: list[Token], named: list[Column], columns: dict[str, Column]
    ) -> None:
        """Read values of several columns side by side as one condition each."""
        self._refuse(self._of("!^|V", taken))
        if named and named[0].name not in columns:
            # The name before the values is no part of the condition.
            spot = next(i for i, t in enumerate(self._left) if t.start == taken[0].start)
            self._left.insert(spot, self._of("c", taken)[0])
        for name, column in columns.items():
            self._in(column, [t for t in self._of("v", taken) if t.column.name == name])
        self._refuse(self._of("q", taken))

    def _open(self, names: Sequence[Token]) -> list[Column]:
        """Find the one column in which a name may stand that no card shows."""
        texts = [c for c in self._table.columns if c.kind == "text" and not c.is_id]
        found = [c for c in texts if not c.complete]
        if len(found) != 1:
            reason = "which value" if found else "no value"
            raise Refusal(reason, *_texts(names), *(c.name for c in found))
        return found

    def _check_negation(self) -> None:
        """Refuse a condition behind a "not" whose reach is not certain."""
        spots = self._of("!", self._all)
        if not spots or len(self._filters) < 2:
            return
        after = [t for t in self._all if t.start > spots[-1].end]
        kinds = "".join(t.kind for t in after)
        reach = re.match(r"[_=Ir]*[vfDq]([_=&|rI]|[vq](?=v))*[^nAHBW%]*?[vfDqN]", kinds)
        found = self._of("vfDqN", after)
        names = {t.column.name if t.kind in "vf" else t.text for t in found}
        if reach and len(names) > 1:
            raise Refusal("negation", *_texts(found))

    # Groups

    def _find_groups(self) -> None:
        self._drop_order()
        self._check_units()
        if match := re.search("Br", self._kinds):
            self._refuse(self._left[match.start() : match.end()])
        while taken := self._take(rf"B{_ITEM}(([&,]B?|B)({_ITEM}|n))*(?!b)"):
            if numbers := self._of("n", taken):
                raise Refusal("which group", *_texts(numbers))
            if self._means_apiece(taken):
                raise Refusal("apiece", *_texts(t for t in taken if t.kind not in "B&"))
            self._groups += [self._group(t) for t in taken if t.kind not in "B&"]
        while taken := self._take(rf"({_ITEM}&)*[cfyt]b", "B?[FY]b?"):
            self._groups += [self._group(t) for t in taken if t.kind not in "B&b"]
        if taken := self._take("z&?n", "Bzn"):
            self._sorting = taken[-1].column
        elif taken := self._take("Bn"):
            if taken[0].value == "per":  # "revenue per unit" is a ratio
                raise Refusal("which group", taken[1].text)
            self._by_number(taken[1].column)
        if len(self._groups) > 2 or len(set(self._groups)) < len(self._groups):
            raise Refusal("groups")

    def _check_units(self) -> None:
        """Refuse "average monthly revenue", which may be the average of the months' totals."""
        place = self._kinds.find("AFn")
        if place >= 0 and self._means_apiece(self._left[place : place + 3], apiece=True):
            raise Refusal("apiece", self._left[place + 1].text)

    def _drop_order(self) -> None:
        """Drop the "by" of "top 3 regions by average revenue", which names the measure."""
        places = [m.start() for m in re.finditer("[Bz](?=A+n)", self._kinds)] * self._has("STL")
        self._left = [t for i, t in enumerate(self._left) if i not in places]

    def _means_apiece(self, taken: Sequence[Token], apiece: bool = False) -> bool:
        """Whether "average revenue per customer" may mean the total divided by customers."""
        mean = any(t.value == "mean" for t in self._of("A"))
        added = any(ADDITIVE.search(t.column.name) for t in self._of("n"))
        apiece = apiece or any(t.value == "per" for t in taken)
        return mean and (self._has("H") or (added and apiece))

    def _by_number(self, column: Column) -> None:
        """Take "by body mass" as an order where there is a rank, else as groups."""
        if self._has("STLE"):
            self._sorting = column
        elif self._has("AHn%") and column.is_whole:
            self._groups.append(Group(column))
        else:
            raise Refusal("which group", column.name)

    def _group(self, token: Token) -> Group:
        if token.kind in "cfyt":
            return Group(token.column, token.column.span if token.kind == "t" else "")
        by = str(token.value)
        times = [c for c in self._table.columns if c.kind == "date"]
        times = [token.dates] if token.dates else times
        years = [c for c in self._table.columns if c.is_year]
        if not times and by == "Y" and len(years) == 1:
            return Group(years[0])
        if len(times) != 1:
            reason = "which date" if times else "no date"
            raise Refusal(reason, token.text, *(c.name for c in times))
        return Group(times[0], by)

    # Output and ranks

    def _output(self) -> None:
        charts, formats = self._of("K"), [str(t.value) for t in self._of("x")]
        if len({t.value for t in charts}) > 1 or len({f.rpartition(".")[2] for f in formats}) > 1:
            self._refuse(self._of("Kx"))
        if self._has("PK"):
            self._put(plot=str(charts[0].value) if charts else "auto")
        if self._has("Xx"):
            kind = formats[0].rpartition(".")[2].lower() if formats else "csv"
            name = next((text for text in formats if "." in text), "")
            self._put(save=kind, file=name)
        self._all_of("PKXx")

    def _ranking(self) -> None:
        """Read "top 5", "second highest", "first 3 rows"; superlatives of a figure stay."""
        places, ends, tops, numbers = (self._all_of(kind) for kind in "LETN")
        supers = self._of("S")
        if max(map(len, (places, ends, tops, numbers))) > 1 or (ends and tops + supers + places):
            self._refuse([*places, *ends, *tops, *numbers])
        count = self._count(numbers[0]) if numbers else None
        if ends or (count and not (tops or supers or places)):
            if not count or not self._has("r") or not (ends or self._has("l")):
                raise Refusal("number", *_texts([*ends, *numbers]))
            self._put(ends=str(ends[0].value) if ends else "first")
            self._rank = Rank(count=count)
        elif len(supers) < 2 and (tops or supers or places):
            if places and count:
                self._refuse(places)
            place = int(str(places[0].value)) if places else 1
            self._rank = Rank(self._descends(tops, supers), count, place)
            self._all_of("S")

    def _descends(self, tops: Sequence[Token], supers: Sequence[Token]) -> bool:
        """Return whether the rank goes down; note the column of an adjective."""
        words = [*supers, *tops]
        if not words:
            return True
        direction, _, concept = str(words[0].value).partition(":")
        sorting = [self._sorting] if self._sorting else []
        numbers = [t.column for t in self._of("n")] or sorting
        if any(str(t.value).partition(":")[0] != direction for t in words):
            self._refuse(words)
        if concept == "good" and not any(ADDITIVE.search(c.name) for c in numbers):
            raise Refusal("better", words[0].text, *(c.name for c in numbers))
        if concept == "more" and not numbers:
            self._refuse(words)
        if concept and concept not in ("good", "more"):
            column = self._sorting or self._by_adjective(concept, words[0].text)
            if any(c != column for c in numbers):
                self._refuse(words)
            self._all_of("n")
            self._sorting = column
        return direction == "desc"

    @staticmethod
    def _count(token: Token) -> int:
        value, unit = _number(token)
        if unit or not isinstance(value, int) or not 0 < value <= 10_000:
            raise Refusal("number", token.text)
        return value

    # The task

    def _task(self) -> None:
        self._all_of("J")
        plain: dict[str, tuple[str, str, str, int | None]] = {
            "M": ("missing", "HWrl", "ncytf", None),
            "d": ("duplicates", "HWrl", "ncytf", None),
            "i": ("outliers", "HWrl", "n", 1),
            "R": ("correlation", "lrWV&C~", "n", 2),
            "O": ("overview", "HlrW", "", None),
        }
        for kind in "MdiRhO%":
            if self._all_of(kind):
                own = {"h": self._distribution, "%": self._share}.get(kind)
                own() if own else self._plain(*plain[kind])
                return
        if self._result.plot == "scatter" or (self._has("V") and self._kinds.count("n") == 2):
            self._plain("scatter", "lrV&C", "n", 2)
            self._put(plot="scatter")
        else:
            self._figure()

    def _plain(self, task: str, ignored: str, kinds: str, needed: int | None = None) -> None:
        """Read a task of some columns, without groups and ranks."""
        if self._groups or self._rank or self._sorting:
            raise Refusal("groups")
        if task == "missing" and self._has("r") and self._has("HW") and not self._has("ncytf"):
            raise Refusal("words", *_texts(self._of("r")))  # rows with any gap are others
        self._all_of(ignored)
        columns = [t.column for t in self._all_of(kinds)] if kinds else []
        if needed is not None and len(columns) != needed:
            numbers = [c.name for c in self._table.columns if c.is_measure]
            raise Refusal("two columns" if needed == 2 else f"which {task}", *numbers)
        if task == "overview" and self._filters:
            self._refuse(t for t in self._all if t.kind in "vfDN")
        self._set(task, *(Measure(column, task) for column in columns))

    def _distribution(self) -> None:
        categories = self._of("cfy")
        if len(categories) == 1 and not self._has("n"):
            # How categories are distributed is how many rows there are of each.
            self._all_of("lrHcfy")
            self._groups.append(Group(categories[0].column))
            self._set("figure", Measure(None))
            self._put(plot=self._result.plot or "auto")
        else:
            self._plain("distribution", "lrH", "n", 1)

    def _share(self) -> None:
        rows = bool(self._all_of("r"))
        self._all_of("WlHC")
        self._refuse(t for t in self._of("A") if t.value != "sum")
        self._all_of("A")
        columns = [t.column for t in self._all_of("n")]
        if not self._groups:
            self._groups = [Group(t.column) for t in self._all_of("cf")]
        conditions = [f for f in self._filters if not isinstance((*f.value, "")[0], Period)]
        # "Share of cancelled flights by carrier" may be a share of the flights or the carriers.
        unclear = bool(conditions) if self._groups else len(self._filters) != 1
        # "Percentage of revenue over 500" may be one of rows or of the revenue.
        unclear |= not rows and not columns and any(f.column.is_measure for f in self._filters)
        summed = all(ADDITIVE.search(column.name) for column in columns)
        if unclear or self._rank or len(columns) > 1 or not summed or len(self._groups) > 1:
            raise Refusal("share")
        self._set("share", Measure(columns[0], "sum") if columns else Measure(None))

    # Figures, ranks and rows

    def _figure(self) -> None:
        asks, rows = self._has("Wl"), self._has("r")
        self._all_of("WlC")
        if self._result.ends:
            if self._groups or self._sorting:
                raise Refusal("groups")
            self._all_of("r")
            self._set("rows")
        elif self._has("U"):
            columns = [t.column for t in self._all_of("cny")]
            if len(columns) != 1 or not self._has("H") or self._rank:
                raise Refusal("distinct")
            self._all_of("UHr")
            self._set("figure", Measure(columns[0], "nunique"))
        else:
            self._target()
            self._check_figures()
            self._measured(self._measures(), asks, rows)
            self._all_of("r")

    def _measured(self, measures: tuple[Measure, ...], asks: bool, rows: bool) -> None:
        self._all_of("&")
        saves = bool(self._result.save)
        if self._rank and len(self._groups) > 1:
            raise Refusal("groups")
        if self._rank and not self._groups:
            self._rank_rows(measures, rows)
        elif measures:
            one = self._together and not self._groups
            if one and any(m.figure not in ("sum", "size", "nunique") for m in measures):
                raise Refusal("together")
            if (self._sorting and not self._rank and not self._groups) or self._unclear_end(
                measures
            ):
                raise Refusal("highest" if self._rank else "rank")
            self._set("figure", *measures)
        elif self._counts_rows(rows):
            self._set("figure", Measure(None))
        elif self._points_back and not (rows or saves):
            pass  # "what is it for the South?" asks for the figure before
        elif not self._groups and self._filters and (asks or rows or saves):
            self._set("rows")
        elif not self._groups and not self._filters and saves and rows:
            self._set("table")

    def _unclear_end(self, measures: tuple[Measure, ...]) -> bool:
        """Whether "highest revenue by region" may mean the maximum of each region."""
        ends = [t for t in self._all if t.kind == "S" and t.value in ("desc", "asc")]
        asked = self._of("AWLT", self._all) or self._sorting or len(measures) != 1
        named = any(t.kind in "Bb" for t in self._all)
        return bool(self._rank and ends and named and not asked and measures[0].column)

    def _counts_rows(self, rows: bool) -> bool:
        """Whether rows are counted: "most penguins", "orders per month"."""
        if not rows or not self._groups or self._sorting or self._adds_up_a_key():
            return False
        if self._rank:
            return any(t.kind == "S" and _FEWEST.search(t.text) for t in self._all)
        return not self._compares and not self._of("u", self._all)

    def _adds_up_a_key(self) -> bool:
        """Whether "total score" names a column that may only happen to count the rows."""
        keys = {c.name.lower() for c in self._table.columns if c.is_key}
        named = any(t.text.lower() in keys for t in self._of("r", self._all))
        return named and bool(self._of("A", self._all))

    def _target(self) -> None:
        """Take "which region", "top 5 customers", "which month" as what is ranked."""
        targets = self._of("cfymt") if self._rank and not self._groups else []
        if len(targets) > 1:
            raise Refusal("groups")
        if targets:
            self._left.remove(targets[0])
            self._groups.append(self._group(targets[0]))

    def _check_figures(self) -> None:
        """Refuse a figure of a figure: "the mean of the monthly totals"."""
        # "mean, min and max" is a list.
        if re.search("AA(?!A*&)", self._kinds):
            raise Refusal("nested", *_texts(self._of("A")))

    def _measures(self) -> tuple[Measure, ...]:
        """Read what is worked out; a figure without a column belongs to the query before."""
        if counts := self._all_of("H"):
            return self._counted(counts)
        ends = {"desc": "max", "asc": "min"}
        if "nn" in "".join(t.kind for t in self._of("ASn&")):
            self._refuse(self._of("n"))
        sequence = self._all_of("ASn")
        self._refuse(t for t in sequence if t.kind == "S" and t.value not in ends)
        figures = [ends.get(str(t.value), str(t.value)) for t in sequence if t.kind in "AS"]
        columns = [t.column for t in self._of("n", sequence)]
        kinds = "".join(t.kind for t in sequence).replace("S", "A")
        if self._sorting is not None:
            if any(column != self._sorting for column in columns):
                self._refuse(self._of("n", sequence))
            columns, kinds = [self._sorting], kinds.replace("n", "") + "n"
        if not columns:
            self._put(figures=tuple(dict.fromkeys(figures)))
            return ()
        if any(column.is_year for column in columns):
            self._refuse(sequence)
        if not figures:
            return tuple(Measure(column, self._usual(column)) for column in columns)
        if re.fullmatch("(An){2,}|(nA){2,}", kinds):
            return tuple(map(Measure, columns, figures))
        if min(len(figures), len(columns)) > 1 or not re.fullmatch("A+n+|n+A+|An+A*", kinds):
            self._refuse(sequence)
        return tuple(Measure(c, f) for c in columns for f in dict.fromkeys(figures))

    def _usual(self, column: Column) -> str:
        """Return the figure that is meant where none is named; "" where a rank shows it."""
        if not ADDITIVE.search(column.name) and not self._rank:
            raise Refusal("which figure", column.name)
        return "sum" if ADDITIVE.search(column.name) else ""

    def _counted(self, counts: Sequence[Token]) -> tuple[Measure, ...]:
        """Read "how many": rows, different values, or the sum of a quantity."""
        self._refuse(t for t in self._of("AS") if t.value != "sum")
        self._all_of("A")
        columns = [t.column for t in self._all_of("ncy")]
        distinct = any(t.value == "U" for t in counts)
        if len(columns) > 1 or (columns and self._has("r")):
            raise Refusal("words", *(c.name for c in columns))
        if columns and columns[0].is_measure and not distinct:
            if not ADDITIVE.search(columns[0].name):
                raise Refusal("which figure", columns[0].name)
            return (Measure(columns[0], "sum"),)
        if columns:
            return (Measure(columns[0], "nunique"),)
        if distinct or not (self._has("r") or self._filters or self._groups):
            raise Refusal("count")
        return (Measure(None),)

    def _rank_rows(self, measures: tuple[Measure, ...], rows: bool) -> None:
        """Read "the five heaviest penguins", and "the highest salary"."""
        assert self._rank
        numbers = [c.name for c in self._table.columns if c.is_measure]
        if not measures and not rows:
            return
        if len(measures) != 1 or self._of("A", self._all) or measures[0].column is None:
            raise Refusal("which rank", *numbers)
        adjective = any(t.kind == "S" and ":" in str(t.value) for t in self._all)
        named = any(t.text.lower() in {"who", "誰", "だれ"} for t in self._all)
        if (
            rows
            or named
            or self._rank.place > 1
            or self._rank.count
            or (adjective and self._filters)
        ):
            self._set("rows", measures[0])
            return
        figure = "max" if self._rank.descending else "min"
        self._rank = None
        self._set("figure", Measure(measures[0].column, figure))
