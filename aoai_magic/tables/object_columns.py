"""Python objects out of JSON and workbooks → Arrow columns."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from aoai_magic.tables import text_columns
from aoai_magic.tables.text_columns import Column

_ERRORS = ("#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!")
_EXACT = 1 << 53


def json_column(values: Sequence[Any]) -> Column:
    """Return values of JSON, texts that are all times in ISO form as times."""
    import pyarrow as pa

    column = _array(values)
    if column.why or not pa.types.is_string(column.values.type):
        return column
    if column.values.null_count == len(column.values):
        return column
    return text_columns.read_times(column.values) or column


def cell_column(values: Sequence[Any]) -> Column:
    """Return values of cells; whole numbers, which workbooks do not tell apart, as such."""
    import pyarrow as pa

    present = [value for value in values if value is not None and value != ""]
    words = (*text_columns.WORDS, *_ERRORS)
    others = [value for value in present if not (isinstance(value, str) and value in words)]
    if others and not any(isinstance(value, str) for value in others):
        present = others
    if not present:
        return Column(pa.nulls(len(values), pa.float64()), "empty")
    kept = set(map(type, present))
    plain = [value if type(value) in kept and value != "" else None for value in values]
    if kept == {float} and all(v.is_integer() and abs(v) < _EXACT for v in present):
        plain = [None if value is None else int(value) for value in plain]
    elif kept == {dt.date, dt.datetime}:
        plain = [_moment(value) for value in plain]
    return _array(plain)


def _moment(value: Any) -> Any:
    is_day = isinstance(value, dt.date) and not isinstance(value, dt.datetime)
    return dt.datetime.combine(value, dt.time()) if is_day else value


def _array(values: Sequence[Any]) -> Column:
    import pyarrow as pa

    try:
        return Column(pa.array(values), "number")
    except (pa.ArrowException, OverflowError, UnicodeError):
        texts = pa.array([_text(value) for value in values], pa.string())
        return Column(texts, "text", why="mixed")


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return text.encode("utf-8", "replace").decode()
