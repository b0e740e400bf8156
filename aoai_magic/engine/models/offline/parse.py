"""The grammar: from tokens to a query, or to a refusal.

Each token is one character (see `lexicon`; of the data: n number, c category, t time,
f flag, y year, v value, N number, D date, q a name in quotes). Conditions, groups and
ranks are taken out of that string by patterns and fill the slots of a query; what is left
must be what the task needs, to the last token.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aoai_magic.engine.models.offline.conditions import Conditions, last_day
from aoai_magic.engine.models.offline.phrase import columns, mark, of, refuse, texts
from aoai_magic.engine.models.offline.query import FIGURES, Group, Measure, Query, Rank, Refusal
from aoai_magic.engine.models.offline.scan import Token
from aoai_magic.engine.models.offline.schema import Column, Table

_ITEM = "[cfytmFY]"
_FEWEST = re.compile(r"most|fewest|least|多|少", re.IGNORECASE)
_ENDS = {"desc": "max", "asc": "min"}
_NAMES = {"*": "times", "-": "minus", "+": "plus", "/": "per"}
# A task by its token: its name, the words that it ignores, the columns that it takes, how many.
_TASKS: dict[str, tuple[str, str, str, int | None]] = {
    "M": ("missing", "HWrl%", "ncytf", None),
    "d": ("duplicates", "HWrl", "ncytf", None),
    "i": ("outliers", "HWrl", "n", 1),
    "G": ("regression", "lrWV&C~R", "n", 2),
    "R": ("correlation", "lrWV&C~e", "n", 2),
    "O": ("overview", "HlrW", "n", None),
    "h": ("distribution", "lrH", "n", 1),
}


def parse(tokens: Sequence[Token], table: Table) -> Query:
    """Read one sentence about one table; raise `Refusal` where its meaning is not certain."""
    refuse(token for token in tokens if token.kind == "?")
    for token in tokens:
        if token.kind == "*":
            raise Refusal("which column", token.text, *token.value)  # type: ignore[misc]
    return _Parser(tokens, table).query()


class _Parser(Conditions):
    def __init__(self, tokens: Sequence[Token], table: Table) -> None:
        super().__init__(tokens, table)
        self._points_back = any(t.value == "it" for t in of("u", self.left))
        self._sorting: Column | None = None
        self._rank: Rank | None = None
        self._over: Column | None = None
        self._result = Query(table)

    def _put(self, **values: Any) -> None:
        self._result = replace(self._result, **values)

    def _set(self, task: str, *measures: Measure) -> None:
        self._put(task=task, measures=measures)

    def query(self) -> Query:
        begins = re.match("[=u]*&", self.kinds)
        follows = any(t.value == "follow" for t in of("u", self.left)) or bool(begins)
        while self.left and self.left[0].kind == "&":
            del self.left[0]
        colour = self.take("k[cfy]", "[cfy]b?k")
        self._formulas()
        self.read_conditions()
        self._find_groups()
        self._output()
        self._ranking()
        self._task()
        words = [c for c in columns(of("c", self.left)) if c.kind == "text"]
        if len(words) == 1 and len(of("cAS", self.left)) == len(self.left) - len(
            of(".=&lu", self.left)
        ):
            raise Refusal("not a number", words[0].name)
        refuse(t for t in self.left if t.kind not in ".=&lu")
        self._put(
            groups=tuple(
                sorted(self.groups, key=lambda g: self._result.step != "each" and not g.is_time)
            ),
            filters=tuple(self.filters),
            any_of=self.any_of,
            clean=tuple(self.clean),
            periods=self.periods,
            rank=self._rank,
            colour=of("cfy", colour)[0].column if colour else None,
            notes=tuple((t.text, t.meant) for t in self.all if t.meant),
            follows=follows,
            adds=any(t.value == "more" for t in of("Bbu", self.all)),
        )
        return self._result

    # Columns that are worked out of two others

    def _formulas(self) -> None:
        """Read "quantity times price", "cost as a percentage of revenue", "a to b ratio"."""
        while taken := self.take("non%?"):
            first, last = columns(of("n", taken))
            self._formula(taken, first, str(of("o", taken)[0].value), last)
        while taken := self.take("Q=?n[:&V]n", "n[:&V]nQ", "nVn%"):
            first, last = columns(of("n", taken))
            backwards = any("対" in t.text for t in of("V", taken))
            self._formula(taken, *((last, "/", first) if backwards else (first, "/", last)))
        if self.has("%"):
            self.take_all("o")  # "North 佔營收的百分之幾"

    def _formula(self, taken: Sequence[Token], first: Column, sign: str, last: Column) -> None:
        place = next(
            i for i, t in enumerate(self.left) if t.kind == "." and t.start == taken[0].start
        )
        self._put(percent=sign == "pct" or bool(of("%", taken)))
        sign = "/" if sign == "pct" else sign
        if sign == "/" and not of("AH", self.left):
            self._over = last
            self.left[place] = replace(mark(taken), kind="n", value=first)
            return
        name = re.sub(r"\W+", "_", f"{first.name}_{_NAMES[sign]}_{last.name}")
        self.take("Br")  # the mean of each row's ratio
        made = Column(name, "number", "float64", formula=(first.name, sign, last.name))
        self.left[place] = replace(mark(taken), kind="n", value=made)
        if self._result.percent or sign == "/":
            self.take_all("%")
            self._put(percent=self._result.percent or any(t.kind == "%" for t in self.all))

    # Groups

    def _find_groups(self) -> None:
        self._drop_order()
        self._check_units()
        while taken := self.take(rf"B{_ITEM}(([&,]B?|B)({_ITEM}|n))*(?!b)"):
            ratio = of("n", taken) and taken[0].value == "per" and not self.has("A")
            if ratio or self._means_apiece(taken):
                raise Refusal("apiece", *texts(t for t in taken if t.kind not in "B&"))
            self.groups += [self._group(t) for t in taken if t.kind not in "B&"]
        while taken := self.take(rf"({_ITEM}&)*[cfyt]b", "B?[FY]b?", "nb"):
            self.groups += [self._group(t) for t in taken if t.kind not in "B&b"]
        if self.has("p") and not self.groups:
            self.groups = [self._group(t) for t in self.take_all("cfy")]
        self._find_order()
        if len(self.groups) > 2 or len(set(self.groups)) < len(self.groups):
            raise Refusal("groups")

    def _find_order(self) -> None:
        if taken := self.take("z&?n", "Bzn"):
            self._sorting = taken[-1].column
        elif taken := self.take("Bn"):
            self._by_number(taken[1].column, ratio=taken[0].value == "per" and not self.has("A"))

    def _check_units(self) -> None:
        """Refuse "average monthly revenue", which may be the average of the months' totals."""
        place = self.kinds.find("AFn")
        if place >= 0 and self._means_apiece(self.left[place : place + 3], apiece=True):
            raise Refusal("apiece", self.left[place + 1].text)

    def _drop_order(self) -> None:
        """Drop the "by" of "top 3 regions by average revenue", which names the measure."""
        if match := re.search("Br", self.kinds):
            if not self.has("ST"):
                refuse(self.left[match.start() : match.end()])
            del self.left[match.start()]
        places = [m.start() for m in re.finditer("[Bz](?=A*n(?!b))", self.kinds)] * self.has("STL")
        if len(places) == 1 and not of("A", self.left) and of("n", self.left)[:-1] == []:
            self._sorting = self.left[places[0] + 1].column
            self.left[places[0] : places[0] + 2] = [mark(self.left[places[0] : places[0] + 2])]
            return
        self.left = [t for i, t in enumerate(self.left) if i not in places]

    def _means_apiece(self, taken: Sequence[Token], apiece: bool = False) -> bool:
        """Whether "average revenue per customer" may mean the total divided by customers."""
        mean = any(t.value == "mean" for t in of("A", self.left))
        added = any(column.adds_up for column in columns(of("n", self.left)))
        apiece = apiece or any(t.value == "per" for t in taken)
        return mean and (self.has("H") or (added and apiece))

    def _by_number(self, column: Column, *, ratio: bool) -> None:
        """Read "by body mass" as an order where there is a rank, else as groups."""
        if self.has("STLE"):
            self._sorting = column
        elif self.has("AHn%") and column.is_kind and not ratio:  # not "revenue per unit"
            self.groups.append(Group(column))
        else:
            raise Refusal("which group" if self.table.rows else "no rows", column.name)

    def _group(self, token: Token) -> Group:
        if token.kind == "n" and not token.column.is_kind:
            raise Refusal("which group" if self.table.rows else "no rows", token.text)
        if token.kind in "cfytn":
            return Group(token.column, token.column.span if token.kind == "t" else "")
        return self._time_group(str(token.value), token)

    def _time_group(self, by: str, token: Token) -> Group:
        times = [c for c in self.table.columns if c.kind == "date"]
        times = [token.dates] if token.dates else times
        years = [c for c in self.table.columns if c.is_year]
        if not times and by == "Y" and len(years) == 1:
            return Group(years[0])
        if len(times) != 1:
            reason = "which date" if times else "no date"
            raise Refusal(reason, token.text, *(c.name for c in times))
        return Group(times[0], by)

    def _over_time(self, token: Token) -> Group:
        """Read "over time" as by year or month."""
        dates = any(column.kind == "date" for column in self.table.columns)
        return self._time_group("M" if dates else "Y", token)

    # Output and ranks

    def _output(self) -> None:
        charts, formats = of("K", self.left), [str(t.value) for t in of("x", self.left)]
        if len({t.value for t in charts}) > 1 or len({f.rpartition(".")[2] for f in formats}) > 1:
            refuse(of("Kx", self.left))
        if self.has("PK"):
            self._put(plot=str(charts[0].value) if charts else "auto")
        if self.has("Xx"):
            kind = formats[0].rpartition(".")[2].lower() if formats else "csv"
            name = next((text for text in formats if "." in text), "")
            self._put(save=kind, file=name)
        self._put(wide=self.has("p"))
        self.take_all("PKXxp")

    def _ranking(self) -> None:
        """Read "top 5", "second highest", "first 3 rows"; superlatives of a figure stay."""
        places, ends, tops, numbers = (self.take_all(kind) for kind in "LETN")
        supers, orders = of("S", self.left), self.take_all("Z")
        if max(map(len, (places, ends, tops, numbers))) > 1 or (ends and tops + supers + places):
            refuse([*places, *ends, *tops, *numbers])
        count = self._count(numbers[0]) if numbers else None
        if ends or (count and not (tops or supers or places)):
            if not count or not self.has("r") or not (ends or self.has("l")):
                raise Refusal("number", *texts([*ends, *numbers]))
            self._put(ends=str(ends[0].value) if ends else "first")
            self._rank = Rank(count=count)
        elif len(supers) < 2 and (tops or supers or places):
            if places and count:
                refuse(places)
            place = int(str(places[0].value)) if places else 1
            self._rank = Rank(self._descends(tops, supers), count, place)
            self.take_all("S")
        elif orders:
            self._rank = Rank(orders[0].value == "desc")

    def _descends(self, tops: Sequence[Token], supers: Sequence[Token]) -> bool:
        """Return whether the rank goes down; note the column of an adjective."""
        words = [*supers, *tops]
        if not words:
            return True
        direction, _, concept = str(words[0].value).partition(":")
        numbers = columns(of("n", self.left)) or ([self._sorting] if self._sorting else [])
        if any(str(t.value).partition(":")[0] != direction for t in words):
            refuse(words)
        if concept == "good" and not any(column.adds_up for column in numbers):
            raise Refusal("better", words[0].text, *(c.name for c in numbers))
        if concept == "more" and not numbers:
            refuse(words)
        if concept and concept not in ("good", "more"):
            self._sorting = self._described(concept, words[0].text, direction, numbers)
            self.take_all("n")
        return direction == "desc"

    def _described(self, concept: str, text: str, end: str, numbers: Sequence[Column]) -> Column:
        """Find the column of "longest flippers" or "hottest"."""
        if len(numbers) == 1 and concept in numbers[0].words:
            return numbers[0]
        column = self._sorting or self.by_adjective(concept, text, end)
        if any(c != column for c in numbers):
            raise Refusal("words", text)
        return column

    @staticmethod
    def _count(token: Token) -> int:
        assert isinstance(token.value, tuple)
        value, unit = token.value
        if unit or not isinstance(value, int) or not 0 < value <= 10_000:
            raise Refusal("number", token.text)
        return value

    # The task

    def _task(self) -> None:
        self.take_all("J")
        bins = self.take_all("#")
        if (trend := self.take_all("$")) and not any(g.is_time for g in self.groups):
            self.groups.append(self._over_time(trend[0]))
        own = {"%": self._share, "s": self._significance}
        for kind in "MdiGRhO":
            if self.has(kind) and not (kind == "R" and self.has("s")):
                self.take_all(kind)
                self._plain(kind)
                break
        else:
            kind = next((kind for kind in "s%" if self.take_all(kind)), "")
            (own.get(kind) or self._figures)()
        if bins and self._result.task != "distribution":
            refuse(bins)
        self._put(window=int(str(bins[0].value)) if bins else self._result.window)

    def _plain(self, kind: str) -> None:
        """Read a task of some columns, without ranks."""
        task, ignored, kinds, needed = _TASKS[kind]
        if kind == "h" and len(of("cfy", self.left)) == 1 and not self.has("n"):
            self._categories()
            return
        grouped = self.groups and task != "correlation"
        if grouped or len(self.groups) > 1 or self._rank or self._sorting:
            raise Refusal("groups")
        if kind == "M":
            task = self._missing()
        self.take_all(ignored)
        found = columns(self.take_all(kinds)) if kinds else []
        if (needed is not None and len(found) != needed) or (task == "overview" and len(found) > 1):
            raise Refusal("two columns" if needed == 2 else f"which {task}", *self.numbers())
        if task == "missing share" and len(found) != 1:
            raise Refusal("share")
        if task == "overview" and self.filters:
            refuse(of("vfDN", self.all))
        if task == "overview" and found:
            task = "description"
        if task == "regression" and self._result.plot:
            self._put(line=True)
        self._set(task, *(Measure(column, task) for column in found))

    def _missing(self) -> str:
        """Distinguish missing values from rows that have some, or none."""
        without = bool(self.take("!M|!|M\\^|\\^"))
        if self.has("%"):
            refuse(of("!^", self.all) if without else [])
            return "missing share"
        named = self.has("r") or any(t.text[-1] in "行列" for t in of("H", self.all))
        rows = named and self.has("HWl")
        if without and not rows:
            refuse(of("!^", self.all))
        return ("complete" if without else "incomplete") if rows else "missing"

    def _categories(self) -> None:
        """How categories are distributed is how many rows there are of each."""
        found = columns(self.take_all("lrHcfy"))
        self.groups.append(Group(found[-1]))
        self._set("figure", Measure(None))
        self._put(plot=self._result.plot or "auto")

    def _share(self) -> None:
        if self._over or self._result.percent:
            self._figures()
            return
        if self.periods or self.has("g"):
            self._figures()
            return
        rows = bool(self.take_all("r"))
        self.take_all("WlHC")
        refuse(t for t in of("A", self.left) if t.value != "sum")
        self.take_all("A")
        found = columns(self.take_all("n"))
        if not self.groups:
            self.groups = [Group(column) for column in columns(self.take_all("cf"))]
        conditions = [f for f in self.filters if not f.is_date]
        # "Share of cancelled flights by carrier" may be a share of the flights or the carriers.
        unclear = bool(conditions) if self.groups else len(conditions) != 1
        # "Percentage of revenue over 500" may be one of rows or of the revenue.
        unclear |= not rows and not found and any(f.column.is_measure for f in self.filters)
        summed = all(column.adds_up for column in found)
        if unclear or self._rank or len(found) > 1 or not summed or len(self.groups) > 1:
            raise Refusal("share")
        self._set("share", Measure(found[0], "sum") if found else Measure(None))

    def _significance(self) -> None:
        """Read "is the difference in mass between male and female significant?"."""
        self.take_all("eCWlrR~")
        if any(t.value != "mean" for t in self.take_all("A")):
            raise Refusal("test")
        found = columns(self.take_all("n"))
        self.groups += [Group(column) for column in columns(self.take_all("cf"))]
        values = [f for f in self.filters if [f.column] == [g.column for g in self.groups]]
        if len(found) != 1 or len(self.groups) != 1 or self._rank or self.groups[0].by:
            raise Refusal("test", *self.numbers())
        column = self.groups[0].column
        pair = values[0].value if values else column.values if column.complete else ()
        pair = (True, False) if column.kind == "flag" else pair
        if len(pair) != 2:
            raise Refusal("test", *self.numbers())
        self.filters = [f for f in self.filters if f not in values]
        self._put(pair=tuple(pair))
        self._set("test", Measure(found[0], "test"))

    # Figures, ranks and rows

    def _figures(self) -> None:
        """Read a figure, and the step that is worked out of it."""
        windows = self.take_all("w")
        sums, growth = self.take_all("a"), self.take_all("g")
        if len([*windows, *sums, *growth]) > 1 and not (growth and not windows and not sums):
            refuse([*windows, *sums])
        if windows:
            self._put(window=windows[0].value[0])  # type: ignore[index]
            self._step("rolling", windows[0], str(windows[0].value[1]))  # type: ignore[index]
        elif sums:
            self._step("cumulative", sums[0], "D")
        elif growth:
            self._growth(growth)
        self._figure()
        if self._result.step and self._result.task != "figure":
            refuse([*windows, *sums, *growth])
        if self.periods:
            self._change()

    def _step(self, step: str, token: Token, unit: str) -> None:
        times = [group for group in self.groups if group.is_time]
        if not times:
            self.groups.append(self._time_group(unit, token))
        elif step == "rolling" and times[0].by != unit:
            refuse([token])
        if (
            len(self.groups) > 1
            or self._rank
            or (step != "cumulative" and self.groups[0].column.is_year)
        ):
            raise Refusal("groups")
        last = last_day(self.groups[0].column)
        if step == "growth" and self.groups[0].by == "Y" and last and last.month < 12:
            raise Refusal("partly", str(last.year), str(last))
        self._put(step=step)

    def _growth(self, growth: Sequence[Token]) -> None:
        units = [str(t.value) for t in growth if t.value]
        self.take_all("%e")
        if self.periods:
            refuse(t for t in growth if t.value)
            return
        if not units and not any(g.is_time for g in self.groups):
            raise Refusal("growth", *texts(growth))
        if any(t.text.lower().startswith("change") for t in growth) and not of("%", self.all):
            return  # "How has it changed over the years?" shows the years
        self._step("growth", growth[0], units[0] if units else "")
        if units and self.groups[0].by != units[0]:
            refuse(growth)

    def _change(self) -> None:
        self.take_all("e%")
        query = self._result
        if query.task != "figure" or len(query.measures) != 1 or len(self.groups) > 1 or self._over:
            raise Refusal("growth", *texts(of("g", self.all)))
        if any(group.is_time for group in self.groups):
            raise Refusal("groups")
        self._put(task="change")

    def _figure(self) -> None:
        asks, rows = self.has("Wl"), self.has("r")
        self.take_all("WlC")
        if self._result.ends:
            if self.groups or self._sorting:
                raise Refusal("groups")
            self.take_all("r")
            self._set("rows")
        elif self.has("U"):
            found = columns(self.take_all("cny"))
            if len(found) != 1 or not self.has("H") or self._rank:
                raise Refusal("distinct")
            self.take_all("UHr")
            self._set("figure", Measure(found[0], "nunique"))
        elif self._scatters():
            self._set(
                "scatter", *(Measure(column, "scatter") for column in columns(self.take_all("n")))
            )
            self._put(plot="scatter")
        else:
            self._target(rows)
            self._nested()
            self._measured(self._measures(), asks, rows)
            self.take_all("r")

    def _scatters(self) -> bool:
        """Whether two columns are drawn against each other."""
        drawn = self._result.plot == "scatter" or (self.has("V") and not self._over)
        if not drawn or (self._result.plot != "scatter" and self.kinds.count("n") != 2):
            return False
        if self.groups or self._rank or self._sorting:
            raise Refusal("groups")
        self.take_all("lrV&C")
        if self.kinds.count("n") != 2:
            raise Refusal("two columns", *self.numbers())
        return True

    def _measured(self, measures: tuple[Measure, ...], asks: bool, rows: bool) -> None:
        self.take_all("&")
        saves = bool(self._result.save)
        if self._rank and len(self.groups) > 1 and not self._result.step:
            raise Refusal("groups")
        if self._rank and (not self.groups or self._result.step == "rows"):
            self._rank_rows(measures, rows)
        elif measures and self._result.step == "each" and not measures[0].figure:
            # The first of many names by what has no total: rows, one for each name.
            target = self.groups.pop()
            if target.column.complete or target.by or len(measures) > 1:
                raise Refusal("which figure", *(m.column.name for m in measures if m.column))
            self._set("rows", *measures)
        elif measures:
            self._check_measures(measures)
            self._set("figure", *measures)
        elif self._counts_rows(rows):
            self._set("figure", Measure(None))
        elif self._points_back and not (rows or saves):
            pass  # "what is it for the South?" asks for the figure before
        elif not self.groups and (self.filters or self.clean) and (asks or rows or saves):
            self._set("rows")
        elif not self.groups and not self.filters and saves and rows:
            self._set("table")

    def _check_measures(self, measures: tuple[Measure, ...]) -> None:
        one = self.together and not self.groups
        if one and any(m.figure not in ("sum", "size", "nunique") for m in measures):
            raise Refusal("together")
        unranked = self._sorting and not self._rank and not self.groups
        if unranked or self._unclear_end(measures):
            raise Refusal("highest" if self._rank else "rank")
        if self.clean and (self._over or len(measures) != 1) and "outliers" in self.clean:
            raise Refusal("which outliers", *self.numbers())

    def _unclear_end(self, measures: tuple[Measure, ...]) -> bool:
        """Whether "highest revenue by region" may mean the maximum of each region."""
        ends = [t for t in self.all if t.kind == "S" and t.value in _ENDS]
        asked = of("AWLTZ", self.all) or self._sorting or len(measures) != 1 or self._result.step
        named = any(t.kind in "Bb" for t in self.all)
        return bool(self._rank and ends and named and not asked and measures[0].column)

    def _counts_rows(self, rows: bool) -> bool:
        """Whether rows are counted: "most penguins", "orders per month"."""
        if not rows or not self.groups or self._sorting or self._adds_up_a_key():
            return False
        if self._rank:
            return any(
                t.kind in "SZ" and (t.kind == "Z" or _FEWEST.search(t.text)) for t in self.all
            )
        return not self.compares and not of("u", self.all)

    def _adds_up_a_key(self) -> bool:
        """Whether "total score" names a column that may only happen to count the rows."""
        keys = {c.name.lower() for c in self.table.columns if c.is_key}
        named = any(t.text.lower() in keys for t in of("r", self.all))
        return named and bool(of("A", self.all))

    def _target(self, rows: bool) -> None:
        """Read "which region", "top 5 customers" as what is ranked, also within groups."""
        if not self._rank or self._result.ends or of("Z", self.all):
            return
        targets = of("cfymt", self.left)
        if len(targets) > 1 or (targets and len(self.groups) > 1):
            raise Refusal("groups")
        if targets:
            self.left.remove(targets[0])
            self._put(step="each" if self.groups else "")
            self.groups.append(self._group(targets[0]))
        elif rows and len(self.groups) == 1 and (self._sorting or self.has("n")):
            self._put(step="" if any(_FEWEST.search(t.text) for t in of("S", self.all)) else "rows")

    def _nested(self) -> None:
        """Read "月ごとの合計の平均" as a figure of figures; "mean, min and max" is a list."""
        match = re.search("AA(?!A*&)", self.kinds)
        if not match:
            return
        first, last = self.left[match.start() : match.end()]
        if first.text.isascii() or len(self.groups) != 1 or last.value not in FIGURES:
            raise Refusal("nested", first.text, last.text)
        self.left.remove(last)
        self._put(step=str(last.value))

    def _measures(self) -> tuple[Measure, ...]:
        """Read what is worked out; a figure without a column belongs to the query before."""
        if counts := self.take_all("H"):
            return self._counted(counts)
        if "nn" in "".join(t.kind for t in of("ASn&", self.left)):
            refuse(of("n", self.left))
        sequence = self.take_all("ASn")
        refuse(t for t in sequence if t.kind == "S" and t.value not in _ENDS)
        figures = [_ENDS.get(str(t.value), str(t.value)) for t in sequence if t.kind in "AS"]
        found, kinds = (
            columns(of("n", sequence)),
            "".join(t.kind for t in sequence).replace("S", "A"),
        )
        if self._sorting is not None:
            if any(column != self._sorting for column in found):
                refuse(of("n", sequence))
            found, kinds = [self._sorting], kinds.replace("n", "") + "n"
        if not found:
            self._put(figures=tuple(dict.fromkeys(figures)))
            return ()
        refuse(sequence if any(column.is_year for column in found) else [])
        return self._paired(found, figures, kinds, sequence)

    def _paired(
        self, found: list[Column], figures: list[str], kinds: str, sequence: Sequence[Token]
    ) -> tuple[Measure, ...]:
        """Return the figures of the columns that are named around them."""
        if self._over:
            return self._ratio(found, figures)
        if not figures:
            return tuple(Measure(column, self._usual(column)) for column in found)
        if re.fullmatch("(An){2,}|(nA){2,}", kinds):
            return tuple(map(Measure, found, figures))
        if min(len(figures), len(found)) > 1 or not re.fullmatch("A+n+|n+A+|An+A*", kinds):
            refuse(sequence)
        return tuple(Measure(c, f) for c in found for f in dict.fromkeys(figures))

    def _ratio(self, found: list[Column], figures: list[str]) -> tuple[Measure, ...]:
        if len(found) != 1 or figures not in ([], ["sum"]):
            raise Refusal("share")
        self.take_all("%")
        return (Measure(found[0], "sum", self._over),)

    def _usual(self, column: Column) -> str:
        """Return the figure that is meant where none is named; "" where a rank shows it."""
        if self._result.step == "rolling":
            return "sum" if column.adds_up else "mean"
        if column.adds_up:
            return "sum"
        if self._rank:
            return ""
        if self.filters and not self.groups and not self.any_of:
            return "item"
        raise Refusal("which figure", column.name)

    def _counted(self, counts: Sequence[Token]) -> tuple[Measure, ...]:
        """Read "how many": rows, different values, or the sum of a quantity."""
        refuse(t for t in of("AS", self.left) if t.value != "sum")
        self.take_all("A")
        found = columns(self.take_all("ncy"))
        distinct = any(t.value == "U" for t in counts)
        if len(found) > 1 or (found and self.has("r")):
            raise Refusal("words", *(c.name for c in found))
        if found and found[0].is_measure and not distinct:
            if not found[0].adds_up:
                raise Refusal("which figure", found[0].name)
            return (Measure(found[0], "sum"),)
        if found:
            return (Measure(found[0], "nunique"),)
        if distinct or not (self.has("r") or self.filters or self.groups):
            raise Refusal("count")
        return (Measure(None),)

    def _rank_rows(self, measures: tuple[Measure, ...], rows: bool) -> None:
        """Read "the five heaviest penguins", and "the highest salary"."""
        assert self._rank
        if not measures and not rows:
            return
        if len(measures) != 1 or of("A", self.all) or measures[0].column is None or self._over:
            raise Refusal("which rank", *self.numbers())
        each = self._result.step == "rows"
        adjective = any(t.kind == "S" and ":" in str(t.value) for t in self.all)
        named = any(t.text.lower() in {"who", "誰", "だれ"} for t in self.all)
        several = self._rank.place > 1 or self._rank.count or (adjective and self.filters)
        if rows or named or several or each:
            self._put(step="each" if each else "")
            self._set("rows", measures[0])
            return
        figure = _ENDS["desc" if self._rank.descending else "asc"]
        self._rank = None
        self._set("figure", Measure(measures[0].column, figure))
