"""Tables that stand in an answer's Markdown, for answers that show a table and save none."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from aoai_magic.results.read_table import read_table

if TYPE_CHECKING:
    from markdown_it.token import Token

_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def read_markdown(text: str, library: str = "pandas") -> list[Any]:
    """Return the tables of a Markdown text, in order, as frames of ``library``.

    Values are as shown, which may be rounded. Thousands are ungrouped in columns of numbers
    alone; everything else is read as a CSV file is.
    """
    tables = (read_table(_as_csv(rows), "table.csv", library) for rows in table_rows(text))
    return [table for table in tables if table is not None]


def table_rows(text: str) -> list[list[list[str]]]:
    """Return the tables of a Markdown text as rows of words, the names of the columns first."""
    if "|" not in text:
        return []
    from markdown_it import MarkdownIt

    return list(_tables(MarkdownIt("commonmark", {"html": False}).enable("table").parse(text)))


def _tables(tokens: Sequence[Token]) -> Iterator[list[list[str]]]:
    rows: list[list[str]] = []
    for place, token in enumerate(tokens):
        if token.type == "table_open":
            rows = []
        elif token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            rows[-1].append(_words(tokens[place + 1]))
        elif token.type == "table_close" and len(rows) > 1:
            yield rows


def _words(cell: Token) -> str:
    """Return a cell's text without its marks, such as those of bold."""
    kinds = {"softbreak": " ", "hardbreak": " "}
    words = (kinds.get(child.type, child.content) for child in cell.children or [])
    return "".join(words).strip()


def _as_csv(rows: Sequence[Sequence[str]]) -> bytes:
    columns = [_ungrouped(column) for column in zip(*rows[1:], strict=True)]
    out = io.StringIO()
    csv.writer(out).writerows([rows[0], *zip(*columns, strict=True)])
    return out.getvalue().encode()


def _ungrouped(column: Sequence[str]) -> Sequence[str]:
    if not all(_GROUPED.fullmatch(cell) or _NUMBER.fullmatch(cell) for cell in column if cell):
        return column
    return [cell.replace(",", "") for cell in column]
