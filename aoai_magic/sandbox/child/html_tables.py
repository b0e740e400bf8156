"""Tables that are displayed as HTML, such as a Styler's, as the values that they show."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

_LARGEST, _WIDEST = 16 << 20, 1_000
_SILENT = ("script", "style", "template")


def as_csv(html: str) -> str:
    """Return the first table of an HTML text as CSV, one row of names first; "" without one."""
    parser = _Rows()
    parser.feed(html[:_LARGEST])
    parser.close()
    parser.end_cell()
    rows, heads = parser.rows, parser.heads
    width = max(map(len, rows), default=0)
    # A title or the name of a group is one cell over all columns.
    is_row = [len(row) == width and (width == 1 or len(set(map(id, row))) > 1) for row in rows]
    names = [row for row, head, sound in zip(rows, heads, is_row, strict=True) if head and sound]
    values = [row for row, head, sound in zip(rows, heads, is_row, strict=True) if sound > head]
    if not values:
        return ""
    out = io.StringIO()
    csv.writer(out).writerows([_joined(names, width), *map(_texts, values)])
    return out.getvalue()


def _texts(row: list[list[str]]) -> list[str]:
    return [re.sub(r"\s+", " ", "".join(cell)).strip() for cell in row]


def _joined(names: list[list[list[str]]], width: int) -> list[str]:
    """Return names in one row where several rows of them stand above the values."""
    if not names:
        return [f"column {number}" for number in range(1, width + 1)]
    columns = zip(*map(_texts, names), strict=True)
    return [" ".join(dict.fromkeys(filter(None, column))) for column in columns]


class _Rows(HTMLParser):
    """Gathers the cells of the first table; one that spans several places stands in each."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[list[str]]] = []
        self.heads: list[bool] = []
        self._tables = 0
        self._silent = 0
        self._cell: list[str] | None = None
        self._across, self._down = 1, 1
        self._below: dict[int, tuple[int, list[str]]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in _SILENT
        self._tables += tag == "table"
        if self._tables != 1 or self._silent:
            return
        if tag == "tr":
            self.end_cell()
            self.rows.append([])
            self.heads.append(True)
            self._fill()
        elif tag in ("td", "th") and self.rows:
            self.end_cell()
            self.heads[-1] &= tag == "th"
            self._cell = []
            spans = dict(attrs)
            self._across = _number(spans.get("colspan"), _WIDEST)
            self._down = _number(spans.get("rowspan"), 1 << 16)
        elif tag == "br":
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in _SILENT and self._silent > 0
        if tag in ("td", "th", "tr", "table") and self._tables == 1:
            self.end_cell()
        # Tables after the first are another thing.
        self._tables += tag == "table" and self._tables == 1

    def handle_data(self, data: str) -> None:
        if self._cell is not None and not self._silent:
            self._cell.append(data)

    def end_cell(self) -> None:
        """Put the open cell into its row."""
        if self._cell is None:
            return
        cell, self._cell = self._cell, None
        row = self.rows[-1]
        for _ in range(min(self._across, _WIDEST - len(row))):
            if self._down > 1:
                self._below[len(row)] = self._down - 1, cell
            row.append(cell)
        self._fill()

    def _fill(self) -> None:
        """Add what stands in the next place already, from a row above."""
        row = self.rows[-1]
        while len(row) in self._below:
            left, cell = self._below.pop(len(row))
            if left > 1:
                self._below[len(row)] = left - 1, cell
            row.append(cell)


def _number(text: str | None, most: int) -> int:
    return min(int(text), most) if text and text.isdecimal() and int(text) else 1
