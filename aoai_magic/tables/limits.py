"""How large a table may be."""

from __future__ import annotations

MOST_BYTES = 512 << 20
"""Size that the table of any file may have."""

MOST_COLUMNS = 20_000

MOST_CELLS = 500_000_000
"""Cells of a table, which take up memory even where they hold nothing."""

MOST_SLOW_CELLS = 20_000_000
"""Cells of JSON or of a sheet, which are Python objects first."""

MOST_UNPACKED = 64 << 20
MOST_RATIO = 200
"""How large, or how many times as large as itself, a packed file may become."""


def most_unpacked(size: int) -> int:
    """Return the bytes that a packed file of `size` may become."""
    return min(MOST_BYTES, max(MOST_UNPACKED, size * MOST_RATIO))
