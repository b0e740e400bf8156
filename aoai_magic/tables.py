"""Files that came back, as frames; and names for them that are safe to write.

Everything here comes from a session and is hostile: sizes are bounded before anything
is parsed, nothing is unpickled, and a file that is odd in any way is simply no table.
"""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from aoai_magic.decoding import MOST_BYTES, MOST_COLUMNS, decode

MOST_JSON = 64 << 20
"""The same of JSON, whose values take ten times their text in memory."""

MOST_CELLS = 20_000_000
"""Cells of a sheet or of JSON records, empty ones included."""

MOST_SHEETS = 100

MOST_RATIO = 200
"""How much larger than the file a workbook may unpack; real ones stay below 50."""

LIBRARIES = ("pandas", "polars", "pyarrow")
"""Libraries in which tables are given."""

_SHEET_ROWS = 1 << 20
_ISO_DATE = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
)

_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))}
)
_FORBIDDEN = frozenset('<>:"|?*')
_NAME_BYTES = 200

Frame = Any


def read_table(source: Path | bytes, name: str, library: str = "pandas") -> Frame | None:
    """Read a file that came back as a frame.

    Parameters
    ----------
    source
        The file, or its content.
    name
        Its name, whose suffix says what it is: ``.csv .tsv .parquet .xlsx .json .jsonl
        .ndjson .feather .arrow``.
    library
        One of `LIBRARIES`.

    Returns
    -------
    frame | dict | None
        A DataFrame (Table) of `library`; of a workbook with several sheets a dict of them by
        name; None for what is no table, is broken, or unpacks to more than
        `MOST_BYTES`. No file makes it raise.
    """
    reader = _READERS.get(PurePosixPath(name).suffix.lower())
    if reader is None:
        return None
    try:
        data = _content(source)
        frame = reader(data, library) if data else None
        return _as_arrow(frame) if library == "pyarrow" else frame
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # the errors of these parsers have no common base; polars panics
        return None


def safe_name(name: str, taken: Collection[str]) -> str:
    """Give a file name that is safe on every system and is not among `taken`.

    Path parts, control and format characters, reserved names and trailing dots go; a
    name that is taken already, in whatever case, becomes ``name-2.csv``.
    """
    base = unicodedata.normalize("NFC", name.replace("\\", "/").rstrip("/").rpartition("/")[2])
    base = "".join("_" if _is_forbidden(c) else c for c in base).strip(" .") or "file"
    stem, dot, suffix = base.rpartition(".")
    if not dot:
        stem, suffix = base, ""
    if stem.lower() in _RESERVED or base.partition(".")[0].lower() in _RESERVED:
        stem = f"_{stem}"
    return _untaken(_short(stem, _NAME_BYTES), dot + _short(suffix, 20), taken)


def _is_forbidden(char: str) -> bool:
    # Cc, Cf, Cs, Co, Cn: among them are the marks that turn the direction of text, with
    # which "exe.csv" can be made of "csv.exe".
    return char in _FORBIDDEN or unicodedata.category(char)[0] == "C"


def _short(text: str, limit: int) -> str:
    return text.encode()[:limit].decode("utf-8", "ignore")


def _untaken(stem: str, suffix: str, taken: Collection[str]) -> str:
    used = {name.casefold() for name in taken}
    name, count = f"{stem}{suffix}", 1
    while name.casefold() in used:
        count += 1
        name = f"{stem}-{count}{suffix}"
    return name


def _content(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source if len(source) <= MOST_BYTES else b""
    if not source.is_file() or source.stat().st_size > MOST_BYTES:
        return b""
    return source.read_bytes()


def _separated(separator: str) -> Callable[[bytes, str], Frame]:
    def read(data: bytes, library: str) -> Frame:
        if not 0 < _width(data, separator) <= MOST_COLUMNS:
            return None
        if library == "polars":
            return _uncounted(
                _module("polars").read_csv(
                    data, separator=separator, try_parse_dates=True, infer_schema_length=None
                )
            )
        frame = _module("pandas").read_csv(io.BytesIO(data), sep=separator, low_memory=False)
        return _dated(_uncounted(frame))

    return read


def _width(data: bytes, separator: str) -> int:
    """Count the columns of the first line, which must stand in the first megabyte.

    A header of some million columns costs a parser gigabytes.
    """
    head = data[: 1 << 20].decode("utf-8-sig", "ignore")
    lines = csv.reader(io.StringIO(head, newline=""), delimiter=separator)
    return next((len(line) for line in lines if line), 0)


def _uncounted(frame: Frame) -> Frame:
    """Drop the first column if it is the row numbers that ``to_csv()`` writes unasked."""
    name = frame.columns[0]
    if name not in ("", "Unnamed: 0") or len(frame.columns) == 1:
        return frame
    counted = list(frame[name]) == list(range(len(frame)))
    if not counted:
        return frame
    return frame.drop(columns=name) if hasattr(frame, "iloc") else frame.drop(name)


def _dated(frame: Frame) -> Frame:
    """Turn text columns into dates where every value is one in ISO form.

    CSV and JSON have no dates, and only numbers are told apart by their readers.
    """
    pandas = _module("pandas")
    for column in frame.columns[[_is_text(dtype) for dtype in frame.dtypes]]:
        some = frame[column].dropna().head(100)
        if not all(isinstance(value, str) and _ISO_DATE.fullmatch(value) for value in some):
            continue
        with contextlib.suppress(ValueError, TypeError, OverflowError):  # 2024-02-31
            if len(some):
                frame[column] = pandas.to_datetime(frame[column], format="ISO8601")
    return frame


def _is_text(dtype: Any) -> bool:
    pandas = _module("pandas")
    return bool(pandas.api.types.is_string_dtype(dtype)) and dtype.kind == "O"


def _encoded(suffix: str) -> Callable[[bytes, str], Frame]:
    def read(data: bytes, library: str) -> Frame:
        table = decode(data, suffix)
        return None if table is None else _from_arrow(table, library)

    return read


def _from_arrow(table: Any, library: str) -> Frame:
    from aoai_magic import parcel

    table = parcel.plain(table)  # it may be a copy of one of ours
    if library == "pyarrow":
        return table
    if library == "polars":
        return _module("polars").from_arrow(table)
    return table.to_pandas()


def _as_arrow(frame: Frame) -> Frame:
    """Make a Table of what the readers of texts and sheets give for pandas."""
    import pyarrow as pa

    if isinstance(frame, dict):
        return {name: _as_arrow(sheet) for name, sheet in frame.items()}
    if frame is None or isinstance(frame, pa.Table):
        return frame
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)


def _workbook(data: bytes, library: str) -> Frame:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(info.file_size for info in archive.infolist())
    if size > min(MOST_BYTES, max(len(data), 1 << 16) * MOST_RATIO):
        return None
    book = _module("openpyxl").load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    frames = {sheet.title: _sheet(sheet, library) for sheet in book.worksheets[:MOST_SHEETS]}
    filled = {name: frame for name, frame in frames.items() if frame is not None}
    return next(iter(filled.values())) if len(filled) == 1 else (filled or None)


def _sheet(sheet: Any, library: str) -> Frame:
    """Read one sheet; its first row is the header.

    Not by pandas: one cell in the last corner makes it build seventeen billion.
    """
    # What the sheet says of its size is not to be trusted, and rows would be filled up to it.
    sheet.reset_dimensions()
    rows = list(_bounded(sheet.iter_rows(values_only=True)))
    while rows and all(value is None for value in rows[-1]):
        rows.pop()
    if not rows:
        return None
    width = max(len(row) for row in rows)
    labels = _labels(rows[0], width)
    columns = zip(*((*row, *[None] * (width - len(row))) for row in rows[1:]), strict=True)
    values = list(columns) or [()] * width
    if library == "polars":
        return _module("polars").DataFrame(
            dict(zip(labels, map(list, values), strict=True)), strict=False
        )
    return _module("pandas").DataFrame(dict(zip(labels, values, strict=True)))


def _bounded(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    widest = 0
    for count, row in enumerate(rows, 1):
        widest = max(widest, len(row))
        if count > _SHEET_ROWS or count * widest > MOST_CELLS:
            raise ValueError("The sheet is too large.")
        yield row


def _labels(header: Sequence[Any], width: int) -> list[str]:
    """Name every column, each once."""
    labels: list[str] = []
    for place in range(width):
        value = header[place] if place < len(header) else None
        label = f"column {place + 1}" if value is None else str(value)
        labels.append(_untaken(label, "", labels))
    return labels


def _records(data: bytes, library: str) -> Frame:
    """Read a JSON list of objects, or an object of lists of one length."""
    if len(data) > MOST_JSON:
        return None
    value = json.loads(data)
    if _are_columns(value):
        return _frame(value, library)
    return _frame(value, library) if _are_records(value) else None


def _lines(data: bytes, library: str) -> Frame:
    if len(data) > MOST_JSON:
        return None
    rows = [json.loads(line) for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    return _frame(rows, library) if _are_records(rows) else None


def _are_columns(value: object) -> bool:
    if not isinstance(value, dict) or not all(isinstance(c, list) for c in value.values()):
        return False
    return len(value) <= MOST_COLUMNS and len({len(column) for column in value.values()}) == 1


def _are_records(value: object) -> bool:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        return False
    # Each row may bring a name of its own, and every row gets a cell for it.
    names = set().union(*value)
    return bool(names) and len(names) <= MOST_COLUMNS and len(names) * len(value) <= MOST_CELLS


def _frame(value: Any, library: str) -> Frame:
    if library == "polars":
        polars = _module("polars")
        if isinstance(value, list):
            return polars.from_dicts(value, infer_schema_length=None)
        return polars.DataFrame(value, strict=False)
    return _dated(_module("pandas").DataFrame(value))


def _module(name: str) -> Any:
    return importlib.import_module(name)


_READERS: Mapping[str, Callable[[bytes, str], Frame]] = {
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
    ".parquet": _encoded(".parquet"),
    ".xlsx": _workbook,
    ".json": _records,
    ".jsonl": _lines,
    ".ndjson": _lines,
    ".feather": _encoded(".feather"),
    ".arrow": _encoded(".arrow"),
}
