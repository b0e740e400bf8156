"""The first look at the data: code that prints what is there, and the reading of its output.

The output is two tables for each table of the data: its size and place, and its columns.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aoai_magic.engine.models.offline.printing import PRINTER, Grid, read_tables
from aoai_magic.engine.models.offline.schema import Column, Kind, Table

OPENING = "# Look at what is there: every table, column by column"

SUFFIXES = (".arrow", ".csv", ".feather", ".json", ".jsonl", ".parquet", ".tsv", ".xls", ".xlsx")
"""Files that hold tables."""

_FOLDER = "/mnt/data"
_LOOK = r"""
def column_facts(name, column):
    present, kind = column.dropna(), column.dtype
    kind = f"object ({type(present.iloc[0]).__name__})" if kind == object and len(present) else kind
    counts = present.map(str).value_counts()
    values = list(counts.index) if len(counts) <= 30 else sorted(counts.index)[:: len(counts) // 6]
    values = "; ".join(value for value in values if len(value) <= 40 and ";" not in value)
    if column.dtype.kind in "iufM" and len(present):
        values = f"{present.min()} … {present.max()}".replace(" 00:00:00", "")
    facts = {"column": name, "type": kind, "missing": len(column) - len(present)}
    return {**facts, "distinct": len(counts), "values": values}


def look(name, table, **facts):
    frame = table.to_pandas() if hasattr(table, "to_pandas") else pd.DataFrame(table)
    if not isinstance(frame.index, pd.RangeIndex):
        frame, facts["index"] = frame.reset_index(allow_duplicates=True), "reset"
    if frame.columns.has_duplicates or not all(isinstance(n, str) for n in frame.columns):
        facts["names"] = "made unique texts"
    size = {"name": name, "rows": len(frame), "columns": frame.shape[1]}
    print_table("table", pd.DataFrame([{**size, **facts}]))
    print_table("columns", pd.DataFrame([column_facts(*item) for item in frame.items()]))

"""
_LOOK_AT_VARIABLES = r"""
for name, path in VARIABLES.items():
    table = globals()[name] if name in globals() else pd.read_feather(path)
    kind = f"{type(table).__module__.split('.')[0]}.{type(table).__name__}"
    look(name, table, variable=name, type=kind, file=path.name, bytes=path.stat().st_size)
"""
_READ_CSV = r"""
def read_csv(path):
    options = {"sep": "\t"} if path.suffix.lower() == ".tsv" else {}
    for encoding in ("utf-8", "cp932", "big5", "latin-1"):
        try:
            frame = pd.read_csv(path, **options, encoding=encoding)
            break
        except UnicodeDecodeError:
            continue
    options |= {} if encoding == "utf-8" else {"encoding": encoding}
    for separator in ";\t|":
        if frame.shape[1] == 1 and separator in str(frame.columns[0]):
            options["sep"] = separator
            frame = pd.read_csv(path, **options)
    return frame, options

"""
_READERS = {
    (".csv", ".tsv"): "read_csv(path)",
    (".xlsx", ".xls"): "pd.read_excel(path, sheet_name=None), {}",
    (".json",): "pd.read_json(path), {}",
    (".jsonl",): 'pd.read_json(path, lines=True), {"lines": True}',
    (".parquet",): "pd.read_parquet(path), {}",
}
_LOOK_AT_FILES = r"""
for path in FILES:
    facts = {"file": path.name, "bytes": path.stat().st_size}
    try:
        found, options = read(path)
        facts |= {"read with": repr(options)} if options else {}
        sheets = found if isinstance(found, dict) else {path.stem: found}
        for sheet, table in sheets.items():
            facts |= {"sheet": sheet} if len(sheets) > 1 else {}
            look(sheet if len(sheets) > 1 else path.stem, table, **facts)
    except Exception as error:
        print_table("unreadable", pd.DataFrame([{"file": path.name, "error": repr(error)}]))
"""


def inspection_code(variables: Mapping[str, str], files: Collection[str]) -> str:
    """Write the code that inspects.

    `variables` maps names of files to those of variables, `files` are all that there are;
    the code has no more in it than these want.
    """
    others = sorted(name for name in files if name not in variables and _is_table(name))
    lines = [OPENING, "from pathlib import Path", "", "import pandas as pd", ""]
    # A variable is loaded when code mentions its name, hence the names stand in the code.
    lines += [f"VARIABLES = {{{', '.join(_entries(variables))}}}"] if variables else []
    if others:
        lines += [f'FILES = [Path("{_FOLDER}", name) for name in {others!r}]']
    elif not files:
        lines += [f'FILES = [p for p in Path("{_FOLDER}").iterdir() if p.suffix in {SUFFIXES!r}]']
    code = "\n".join(lines) + "\n" + PRINTER + _LOOK
    code += _LOOK_AT_VARIABLES if variables else ""
    if others or not files:
        suffixes = {_suffix(name) for name in others} or set(SUFFIXES)
        code += _READ_CSV if suffixes & {".csv", ".tsv"} else ""
        code += _reader(suffixes) + _LOOK_AT_FILES
    return code


def _entries(variables: Mapping[str, str]) -> Iterator[str]:
    for file, name in variables.items():
        yield f"{name!r}: Path({f'{_FOLDER}/{file}'!r})"


def _suffix(name: str) -> str:
    return f".{name.rpartition('.')[2].lower()}"


def _is_table(name: str) -> bool:
    return _suffix(name) in SUFFIXES


def _reader(suffixes: Collection[str]) -> str:
    """Write the function that reads one file, with the kinds of files that there are."""
    lines = ["", "def read(path):", "    suffix = path.suffix.lower()"]
    for known, call in _READERS.items():
        if set(known) & set(suffixes):
            lines += [f"    if suffix in {known!r}:", f"        return {call}"]
    return "\n".join([*lines, "    return pd.read_feather(path), {}", "", ""])


@dataclass(frozen=True)
class Inspection:
    """What a look at the data told.

    Attributes
    ----------
    complete
        False if a part of the output is missing.
    sizes
        Bytes of the inspected files, by name; one that can't be read has -1.
    unreadable
        A line about each file that can't be read.
    """

    tables: tuple[Table, ...]
    complete: bool
    sizes: Mapping[str, int]
    unreadable: tuple[str, ...]


def read_inspection(output: str) -> Inspection:
    """Read back what the code printed."""
    found, heads = list(read_tables(output)), list[dict[str, str]]()
    tables: list[Table] = []
    complete = "characters left out …]" not in output
    for title, grid in found:
        if title == "table":
            heads += grid.records()[:1]
        elif title == "columns" and len(heads) == len(tables) + 1:
            tables.append(_table(heads[-1], grid))
            complete = complete and len(tables[-1].columns) == int(heads[-1]["columns"])
    failed = [line for title, grid in found if title == "unreadable" for line in grid.records()]
    sizes = {line["file"]: -1 for line in failed if "file" in line}
    sizes |= {head["file"]: int(head["bytes"]) for head in heads if "bytes" in head}
    lines = tuple(": ".join(line.values()) for line in failed)
    return Inspection(tuple(tables), complete and len(heads) == len(tables), sizes, lines)


def _table(head: Mapping[str, str], columns: Grid) -> Table:
    given = columns.column("column")
    again = [given[:place].count(name) for place, name in enumerate(given)]
    names = [f"{name}.{n}" if n else name for name, n in zip(given, again, strict=True)]
    return Table(
        name=head["name"],
        file=head.get("file", ""),
        rows=int(head["rows"]),
        columns=tuple(_column(n, r) for n, r in zip(names, columns.records(), strict=True)),
        variable=head.get("variable", ""),
        kind=head.get("type", ""),
        sheet=head.get("sheet", ""),
        options=_options(head.get("read with", "{}")),
        indexed="index" in head,
        labelled="names" in head,
    )


def _column(name: str, facts: Mapping[str, str]) -> Column:
    values = tuple(value for value in facts["values"].split("; ") if value)
    kind, form = _kind(facts["type"], values)
    ranged = re.fullmatch(r"(.+) … (.+)", facts["values"]) if kind in {"number", "date"} else None
    return Column(
        name,
        kind,
        dtype=facts["type"],
        nulls=int(facts["missing"]),
        distinct=int(facts["distinct"]),
        values=() if kind in {"number", "date"} else values,
        low=ranged[1] if ranged else "",
        high=ranged[2] if ranged else "",
        form=form,
    )


_DTYPES: Mapping[str, Kind] = {
    r"bool|object \(bool": "flag",
    r"u?int|float|double|Int|UInt|Float|decimal": "number",
    r"datetime64|timestamp\[": "date",
    r"category|dictionary": "text",
    r"object \((list|dict|set|ndarray|bytes)|complex|timedelta|duration|list|struct": "other",
}
_AMOUNT = re.compile(
    r"\(?[-+−]?\s*[$€£¥￥]?\s*[-+]?\d[\d.,' ]*\s*(%|[$€£¥円元]|[A-Z]{3})?\)?", re.ASCII
)
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE = re.compile(
    r"(\d{4}[-/.年]\s?\d{1,2}([-/.月]\s?\d{1,2}日?)?月?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"
    rf"|(\w+, )?(\d{{1,2}}[ -])?{_MONTH}[-., ]+(\d{{1,2}},? )?\d{{2,4}})([ T]\d.*)?",
    re.IGNORECASE,
)
_MOST = 0.8
"""Share of the examples that must look like amounts or dates."""


def _kind(dtype: str, values: Sequence[str]) -> tuple[Kind, str]:
    """Tell what a column holds, and how its text is to be read."""
    for pattern, kind in _DTYPES.items():
        if re.match(pattern, dtype):
            return kind, ""
    if _mostly(_AMOUNT, values) and not any(re.match(r"0\d", value) for value in values):
        comma = _mostly(re.compile(r".*,\d{1,2}\D*"), values)
        return "amount as text", "decimal comma" if comma else ""
    if not _mostly(_DATE, values):
        return "text", ""
    if any("年" in value for value in values):
        return "date as text", "年月日"
    first = [match[1] for value in values if (match := re.match(r"(\d\d?)[-/.]\d\d?[-/.]", value))]
    return "date as text", "day first" if any(int(text) > 12 for text in first) else ""


def _mostly(pattern: re.Pattern[str], values: Sequence[str]) -> bool:
    hits = sum(bool(pattern.fullmatch(value.strip())) for value in values)
    return hits > 0 and hits >= _MOST * len(values)


def _options(text: str) -> tuple[tuple[str, str | bool], ...]:
    known = {"sep": str, "encoding": str, "lines": bool}
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return ()
    options = found if isinstance(found, dict) else {}
    return tuple(
        sorted(
            (key, options[key]) for key, type_ in known.items() if type(options.get(key)) is type_
        )
    )
