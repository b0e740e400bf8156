"""Queries as ordinary pandas, on the variables by their own names.

The code prints what the answer is read from: a value on one line, or a table as CSV,
which says every value exactly, whatever letters are in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from aoai_magic.engine.models.offline.dates import Period
from aoai_magic.engine.models.offline.lexicon import Language, read_rows
from aoai_magic.engine.models.offline.query import FIGURES, Filter, Group, Query, Refusal
from aoai_magic.engine.models.offline.schema import OFFSET, Column, Table

MOUNT, MOST_SHOWN = "/mnt/data", 20
_ROWS_SHOWN = 10
_PARTS = {"weekday": "day_of_week", "weekend": "day_of_week", "hour": "hour", "month": "month"}
_SIGNS = {"since": ">=", "after": ">", "before": "<", "until": "<="}
_CATEGORIES = ("category", "dictionary", "Enum", "Categorical")


@dataclass
class Program:
    """Code, the names of what it prints in order (tables begin with "table"), and its file."""

    lines: list[str] = field(default_factory=list)
    shows: list[str] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)
    file: str = ""

    def table(self, expression: str, name: str = "table", index: bool = True) -> None:
        """Print a table."""
        self.lines.append(f"print({expression}.to_csv({'' if index else 'index=False'}))")
        self.shows.append(name)

    def value(self, name: str, expression: str) -> None:
        """Print a value."""
        self.lines.append(f"print({expression})")
        self.shows.append(name)


@lru_cache
def _recipes() -> dict[str, dict[str, str]]:
    """Return the tasks that are always the same lines: their code, and what it prints."""
    return {row["task"]: row for row in read_rows("recipes.csv")}


def quoted(value: object) -> str:
    """Write a text or number as Python."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def write(query: Query, language: Language, files: Collection[str] = ()) -> Program:
    """Write the code of a query, with no file of a name in `files`; raise `Refusal`."""
    return _Writer(query, language, files).program()


class _Writer:
    def __init__(self, query: Query, language: Language, files: Collection[str]) -> None:
        self._query, self._language, self._files = query, language, files
        self._out = Program()
        self._used = {query.table.name, *(join.table.name for join in query.joins)}

    def _new(self, name: str) -> str:
        """Return a name that is not one of the user's."""
        return self._new(name + "_") if name in self._used else name

    def _line(self, line: str) -> None:
        self._out.lines.append(line)

    def _let(self, name: str, expression: str) -> str:
        name = self._new(name)
        self._line(f"{name} = {expression}")
        return name

    def program(self) -> Program:
        query, out = self._query, self._out
        self._frame = self._with_formulas(self._open())
        if "duplicates" in query.clean:
            self._frame = self._let("unique", f"{self._frame}.drop_duplicates()")
        self._rows = self._frame
        filters = [f for f in query.filters if query.task != "share" or query.groups or f.is_date]
        if filters:
            self._rows = self._let("chosen", self._where(self._frame, filters))
        if "outliers" in query.clean:
            self._drop_outliers()
        if filters or query.clean:
            out.value("rows", f"len({self._rows})")
        own = getattr(self, f"_{query.task}_task", None)
        own() if own else self._recipe()
        if any("pd." in line for line in out.lines):
            out.imports.insert(0, "import pandas as pd")
        if query.save and not out.file:
            raise Refusal("save")
        if query.plot and not any(".plot" in line or "plt." in line for line in out.lines):
            raise Refusal("plot")
        return out

    def _drop_outliers(self) -> None:
        column = self._column(self._query.columns[0]) if self._query.columns else ""
        if not column:
            raise Refusal("which outliers")
        self._line(f"low, high = {column}.quantile([0.25, 0.75])")
        self._line("margin = 1.5 * (high - low)")
        inside = f"{column}.between(low - margin, high + margin)"
        self._rows = self._let("usual", f"{self._rows}[{inside}]")

    def _recipe(self) -> None:
        """Write the lines of a task that always has the same ones."""
        query, recipe = self._query, _recipes()[self._query.task]
        names = [quoted(column.name) for column in query.columns]
        listed = f"[{', '.join(names)}]" * bool(names)
        words = {"rows": self._rows, "names": f"[{listed}]" * bool(names), "listed": listed}
        words |= dict(zip("ab", names, strict=False))
        if query.task == "test":
            words |= dict(zip(("first", "second"), map(quoted, query.pair), strict=True))
            words["group"] = quoted(query.groups[0].column.name)
        for join in query.joins:
            words |= {"other": join.table.name}
            words |= {"left": quoted(join.left), "right": quoted(join.right)}
        if query.task == "correlation" and query.groups:
            self._correlations(*names)
            return
        self._out.imports += filter(None, [recipe["imports"]])
        self._out.lines += recipe["lines"].format(**words).splitlines()
        if query.plot or query.task == "distribution":
            self._picture()
        for value in recipe["values"].format(**words).splitlines():
            self._out.value(*value.split(": ", 1))
        if recipe["table"]:
            self._out.table(recipe["table"].format(**words), index=query.task != "outliers")
        if query.task == "outliers":
            self._save("result")

    def _correlations(self, a: str, b: str) -> None:
        each = f"lambda part: part[{a}].corr(part[{b}])"
        self._print_and_draw(self._let("result", f"{self._grouped()}[[{a}, {b}]].apply({each})"))

    # The frame and its columns

    def _open(self) -> str:
        frame = self._as_frame(self._query.table)
        if not self._query.joins or self._query.task == "unmatched":
            return frame
        for join in self._query.joins:
            other, left, right = self._as_frame(join.table), quoted(join.left), quoted(join.right)
            keys = f"on={left}" if left == right else f"left_on={left}, right_on={right}"
            how = f'{keys}, how="left", validate="many_to_one"'
            frame = self._let("joined", f"{frame}.merge({other}, {how})")
        return frame

    def _with_formulas(self, frame: str) -> str:
        """Add the columns that are worked out of others."""
        made = {c.name: c.formula for c in self._query.used if c.formula}
        for name, (first, sign, last) in made.items():
            value = f"{frame}[{quoted(first)}] {sign} {frame}[{quoted(last)}]"
            made_of = f"{name}={value}" if name.isidentifier() else f"**{{{quoted(name)}: {value}}}"
            frame = self._let("extended", f"{frame}.assign({made_of})")
        return frame

    def _as_frame(self, table: Table) -> str:
        """Write what makes the table a frame of pandas with all its columns; return its name."""
        expression = table.name
        if table.setup:
            self._line(table.setup)
        if table.kind.startswith(("polars.", "pyarrow.")):
            expression += ".to_pandas()"
        elif table.kind.endswith("Series"):
            label = next(column.name for column in table.columns if not column.is_level)
            expression += f".to_frame({quoted(label)})"
        if any(column.is_level and column in table.columns for column in self._query.used):
            expression += ".reset_index()"
        return (
            self._let(f"{table.name}_frame", expression) if expression != table.name else table.name
        )

    def _column(self, column: Column, frame: str = "") -> str:
        return f"{frame or self._rows}[{quoted(column.name)}]"

    def _time(self, column: Column, frame: str) -> str:
        text = self._column(column, frame)
        if column.has_offset:
            # Days and hours are those of the place, as they are written.
            text = f'{text}.str.replace(r" ?{OFFSET}", "", regex=True)'
        if column.kind == "date" and column.dtype == "text":
            return f"pd.to_datetime({text})"
        return f"{text}.dt.tz_localize(None)" if column.has_zone else text

    # Conditions

    def _where(self, frame: str, filters: Sequence[Filter]) -> str:
        texts = [self._condition(found, frame) for found in filters]
        sign = " | " if self._query.any_of else " & "
        joined = sign.join(f"({text})" for text in texts) if len(texts) > 1 else texts[0]
        return f"{frame}[{joined}]"

    def _condition(self, found: Filter, frame: str) -> str:
        text, values, operator = self._column(found.column, frame), found.value, found.operator
        if operator in ("true", "false"):
            return text if operator == "true" else f"~{text}"
        if operator == "between":
            return f"{text}.between({quoted(values[0])}, {quoted(values[1])})"
        if values and isinstance(values[0], Period):
            return self._period(found, frame)
        if operator in ("in", "not in"):
            return _among(text, values, operator == "not in")
        return f"{text} {operator} {quoted(values[0])}"

    def _period(self, found: Filter, frame: str) -> str:
        column, operator = found.column, found.operator
        periods = [value for value in found.value if isinstance(value, Period)]
        period, negated, text = periods[0], operator == "not period", self._time(column, frame)
        years = [p.start.year for p in periods if p.start]
        if operator == "recent":
            return f'{text} >= "{period.start}"'
        if column.is_year and operator in _SIGNS:
            return f"{text} {_SIGNS[operator]} {years[0]}"
        if column.is_year or (period.unit == "Y" and operator not in _SIGNS):
            return _among(text if column.is_year else f"{text}.dt.year", years, negated)
        if period.part:
            numbers = [number for p in periods for number in p.numbers]
            return _among(f"{text}.dt.{_PARTS[period.part]}", numbers, negated)
        if operator in _SIGNS:
            day = period.end if operator in ("after", "until") else period.start
            sign = ">=" if operator in ("since", "after") else "<"
            return f'{text}{".dt.start_time" if column.kind == "period" else ""} {sign} "{day}"'
        if period.unit == "D":
            days = [str(p.start) for p in periods]
            return _among(f'{text}.dt.strftime("%Y-%m-%d")', days, negated)
        how = "asfreq" if column.kind == "period" else "to_period"
        text = f'{text}.dt.{how}("{period.unit}").astype(str)'
        return _among(text, [p.name for p in periods], negated)

    # Groups

    def _grouped(self, *more: str, rows: str = "") -> str:
        rows = rows or self._rows
        groups = self._query.groups
        keys = [self._key(group, rows) for group in groups]
        options = [keys[0] if len(keys) == 1 else f"[{', '.join(keys)}]", *more]
        if any(not g.by and g.column.dtype.startswith(_CATEGORIES) for g in groups):
            options.append("observed=True")
        if self._query.joins and not more:
            options.append("dropna=False")
        return f"{rows}.groupby({', '.join(options)})"

    def _key(self, group: Group, rows: str) -> str:
        if not group.by:
            return quoted(group.column.name)
        how = _PARTS.get(group.by) or f'to_period("{group.by}")'
        end = " >= 5" * (group.by == "weekend")
        return f"{self._time(group.column, rows)}.dt.{how}{end}"

    # Tasks

    def _figure_task(self) -> None:
        query, rank = self._query, self._query.rank
        if not query.groups:
            self._totals()
            return
        if rank and query.measures[0].figure == "":
            name = self._let("result", self._each_once())
        else:
            name = self._let("result", self._figures(self._rows))
        if query.step in FIGURES:
            self._out.value("x", f"{name}.{query.step}()")
            return
        if query.step:
            name = self._stepped(name)
        elif rank and rank.count:
            how = "nlargest" if rank.descending else "nsmallest"
            self._out.lines[-1] += f'.{how}({rank.count}, keep="all")'
        elif len(query.measures) == len(query.groups) == 1 and (
            not query.is_time or (rank and not query.plot)
        ):
            self._out.lines[-1] += self._order()
        self._print_and_draw(name)

    def _order(self) -> str:
        """Write the order of groups: the highest first, unless the lowest are asked for."""
        rank = self._query.rank
        return f".sort_values({'ascending=False' if not rank or rank.descending else ''})"

    def _figures(self, rows: str) -> str:
        """Write the figures of the groups of some rows, or of them all."""
        measure = self._query.measures[0]
        if not measure.over:
            grouped = self._grouped(rows=rows) if self._query.groups else rows
            return grouped + self._aggregated()
        assert measure.column
        names = quoted(measure.column.name), quoted(measure.over.name)
        if not self._query.groups:
            return f"{rows}[{names[0]}].sum() / {rows}[{names[1]}].sum()"
        sums = self._let("sums", f"{self._grouped(rows=rows)}[[{', '.join(names)}]].sum()")
        return f"({sums}[{names[0]}] / {sums}[{names[1]}])"

    def _stepped(self, name: str) -> str:
        """Work out what follows from the figures of the groups."""
        query, rank = self._query, self._query.rank
        if query.step == "each":
            assert rank
            ranks = f'{name}.groupby(level=0).rank(method="min", ascending={not rank.descending})'
            wanted = rank.place if rank.place > 1 else rank.count or 1
            sign = "==" if rank.place > 1 else "<="
            return self._let("best", f"{name}[{ranks} {sign} {wanted}]")
        if query.step == "cumulative":
            self._out.lines[-1] += ".cumsum()"
            return name
        group, figure = query.groups[0], query.measures[0].figure
        fill = ", fill_value=0" * (figure in ("sum", "size"))
        if group.by in _PARTS or not group.by:
            raise Refusal("growth", group.column.name)
        ends = f'{name}.index[0], {name}.index[-1], freq="{group.by}"'
        periods = self._let("periods", f"pd.period_range({ends})")
        how = f".rolling({query.window}).mean()" if query.step == "rolling" else ".pct_change()"
        return self._let(name, f"{name}.reindex({periods}{fill}){how}.dropna()")

    def _change_task(self) -> None:
        """Write how much a figure differs between two periods."""
        query, names = self._query, []
        for word, period in zip(("before", "after"), query.periods, strict=True):
            rows = self._where(self._rows, [period])
            names.append(
                self._let(word, self._total(rows) if not query.groups else self._figures(rows))
            )
        if not query.groups:
            self._out.value("before", names[0])
            self._out.value("after", names[1])
            self._out.value("x", f"{names[1]} / {names[0]} - 1")
            return
        change = f"({names[1]} / {names[0]} - 1){self._order()}"
        self._print_and_draw(self._let("result", change))

    def _total(self, rows: str) -> str:
        """Write the one figure of some rows."""
        measure = self._query.measures[0]
        if measure.column is None:
            return f"len({rows})"
        text = self._figures(rows) if measure.over else f"{rows}[{quoted(measure.column.name)}]"
        return text if measure.over else text + _call(measure.figure)

    def _each_once(self) -> str:
        """Rank groups by a column whose sum means nothing: each group must be one row."""
        (group,), (column,) = self._query.groups, self._query.columns
        few = group.column.complete and len(group.column.values) < self._query.table.rows
        if group.by or few:
            raise Refusal("which figure", column.name)
        key = quoted(group.column.name)
        self._line(f'assert {self._rows}[{key}].is_unique, "each group has several rows"')
        return f"{self._rows}.set_index({key})[{quoted(column.name)}]"

    def _aggregated(self) -> str:
        measures = self._query.measures
        figures = list(dict.fromkeys(measure.figure for measure in measures))
        names = [quoted(name) for name in dict.fromkeys(c.name for c in self._query.columns)]
        if not names:
            return ".size()"
        if len(figures) == 1:
            listed = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
            fine = self._query.is_time or len(self._query.groups) > 1
            gaps = fine and figures == ["sum"] and any(c.nulls for c in self._query.columns)
            # The sum of no value at all is missing, and not 0.
            return f"[{listed}]{'.sum(min_count=1)' if gaps else _call(figures[0])}"
        if any(re.match(r"p\d|$", figure) for figure in figures) or 1 < len(names) < len(measures):
            raise Refusal("words", *figures)
        if len(names) == 1:
            return f"[{names[0]}].agg({json.dumps(figures)})"
        pairs = zip(names, (quoted(m.figure) for m in measures), strict=True)
        return f".agg({{{', '.join(f'{name}: {figure}' for name, figure in pairs)}}})"

    def _totals(self) -> None:
        measures, filtered = self._query.measures, self._query.filters or self._query.clean
        if len(measures) > 1:
            self._out.table(self._rows + self._aggregated())
        elif measures[0].column or not filtered:
            self._out.value("x", self._total(self._rows))

    def _share_task(self) -> None:
        query = self._query
        names = [quoted(column.name) for column in query.columns]
        if not query.groups:
            condition = self._condition(next(f for f in query.filters if not f.is_date), self._rows)
            part = f"{self._rows}.loc[{condition}, {names[0]}].sum()" if names else ""
            whole = f"{part} / {self._rows}[{names[0]}].sum()" if names else f"({condition}).mean()"
            self._out.value("x", whole)
            return
        of = f"[{names[0]}].sum()" if names else ".size()"
        whole = f"{self._rows}{of}" if names else f"len({self._rows})"
        text = f"({self._grouped('dropna=False')}{of} / {whole})"
        order = "" if query.is_time else ".sort_values(ascending=False)"
        self._print_and_draw(self._let("result", text + order if order else text[1:-1]))

    def _rows_task(self) -> None:
        query, name = self._query, self._rows
        if query.rank:
            name = self._let("result", self._rows + self._cut())
        self._out.value("found", f"len({name})")
        count = query.rank.count if query.rank else 0
        most = MOST_SHOWN if query.step else max(_ROWS_SHOWN, min(count or 0, MOST_SHOWN))
        self._out.table(f"{name}.head({most})", index=False)
        self._save(name)

    def _cut(self) -> str:
        rank = self._query.rank
        assert rank
        if self._query.ends:
            return f".{'head' if self._query.ends == 'first' else 'tail'}({rank.count})"
        (column,) = self._query.columns
        if column.kind not in ("number", "date") or column.dtype == "text":
            raise Refusal("not a number", column.name)
        name = quoted(column.name)
        if self._query.step == "each" or rank.place > 1:
            each = f"{self._grouped()}[{name}]" if self._query.groups else self._column(column)
            method = "dense" if rank.place > 1 else "min"
            text = f'{each}.rank(method="{method}", ascending={not rank.descending})'
            text = f"[{text} {'==' if rank.place > 1 else '<='} {max(rank.place, rank.count or 1)}]"
            by = [quoted(g.column.name) for g in self._query.groups if not g.by]
            if not by:
                return text
            up = ", ".join(["True"] * len(by) + [str(not rank.descending)])
            return f"{text}.sort_values([{', '.join([*by, name])}], ascending=[{up}])"
        how = "nlargest" if rank.descending else "nsmallest"
        return f'.{how}({rank.count or 1}, {name}, keep="all")'

    def _table_task(self) -> None:
        self._out.value("found", f"len({self._frame})")
        self._save(self._frame)

    def _picture(self) -> None:
        """Draw what a recipe is about."""
        if len(self._query.columns) == 2:
            self._draw_scatter(*self._query.columns)
        elif self._query.task in ("distribution", "description"):
            self._draw_distribution()
        else:
            raise Refusal("plot")

    def _draw_distribution(self) -> None:
        (column,) = self._query.columns
        title, bins = quoted(self._query.title(self._language)), self._query.window or 20
        self._line(f"axes = {self._column(column)}.plot.hist(bins={bins}, title={title})")
        self._line(f"axes.set_xlabel({quoted(column.label)})")

    def _draw_scatter(self, upright: Column, across: Column) -> None:
        title = quoted(self._query.title(self._language))
        x, y = quoted(across.name), quoted(upright.name)
        labels = f"xlabel={quoted(across.label)}, ylabel={quoted(upright.label)}"
        if not self._query.colour:
            axes = f"{self._rows}.plot.scatter(x={x}, y={y}, title={title}, {labels})"
            self._line("axes = " * self._query.line + axes)
        else:
            by = self._query.colour
            self._out.imports.append("import matplotlib.pyplot as plt")
            self._line("axes = plt.gca()")
            self._line(f"for name, part in {self._rows}.groupby({quoted(by.name)}):")
            self._line(f"    axes.scatter(part[{x}], part[{y}], label=name)")
            self._line(f"axes.set(title={title}, {labels})")
            self._line(f"axes.legend(title={quoted(by.label)})")
        if self._query.line:
            ends = f'pairs[{x}].agg(["min", "max"])'
            self._line(f"axes.plot({ends}, slope * {ends} + intercept)")

    def _overview_task(self) -> None:
        self._out.value("found", f"len({self._frame})")
        self._out.table(f"{self._frame}.isna().sum()")
        if any(c.kind == "number" and not c.is_level for c in self._query.table.columns):
            self._out.table(f'{self._frame}.describe(include="number").T', "table of numbers")

    # Output

    def _print_and_draw(self, name: str) -> None:
        query = self._query
        whole = query.is_time and (query.plot or not query.rank)
        if query.plot:
            self._draw(name)
        self._out.value("found", f"len({name})")
        if query.wide and len(query.groups) == 2 and len(query.measures) == 1:
            self._out.table(f"{name}.unstack()", "table across")
        else:
            self._out.table(name if whole else f"{name}.head({MOST_SHOWN})")
        self._save(name)

    def _draw(self, name: str) -> None:
        query, language = self._query, self._language
        moves = any(group.by not in _PARTS for group in query.groups if group.is_time)
        kind = ("line" if moves else "bar") if query.plot == "auto" else query.plot
        shown = name if query.is_time else f"{name}.head({MOST_SHOWN})"
        if len(query.groups) > 1:
            shown = f"{name}.unstack()"
        title = quoted(query.title(language))
        one = len(query.measures) == 1
        if kind == "pie" and one and len(query.groups) == 1:
            self._line(f'{shown}.plot.pie(title={title}, ylabel="")')
        elif kind in ("bar", "line") and (one or len(query.groups) == 1):
            x, y = query.groups[0].name(language), query.value_name(language)
            labels = f"xlabel={quoted(x)}, ylabel={quoted(y)}"
            self._line(f"{shown}.plot.{kind}(title={title}, {labels})")

    def _save(self, name: str) -> None:
        query = self._query
        if not query.save:
            return
        if query.groups:
            label = query.columns[0].name if query.columns else "rows"
            label = "share" if query.task == "share" else label
            label += "_" * any(label == group.column.name for group in query.groups)
            one, wide = len(query.measures) == 1, query.is_time and len(query.groups) == 2
            name += ".unstack()" * (one and wide)
            name += f".reset_index({f'name={quoted(label)}' * (one and not wide)})"
        periods = [g.column.name for g in query.groups if g.by and g.by not in _PARTS]
        if periods and query.save != "csv":
            name = self._let("table", name)  # no other format knows pandas' periods
            for column in map(quoted, periods):
                self._line(f"{name}[{column}] = {name}[{column}].astype(str)")
        options = {
            "csv": ", index=False",
            "xlsx": ", index=False",
            "json": ', orient="records", date_format="iso", force_ascii=False',
        }
        writer = {"xlsx": "excel"}.get(query.save, query.save)
        where = quoted(f"{MOUNT}/{self._path()}")
        self._line(f"{name}.to_{writer}({where}{options.get(query.save, '')})")

    def _path(self) -> str:
        query, number = self._query, 1
        if query.file in self._files:
            raise Refusal("file exists", query.file)
        name = query.file or f"{query.file_stem()}.{query.save}"
        while name in self._files:
            number += 1
            name = f"{query.file_stem()}_{number}.{query.save}"
        self._out.file = name
        return name


def _among(text: str, values: Sequence[object], negated: bool) -> str:
    if len(values) == 1:
        return f"{text} {'!=' if negated else '=='} {quoted(values[0])}"
    return f"{'~' if negated else ''}{text}.isin([{', '.join(map(quoted, values))}])"


def _call(figure: str) -> str:
    return f".quantile(0.{int(figure[1:]):02})" if re.match(r"p\d", figure) else f".{figure}()"
