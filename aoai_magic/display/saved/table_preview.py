"""The first rows of a table that came back, as every front end draws its DataFrames.

Written as a table of Markdown, not of HTML: what stands in the cells is anybody's text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from aoai_magic.display import labels
from aoai_magic.display.markdown import to_markdown
from aoai_magic.results.read_table import read_table
from aoai_magic.text import sanitize
from aoai_magic.text.width import width
from aoai_magic.turn import view as views

ROWS = 8
COLUMNS = 10
CELL_CHARS = 48
MOST_BYTES = 4 << 20
"""Larger files are not read whole just to be looked at."""

HEAD_BYTES = 1 << 16
LINES = (".csv", ".tsv", ".jsonl", ".ndjson")
"""Kinds of which the first lines are a table themselves."""


class Column(NamedTuple):
    """The head of a column as text."""

    name: str
    cells: list[str]
    is_number: bool


class Preview(NamedTuple):
    """The head of one table."""

    name: str
    shape: str
    columns: list[Column]

    @property
    def marked(self) -> str:
        """The table as Markdown, its name and size above."""
        rule = ["---:" if column.is_number else ":---" for column in self.columns]
        rows = [map(to_markdown.escape, row) for row in self.rows]
        lines = [f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:])]
        return "\n".join([f"{to_markdown.code_span(self.name)}: {self.shape}", "", *lines])

    @property
    def plain(self) -> str:
        """The same for where Markdown is not drawn."""
        rows = zip(*map(_padded, self.columns), strict=True)
        return "\n".join([f"{self.name}: {self.shape}", *("  ".join(r).rstrip() for r in rows)])

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The names of the columns, and below them the cells."""
        return list(zip(*([column.name, *column.cells] for column in self.columns), strict=True))


def previews(file: views.File) -> Iterator[Preview]:
    """Give the head of each table in a file; nothing where it holds none."""
    data = _read(file)
    read = read_table(data, file.name, "pyarrow") if data else None
    sheets = read if isinstance(read, dict) else {"": read}
    for sheet, table in sheets.items():
        # Any one line of text is a table without rows.
        if table is not None and table.num_rows and table.num_columns:
            name = f"{file.name} › {sheet}" if sheet else file.name
            yield _preview(name, table, whole=data is file.data)


def _read(file: views.File) -> bytes:
    if len(file.data) <= MOST_BYTES:
        return file.data
    if PurePosixPath(file.name).suffix.lower() in LINES:
        return file.data[: file.data.rfind(b"\n", 0, HEAD_BYTES) + 1]
    return b""


def _preview(name: str, table: Any, *, whole: bool) -> Preview:
    shape = labels.shape(table.num_rows, table.num_columns, whole=whole)
    columns = [_column(table, place) for place in range(min(table.num_columns, COLUMNS))]
    if table.num_columns > COLUMNS:
        columns.append(Column("…", ["…"] * len(columns[0].cells), is_number=False))
    if table.num_rows > ROWS or not whole:
        columns = [column._replace(cells=[*column.cells, "…"]) for column in columns]
    return Preview(labels.file_name(name), shape, columns)


def _column(table: Any, place: int) -> Column:
    import pyarrow as pa

    head = table.column(place).slice(0, ROWS)
    kind = head.type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return Column(_short(table.field(place).name), [_cell(value) for value in head], number)


def _cell(scalar: Any) -> str:
    try:
        value = scalar.as_py()
    except (ValueError, OverflowError, ImportError):  # a time that Python cannot hold
        return _short(str(scalar))
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return _short(str(value).removesuffix(" 00:00:00"))


def _short(text: str) -> str:
    # Cut twice: a cell may hold megabytes, and cleaning may lengthen it.
    return sanitize.cut(sanitize.line(text[: 2 * CELL_CHARS]), CELL_CHARS)


def _padded(column: Column) -> list[str]:
    texts = [column.name, *column.cells]
    widest = max(map(width, texts))
    gaps = [" " * (widest - width(text)) for text in texts]
    pairs = zip(texts, gaps, strict=True)
    return [gap + text if column.is_number else text + gap for text, gap in pairs]
