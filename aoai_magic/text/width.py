"""Columns of plain text: a Chinese or Japanese character is as wide as two of Latin."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def width(text: str) -> int:
    """Count the columns that a line takes in a monospaced font."""
    marks = sum(unicodedata.combining(sign) > 0 for sign in text)
    wide = sum(unicodedata.east_asian_width(sign) in "FW" for sign in text)
    return len(text) - marks + wide


def pad(text: str, columns: int) -> str:
    """Fill a line with spaces on its right."""
    return text + " " * (columns - width(text))


def line(cells: Sequence[str], columns: Sequence[int]) -> str:
    """Write a line of a table; a negative number of columns puts a cell's text to the right."""
    filled = [
        pad(cell, wide) if wide > 0 else " " * (-wide - width(cell)) + cell
        for cell, wide in zip(cells, columns, strict=False)
    ]
    return "  ".join([*filled, *cells[len(columns) :]]).rstrip()
