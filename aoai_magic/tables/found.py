"""A table that was read, and what its reader found out on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Facts:
    """What a reader found out, all of it plain JSON.

    Attributes
    ----------
    name
        Of the sheet; empty where a file holds one table.
    rows, whole
        Rows that were read, and whether these are all that the file has.
    encoding, guessed
        The text's encoding by its usual name, and whether it is a guess.
    skipped
        Lines above the header.
    labels
        For each column after the index its label in each header row, if there are several.
    level_names
        Names of the header rows, "" for none.
    index
        Number of columns, from the first, that are the index.
    index_names
        Their names, "" for none.
    filled
        Columns in which the value of merged cells was repeated downwards.
    numbered
        Whether a first column of row numbers was left out.
    kept
        Columns that stay text, by why: ``code``, ``long``, ``separator``, ``mixed``; and
        ``offsets``: columns of times that were converted to UTC.
    uncomputed
        Cells with formulas whose values the workbook does not hold.
    pandas
        Keywords with which pandas reads the same table.
    """

    name: str = ""
    rows: int = 0
    whole: bool = True
    encoding: str = ""
    guessed: bool = False
    skipped: int = 0
    labels: tuple[tuple[str, ...], ...] = ()
    level_names: tuple[str, ...] = ()
    index: int = 0
    index_names: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    numbered: bool = False
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    uncomputed: int = 0
    pandas: Mapping[str, Any] = field(default_factory=dict)

    def encode(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Found:
    """An Arrow table and the facts on it."""

    table: Any
    facts: Facts
