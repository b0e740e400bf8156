"""The data in what draws a chart elsewhere: specifications of Vega-Lite and figures of Plotly.

They come from code that a model wrote. Values are only taken out here; they become frames in
the process that reads every other table, see `aoai_magic.results.read_table`.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from aoai_magic.turn.chart import Described

Values = Mapping[str, list[Any]] | list[Any]

# What a trace of Plotly draws, value by value.
_DRAWN = (
    *("x", "y", "z", "labels", "parents", "values", "open", "high", "low", "close"),
    *("lat", "lon", "locations", "r", "theta", "a", "b", "c"),
)
# Plotly writes arrays as the bytes of these types.
_TYPES = {"f8": "d", "f4": "f", "i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I"}
_TYPES |= {"i8": "q", "u8": "Q"}
_MOST_TRACES = 500


def tables(described: Described) -> dict[str, Values]:
    """Return the data of a chart by the table's name, as columns of values or as records."""
    if described.tables:
        return dict(described.tables)
    if "plotly" in described.type:
        columns = _plotly(described.spec)
        return {"data": columns} if columns else {}
    return dict(_vega(described.spec))


def _vega(spec: Mapping[str, Any]) -> Iterator[tuple[str, Values]]:
    datasets, data = spec.get("datasets"), spec.get("data")
    for name, rows in datasets.items() if isinstance(datasets, dict) else ():
        if isinstance(rows, list) and rows:
            yield str(name), rows
    rows = data.get("values") if isinstance(data, dict) else None
    if isinstance(rows, list) and rows:
        yield "data", rows


def _plotly(figure: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the traces below each other, with their names where there are several."""
    given = figure.get("data")
    traces = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    drawn = [(_name(trace, n), _columns(trace)) for n, trace in enumerate(traces, 1)]
    drawn = [(name, columns) for name, columns in drawn[:_MOST_TRACES] if columns]
    kinds = [kind for kind in _DRAWN if any(kind in columns for _, columns in drawn)]
    heads = {kind: _title(figure, kind) or kind for kind in kinds}
    if len(set(heads.values())) < len(heads):
        heads = {kind: kind for kind in kinds}
    table: dict[str, list[Any]] = {head: [] for head in heads.values()}
    series: list[str] = []
    for name, columns in drawn:
        count = len(next(iter(columns.values())))
        series += [name] * count
        for kind, head in heads.items():
            table[head] += columns.get(kind, [None] * count)
    return {"series": series, **table} if len(drawn) > 1 else table


def _name(trace: Mapping[str, Any], number: int) -> str:
    name = trace.get("name")
    return name if isinstance(name, str) and name else f"trace {number}"


def _columns(trace: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return what a trace draws, where all of it is as long; else nothing."""
    found = {kind: values for kind in _DRAWN if (values := _array(trace.get(kind))) is not None}
    flat = all(not isinstance(value, list | dict) for one in found.values() for value in one)
    return found if flat and len(set(map(len, found.values()))) == 1 else {}


def _array(given: Any) -> list[Any] | None:
    if isinstance(given, list):
        return given
    kind = given.get("dtype") if isinstance(given, dict) else None
    if not isinstance(kind, str) or kind not in _TYPES or "shape" in given:
        return None
    try:
        data = base64.b64decode(given.get("bdata", ""), validate=True)
        return [value for (value,) in struct.iter_unpack(f"<{_TYPES[kind]}", data)]
    except (TypeError, binascii.Error, struct.error):
        return None


def _title(figure: Mapping[str, Any], axis: str) -> str:
    """Return the title of the axis ``x`` or ``y``."""
    layout = figure.get("layout")
    found = layout.get(f"{axis}axis") if isinstance(layout, dict) else None
    title = found.get("title") if isinstance(found, dict) else None
    text = title.get("text") if isinstance(title, dict) else title
    return text if isinstance(text, str) else ""
