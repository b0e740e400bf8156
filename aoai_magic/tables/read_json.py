"""JSON → Arrow, where it is a table in one of the forms that pandas writes.

``[{…}, …]`` (records), ``{"a": […], …}`` (lists), ``{"a": {"0": …}, …}`` (columns, what
``to_json`` writes unasked), ``{"columns": […], "data": [[…], …]}`` (split) and
``{"schema": {…}, "data": [{…}, …]}`` (table).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aoai_magic.tables.errors import NoTable
from aoai_magic.tables.found import Facts, Found
from aoai_magic.tables.limits import MOST_COLUMNS, MOST_SLOW_CELLS
from aoai_magic.tables.object_columns import json_column
from aoai_magic.tables.read_csv import kept
from aoai_magic.tables.text_columns import unique_names

_MOST_BYTES = 64 << 20
"""Bytes of JSON, whose values take ten times their text in memory."""


def read_json(data: bytes) -> Found:
    """Read JSON; raise `NoTable` for what is no table."""
    return _found(_loaded(data))


def read_lines(data: bytes, *, whole: bool = True) -> Found:
    """Read JSON lines in the same way; with ``whole`` false the first of them."""
    text = _bounded(data).decode("utf-8-sig", "strict" if whole else "ignore")
    lines = text if whole else text[: text.rfind("\n") + 1]
    rows = [_loaded(line) for line in lines.split("\n") if line.strip()]
    return _found(rows, whole=whole)


def _bounded(data: bytes) -> bytes:
    if len(data) > _MOST_BYTES:
        raise NoTable("too large")
    return data


def _loaded(data: bytes | str) -> Any:
    try:
        return json.loads(_bounded(data) if isinstance(data, bytes) else data)
    except (ValueError, RecursionError) as error:
        raise NoTable("broken") from error


def _found(value: Any, *, whole: bool = True) -> Found:
    if isinstance(value, list):
        return _of_records(value, whole)
    if not isinstance(value, dict) or not value:
        raise NoTable("not a table")
    if {"columns", "data"} <= value.keys() <= {"columns", "data", "index", "name"}:
        return _of_split(value)
    if value.keys() == {"schema", "data"}:
        return _of_records(value["data"], whole, is_written=True)
    if _are_columns(value, dict) and len({tuple(column) for column in value.values()}) == 1:
        rows = list(next(iter(value.values())))
        columns = [list(column.values()) for column in value.values()]
        return _table(list(value), columns, rows)
    if _are_columns(value, list) and len({len(column) for column in value.values()}) == 1:
        return _table(list(value), list(value.values()), ())
    raise NoTable("not a table")


def _are_columns(value: dict[str, Any], kind: type) -> bool:
    return 0 < len(value) <= MOST_COLUMNS and all(isinstance(c, kind) for c in value.values())


def _of_records(rows: Any, whole: bool, *, is_written: bool = False) -> Found:
    """Read rows; ``is_written`` says that their row numbers stand in a column ``index``."""
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise NoTable("not a table")
    names = list(dict.fromkeys(name for row in rows for name in row))
    # Each row may bring a name of its own, and every row gets a cell for it.
    if not names or len(names) > MOST_COLUMNS or len(names) * len(rows) > MOST_SLOW_CELLS:
        raise NoTable("too large" if names else "not a table")
    columns = {name: [row.get(name) for row in rows] for name in names}
    if is_written and columns.get("index") == list(range(len(rows))) and len(names) > 1:
        del columns["index"]
    return _table(list(columns), list(columns.values()), (), whole)


def _of_split(value: dict[str, Any]) -> Found:
    labels, rows = value["columns"], value["data"]
    if not isinstance(labels, list) or not isinstance(rows, list) or not labels:
        raise NoTable("not a table")
    if len(labels) > MOST_COLUMNS or not all(
        isinstance(row, list) and len(row) == len(labels) for row in rows
    ):
        raise NoTable("not a table")
    columns = [[row[place] for row in rows] for place in range(len(labels))]
    index = value.get("index") or ()
    index = index if isinstance(index, list) and len(index) == len(rows) else ()
    return _table(labels, columns, index)


def _table(
    labels: Sequence[Any], columns: Sequence[Sequence[Any]], rows: Sequence[Any], whole: bool = True
) -> Found:
    """Make a table of columns; ``rows`` are the labels of its rows, where it has any."""
    import pyarrow as pa

    several = all(isinstance(label, list) and label for label in labels)
    levels = tuple(tuple(map(str, label)) for label in labels) if several else ()
    flat = [" ".join(label) for label in levels] or [str(label) for label in labels]
    index = [] if list(map(str, rows)) == list(map(str, range(len(rows)))) else [_labels(rows)]
    names = unique_names(["index"] * len(index) + flat)
    read = [json_column(column) for column in [*index, *columns]]
    facts = Facts(
        rows=len(columns[0]),
        whole=whole,
        labels=levels,
        level_names=("",) * len(levels[0]) if levels else (),
        index=len(index),
        index_names=("",) * len(index),
        kept=kept(names, read),
    )
    return Found(pa.table([column.values for column in read], names), facts)


def _labels(rows: Sequence[Any]) -> list[Any]:
    # Keys of objects are texts, also where the labels were numbers.
    whole = all(str(row).removeprefix("-").isdecimal() for row in rows)
    return [int(row) for row in rows] if whole else list(rows)
