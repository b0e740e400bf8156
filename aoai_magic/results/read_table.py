"""Files that came back, as frames.

Everything here comes from a session and is hostile: sizes are bounded before anything
is parsed, nothing is unpickled, and a file that is odd in any way is simply no table.
"""

from __future__ import annotations

import gzip
import importlib
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from aoai_magic.results.decode_arrow import MOST_BYTES, decode, most_bytes
from aoai_magic.results.geo_tables import with_geometry
from aoai_magic.results.read_csv import read_separated
from aoai_magic.results.read_json import MOST_CELLS, read_json, read_lines
from aoai_magic.text.file_names import untaken

MOST_SHEETS = 100

MOST_RATIO = 200
"""How much larger than the file a workbook may unpack; real ones stay below 50."""

LIBRARIES = ("pandas", "polars", "pyarrow")
"""Libraries in which tables are given."""

_SHEET_ROWS = 1 << 20

Frame = Any


def read_table(source: Path | bytes, name: str, library: str = "pandas") -> Frame | None:
    """Read a file that came back as a frame.

    Parameters
    ----------
    source
        The file, or its content.
    name
        Its name, whose suffix says what it is: ``.csv .tsv .parquet .xlsx .json .jsonl
        .ndjson .feather .arrow``, and any of these with ``.gz`` behind it.
    library
        One of `LIBRARIES`.

    Returns
    -------
    frame | dict | None
        A DataFrame (Table) of `library`; of a workbook with several sheets a dict of them by
        name; None for what is no table, is broken, or needs more memory than it may have.
        No file makes it raise.
    """
    reader = _reader(name)
    if reader is None:
        return None
    try:
        data = _content(source)
        data = _unpacked(data) if name.lower().endswith(".gz") else data
        frame = reader(data, library) if data else None
        return _as_arrow(frame) if library == "pyarrow" else frame
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # the errors of these parsers have no common base; polars panics
        return None


def is_table(name: str) -> bool:
    """Tell by its name whether a file is meant to be a table."""
    return _reader(name) is not None


def _reader(name: str) -> Callable[[bytes, str], Frame] | None:
    path = PurePosixPath(name.lower())
    return _READERS.get(path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix)


def _content(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source if len(source) <= most_bytes(len(source)) else b""
    return _content(source.read_bytes()) if source.is_file() else b""


def _unpacked(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        content = file.read(MOST_BYTES + 1)
    return content if len(content) <= MOST_BYTES else b""


def _encoded(suffix: str) -> Callable[[bytes, str], Frame]:
    def read(data: bytes, library: str) -> Frame:
        table = decode(data, suffix)
        return None if table is None else _from_arrow(table, library)

    return read


def _from_arrow(table: Any, library: str) -> Frame:
    from aoai_magic import frame_codec

    table = frame_codec.plain(table)  # it may be a copy of one of ours
    if library == "pyarrow":
        return table
    if library == "polars":
        return _module("polars").from_arrow(table)
    return with_geometry(table.to_pandas(), table)


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
    if width > 1 and rows[0][0] is None and list(values[0]) == list(range(len(rows) - 1)):
        labels, values = labels[1:], values[1:]  # row numbers, which pandas writes unasked
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
        labels.append(untaken(label, "", labels))
    return labels


def _module(name: str) -> Any:
    return importlib.import_module(name)


_READERS: Mapping[str, Callable[[bytes, str], Frame]] = {
    ".csv": lambda data, library: read_separated(data, ",", library),
    ".tsv": lambda data, library: read_separated(data, "\t", library),
    ".parquet": _encoded(".parquet"),
    ".xlsx": _workbook,
    ".json": read_json,
    ".jsonl": read_lines,
    ".ndjson": read_lines,
    ".feather": _encoded(".feather"),
    ".arrow": _encoded(".arrow"),
}
