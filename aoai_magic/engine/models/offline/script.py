"""Pieces of the code that recipes write: loading, converting, filtering, drawing, saving.

Names and values of the data enter the code through `literal` alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from aoai_magic.engine.models.offline.condition import Filter
from aoai_magic.engine.models.offline.figures import call, phrase
from aoai_magic.engine.models.offline.joins import suffixes
from aoai_magic.engine.models.offline.language import Language, Phrase
from aoai_magic.engine.models.offline.naming import SESSION
from aoai_magic.engine.models.offline.printing import show
from aoai_magic.engine.models.offline.schema import Column, Join, Table
from aoai_magic.engine.models.offline.task import Task, Way, used_columns

FOLDER = "/mnt/data"
"""Where the session's files are."""

_READERS = {
    "csv": "read_csv", "tsv": "read_csv", "xlsx": "read_excel", "xls": "read_excel",
    "json": "read_json", "jsonl": "read_json", "parquet": "read_parquet",
    "arrow": "read_feather", "feather": "read_feather",
}  # fmt: skip
_WRITERS = {
    "csv": "to_csv({path}, index=False{encoding})",
    "tsv": 'to_csv({path}, sep="\\t", index=False)',
    "xlsx": "to_excel({path}, index=False)",
    "json": 'to_json({path}, orient="records", force_ascii=False, indent=2, date_format="iso")',
    "parquet": "to_parquet({path}, index=False)",
}


def literal(value: object) -> str:
    """Write a value as Python, text in double quotes where `repr` would not."""
    plain = isinstance(value, str) and value.isprintable() and not set('"\\') & set(value)
    return f'"{value}"' if plain else repr(value)


def listed(values: Iterable[object]) -> str:
    """Write several values as a list."""
    return f"[{', '.join(map(literal, values))}]"


def comment(text: str) -> str:
    """Make one comment line; a column's name must not end it."""
    return "# " + capital(" ".join(text.split()))


def imports(draw: bool = False) -> list[str]:
    """Import pandas, and for drawing matplotlib."""
    return [*(["import matplotlib.pyplot as plt"] if draw else []), "import pandas as pd", ""]


def drawing(task: Task, way: Way) -> bool:
    """Whether the code is to draw, and whether there is anything to draw."""
    rows = task.table.rows if task.table else 0
    filled = rows > (task.measure.nulls if task.measure else 0)
    return way.chart and task.chart != "none" and filled


def begin(task: Task, way: Way, what: str, chart: bool = False) -> list[str]:
    """Say what the code does, load the data, convert the columns in use, keep the rows wanted."""
    assert task.table is not None
    lines = [comment(what), *imports(chart)]
    lines += load(task.table, way, "df", used_columns(task))
    if task.filters:
        lines += [condition(wanted) for wanted in task.filters]
        lines += show("kept", 'pd.DataFrame({"rows": [len(df)]})')
    return [*lines, ""]


def load(table: Table, way: Way, name: str, used: Iterable[Column]) -> list[str]:
    """Bind `name` to the table as a pandas frame with plain columns and proper types."""
    if table.join:
        return _merged(table.join, way, name, used)
    value = _value(table, way)
    if table.indexed:
        value += f".reset_index({'allow_duplicates=True' if table.labelled else ''})"
    conversions = [line for column in used for line in _convert(column, way, name)]
    lines = [f"{name} = {value}"]
    if (conversions or table.labelled) and value.isidentifier():
        # The session's own variable must stay as it is.
        lines = [f"{name} = {value}.copy()"]
    return [*lines, *(_renaming(name) if table.labelled else []), *conversions]


def _merged(join: Join, way: Way, name: str, used: Iterable[Column]) -> list[str]:
    """Bind `name` to two tables joined."""
    first, second = (column.name for column in join.on)
    on = f"on={literal(first)}"
    if first != second:
        on = f"left_on={literal(first)}, right_on={literal(second)}"
    both = {c.name for c in join.left.columns} & {c.name for c in join.right.columns} - {first}
    apart = f", suffixes={suffixes(join.left, join.right)!r}".replace("'", '"') if both else ""
    return [
        *load(join.left, way, "left", [join.on[0]]),
        *load(join.right, way, "right", [join.on[1]]),
        f'{name} = left.merge(right, how="left", {on}{apart})',
        *(line for c in used if c not in join.on for line in _convert(c, way, name)),
    ]


def _renaming(frame: str) -> list[str]:
    """Make labels unique texts, by the rule of `read_inspection`: x, x.1, x.2."""
    return [
        f"names = pd.Series([str(name) for name in {frame}.columns])",
        "again = names.groupby(names).cumcount()",
        f'{frame}.columns = names.where(again == 0, names + "." + again.astype(str))',
    ]


def _value(table: Table, way: Way) -> str:
    if not (table.variable and way.variables):
        return _reader(table)
    variable = SESSION + table.variable
    if table.kind == "pandas.DataFrame" or not table.kind:
        return variable
    if table.kind.partition(".")[0] in {"pandas", "numpy", "builtins"}:
        return f"pd.DataFrame({variable})"
    return f"{variable}.to_pandas()"


def _reader(table: Table) -> str:
    suffix = table.file.rpartition(".")[2].lower()
    options = dict(table.options) | ({"sheet_name": table.sheet} if table.sheet else {})
    keywords = "".join(f", {key}={literal(value)}" for key, value in options.items())
    return f"pd.{_READERS.get(suffix, 'read_csv')}({f'{FOLDER}/{table.file}'!r}{keywords})"


def _convert(column: Column, way: Way, frame: str) -> list[str]:
    place = f"{frame}[{literal(column.name)}]"
    if column.kind == "amount as text":
        return [f"{place} = {_amount(column, place)}"]
    if column.kind == "date as text":
        return [f"{place} = {_date(column, place)}"]
    if column.kind == "date" and "," in column.dtype:
        return [f"{place} = {place}.dt.tz_localize(None)"]
    if way.coerce and column.numeric:
        return [f'{place} = pd.to_numeric({place}, errors="coerce")']
    return []


def _amount(column: Column, place: str) -> str:
    kept = "," if column.form == "decimal comma" else "."
    text = f"{place}.astype(str)"
    if any(value.startswith("(") for value in column.values):
        # Accountants write negative amounts in brackets.
        text += '.str.replace("(", "-")'
    text += rf'.str.replace(r"[^\d{kept}-]", "", regex=True)'
    if column.form == "decimal comma":
        text += '.str.replace(",", ".")'
    return f'pd.to_numeric({text}, errors="coerce")'


def _date(column: Column, place: str) -> str:
    options = 'errors="coerce", format="mixed"'
    place += ".astype(str)"
    if column.form == "年月日":
        place += '.str.replace("[年月]", "-", regex=True).str.rstrip("日- ")'
    if column.form == "day first":
        options += ", dayfirst=True"
    return f"pd.to_datetime({place}, {options})"


def condition(wanted: Filter) -> str:
    """Keep the rows that a filter lets through."""
    return f"df = df[{mask(wanted)}]"


_PARTS = {
    "year": ".dt.year",
    "month": ".dt.month",
    "day_of_week": ".dt.day_of_week",
    "M": '.dt.to_period("M").astype(str)',
    "Q": '.dt.to_period("Q").astype(str)',
}


def mask(wanted: Filter) -> str:
    """Write a filter as a mask over ``df``."""
    place = f"df[{literal(wanted.column.name)}]{_PARTS.get(wanted.part, '')}"
    if not isinstance(wanted.value, tuple):
        return f"{place} {wanted.operator} {literal(wanted.value)}"
    negation = "~" if wanted.operator == "not in" else ""
    if len(wanted.value) == 1:
        sign = "!=" if negation else "=="
        return f"{place} {sign} {literal(wanted.value[0])}"
    return f"{negation}{place}.isin({listed(wanted.value)})"


def bars(label: str, value: str, across: bool) -> list[str]:
    """Draw ``shown``, a sorted frame, as bars; `across` for many or long labels."""
    names = f"shown[{literal(label)}].astype(str)"
    if across:
        return [
            "fig, ax = plt.subplots(figsize=(8, 1.2 + 0.32 * len(shown)))",
            f'ax.barh({names}, shown[{literal(value)}], color="#4c78a8")',
            "ax.invert_yaxis()",
        ]
    return [
        "fig, ax = plt.subplots(figsize=(8, 4.5))",
        f'ax.bar({names}, shown[{literal(value)}], color="#4c78a8")',
    ]


def finish(title: str, x: str = "", y: str = "", grid: str = "") -> list[str]:
    """Title and label the chart."""
    lines = [f"ax.set_title({literal(title)})"]
    lines += [f"ax.set_xlabel({literal(x)})"] if x else []
    lines += [f"ax.set_ylabel({literal(y)})"] if y else []
    lines += [f"ax.grid(axis={literal(grid)}, alpha=0.3)", "ax.set_axisbelow(True)"] if grid else []
    return [*lines, "fig.tight_layout()", ""]


def span(first: str, last: str) -> list[str]:
    """Print the first and the last period."""
    return show("span", f'pd.DataFrame({{"first": [{first}], "last": [{last}]}})')


def save(task: Task, way: Way, language: Language, stem: Sequence[str]) -> list[str]:
    """Write ``result`` to the file that was asked for, if one was."""
    if not task.save:
        return []
    format_ = "csv" if task.save == "xlsx" and not way.excel else task.save
    name = f"{task.stem or slug(stem)}.{format_}"
    path = repr(f"{FOLDER}/{name}")
    # Spreadsheets take a CSV file for UTF-8 only if it begins with a byte order mark.
    encoding = "" if language == "en" else ', encoding="utf-8-sig"'
    writer = _WRITERS[format_].format(path=path, encoding=encoding)
    lines = [
        f"result.{writer}",
        *show("saved", f'pd.DataFrame({{"file": [{literal(name)}], "rows": [len(result)]}})'),
    ]
    if task.filters:
        # Where no row meets the conditions, no empty file is left.
        lines = ["if len(result):", *(f"    {line}" for line in lines)]
    return ["", *lines]


def slug(words: Sequence[str]) -> str:
    """Make a file's stem of words."""
    return re.sub(r"[^\w-]+", "_", "_".join(filter(None, words))).strip("_").lower()[:60] or "data"


_PER_UNIT: Phrase = {"en": "{} per {}", "ja": "{1}あたりの{0}", "zh": "每 {1} 的{0}"}


def quantity(task: Task, language: Language) -> str:
    """Name what is measured: "total revenue"."""
    name = task.measure.name if task.measure else ""
    aggregation = task.aggregation if task.measure else "count"
    if task.per is not None:
        return _PER_UNIT[language].format(name, task.per.name)
    if aggregation == "sum" and name.lower().startswith("total"):
        return name
    return phrase(aggregation, language).format(name)


def value_name(task: Task) -> str:
    """Name the result's column of values."""
    if task.measure is None or task.aggregation == "count":
        return "count"
    return f"{task.measure.name} / {task.per.name}" if task.per else task.measure.name


def aggregated(task: Task, keys: str) -> str:
    """Write the aggregation of ``df`` by `keys`."""
    grouped = f"df.groupby({keys}, observed=True)"
    if task.measure is None or task.aggregation == "count":
        return f"{grouped}.size()"
    if task.per is not None:
        return f"{grouped}.pipe(lambda rows: {ratio(task, 'rows')})"
    return f"{grouped}[{literal(task.measure.name)}].{call(task.aggregation)}"


def ratio(task: Task, rows: str) -> str:
    """Write what all rows have of one column for each unit of another."""
    parts = [column.name for column in (task.measure, task.per) if column]
    return " / ".join(f"{rows}[{literal(name)}].sum()" for name in parts)


_OPENINGS = re.compile(
    r"(total|average|median|highest|lowest|number|distribution|share|growth|daily|weekly|monthly"
    r"|quarterly|yearly|join|overview|write|missing|outliers|correlation|standard|variance|range"
    r"|most|percentile|figures) "
)


def capital(text: str) -> str:
    """Begin with a capital letter, unless a column's name stands first."""
    return text[:1].upper() + text[1:] if _OPENINGS.match(text) else text


def _dated(filters: Sequence[Filter]) -> tuple[list[str], list[Filter]]:
    """Name spans of time by their first and last day, and give the other conditions."""
    texts, rest = [], list(filters)
    for start in filters:
        if not start.column.temporal or start.operator != ">=":
            continue
        for end in filters:
            if end.column == start.column and end.operator == "<":
                texts.append(f"{start.column.name}: {_span_of(str(start.value), str(end.value))}")
                rest = [other for other in rest if other not in (start, end)]
    return texts, rest


def _span_of(start: str, end: str) -> str:
    """Name the days from `start` to before `end`: a year, years, or the first and last day."""
    last = date.fromisoformat(end) - timedelta(days=1)
    if start[4:] == end[4:] == "-01-01":
        return start[:4] if start[:4] == str(last.year) else f"{start[:4]} – {last.year}"
    return f"{start} – {last}"


_SIGNS = {"in": "=", "not in": "≠", "==": "=", ">=": "≥", "<=": "≤"}


def described(filters: Sequence[Filter]) -> str:
    """Name the conditions for a title: "region = Europe"."""
    texts, rest = _dated(filters)
    for wanted in rest:
        if wanted.part:
            texts.append(f"{wanted.column.name}: {wanted.label}")
            continue
        values = wanted.value if isinstance(wanted.value, tuple) else (wanted.value,)
        sign = _SIGNS.get(wanted.operator, wanted.operator)
        texts.append(f"{wanted.column.name} {sign} {', '.join(map(str, values))}")
    return "; ".join(texts)


def titled(text: str, task: Task) -> str:
    """Add the conditions to a chart's title."""
    return f"{capital(text)} ({described(task.filters)})" if task.filters else capital(text)
