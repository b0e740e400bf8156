"""A frame's column of texts, as a document whose passages are its rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aoai_magic.attach import frames


def find(text: str, namespace: Mapping[str, object]) -> tuple[str, Any] | None:
    """Return the name ``FRAME.COLUMN`` and the column; None where it names none."""
    name, dot, column = text.partition(".")
    frame: Any = frames.native(namespace.get(name))
    columns = getattr(frame, "columns", None)
    if not dot or columns is None or column not in list(columns):
        return None
    return text, frame[column]


def write(column: Any, path: Path) -> Path:
    """Write JSON lines, each with ``row``, the label or the number, and ``text``."""
    with path.open("w", encoding="utf-8") as file:
        for row, text in _rows(column):
            line = json.dumps({"row": str(row), "text": text}, ensure_ascii=False)
            file.write(f"{line}\n")
    return path


def _rows(column: Any) -> Iterator[tuple[object, str]]:
    """Yield labels and texts; what is no text is left out."""
    rows = column.items() if hasattr(column, "items") else enumerate(column)
    return ((row, text) for row, text in rows if isinstance(text, str))
