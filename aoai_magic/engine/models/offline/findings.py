"""Findings: what a recipe's code printed, read back as tables.

Each table is a line ``# title``, a line of tab-separated names and lines of values.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

LONGEST_CELL = 60
"""Characters of a value that an answer shows."""


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


_YEARLY = re.compile(r"year|period|^年|年度|年份", re.IGNORECASE)
"""Names of columns whose numbers take no comma."""

Findings = Mapping[str, Grid]


def read_findings(output: str) -> dict[str, Grid]:
    """Read all tables of an output, by title."""
    found: dict[str, Grid] = {}
    title, lines = None, list[tuple[str, ...]]()
    for row in _rows(output):
        if len(row) == 1 and row[0].startswith("# "):
            _add(found, title, lines)
            title, lines = row[0][2:], []
        elif not row:
            _add(found, title, lines)
            title, lines = None, []
        else:
            lines.append(row)
    _add(found, title, lines)
    return found


def _rows(output: str) -> Iterator[tuple[str, ...]]:
    # The "\r" of a value is not a line's end to the code that printed it.
    lines = (line + "\n" for line in output.split("\n"))
    for row in csv.reader(lines, delimiter="\t"):
        yield tuple(row) if any(row) else ()


def _add(found: dict[str, Grid], title: str | None, lines: Sequence[tuple[str, ...]]) -> None:
    if title is not None and lines:
        header, *rows = lines
        found[title] = Grid(header, tuple(row for row in rows if len(row) == len(header)))


def number(text: str | float) -> str:
    """Write a number for people: thousands apart, at most two decimals; other text as it is."""
    try:
        value = float(text)
    except ValueError:
        return plain(str(text))
    if value != value or value in (float("inf"), float("-inf")):
        return "–"
    if value and abs(value) < 0.01:
        return f"{value:.3g}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def percent(text: str | float) -> str:
    """Write a fraction as per cent with one decimal."""
    return f"{float(text) * 100:,.1f} %"


def signed(text: str | float) -> str:
    """Write a change as per cent with its sign."""
    try:
        return f"{float(text) * 100:+,.1f} %"
    except ValueError:
        return "–"


def plain(text: str, longest: int = LONGEST_CELL) -> str:
    """Make text of the data safe to stand in Markdown: one line, no markup, not too long."""
    text = " ".join(text.split())
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return re.sub(r"([\\`*\[\]<|])", r"\\\1", text)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table; cells are made safe here, numbers set to the right."""
    right = [all(_numeric(row[i]) for row in rows) for i in range(len(header))]
    amounts = [flag and not _YEARLY.search(n) for flag, n in zip(right, header, strict=True)]
    lines = [
        "| " + " | ".join(map(plain, header)) + " |",
        "|" + "|".join("---:" if flag else "---" for flag in right) + "|",
    ]
    for row in rows:
        cells = [number(v) if flag else plain(v) for v, flag in zip(row, amounts, strict=True)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _numeric(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", text)) or text in {"", "nan"}
