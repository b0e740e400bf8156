"""The first look at the data: code that prints what is there, and the reading of its output.

The output is one block per table, made for people and exact enough to be read back::

    sales: 1200 rows x 5 columns {"file": "sales.arrow", "variable": "sales", …}
    "region"   text    str      0 missing  4 distinct  ["Asia", "Europe", …]
    "revenue"  number  float64  3 missing  1190 distinct  ["10.5", "9120.75"]
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, get_args

from .schema import Column, Kind, Table

OPENING = "# Look at what is there: every table, column by column."

SUFFIXES = (".arrow", ".csv", ".feather", ".json", ".jsonl", ".parquet", ".tsv", ".xls", ".xlsx")
"""Files that hold tables."""

_HEAD = re.compile(
    r"^(?P<name>.*): (?P<rows>\d+) rows x (?P<columns>\d+) columns (?P<more>\{.*\})$"
)
_KINDS = r"""
AMOUNT = r"[-+]?\s*[$€£¥￥]?\s*[-+]?\d[\d.,' ]*\s*(%|[$€£¥円元]|[A-Z]{3})?"
DATE = r"\d{1,4}[-/.年]\s?\d{1,2}([-/.月].*)?|.*\b[A-Z][a-z]{2,8}\b.*\d{2,4}.*"


def kind_of(column):
    if pd.api.types.is_numeric_dtype(column):
        return "flag" if pd.api.types.is_bool_dtype(column) else "number"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    sample = column.dropna().head(500)
    if len(sample) and sample.map(lambda value: hasattr(value, "year")).all():
        return "date as text"
    if not sample.map(pd.api.types.is_hashable).all():
        return "other"
    text = sample.astype(str).str.strip()
    if text.str.fullmatch(AMOUNT).mean() > 0.9 and not text.str.match(r"0\d").any():
        comma = text.str.contains(r",\d{1,2}\D*$").mean() > 0.5
        return "amount as text (decimal comma)" if comma else "amount as text"
    plain = text.str.replace("[年月]", "-", regex=True).str.rstrip("日 ")
    if text.str.fullmatch(DATE).mean() < 0.9 or not len(text) or (
        pd.to_datetime(plain, errors="coerce", format="mixed").isna().mean() > 0.2
    ):
        return "text"
    first = pd.to_numeric(text.str.extract(r"^(\d{1,2})[-/.]\d{1,2}[-/.]")[0])
    form = "年月日" if text.str.contains("年").any() else "day first" if first.max() > 12 else ""
    return f"date as text ({form})" if form else "date as text"


def examples(column, kind):
    present = column.dropna()
    if kind in ("number", "date"):
        return [str(present.min()), str(present.max())] if len(present) else []
    counts = present.map(str).value_counts()
    values = counts.index[: 30 if len(counts) <= 30 else 3]
    return [value for value in values if len(value) <= 40 and value == " ".join(value.split())]


def show(name, value, **more):
    frame = value.to_pandas() if hasattr(value, "to_pandas") else value
    frame = frame.to_frame() if hasattr(frame, "to_frame") else frame
    if not isinstance(frame.index, pd.RangeIndex):
        frame, more["indexed"] = frame.reset_index(), True
    if not all(isinstance(label, str) for label in frame.columns):
        more["labelled"] = True
    rows, columns = frame.shape
    print(f"{name}: {rows} rows x {columns} columns {json.dumps(more, ensure_ascii=False)}")
    for label, column in frame.items():
        kind, distinct = kind_of(column), column.dropna().map(str).nunique()
        fields = [kind, column.dtype, f"{column.isna().sum()} missing", f"{distinct} distinct"]
        first, last = (
            json.dumps(part, ensure_ascii=False) for part in (str(label), examples(column, kind))
        )
        print(first, *fields, last, sep="\t")
    print()

"""
_READ_CSV = r"""
def read_csv(path):
    options = {"sep": "\t"} if path.suffix == ".tsv" else {}
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
_LOOP = r"""
for path in sorted(Path("/mnt/data").iterdir()):
    if path.suffix.lower() not in SUFFIXES:
        continue
    more = {"file": path.name, "bytes": path.stat().st_size}
    name = VARIABLES.get(path.name)
    try:
        if name in globals():
            value = globals()[name]
            kind = f"{type(value).__module__.split('.')[0]}.{type(value).__name__}"
            show(name, value, **more, variable=name, kind=kind)
            continue
        found, options = read(path)
        more |= {"options": options} if options else {}
        if not isinstance(found, dict) or len(found) == 1:
            show(path.stem, *(found.values() if isinstance(found, dict) else [found]), **more)
            continue
        for sheet, frame in found.items():
            show(sheet, frame, **more, sheet=sheet)
    except Exception as error:
        print(f"{path.name!r} cannot be read: {type(error).__name__}: {error}\n")
"""


def inspection_code(variables: Mapping[str, str], files: Collection[str]) -> str:
    """Write the code that inspects.

    `variables` maps names of files to those of variables, `files` are all that there are;
    the code has no more in it than these want.
    """
    suffixes = {f".{name.rpartition('.')[2].lower()}" for name in files if name not in variables}
    wanted = suffixes & set(SUFFIXES) if files else set(SUFFIXES)
    reads_text = bool(wanted & {".csv", ".tsv"})
    head = [OPENING, "import json", "from pathlib import Path", "", "import pandas as pd", ""]
    # A variable is loaded when code mentions its name, hence the names stand in the code.
    head += [f"VARIABLES = {dict(variables)!r}", f"SUFFIXES = {SUFFIXES!r}"]
    return "\n".join(head) + _KINDS + (_READ_CSV if reads_text else "") + _reader(wanted) + _LOOP


def _reader(suffixes: Collection[str]) -> str:
    """Write the function that reads one file, with the kinds of files that there are."""
    lines = ["", "def read(path):", "    suffix = path.suffix.lower()"]
    for known, call in _READERS.items():
        if set(known) & set(suffixes):
            lines += [f"    if suffix in {known!r}:", f"        return {call}"]
    return "\n".join([*lines, "    return pd.read_feather(path), {}", "", ""])


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
