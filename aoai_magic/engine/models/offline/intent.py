"""What a prompt wants: its clauses read into tasks, with the schema at hand."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import combinations

from aoai_magic.engine.models.offline import algebra, vocabulary
from aoai_magic.engine.models.offline.clauses import asks, clauses
from aoai_magic.engine.models.offline.columns import likeliest, mentions, words_of
from aoai_magic.engine.models.offline.condition import Filter
from aoai_magic.engine.models.offline.filters import has_amount
from aoai_magic.engine.models.offline.joins import is_lookup, joined
from aoai_magic.engine.models.offline.kinds import feasible, settled
from aoai_magic.engine.models.offline.reading import MOST_GROUPS, Reading, read_clause
from aoai_magic.engine.models.offline.schema import Column, Table
from aoai_magic.engine.models.offline.task import Task
from aoai_magic.engine.models.offline.times import compared_periods
from aoai_magic.engine.models.offline.unknown import unknown_column

_WITHOUT_MEASURE = {"overview", "missing", "count", "convert", "list", "fraction"}

_DATA = re.compile(
    r"\b(data|dataset|frame|everything|whole|original)\b|データ|資料|數據|全部|元の|原始",
    re.IGNORECASE,
)
_GIVEN = re.compile(r"\b(file|table)\b|ファイル|檔案", re.IGNORECASE)
"""What is the data at the beginning of a prompt, and after a question its result."""
_AS_FILE = re.compile(
    r"\b(as|to|into|in) an? (\w+ )?(file|table)\b|ファイル(に|として|で)|成\S{0,8}檔案",
    re.IGNORECASE,
)
_RESULT = re.compile(
    r"\b(results?|it|that|them|those|these|answer)\b|結果|それ|它|上面", re.IGNORECASE
)
_MOST_CHARTS = 3
"""Measures up to which each has a chart of its own."""
_SHORT = 4
"""Words up to which a prompt can be a mere addition without saying "the same"."""

_FILELESS = {"overview", "convert", "help", "nothing"}
"""Kinds whose result is no table to save."""

_FILE = re.compile(r"([\w-]+)\.(csv|tsv|xlsx|json|parquet)\b", re.IGNORECASE)


def needs_data(prompt: str, names: Collection[str] = ()) -> bool:
    """Whether a prompt can be about tables, as far as its words and the files' names tell."""
    if is_refused(prompt):
        return False
    kinds = {vocabulary.first(clause, vocabulary.KINDS) for clause in clauses(prompt)}
    if has_amount(prompt):
        return True
    return bool(kinds - {None}) or _names_a_concept(prompt) or any(name in prompt for name in names)


def is_refused(prompt: str) -> bool:
    """Whether a prompt is no matter of tables: algebra, or beyond all rules."""
    kinds = {vocabulary.first(clause, vocabulary.KINDS) for clause in clauses(prompt)}
    return bool(algebra.find(prompt)) or kinds == {"unsupported"}


_OF_THE_WORLD = {"weather", "time"}
"""Words that also ask for what no table holds."""


def _names_a_concept(prompt: str) -> bool:
    words = set(words_of(prompt)) - _OF_THE_WORLD
    return any(
        word in words if word.isascii() else len(word) > 1 and word in prompt
        for concept in vocabulary.CONCEPTS
        for word in concept
    )


def read_tasks(prompt: str, tables: Sequence[Table], previous: Task | None) -> list[Task]:
    """Read all that a prompt wants; what can't be understood becomes a ``help`` task."""
    if algebra.find(prompt):
        return [Task("solve", text=prompt)]
    tasks: list[Task] = []
    for clause in clauses(prompt):
        before = tasks[-1] if tasks else previous
        task = _read(clause, tables, before, fresh=not tasks)
        if tasks and task.kind == "help":
            continue
        if tasks and _repeats(task, tasks[-1]):
            chart, text = task.chart or tasks[-1].chart, tasks.pop().text
            task = replace(task, chart=chart, text=text)
        if tasks and tasks[-1].kind == "help" and not asks(tasks[-1].text):
            tasks.pop()  # a greeting before the question
        tasks += _one_by_one(_sound(task))
    return tasks or [Task("help", text=prompt)]


def _one_by_one(task: Task) -> list[Task]:
    """Take several measures over time or by group one by one, and several figures over time."""
    if task.kind in {"trend", "season"} and len(task.measures) < 2 and len(task.aggregations) > 1:
        return [replace(task, aggregation=a, aggregations=()) for a in task.aggregations]
    if task.kind not in _OF_ONE_MEASURE or len(task.measures) < 2:
        return [task]
    chart = task.chart if len(task.measures) <= _MOST_CHARTS else "none"
    several = task.kind != "figures" and len(task.aggregations) == len(task.measures)
    figures = task.aggregations if several else [task.aggregation] * len(task.measures)
    return [
        replace(task, measure=m, measures=(m,), chart=chart, aggregation=a)
        for m, a in zip(task.measures, figures, strict=True)
    ]


_OF_ONE_MEASURE = {"trend", "compare", "season", "figures", "total"}


def _sound(task: Task) -> Task:
    """Give up shares where no column divides the rows, and take those of a flag by group."""
    flags = [f for f in task.filters if f.column.kind == "flag" and f.value is True]
    if task.kind == "share" and flags and task.group not in {None, flags[0].column}:
        rest = tuple(f for f in task.filters if f != flags[0])
        flag = flags[0].column
        return replace(task, kind="compare", measure=flag, aggregation="rate", filters=rest)
    divided = task.group or any(f.chooses for f in task.filters)
    if task.kind == "share" and not divided:
        return replace(task, kind="total" if task.measure else "count")
    return task


def _repeats(task: Task, last: Task) -> bool:
    """Whether a clause asks what the clause before it does, but for a chart or a file."""
    same = replace(task, chart=last.chart, save=last.save, stem=last.stem)
    return replace(same, text=last.text, measures=last.measures) == last


def _read(clause: str, tables: Sequence[Table], before: Task | None, fresh: bool) -> Task:
    if vocabulary.KINDS["unsupported"].search(clause):
        return Task("help", text=clause)
    if not tables:
        return Task("nothing" if vocabulary.first(clause, vocabulary.KINDS) else "help")
    reading = read_clause(clause, _table(clause, tables, before))
    kind = feasible(reading)
    if kind == "join" and len(tables) > 1:
        if not (reading.table.join and reading.complete):
            return _join(reading, tables)
        kind = feasible(reading, besides="join")
    if before and kind == "top" and _continues(before, reading, fresh):
        return _extreme_of(before, reading, fresh)
    if before and before.table == reading.table and _modifies(before, reading, kind, fresh):
        return _modified(before, reading, kind)
    if refused := _refused(reading, kind):
        return refused
    task = _task(reading, settled(kind, reading), _inherited(reading, before, fresh))
    told = reading.strange is not None and task.kind not in _WHOLE
    return replace(task, ignored=reading.strange.word if told and reading.strange else "")


_WHOLE = {"join", "overview", "convert"}
"""Kinds that are about all of a table."""


def _refused(reading: Reading, kind: str | None) -> Task | None:
    """Give the task that says why the clause can't be followed, if it can't."""
    table, short = reading.table, len(reading.text.split()) <= _SHORT
    if reading.unclear and (reading.kinds or reading.named or short):
        return Task("unclear", table=table, text=reading.unclear)
    vague = kind == "compare" and not (reading.named or reading.filters or reading.frequency)
    if reading.subtracts or vague or (kind is None and not _speaks_of_data(reading)):
        return Task("help", text=reading.text)
    strange = reading.strange
    if strange and strange.sure and kind not in _WHOLE:
        return Task("absent", table=table, text=strange.word)
    if kind in _BY_COLUMN and (name := _unknown(reading)):
        return Task("unknown", table=table, text=name)
    return None


_BY_COLUMN = {"compare", "count", "distribution", "growth", "plot", "share", "top", "trend"}
"""Kinds that follow the columns that are named."""


def _unknown(reading: Reading) -> str:
    """Give the name of a column that the clause asks for and the table does not have."""
    spans = [(mention.start, mention.end) for mention in reading.named]
    found = (v for f in reading.filters if isinstance(f.value, tuple) for v in f.value)
    values = (value for value in found if isinstance(value, str))
    return unknown_column(reading.text, spans, [reading.table.name, *values])


def _speaks_of_data(reading: Reading) -> bool:
    """Whether the columns alone say what is wanted: a long sentence wants more than one."""
    short = len(reading.text.split()) <= _SHORT
    told = [reading.measures, reading.group, reading.filters]
    limited = any(not isinstance(f.value, tuple) for f in reading.filters)
    return (any(told[:2]) and (short or sum(map(bool, told)) > 1)) or (limited and short)


def _table(clause: str, tables: Sequence[Table], before: Task | None) -> Table:
    """Choose the table: the one named, or whose columns are, or just given, or that of before."""

    def score(table: Table) -> tuple[float, bool, bool]:
        names = [source.name for source in table.sources if _names(clause, source)]
        # Columns of a join may be called after their table; its name alone means none of them.
        alone = table.join and len(names) == 1
        text = clause.replace(names[0], " ") if alone else clause
        named = sum(m.score for m in mentions(text, table)) + 5 * len(names)
        given = any(source.given for source in table.sources)
        if table.join:
            after = before is not None and before.kind == "join" and before.other in table.sources
            follows = after or (before is not None and before.table == table)
            return named - (0 if follows else _SECOND), given, follows
        return named, given, before is not None and table == before.table

    if len(tables) == 1:
        return tables[0]
    choice = [*tables, *_joins(tables, before)]
    return max(choice, key=score)


_SECOND = 1.2
"""Score that a column of a second table must have to be meant."""


def _joins(tables: Sequence[Table], before: Task | None) -> list[Table]:
    """Give the tables that pairs make, where joining adds columns and no rows."""
    pairs = [joined(left, right) for left, right in combinations(tables, 2)]
    found = [table for table in pairs if table and is_lookup(table)]
    if before and before.kind == "join" and before.table and before.other:
        found += [table for table in [joined(before.table, before.other, before.text)] if table]
    return list(dict.fromkeys(found))


def _names(clause: str, table: Table) -> bool:
    name = " ".join(words_of(table.name))
    words = " ".join(words_of(clause))
    return bool(name and re.search(rf"\b{name}\b", words)) or table.name in clause


def _modifies(before: Task, reading: Reading, kind: str | None, fresh: bool) -> bool:
    """Whether the clause changes what was asked before and does not ask anew."""
    marked = bool(vocabulary.SAME.search(reading.text))
    if kind is None:
        return _adds(before, reading, marked or not fresh)
    if kind == "convert":
        return not (reading.named or _whole(reading, fresh)) and before.kind not in _FILELESS
    if kind == "plot" and not reading.named:
        return True
    complete = bool(reading.measures or (reading.group and kind != "trend"))
    changes = reading.cycle or kind in {"trend", "compare", "list", "share", "distribution"}
    return marked and fresh and bool(changes) and not complete


_RANKED = {"trend", "compare", "top", "share"}
"""Kinds whose result has a highest and a lowest value."""


def _continues(before: Task, reading: Reading, fresh: bool) -> bool:
    """Whether an extreme is asked for of what was worked out before."""
    if before.kind not in _RANKED or before.table != reading.table or reading.filters:
        return False
    same = not reading.group or reading.group == before.group
    same = same and set(reading.measures) <= {before.measure}
    same = same and reading.frequency in {"", before.frequency}
    days = any(m.column.temporal for m in reading.named) and not reading.frequency
    if not same or (days and before.frequency != "D") or vocabulary.ROWS.search(reading.words):
        return False
    told = reading.frequency or not reading.named or vocabulary.SAME.search(reading.text)
    return bool(told) or not fresh


def _extreme_of(before: Task, reading: Reading, fresh: bool) -> Task:
    """Give the task that tells the extreme; most results tell theirs already."""
    lowest, number = bool(vocabulary.LOW.search(reading.words)), reading.number
    format_, stem = _file(reading)
    if before.kind == "trend" and not (number or format_):
        return replace(before, chart="none", save="") if fresh else before
    if before.kind == "compare" and not (number or format_ or fresh):
        return before
    kind = "trend" if before.kind == "trend" else "top"
    return replace(before, kind=kind, lowest=lowest, number=number, save=format_, stem=stem)


def _adds(before: Task, reading: Reading, marked: bool) -> bool:
    """Whether a clause that asks for nothing by itself says more of what was asked."""
    if reading.named and before.kind in _FILELESS | {"missing"}:
        return False
    alone = reading.measures or len(reading.text.split()) > _SHORT
    if (reading.measures and reading.group) or (alone and not marked):
        return False
    slots = reading.frequency or reading.cycle or reading.chart or reading.filters or reading.named
    return bool(slots or vocabulary.SAVE.search(reading.text))


def _whole(reading: Reading, fresh: bool) -> bool:
    """Whether a conversion is of the data, and not of the result of before."""
    if fresh and not _RESULT.search(reading.text):
        return True
    text = _AS_FILE.sub("", reading.text)
    given = bool(fresh and _GIVEN.search(text))
    return given or bool(_DATA.search(text)) or _names(reading.text, reading.table)


def _modified(before: Task, reading: Reading, kind: str | None) -> Task:
    """Give the task of before with what the clause says about it."""
    format_, stem = _file(reading)
    task = replace(
        before,
        filters=_narrowed(before.filters, reading.filters),
        chart=reading.chart or before.chart,
        save=format_ or before.save,
        stem=stem or before.stem,
        aggregation=reading.aggregation or before.aggregation,
        aggregations=reading.aggregations or before.aggregations,
        number=reading.number or before.number,
    )
    if reading.cycle:
        return replace(task, kind="season", cycle=reading.cycle, date=reading.date)
    if reading.frequency and reading.date:
        task = replace(task, frequency=reading.frequency, date=reading.date)
        task = replace(task, kind=task.kind if task.kind in {"trend", "growth"} else "trend")
    if reading.measures:
        task = replace(task, measure=reading.measures[0], measures=tuple(reading.measures))
    if reading.group:
        task = replace(task, group=reading.group, second=reading.second)
        task = replace(task, kind="compare" if task.kind in {"total", "count"} else task.kind)
    return _fitted(task, reading.chart, kind)


def _fitted(task: Task, chart: str, kind: str | None) -> Task:
    """Change the recipe where the chart that is asked for belongs to another."""
    if kind == "distribution":
        return replace(task, kind=kind)
    if kind == "share" or chart == "pie":
        return replace(task if task.group else _drawable(task), kind="share")
    if chart in {"bar", "line"} and task.kind in {"list", "total", "count", "overview"}:
        return _drawable(task)
    return task


def _drawable(task: Task) -> Task:
    """Compare the groups where what was asked before has nothing to draw."""
    assert task.table is not None
    measure = task.measure or likeliest_measure(task.table, any_number=False)
    group = task.group or next(iter(task.table.categories), None)
    aggregation = task.aggregation if task.measure else "sum" if measure else "count"
    changed = replace(task, measure=measure, group=group, aggregation=aggregation)
    return replace(changed, kind="compare" if group else "distribution")


def _narrowed(before: Sequence[Filter], found: Sequence[Filter]) -> tuple[Filter, ...]:
    """Let a new condition on a column take the place of the old ones."""
    columns = {condition.column for condition in found}
    return (*(f for f in before if f.column not in columns), *found)


def _inherited(reading: Reading, before: Task | None, fresh: bool) -> Task | None:
    """Give the task whose measure goes without saying: in one prompt, or for "the same"."""
    if before is None or before.table != reading.table:
        return None
    return before if not fresh or vocabulary.SAME.search(reading.text) else None


def _task(reading: Reading, kind: str, before: Task | None) -> Task:
    format_, stem = _file(reading)
    measure = _measure(reading, kind, before)
    dated = reading.end or vocabulary.LATEST.search(reading.text)
    if kind == "top" and dated and not reading.measures:
        measure = reading.date or measure
    figures, measures = reading.aggregations, tuple(reading.measures)
    if kind == "figures" and figures == ("range",):
        measure, figures, measures = reading.date, ("min", "max"), ()
    if reading.apiece:
        figures = tuple(reading.aggregation_of(column) for column in measures)
    if kind == "correlate" and reading.against and len(measures) == 2:
        measures = measures[::-1]  # what is set against the other stands upright
    return Task(
        kind,
        table=reading.table,
        measure=measure,
        measures=measures,
        group=_group(reading, kind),
        second=reading.second if kind in {"compare", "figures"} else None,
        date=reading.date,
        frequency=reading.frequency,
        cycle=reading.cycle,
        aggregation=_aggregation(reading, kind, measure, before),
        aggregations=figures,
        per=reading.per if measure else None,
        number=reading.number,
        end=reading.end,
        lowest=kind in {"top", "growth"}
        and (reading.end == "first" or bool(vocabulary.LOW.search(reading.words))),
        chart=reading.chart or ("bar" if compared_periods(reading.text) else ""),
        filters=tuple(reading.filters),
        save=format_,
        stem=stem,
        text=reading.text,
    )


def _measure(reading: Reading, kind: str, before: Task | None) -> Column | None:
    if kind in _WITHOUT_MEASURE:
        return None
    if reading.measures:
        return reading.measures[0]
    if (
        reading.aggregation == "count"
        or (kind in {"compare", "season", "trend"} and reading.counts_rows)
        or (kind == "top" and reading.group and reading.counts_rows)
        or kind == "unique"
        or (kind == "distribution" and reading.group)
    ):
        return None
    if before and before.measure:
        return before.measure
    if kind == "share":
        return None
    lone = kind in {"trend", "growth", "distribution"} or (kind == "top" and not reading.group)
    return likeliest_measure(reading.table, any_number=lone)


def likeliest_measure(table: Table, any_number: bool) -> Column | None:
    """Give the number that people mean when they name none: revenue before price."""
    return likeliest(table.numbers) or next(iter(table.numbers if any_number else ()), None)


def _group(reading: Reading, kind: str) -> Column | None:
    if reading.group:
        return reading.group
    named = [f.column for f in reading.filters if f.chooses]
    if kind == "share" and named:
        return named[0]
    if kind in {"compare", "share"} or (kind == "growth" and vocabulary.WHICH.search(reading.text)):
        return next((c for c in reading.table.categories if 1 < c.distinct <= MOST_GROUPS), None)
    return None


def _aggregation(reading: Reading, kind: str, measure: Column | None, before: Task | None) -> str:
    if measure is None:
        return "count"
    if reading.per:
        return "sum"
    if reading.aggregation and not (kind == "top" and reading.aggregation in {"max", "min"}):
        return reading.aggregation
    if before and measure == before.measure and not reading.measures:
        return before.aggregation
    additive = vocabulary.ADDITIVE.search(measure.name.replace("_", " "))
    return "sum" if additive or kind in {"share", "growth"} else "mean"


def _file(reading: Reading) -> tuple[str, str]:
    """Give format and stem of the file that is asked for."""
    names = [m for m in _FILE.finditer(reading.text) if m[0] != reading.table.file]
    if names and (vocabulary.SAVE.search(reading.text) or "convert" in reading.kinds):
        return names[-1][2].lower(), names[-1][1]
    if vocabulary.SAVE.search(reading.text) or "convert" in reading.kinds:
        return vocabulary.first(_target(reading.text), vocabulary.FORMATS) or "csv", ""
    return "", ""


def _target(text: str) -> str:
    """Give what follows "to" or "as": "this CSV to JSON" asks for JSON."""
    match = re.search(
        r"(?:\b(?:to|as|into)\b|轉成|轉換成|转成|存成|匯出成|を)(.*)$", text, re.IGNORECASE
    )
    return match[1] if match and vocabulary.first(match[1], vocabulary.FORMATS) else text


def _join(reading: Reading, tables: Sequence[Table]) -> Task:
    named = [table for table in tables if _names(reading.text, table)]
    named.sort(key=lambda table: reading.text.lower().find(table.name.lower()))
    left, right = [*named, *(t for t in tables if t not in named)][:2]
    format_, stem = _file(reading)
    return Task("join", table=left, other=right, save=format_, stem=stem, text=reading.text)
