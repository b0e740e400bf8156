"""JSON that came back, where it is a table in one of the forms that pandas writes.

``[{…}, …]`` (records), ``{"a": […], …}`` (lists), ``{"a": {"0": …}, …}`` (columns, what
``to_json`` writes unasked), ``{"columns": […], "data": [[…], …]}`` (split) and
``{"schema": {…}, "data": [{…}, …]}`` (table).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aoai_magic.results.decode_arrow import MOST_COLUMNS
from aoai_magic.results.read_csv import dated, dated_polars

Frame = Any

MOST_JSON = 64 << 20
"""Bytes of JSON, whose values take ten times their text in memory."""

MOST_CELLS = 20_000_000
"""Cells of JSON records or of a sheet, empty ones included."""


def read_json(data: bytes, library: str) -> Frame:
    """Read JSON as a DataFrame of pandas or polars; None for what is no table."""
    if len(data) > MOST_JSON:
        return None
    return _frame(json.loads(data), library)


def read_lines(data: bytes, library: str) -> Frame:
    """Read JSON lines in the same way."""
    if len(data) > MOST_JSON:
        return None
    rows = [json.loads(line) for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    return _frame(rows, library)


def _frame(value: Any, library: str) -> Frame:
    if isinstance(value, list):
        return _of_records(value, library) if _are_records(value) else None
    if not isinstance(value, dict):
        return None
    if {"columns", "data"} <= value.keys() <= {"columns", "data", "index", "name"}:
        return _of_split(value, library)
    if value.keys() == {"schema", "data"} and _are_records(value["data"]):
        return _of_table(value, library)
    if _are_columns(value, dict) and len({tuple(column) for column in value.values()}) == 1:
        rows = list(next(iter(value.values())))
        columns = {name: list(column.values()) for name, column in value.items()}
        return _of_columns(columns, rows, library)
    if _are_columns(value, list) and len({len(column) for column in value.values()}) == 1:
        return _of_columns(value, (), library)
    return None


def _are_records(value: object) -> bool:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        return False
    # Each row may bring a name of its own, and every row gets a cell for it.
    names = set().union(*value)
    return bool(names) and len(names) <= MOST_COLUMNS and len(names) * len(value) <= MOST_CELLS


def _are_columns(value: dict[str, Any], kind: type) -> bool:
    return 0 < len(value) <= MOST_COLUMNS and all(isinstance(c, kind) for c in value.values())


def _of_records(value: list[Any], library: str) -> Frame:
    if library == "polars":
        import polars as pl

        return dated_polars(pl.from_dicts(value, infer_schema_length=None))
    import pandas as pd

    return dated(pd.DataFrame(value))


def _of_columns(columns: dict[str, Any], rows: Sequence[Any], library: str) -> Frame:
    """Make a frame of columns; ``rows`` are the labels of its rows, where it has any."""
    counted = list(map(str, rows)) == list(map(str, range(len(rows))))
    if library == "polars":
        import polars as pl

        named = {} if counted else {"index": list(rows)}
        return dated_polars(pl.DataFrame({**named, **columns}, strict=False))
    import pandas as pd

    # Keys of objects are texts, also where the labels were numbers.
    whole = all(str(row).removeprefix("-").isdecimal() for row in rows)
    index = None if counted else pd.Index([int(row) for row in rows] if whole else list(rows))
    return dated(pd.DataFrame(columns, index=index))


def _of_split(value: dict[str, Any], library: str) -> Frame:
    labels, rows = value["columns"], value["data"]
    if not isinstance(labels, list) or not isinstance(rows, list) or not labels:
        return None
    if len(labels) > MOST_COLUMNS or any(len(row) != len(labels) for row in rows):
        return None
    names = [" ".join(map(str, n)) if isinstance(n, list) else str(n) for n in labels]
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    index = value.get("index") or ()
    return _of_columns(columns, index if len(index) == len(rows) else (), library)


def _of_table(value: dict[str, Any], library: str) -> Frame:
    """Read pandas' table schema; its row numbers are no column."""
    frame = _of_records(value["data"], library)
    if "index" in frame.columns and list(frame["index"]) == list(range(len(frame))):
        return frame.drop(columns="index") if hasattr(frame, "iloc") else frame.drop("index")
    return frame
