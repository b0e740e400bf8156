"""Answers: what the code printed, in the language of the question."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aoai_magic.engine.models.offline.dates import Period
from aoai_magic.engine.models.offline.lexicon import Language, number, plain, sentence
from aoai_magic.engine.models.offline.query import Query
from aoai_magic.engine.models.offline.schema import Column
from aoai_magic.engine.models.offline.write import MOST_SHOWN, MOUNT, Program

_NOTES = ("[An image was shown to the user.]", "[New or changed files: ")
_CUT = " characters left out …]"
_WARNING = re.compile(r"(<cell \d+>|/.*\.py):\d+: \w+: ")
_NAMES = {"名前", "氏名", "姓名"}

Rows = list[list[str]]


class Unreadable(Exception):  # noqa: N818
    """What the code printed is not what the answer needs."""


@dataclass(frozen=True)
class Results:
    """The values and tables that programs printed, in order."""

    values: list[str]
    tables: list[Rows]

    def take(self, program: Program) -> Results:
        """Take the results of the next program out."""
        values = [self.values.pop(0) for shape in program.shapes if shape == "value"]
        return Results(values, [self.tables.pop(0) for shape in program.shapes if shape == "table"])


def read_output(output: str, shapes: Iterable[str]) -> Results:
    """Read what programs printed; raise `Unreadable` if it is cut or something else."""
    lines = [line for line in output.split("\n") if not line.startswith(_NOTES)]
    found = Results([], [])
    for shape in shapes:
        _drop_warnings(lines)
        if not lines or _CUT in output:
            raise Unreadable("the output is not whole")
        if shape == "value":
            found.values.append(lines.pop(0).strip())
        else:
            reader, rows = csv.reader(lines), Rows()
            while row := next(reader, []):
                rows.append(row)
            del lines[: reader.line_num]
            found.tables.append(rows)
    return found


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
        self._query, self._language = query, language
        self._values, self._tables = results.values, results.tables
        self._count = -1

    def text(self, file: str) -> str:
        query = self._query
        if query.filters and (query.task != "share" or query.groups):
            self._count = _whole(self._values.pop(0))
        counts = query.task == "figure" and not query.groups and not query.columns
        if not self._count and not counts:
            return self._say("none")
        parts = [getattr(self, f"_{query.task}")(), self._remarks()]
        if file:
            parts.append(self._say("saved", name=plain(file), path=f"{MOUNT}/{file}"))
        return "\n\n".join(filter(None, parts))

    def _say(self, key: str, /, **words: object) -> str:
        conditions = self._query.conditions(self._language)
        space = " " * conditions.startswith(" ")
        words.setdefault("cond", space + plain(conditions, 300) if conditions else "")
        return sentence(f"answer {key}", self._language, **words)

    def _what(self) -> str:
        return plain(self._query.value_name(self._language), 100)

    def _name(self) -> str:
        return plain(self._query.columns[0].name)

    def _remarks(self) -> str:
        """Describe which rows are in or out for want of a value, and how tables were joined."""
        query, told = self._query, []
        if join := query.join:
            key = plain(" = ".join(dict.fromkeys([join.left, join.right])))
            names = {"left": query.table.label, "right": join.table.label}
            told.append(self._say("joined", key=key, **names))
        outside = [f.column for f in query.filters if f.operator in ("not in", "!=")]
        inside = [g.column for g in query.groups if query.task == "figure" and not query.join]
        timed = [g.column for g in query.groups if g.by] + [
            f.column for f in query.filters if isinstance((*f.value, "")[0], Period)
        ]
        written = dict.fromkeys(plain(column.name) for column in timed if column.has_offset)
        told += [self._say("written", what=name) for name in written]
        for key, columns in (("kept", outside), ("dropped", inside)):
            without = [plain(column.name) for column in dict.fromkeys(columns) if column.nulls]
            told += [self._say(key, what=name) for name in without]
        return " ".join(told)

    # Tasks

    def _figure(self) -> str:
        query, language = self._query, self._language
        if query.groups:
            return self._groups()
        if not query.columns:
            count = self._count if query.filters else _whole(self._values[0])
            name = plain(query.table.label)
            return self._say("one" if count == 1 else "count", x=number(count), table=name)
        if not self._tables:
            is_number = query.columns[0].kind == "number" or query.measures[0].figure == "nunique"
            shown = _cell(self._values[0], query.columns[0], is_number)
            return self._say("value", what=self._what(), x=shown)
        values = [_number(row[-1]) for row in self._tables[0][1:]]
        names = [plain(measure.name(language), 100) for measure in query.measures]
        cells = [list(pair) for pair in zip(names, values, strict=True)]
        return self._titled(_grid(["", sentence("value", language)], cells))

    def _titled(self, grid: str) -> str:
        title = plain(self._query.title(self._language), 300)
        return f"{self._say('table', what=title, cond='')}\n\n{grid}"

    def _groups(self) -> str:
        query, size, language = self._query, len(self._query.groups), self._language
        count, rows = _whole(self._values[-1]), self._tables[0][1:]
        write = _percent if query.task == "share" else _number
        names = [
            [group.label(text, language) for text, group in zip(row, query.groups, strict=False)]
            for row in rows
        ]
        cells = [[*name, *map(write, row[size:])] for name, row in zip(names, rows, strict=True)]
        header = [group.name(language) for group in query.groups]
        shares = query.task == "share"
        header += [self._what()] if shares else [m.name(language) for m in query.measures]
        grid = _grid(header, cells[:MOST_SHOWN], size)
        if len(query.measures) > 1:
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

    def _lead(self, found: list[tuple[float, str, str]]) -> str:
        """Describe which group is highest, or which place is asked for."""
        query, rank = self._query, self._query.rank
        down, place = (rank.descending, rank.place) if rank else (True, 1)
        values = sorted({value for value, *_ in found}, reverse=down)
        if len(values) < place:
            return self._say("none")
        best = [one for one in found if one[0] == values[place - 1]]
        words = {"what": self._what(), "x": best[0][2]}
        if not rank and query.is_time and len(best) == 1 < len(found):
            _, low, shown = min(found)
            return self._say("time", who=best[0][1], who2=low, x2=shown, **words)
        who = ", ".join(f"**{name}**" for _, name, _ in best[:5]) + ", …" * (len(best) > 5)
        if len(best) > 1:
            return self._say("tie", who=who, end=self._end(), **words)
        words["end"] = self._end()
        key = "share" if query.task == "share" else "top" if query.columns else "most"
        return self._say("fewest" if key == "most" and not down else key, who=who, **words)

    def _end(self) -> str:
        """Describe which end is asked for: "highest", "second lowest"."""
        query, rank, language = self._query, self._query.rank, self._language
        dated = "date " * (query.task == "rows" and query.columns[0].kind == "date")
        text = sentence(f"end {dated}{'desc' if not rank or rank.descending else 'asc'}", language)
        return sentence(f"place {rank.place}", language, text) if rank and rank.place > 1 else text

    def _share(self) -> str:
        query = self._query
        if query.groups:
            return self._groups()
        what = self._name() if query.columns else sentence("row noun", self._language)
        value = _percent(self._values[0])
        return self._say("none") if value == "–" else self._say("part", x=value, what=what)

    def _rows(self) -> str:
        query, rank = self._query, self._query.rank
        count = _whole(self._values[-1]) if self._values else self._count
        header, *rows = self._tables[0]
        grid = self._grid_of_rows()
        if not rows:
            return self._say("none")
        if not query.columns or not rank:
            more = self._say("shown", n=len(rows)) if count > len(rows) else ""
            return f"{self._say('rows', x=number(count), more=more)}\n\n{grid}"
        column, wanted = query.columns[0], rank.count or 1
        words = {"end": self._end(), "what": self._name()}
        words["x"] = _cell(rows[0][header.index(column.name)], column)
        known = [c for c in query.table.columns if c.words[-1:] == ("name",) or c.name in _NAMES]
        if len(known) == count == 1:
            who = f"**{plain(rows[0][header.index(known[0].name)])}**"
            return f"{self._say('top', who=who, **words)}\n\n{grid}"
        tied = count > wanted and rank.place == 1
        ties = self._say("ties", n=number(count)) if tied else ""
        key = "best rows" if wanted > 1 else "best row"
        return f"{self._say(key, n=number(min(wanted, count)), ties=ties, **words)}\n\n{grid}"

    def _grid_of_rows(self) -> str:
        join = self._query.join
        known = (*self._query.table.columns, *(join.table.columns if join else ()))
        columns = {column.name: column for column in known}
        header, *rows = self._tables[0]
        kinds = [columns.get(name) for name in header]
        cells = [[_cell(text, kind) for text, kind in zip(row, kinds, strict=True)] for row in rows]
        return _grid(header, cells, len(header))

    def _table(self) -> str:
        return self._say("saved table", n=number(self._values[0]))

    def _correlation(self) -> str:
        a, b = (plain(column.name) for column in self._query.columns)
        _number(self._values[0])
        return self._say("corr", a=a, b=b, x=f"{float(self._values[0]):.2f}")

    _scatter = _correlation

    def _distribution(self) -> str:
        keys = ("mean", "std", "low", "q1", "median", "q3", "high")
        values = [_number(row[-1]) for row in self._tables[0][2:]]
        words = dict(zip(keys, values, strict=True))
        return self._say("distribution", what=self._name(), **words)

    def _outliers(self) -> str:
        low, high, count = map(_number, self._values)
        lead = self._say("outliers", what=self._name(), x=count, low=low, high=high)
        return lead if count == "0" else f"{lead}\n\n{self._grid_of_rows()}"

    def _missing(self) -> str:
        counts = [(row[0], _whole(row[1])) for row in self._tables[0][1:]]
        total = number(sum(count for _, count in counts))
        if len(counts) == 1 and self._query.columns:
            return self._say("missing one", what=plain(counts[0][0]), x=total)
        if total == "0":
            return self._say("no missing")
        heading = sentence("overview", self._language).split()
        cells = [[plain(name), number(count)] for name, count in counts if count]
        return f"{self._say('missing', x=total)}\n\n{_grid([heading[0], heading[2]], cells)}"

    def _duplicates(self) -> str:
        names = ", ".join(plain(column.name) for column in self._query.columns)
        what = f" ({names})" if names else ""
        return self._say("duplicates", x=_number(self._values[0]), what=what)

    def _overview(self) -> str:
        table = self._query.table
        missing = {row[0]: _whole(row[1]) for row in self._tables[0][1:]}
        facts = {}
        for header, *rows in self._tables[1:]:
            facts = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
        cells = []
        for column in table.columns:
            nulls = number(missing.get(column.name, column.nulls))
            values = _values(column, facts.get(column.name, {}))
            cells.append([plain(column.name), plain(column.dtype), nulls, values])
        words = {"table": plain(table.label), "rows": number(self._values[0]), "n": len(cells)}
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
