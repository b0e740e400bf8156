r"""Tables in print: how the code of a turn prints them, and how they are read back.

A table is a line ``# title``, a line of names and lines of values, set in columns that
" | " divides, and a blank line. "|", "\" and line breaks in a value are escaped, so
that no value can end its cell, its row or its table; a missing value is "–".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

PRINTER = r'''

def written(value):
    if pd.isna(value) is True:
        return "–"
    if isinstance(value, float):
        value = f"{value:.6g}" if abs(value) < 100 else f"{round(value, 2):.15g}"
    text = str(value).removesuffix(" 00:00:00").replace("\\", r"\\").replace("|", r"\|")
    text = text.replace("\n", r"\n") or "–"
    return text if text == text.strip() else text.replace(" ", r"\ ")


def print_table(title, table):
    """Print a table in columns; "|" and line breaks in values are escaped."""
    columns = [[written(value) for value in [name, *values]] for name, values in table.items()]
    for column in columns:
        widths = [sum(1 + (letter > "⺀") for letter in text) for text in column]
        column[:] = [text + " " * (max(widths) - width) for text, width in zip(column, widths)]
    print(f"# {title}", *map(" | ".join, zip(*columns)), "", sep="\n")

'''
"""The function that prints; its name is one that no data have."""

_CELL = re.compile(r"(?:^|\|)((?:\\.|[^|\\])*)")
_PADDED = re.compile(r" *((?:\\.|[^\\])*?) *", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Grid:
    """A table of texts."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """Give the values under a name."""
        place = self.header.index(name)
        return [row[place] for row in self.rows]

    def first(self, name: str) -> str:
        """Give the first value under a name, ``""`` if there is none."""
        return self.column(name)[0] if self.rows else ""

    def records(self) -> list[dict[str, str]]:
        """Give the rows as mappings from names to values."""
        return [dict(zip(self.header, row, strict=True)) for row in self.rows]


def show(title: str, value: str) -> list[str]:
    """Write the line that prints a frame under a title."""
    return [f'print_table("{title}", {value})']


def read_tables(output: str) -> Iterator[tuple[str, Grid]]:
    """Read all tables of an output, with their titles."""
    title, lines = "", list[tuple[str, ...]]()
    # "\r" and its like in a value end no line for the code that printed it.
    for line in [*output.split("\n"), ""]:
        if not line.strip():
            if title and lines:
                yield title, _grid(lines)
            title, lines = "", []
        elif title:
            lines.append(tuple(map(_cell, _CELL.findall(line))))
        elif line.startswith("# "):
            title = line[2:].strip()


def _grid(lines: list[tuple[str, ...]]) -> Grid:
    header, *rows = lines
    return Grid(header, tuple(row for row in rows if len(row) == len(header)))


def _cell(text: str) -> str:
    # Padding is plain spaces; a value's own, where they stand at an end, are escaped.
    if match := _PADDED.fullmatch(text):
        text = match[1]
    if text == "–":
        return ""
    return _ESCAPED.sub(lambda match: "\n" if match[1] == "n" else match[1], text)
