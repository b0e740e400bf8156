"""The first rows of a table that came back, as every front end draws its DataFrames.

Written as a table of Markdown, not of HTML: what stands in the cells is anybody's text.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple

from aoai_magic import locale
from aoai_magic.display import labels
from aoai_magic.display.markdown import to_markdown
from aoai_magic.errors import AssistantError
from aoai_magic.results.cell_value import cell_value
from aoai_magic.results.read_table import (
    TableError,
    is_of_lines,
    is_table,
    notes_on,
    read_head,
)
from aoai_magic.tables.found import Found
from aoai_magic.text import sanitize
from aoai_magic.text.width import width
from aoai_magic.turn import view as views

ROWS = 8
COLUMNS = 10
CELL_CHARS = 48
MOST_BYTES = 4 << 20
"""Larger files are not read whole just to be looked at."""

HEAD_BYTES = 1 << 16

_KEPT: dict[tuple[str, str, bytes], tuple[Preview, ...]] = {}
_MOST_KEPT = 100


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
    notes: tuple[str, ...]

    @property
    def head(self) -> list[tuple[str, ...]]:
        """The rows that are shown, without those that only say that there are more."""
        whole = [column.cells[:ROWS] for column in self.columns[:COLUMNS]]
        return list(zip(*whole, strict=True))

    @property
    def marked(self) -> str:
        """The table as Markdown, its name and size above."""
        notes = "".join(f" {to_markdown.escape(note)}" for note in self.notes)
        caption = f"{to_markdown.code_span(self.name)}: {self.shape}{'.' if notes else ''}{notes}"
        return f"{caption}\n\n{self.marked_rows}"

    @property
    def marked_rows(self) -> str:
        """The table alone as Markdown."""
        rule = ["---:" if column.is_number else ":---" for column in self.columns]
        rows = [map(to_markdown.escape, row) for row in self.rows]
        return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:]))

    @property
    def plain(self) -> str:
        """The same as `marked` for where Markdown is not drawn."""
        caption = ". ".join([f"{self.name}: {self.shape}", " ".join(self.notes)]).strip(". ")
        caption += "." if self.notes else ""
        return f"{caption}\n{self.plain_rows}"

    @property
    def plain_rows(self) -> str:
        """The table alone for where Markdown is not drawn."""
        rows = zip(*map(_padded, self.columns), strict=True)
        return "\n".join("  ".join(row).rstrip() for row in rows)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The names of the columns, and below them the cells."""
        return list(zip(*([column.name, *column.cells] for column in self.columns), strict=True))


def previews(file: views.File) -> tuple[Preview, ...]:
    """Return the head of each table in a file; nothing where it holds none.

    It is read in a process of its own, once: that takes a while, and whoever draws is on the
    kernel's event loop, so `bundles.prepare` is called in a thread before.
    """
    if not is_table(file.name):
        return ()
    whole = file.blob.size <= MOST_BYTES
    if not whole and not is_of_lines(file.name):
        return ()
    try:
        data = file.data if whole else file.data[:HEAD_BYTES]
    except AssistantError:  # of an old turn, and deleted since
        return ()
    key = (file.name, locale.language(), sha256(data).digest())
    if key not in _KEPT:
        while len(_KEPT) >= _MOST_KEPT:
            _KEPT.pop(next(iter(_KEPT)), None)
        _KEPT[key] = _previews(file.name, data, whole)
    return _KEPT[key]


def _previews(name: str, data: bytes, whole: bool) -> tuple[Preview, ...]:
    try:
        found = read_head(data, name, ROWS, whole=whole)
    except TableError:
        return ()
    # Any one line of text is a table without rows.
    return tuple(_preview(name, one) for one in found if one.table.num_rows)


def _preview(file: str, found: Found) -> Preview:
    table, facts = found.table, found.facts
    shape = labels.shape(facts.rows, table.num_columns, whole=facts.whole)
    columns = [_column(table, place) for place in range(min(table.num_columns, COLUMNS))]
    if table.num_columns > COLUMNS:
        columns.append(Column("…", ["…"] * len(columns[0].cells), is_number=False))
    if facts.rows > ROWS or not facts.whole:
        columns = [column._replace(cells=[*column.cells, "…"]) for column in columns]
    name = f"{file} › {facts.name}" if facts.name else file
    notes = tuple(sanitize.line(note) for note in notes_on(facts))
    return Preview(labels.file_name(name), shape, columns, notes)


def _column(table: Any, place: int) -> Column:
    import pyarrow as pa

    head = table.column(place).slice(0, ROWS)
    kind = head.type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return Column(_short(table.field(place).name), [_cell(value) for value in head], number)


def _cell(scalar: Any) -> str:
    value = cell_value(scalar)
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
