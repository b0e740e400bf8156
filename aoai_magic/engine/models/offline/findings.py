"""Findings: what a recipe's code printed, by title, and how an answer writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aoai_magic.engine.models.offline.printing import Grid, read_tables

LONGEST_CELL = 60
"""Characters of a value that an answer shows."""

_NAMING = re.compile(
    r"\b(year|yr|period|peak|week|id|no|code|zip|postcode|key|index)\b|^年(?![齢齡収])|期間|年度|年份|番号|編號|コード|代碼",
    re.IGNORECASE,
)
"""Names of columns whose numbers are names: no comma in them, and not set to the right."""

Findings = Mapping[str, Grid]


def read_findings(output: str) -> dict[str, Grid]:
    """Read all tables of an output, by title."""
    return dict(read_tables(output))


def number(text: str | float) -> str:
    """Write a number for people: thousands apart, at most two decimals; other text as it is."""
    if text == "":
        return "–"
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
    """Write a Markdown table; cells are made safe here, amounts set to the right."""
    columns = [[row[place] for row in rows] for place in range(len(header))]
    amounts = [_is_amount(name, column) for name, column in zip(header, columns, strict=True)]
    lines = [
        "| " + " | ".join(map(plain, header)) + " |",
        "|" + "|".join("---:" if flag else "---" for flag in amounts) + "|",
    ]
    for row in rows:
        cells = [number(v) if flag else plain(v) for v, flag in zip(row, amounts, strict=True)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _is_amount(name: str, column: Sequence[str]) -> bool:
    if _NAMING.search(re.sub(r"_|(?<=[a-z])(?=[A-Z])", " ", name)):
        return False
    return any(column) and all(text in {"", "–", "…"} or _numeric(text) for text in column)


def _numeric(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]?[\d,]*\d(\.\d+)?(e[-+]?\d+)?( %)?", text))
