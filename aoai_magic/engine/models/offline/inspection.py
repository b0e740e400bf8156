"""The first look at the data: code that prints what is there, and the reading of its output.

The output is one block per table, made for people and exact enough to be read back::

    sales: 1200 rows x 5 columns {"file": "sales.arrow", "variable": "sales", …}
    "region"   text    str      0 missing  4 distinct  ["Asia", "Europe", …]
    "revenue"  number  float64  3 missing  1190 distinct  ["10.5", "9120.75"]
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from .schema import Column, Kind, Table

OPENING = "# Look at what is there: every table, column by column."

SUFFIXES = (".arrow", ".csv", ".feather", ".json", ".jsonl", ".parquet", ".tsv", ".xls", ".xlsx")
"""Files that hold tables."""

_HEAD = re.compile(
    r"^(?P<name>.*): (?P<rows>\d+) rows x (?P<columns>\d+) columns (?P<more>\{.*\})$"
)
_CODE = '''\
@OPENING@
import json
import re
from pathlib import Path

import pandas as pd

VARIABLES = @VARIABLES@
AMOUNT = re.compile(r"[-+]?\\s*[$€£¥￥]?\\s*[-+]?\\d[\\d.,' ]*\\s*(%|[$€£¥円元]|[A-Z]{3})?")
DATE = re.compile(r"\\d{1,4}[-/.年]\\s?\\d{1,2}([-/.月].*)?|.*\\b[A-Z][a-z]{2,8}\\b.*\\d{2,4}.*")


def read(path):
    """Read a file: the frame, or one per sheet, and the options that it took."""
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return read_text(path, {"sep": "\\t"} if suffix == ".tsv" else {})
    if suffix in (".xlsx", ".xls"):
        return pd.read_excel(path, sheet_name=None), {}
    if suffix in (".json", ".jsonl"):
        options = {"lines": True} if suffix == ".jsonl" else {}
        return pd.read_json(path, **options), options
    return (pd.read_parquet if suffix == ".parquet" else pd.read_feather)(path), {}


def read_text(path, options):
    """Read a CSV file with the first encoding and separator that fit."""
    for encoding in ("utf-8", "cp932", "big5", "latin-1"):
        try:
            frame = pd.read_csv(path, **options, encoding=encoding)
        except UnicodeDecodeError:
            continue
        options |= {} if encoding == "utf-8" else {"encoding": encoding}
        for separator in ";\\t|":
            if frame.shape[1] == 1 and separator in str(frame.columns[0]):
                options["sep"] = separator
                return pd.read_csv(path, **options), options
        return frame, options


def as_frame(value):
    """Give anything table-like as a pandas frame with its index among the columns."""
    value = value.to_pandas() if hasattr(value, "to_pandas") else value
    value = value.to_frame() if hasattr(value, "to_frame") else value
    if not isinstance(value.index, pd.RangeIndex):
        value = value.reset_index()
    return value.set_axis([str(label) for label in value.columns], axis=1)


def kind_of(column):
    """Say what a column holds, and how its text is to be read."""
    if pd.api.types.is_bool_dtype(column):
        return "flag", ""
    if pd.api.types.is_numeric_dtype(column):
        return "number", ""
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date", ""
    sample = column.dropna().head(500)
    if not len(sample) or not sample.map(lambda value: isinstance(value, str)).all():
        hashable = sample.map(lambda value: isinstance(value, (str, int, float, bool))).all()
        dates = len(sample) and sample.map(lambda value: hasattr(value, "year")).all()
        return ("date as text" if dates else "text" if hashable else "other"), ""
    return kind_of_text(sample.str.strip())


def kind_of_text(sample):
    """Tell amounts and dates that are written as text from plain text."""
    if sample.str.fullmatch(AMOUNT.pattern).mean() > 0.9 and not sample.str.match(r"0\\d").any():
        comma = sample.str.contains(r",\\d{1,2}\\D*$").mean() > 0.5
        return "amount as text", "decimal comma" if comma else ""
    if sample.str.fullmatch(DATE.pattern).mean() > 0.9:
        plain = sample.str.replace("[年月]", "-", regex=True).str.rstrip("日 ")
        if pd.to_datetime(plain, errors="coerce", format="mixed").notna().mean() > 0.8:
            first = pd.to_numeric(sample.str.extract(r"^(\\d{1,2})[-/.]\\d{1,2}[-/.]")[0])
            cjk = sample.str.contains("年").any()
            return "date as text", "年月日" if cjk else "day first" if first.max() > 12 else ""
    return "text", ""


def examples(column, kind):
    """Give the range of a number or a date, and the most frequent values of others."""
    present = column.dropna()
    if kind in ("number", "date"):
        return [str(present.min()), str(present.max())] if len(present) else []
    counts = present.map(str).value_counts()
    values = [value for value in counts.index if len(value) <= 40]
    values = [value for value in values if value == " ".join(value.split())]
    values = values[: 30 if len(counts) <= 30 else 3]
    while len(str(values)) > 400:
        values.pop()
    return values


def show(name, value, **more):
    """Print one table."""
    frame = as_frame(value)
    rest = json.dumps(more, ensure_ascii=False)
    print(f"{name}: {len(frame)} rows x {frame.shape[1]} columns {rest}")
    for place, label in enumerate(frame.columns):
        column = frame.iloc[:, place]
        kind, form = kind_of(column)
        missing, distinct = column.isna().sum(), column.dropna().map(str).nunique()
        fields = [json.dumps(label, ensure_ascii=False), f"{kind} ({form})" if form else kind]
        fields += [str(column.dtype), f"{missing} missing", f"{distinct} distinct"]
        print(*fields, json.dumps(examples(column, kind), ensure_ascii=False), sep="\\t")
    print()


def traits(value):
    """Say what a pandas frame has beside its columns."""
    found = {}
    if isinstance(value, (pd.DataFrame, pd.Series)):
        found["indexed"] = not isinstance(value.index, pd.RangeIndex)
    if isinstance(value, pd.DataFrame):
        found["labelled"] = not all(isinstance(label, str) for label in value.columns)
    return {key: True for key, truth in found.items() if truth}


for path in sorted(Path("/mnt/data").iterdir()):
    if path.suffix.lower() not in @SUFFIXES@:
        continue
    size = path.stat().st_size
    try:
        name = VARIABLES.get(path.name)
        if name in globals():
            value = globals()[name]
            kind = f"{type(value).__module__.split('.')[0]}.{type(value).__name__}"
            show(name, value, file=path.name, bytes=size, variable=name, kind=kind, **traits(value))
            continue
        found, options = read(path)
        sheets = found if isinstance(found, dict) else {"": found}
        for sheet, frame in sheets.items():
            more = {"sheet": sheet} if len(sheets) > 1 else {}
            more |= {"options": options} if options else {}
            name = sheet if len(sheets) > 1 else path.stem
            show(name, frame, file=path.name, bytes=size, **more, **traits(frame))
    except Exception as error:
        print(f"{path.name!r} cannot be read: {type(error).__name__}: {error}\\n")
'''


def inspection_code(variables: Mapping[str, str]) -> str:
    """Write the code that inspects; `variables` maps names of files to those of variables."""
    # A variable is loaded when code mentions its name, hence the names stand in the code.
    return (
        _CODE.replace("@OPENING@", OPENING)
        .replace("@VARIABLES@", repr(dict(variables)))
        .replace("@SUFFIXES@", repr(SUFFIXES))
    )


def read_inspection(output: str) -> tuple[list[Table], bool]:
    """Read the tables back; the second value is False if a part of the output is missing."""
    tables, complete = [], True
    for head, lines in _blocks(output):
        columns = [column for column in map(_column, lines) if column]
        complete = complete and len(columns) == int(head["columns"])
        more = _json(head["more"], {})
        tables.append(_table(head, columns, more))
    return tables, complete and "characters left out …]" not in output


def sizes(output: str) -> dict[str, int]:
    """Give the sizes of the inspected files, by name; one that can't be read has -1."""
    found = {str(more["file"]): int(more["bytes"]) for more in _mores(output)}
    unreadable = re.findall(r"^'(.+)' cannot be read: ", output, re.MULTILINE)
    return {**dict.fromkeys(unreadable, -1), **found}


def unreadable(output: str) -> list[str]:
    """Give the lines about files that can't be read."""
    return re.findall(r"^'.+' cannot be read: .+$", output, re.MULTILINE)


def _mores(output: str) -> Iterator[dict[str, Any]]:
    for head, _ in _blocks(output):
        more = _json(head["more"], {})
        if "file" in more and "bytes" in more:
            yield more


def _blocks(output: str) -> Iterator[tuple[re.Match[str], list[str]]]:
    head, lines = None, list[str]()
    for line in output.split("\n"):
        found = _HEAD.match(line)
        if found:
            if head:
                yield head, lines
            head, lines = found, []
        else:
            lines.append(line)
    if head:
        yield head, lines


def _table(head: re.Match[str], columns: Sequence[Column], more: dict[str, Any]) -> Table:
    return Table(
        name=head["name"],
        file=str(more.get("file", "")),
        rows=int(head["rows"]),
        columns=tuple(columns),
        variable=str(more.get("variable", "")),
        kind=str(more.get("kind", "")),
        sheet=str(more.get("sheet", "")),
        options=tuple(sorted(_text_options(more.get("options")).items())),
        indexed=bool(more.get("indexed")),
        labelled=bool(more.get("labelled")),
    )


def _column(line: str) -> Column | None:
    fields = line.split("\t")
    if len(fields) != 6:
        return None
    name, values = _json(fields[0], None), _json(fields[5], None)
    kind, _, form = fields[1].rstrip(")").partition(" (")
    if not isinstance(name, str) or not isinstance(values, list) or kind not in get_args(Kind):
        return None
    counts = [int(field.split()[0]) for field in fields[3:5]]
    ranged = kind in {"number", "date"} and len(values) == 2
    return Column(
        name,
        kind,  # type: ignore[arg-type]
        dtype=fields[2],
        nulls=counts[0],
        distinct=counts[1],
        values=() if ranged else tuple(map(str, values)),
        low=values[0] if ranged else "",
        high=values[1] if ranged else "",
        form=form,
    )


def _text_options(options: Any) -> dict[str, Any]:
    known = {"sep": str, "encoding": str, "lines": bool}
    options = options if isinstance(options, dict) else {}
    return {
        key: options[key] for key, type_ in known.items() if isinstance(options.get(key), type_)
    }


def _json(text: str, default: Any) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return default
