"""Answers: what the code printed, in the language of the question."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from aoai_magic.engine.models.offline.conditions import last_day
from aoai_magic.engine.models.offline.dates import Period
from aoai_magic.engine.models.offline.lexicon import Language, number, plain, sentence
from aoai_magic.engine.models.offline.query import FIGURES, Query
from aoai_magic.engine.models.offline.schema import Column
from aoai_magic.engine.models.offline.write import MOST_SHOWN, MOUNT, Program

_NOTES = (
    "[An image was shown to the user.]",
    "[New or changed files: ",
    "[The session is a fresh one: ",
)
_CUT = " characters left out …]"
_WARNING = re.compile(r"(<cell \d+>|/.*\.py):\d+: \w+: ")
_NAMES = {"名前", "氏名", "姓名"}

Rows = list[list[str]]
Results = dict[str, Any]
"""What a program printed by its names: texts, and tables as rows of texts."""


class Unreadable(Exception):  # noqa: N818
    """What the code printed is not what the answer needs."""


def read_output(output: str, programs: Iterable[Program]) -> list[Results]:
    """Read what each program printed; raise `Unreadable` if it is cut or something else."""
    lines = [line for line in output.split("\n") if not line.startswith(_NOTES)]
    return [{name: _read(lines, name, output) for name in one.shows} for one in programs]


def _read(lines: list[str], name: str, output: str) -> str | Rows:
    """Read a value or a table from the beginning of the lines."""
    _drop_warnings(lines)
    if not lines or _CUT in output:
        raise Unreadable("the output is not whole")
    if not name.startswith("table"):
        return lines.pop(0).strip()
    reader, rows = csv.reader(lines), Rows()
    while row := next(reader, []):
        rows.append(row)
    del lines[: reader.line_num]
    return rows


def _drop_warnings(lines: list[str]) -> None:
    """Drop empty lines and warnings of Python, each with the indented line of code at its end.

    Only before a value or a table: a value of the data that looks like a warning stays.
    """
    while lines and (not lines[0].strip() or _WARNING.match(lines[0])):
        end = 0
        if lines[0].strip():
            end = next((i for i, line in enumerate(lines) if line.startswith("  ")), len(lines) - 1)
        del lines[: end + 1]


def write_answer(query: Query, program: Program, results: Results, language: Language) -> str:
    """Write the answer to one query; raise `Unreadable` where a number is missing."""
    return _Answer(query, results, language).text(program.file)


class _Answer:
    def __init__(self, query: Query, results: Results, language: Language) -> None:
        self._query, self._results, self._language = query, results, language

    def text(self, file: str) -> str:
        query = self._query
        if self._results.get("rows") == "0" and not query.counts_rows:
            return self._say("none")
        own = getattr(self, f"_{query.task}_task", None)
        parts = [own() if own else self._recipe(), self._remarks()]
        if file:
            parts.append(self._say("saved", name=plain(file), path=f"{MOUNT}/{file}"))
        return "\n\n".join(filter(None, parts))

    def _recipe(self) -> str:
        """Describe what the lines of a task print that always has the same ones."""
        query, task = self._query, self._query.task
        if task == "correlation" and query.groups:
            return self._groups()
        write = _percent if task == "missing share" else _number
        values = {key: write(v) for key, v in self._results.items() if isinstance(v, str)}
        names = [plain(column.label) for column in query.columns]
        words = {"what": ", ".join(names), "table": plain(query.table.label), **values}
        words |= dict(zip("ab", names, strict=False))
        if task == "regression":
            sign = "−" if float(self._results["start"]) < 0 else "+"
            words["start"] = f"{sign} {words['start'].lstrip('-')}"
        if query.joins:
            words["other"] = plain(query.joins[0].table.label)
        if task == "test":
            first, second = (plain(str(value)) for value in query.pair)
            words |= {"first": first, "second": second}
            words["group"] = plain(query.groups[0].column.label)
            task += " yes" if float(self._results["p"]) < 0.05 else " no"
        return self._say(task, **words)

    def _say(self, key: str, /, **words: object) -> str:
        conditions = self._query.conditions(self._language)
        space = " " * conditions.startswith(" ")
        words.setdefault("cond", space + plain(conditions, 300) if conditions else "")
        return sentence(f"answer {key}", self._language, **words)

    def _what(self) -> str:
        return plain(self._query.value_name(self._language), 100)

    def _remarks(self) -> str:
        """Describe which rows are in or out for want of a value, and how tables were joined."""
        query = self._query
        sentences = [self._say("taken", word=plain(a), name=plain(b)) for a, b in query.notes]
        left = query.table.label
        for join in query.joins if query.task != "unmatched" else ():
            key = plain(" = ".join(dict.fromkeys([join.left, join.right])))
            sentences.append(self._say("joined", key=key, left=left, right=join.table.label))
        outside = [f.column for f in query.filters if f.operator in ("not in", "!=")]
        inside = [g.column for g in query.groups if query.task == "figure" and not query.joins]
        timed = [g.column for g in query.groups if g.by]
        timed += [f.column for f in query.filters if f.is_date]
        written = dict.fromkeys(plain(column.name) for column in timed if column.has_offset)
        sentences += [self._say("written", what=name) for name in written]
        for key, columns in (("kept", outside), ("dropped", inside)):
            without = [plain(column.label) for column in dict.fromkeys(columns) if column.nulls]
            sentences += [self._say(key, what=name) for name in without]
        if query.step in ("growth", "rolling") or (query.is_time and query.step == "cumulative"):
            sentences += self._end_of_data()
        return " ".join(sentences)

    def _end_of_data(self) -> list[str]:
        """Describe that the last period is not over in the data."""
        group = self._query.groups[0]
        last = last_day(group.column) if group.by in ("M", "Q", "Y") else None
        if not last or Period.begins(group.by, last + timedelta(days=1)):
            return []
        return [self._say("end", what=plain(group.column.label), last=last)]

    # Tasks

    def _figure_task(self) -> str:
        query, language = self._query, self._language
        if query.step in FIGURES:
            return self._say("value", what=self._what(), x=_number(self._results["x"]))
        if query.groups:
            return self._groups()
        results = self._results
        if not query.columns:
            count = _whole(results["rows" if "rows" in results else "x"])
            name = plain(query.table.label)
            return self._say("one" if count == 1 else "count", x=number(count), table=name)
        if "table" not in results:
            return self._say("value", what=self._what(), x=self._value(results["x"]))
        values = [_number(row[-1]) for row in results["table"][1:]]
        names = [plain(measure.name(language), 100) for measure in query.measures]
        cells = [list(pair) for pair in zip(names, values, strict=True)]
        return self._titled(_grid(["", sentence("value", language)], cells))

    def _value(self, text: str) -> str:
        """Write the figure of a column."""
        query = self._query
        if query.percent:
            return _percent(text)
        measure = query.measures[0]
        is_number = query.columns[0].kind == "number" or measure.figure == "nunique"
        return _cell(text, query.columns[0], is_number)

    def _titled(self, grid: str) -> str:
        title = plain(self._query.title(self._language), 300)
        return f"{self._say('table', what=title, cond='')}\n\n{grid}"

    def _groups(self) -> str:
        query, size, language = self._query, len(self._query.groups), self._language
        if "table across" in self._results:
            return self._across()
        count, rows = _whole(self._results["found"]), self._results["table"][1:]
        write = _percent if query.in_percent else _number
        names = [
            [group.label(text, language) for text, group in zip(row, query.groups, strict=False)]
            for row in rows
        ]
        cells = [[*name, *map(write, row[size:])] for name, row in zip(names, rows, strict=True)]
        header = [group.name(language) for group in query.groups]
        single = len(cells[0]) - size == 1 if cells else True
        one = query.name(language) if query.task == "correlation" else query.value_name(language)
        header += [one] if single else [measure.name(language) for measure in query.measures]
        grid = _grid(header, cells[:MOST_SHOWN], size)
        if not single or query.step == "each":
            return self._titled(grid)
        found = [
            (float(row[-1]), ", ".join(name), cell[-1])
            for row, name, cell in zip(rows, names, cells, strict=True)
            if "" not in row
        ]
        parts = [self._lead(found) if found else self._say("none"), grid * bool(rows)]
        if count > MOST_SHOWN:
            parts.insert(1, self._say("first", n=MOST_SHOWN, all=number(count)))
        return "\n\n".join(filter(None, parts))

    def _across(self) -> str:
        """Show groups of two columns as a table of rows and columns."""
        rows_by, across = self._query.groups
        header, *rows = self._results["table across"]
        write = _percent if self._query.in_percent else _number
        names = [
            rows_by.name(self._language),
            *(across.label(text, self._language) for text in header[1:]),
        ]
        cells = [[rows_by.label(row[0], self._language), *map(write, row[1:])] for row in rows]
        return self._titled(_grid(names, cells[:MOST_SHOWN]))

    def _lead(self, found: list[tuple[float, str, str]]) -> str:
        """Describe which group is highest, or which place is asked for."""
        query, rank = self._query, self._query.rank
        down, place = (rank.descending, rank.place) if rank else (True, 1)
        if query.step == "cumulative":
            return self._say("reached", what=self._what(), who=found[-1][1], x=found[-1][2])
        values = sorted({value for value, *_ in found}, reverse=down)
        if len(values) < place:
            return self._say("none")
        best = [one for one in found if one[0] == values[place - 1]]
        words = {"what": self._what(), "x": best[0][2]}
        if query.task == "correlation":
            words["what"] = sentence("figure correlation", self._language)
        if not rank and query.is_time and len(best) == 1 < len(found):
            _, low, shown = min(found)
            return self._say("time", who=best[0][1], who2=low, x2=shown, **words)
        who = ", ".join(f"**{name}**" for _, name, _ in best[:5]) + ", …" * (len(best) > 5)
        if len(best) > 1:
            return self._say("tie", who=who, end=self._end(), **words)
        words["end"] = self._end()
        key = "share" if query.task == "share" else "top" if query.columns or query.step else "most"
        return self._say("fewest" if key == "most" and not down else key, who=who, **words)

    def _end(self) -> str:
        """Describe which end is asked for: "highest", "second lowest"."""
        query, rank, language = self._query, self._query.rank, self._language
        dated = "date " * (query.task == "rows" and query.columns[0].kind == "date")
        text = sentence(f"end {dated}{'desc' if not rank or rank.descending else 'asc'}", language)
        return sentence(f"place {rank.place}", language, text) if rank and rank.place > 1 else text

    def _share_task(self) -> str:
        query = self._query
        if query.groups:
            return self._groups()
        what = (
            plain(query.columns[0].label) if query.columns else sentence("row noun", self._language)
        )
        value = _percent(self._results["x"])
        return self._say("none") if value == "–" else self._say("part", x=value, what=what)

    def _change_task(self) -> str:
        """Describe how much a figure differs between two periods."""
        query = self._query
        first, last = (str(getattr(f.value[0], "text", "")) for f in query.periods)
        if query.groups:
            return f"{self._say('between', first=first, last=last)} {self._groups()}"
        figures = {key: self._value(self._results[key]) for key in ("before", "after")}
        words = {
            "first": first,
            "last": last,
            "what": plain(query.measures[0].name(self._language)),
        }
        more = "more" if float(self._results["x"]) >= 0 else "less"
        change = number(abs(float(self._results["x"])) * 100) + "%"
        return self._say(f"change {more}", x=change, **figures, **words)

    def _rows_task(self) -> str:
        query, rank = self._query, self._query.rank
        count = _whole(self._results["found"])
        header, *rows = self._results["table"]
        grid = self._grid_of_rows()
        if not rows:
            return self._say("none")
        if not query.columns or not rank or query.step:
            more = self._say("shown", n=len(rows)) if count > len(rows) else ""
            return f"{self._say('rows', x=number(count), more=more)}\n\n{grid}"
        column, wanted = query.columns[0], rank.count or 1
        words = {"end": self._end(), "what": plain(column.label)}
        words["x"] = _cell(rows[0][header.index(column.name)], column)
        known = [c for c in query.table.columns if c.words[-1:] == ("name",) or c.name in _NAMES]
        if not known and query.table.days_are_rows:
            known = [c for c in query.table.columns if c.kind == "date"]
        if len(known) == count == 1:
            who = f"**{_cell(rows[0][header.index(known[0].name)], known[0])}**"
            return f"{self._say('top', who=who, **words)}\n\n{grid}"
        tied = count > wanted and rank.place == 1
        ties = self._say("ties", n=number(count)) if tied else ""
        key = "best rows" if wanted > 1 else "best row"
        return f"{self._say(key, n=number(min(wanted, count)), ties=ties, **words)}\n\n{grid}"

    def _grid_of_rows(self) -> str:
        joined = [column for join in self._query.joins for column in join.table.columns]
        known = {column.name: column for column in (*self._query.table.columns, *joined)}
        header, *rows = self._results["table"]
        kinds = [known.get(name) for name in header]
        cells = [[_cell(text, kind) for text, kind in zip(row, kinds, strict=True)] for row in rows]
        return _grid(header, cells, len(header))

    def _table_task(self) -> str:
        return self._say("saved table", n=number(self._results["found"]))

    def _correlation_task(self) -> str:
        if self._query.groups:
            return self._groups()
        a, b = (plain(column.label) for column in self._query.columns)
        _number(self._results["x"])
        return self._say("correlation", a=a, b=b, x=f"{float(self._results['x']):.2f}")

    _scatter_task = _correlation_task

    def _distribution_task(self) -> str:
        keys = ("mean", "std", "low", "q1", "median", "q3", "high")
        values = [_number(row[-1]) for row in self._results["table"][2:]]
        words = dict(zip(keys, values, strict=True))
        return self._say("distribution", what=plain(self._query.columns[0].label), **words)

    _description_task = _distribution_task

    def _outliers_task(self) -> str:
        grid = self._grid_of_rows() if self._results["x"] != "0" else ""
        return "\n\n".join(filter(None, [self._recipe(), grid]))

    def _missing_task(self) -> str:
        counts = [(row[0], _whole(row[1])) for row in self._results["table"][1:]]
        total = number(sum(count for _, count in counts))
        if len(counts) == 1 and self._query.columns:
            return self._say("missing one", what=plain(counts[0][0]), x=total)
        if total == "0":
            return self._say("no missing")
        heading = sentence("overview", self._language).split()
        cells = [[plain(name), number(count)] for name, count in counts if count]
        return f"{self._say('missing', x=total)}\n\n{_grid([heading[0], heading[2]], cells)}"

    def _overview_task(self) -> str:
        table, results = self._query.table, self._results
        missing = {row[0]: _whole(row[1]) for row in results["table"][1:]}
        header, *rows = results.get("table of numbers", [[]])
        facts = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
        cells = []
        for column in table.columns:
            nulls = number(missing.get(column.name, column.nulls))
            values = _values(column, facts.get(column.name, {}))
            cells.append([plain(column.name), plain(column.dtype), nulls, values])
        words = {"table": plain(table.label), "rows": number(results["found"]), "n": len(cells)}
        lead = self._say("overview", x=number(sum(missing.values())), **words)
        return f"{lead}\n\n{_grid(sentence('overview', self._language).split(), cells, 4)}"


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """Write a Markdown table of safe cells; columns after the first `texts` are amounts."""
    line = "".join(["|---"] * texts + ["|---:"] * (len(header) - texts)) + "|"
    lines = [
        f"| {' | '.join(cells)} |" for cells in ([name and plain(name) for name in header], *rows)
    ]
    return "\n".join([lines[0], line, *lines[1:]])


def _cell(text: str, column: Column | None, must: bool = False) -> str:
    """Write a value of a column; one that must be a number is checked."""
    if must or (column is not None and column.is_measure and text):
        return _number(text) if must else number(text)
    return plain(text.removesuffix(" 00:00:00"))


def _values(column: Column, facts: dict[str, str]) -> str:
    """Describe in a few words which values a column has."""
    if facts and column.is_measure:
        low, high, mean = (number(facts[key]) for key in ("min", "max", "mean"))
        return f"{low} … {high} (⌀ {mean})"
    if column.low:
        return " … ".join(plain(end.removesuffix(" 00:00:00")) for end in (column.low, column.high))
    more = ", …" if column.values and not (column.complete and len(column.values) < 7) else ""
    return plain(", ".join(column.values[:6]), 120) + more if column.values else ""


def _number(text: str) -> str:
    """Write what must be a number."""
    try:
        return number(float(text or "nan"))
    except ValueError:
        raise Unreadable(f"{text[:40]!r} is not a number") from None


def _percent(text: str) -> str:
    return "–" if _number(text) == "–" else f"{float(text) * 100:,.1f}%"


def _whole(text: str) -> int:
    _number(text)
    return int(float(text))
