"""What a server says of a chart beside its picture: its title, its data, what draws it elsewhere.

It comes from code that a model wrote, so nothing of it is taken for granted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_CHARS = 4 << 20
LONGEST_TITLE = 200

Columns = Mapping[str, list[Any]]


@dataclass(frozen=True)
class Described:
    """A chart as its server describes it.

    Attributes
    ----------
    title
        Empty where it has none.
    tables
        The data by the table's name: values by the column's name.
    type, spec
        A MIME type and what it draws; empty for a picture alone.
    """

    title: str = ""
    tables: Mapping[str, Columns] = field(default_factory=dict)
    type: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)


def written(given: Any) -> str:
    """Return as text what a server says of a chart; nothing of what is too long or no object."""
    if not isinstance(given, dict) or not given:
        return ""
    try:
        text = json.dumps(given)
    except (ValueError, TypeError, RecursionError):
        return ""
    return text if len(text) <= MOST_CHARS else ""


def read(text: str) -> Described:
    """Read what `written` wrote; what makes no sense is left out."""
    return (read_figure(text, "") if text else None) or Described()


def read_figure(text: str, type_: str) -> Described | None:
    """Read a file that holds what draws a chart; None for what holds something else.

    Without a type the file holds what a server says of a chart.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict):
        return None
    return _described({"type": type_, "spec": given} if type_ else given)


def _described(given: Mapping[str, Any]) -> Described:
    spec = given.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    layout, tables = spec.get("layout"), given.get("tables")
    title = given.get("title") or spec.get("title")
    title = title or (layout.get("title") if isinstance(layout, dict) else "")
    title = title.get("text") if isinstance(title, dict) else title
    return Described(
        title=title[:LONGEST_TITLE] if isinstance(title, str) else "",
        tables=_tables(tables if isinstance(tables, list) else []),
        type=str(given.get("type") or "") if spec else "",
        spec=spec,
    )


def _tables(given: list[Any]) -> dict[str, Columns]:
    tables: dict[str, Columns] = {}
    for table in given:
        columns = table.get("columns") if isinstance(table, dict) else None
        if isinstance(columns, dict) and columns and _are_even(list(columns.values())):
            name = str(table.get("name") or "data")
            tables[name if name not in tables else f"{name} ({len(tables) + 1})"] = columns
    return tables


def _are_even(columns: list[Any]) -> bool:
    return all(isinstance(one, list) for one in columns) and len(set(map(len, columns))) == 1
