"""What can be said of a frame: its columns, index and first rows, whatever its library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aoai_magic.frame_codec import Contents
from aoai_magic.frame_codec.mapped_values import Mapped

HEAD = 5
"""Rows that are shown."""

WIDE = 200
"""Columns of which rows are read at most; no card has room for more."""

_RANGED = frozenset({"numpy", "object", "masked", "arrow", "zoned", "string"})
"""Codecs whose Arrow values are the values themselves; periods are ordinals there."""


@dataclass(frozen=True)
class Column:
    """A column or a level of an index.

    Attributes
    ----------
    data
        A ``pyarrow.ChunkedArray`` of its values, or None where Arrow has no type for them;
        the others tell of such a column.
    nulls
        How many values are missing.
    ends
        The smallest and the largest value, where they have an order.
    categories
        All values that there may be, where these are known.
    """

    label: str
    dtype: str
    data: Any = None
    nulls: int = 0
    ends: tuple[object, object] | None = None
    categories: Sequence[object] = ()


@dataclass(frozen=True)
class Facts:
    """A frame described: its columns, the levels of its index, and its first rows."""

    columns: list[Column]
    index: list[Column]
    head: Callable[[], list[list[str]]]


def facts(value: Any, contents: Contents) -> Facts:
    """Describe `value`, which was taken apart into `contents`."""
    library, _, kind = contents.kind.partition(".")
    if library == "pandas":
        return _PANDAS[kind](value, contents)
    if library == "numpy":
        spec = contents.header.get("values", {})
        return Facts([Column("values", str(value.dtype), _data(contents, spec))], [], _no_rows)
    if library == "polars":
        return _polars(value, contents)
    if library == "pyarrow":
        return _arrow(contents.table)
    if isinstance(value, Mapped):
        return _mapped(value)
    return Facts([], [], _no_rows)


def _pandas_frame(frame: Any, contents: Contents) -> Facts:
    specs = contents.header["fields"]
    columns = [
        _pandas_column(str(label), series, contents, spec)
        for (label, series), spec in zip(frame.items(), specs, strict=True)
    ]
    return Facts(columns, _levels(frame.index, contents), lambda: _pandas_rows(frame))


def _pandas_column(label: str, values: Any, contents: Contents, spec: dict[str, Any]) -> Column:
    """Describe a Series or an Index of one level."""
    dtype = _pandas_dtype(values.dtype)
    if dtype == "geometry" and values.crs is not None:
        dtype = f"geometry[{values.crs.to_string()}]"
    data = _data(contents, spec)
    if data is not None:
        return Column(label, dtype, data)
    nulls = int(values.isna().sum())
    known = getattr(values.dtype, "categories", None)
    if known is not None:
        return Column(label, dtype, None, nulls, None, known)
    is_period = dtype.startswith("period") and nulls < len(values)
    ends = (values.min(), values.max()) if is_period else None
    return Column(label, dtype, None, nulls, ends)


def _pandas_dtype(dtype: Any) -> str:
    # A sparse dtype's text tells the fill value.
    return f"Sparse[{dtype.subtype}]" if hasattr(dtype, "fill_value") else str(dtype)


def _pandas_rows(frame: Any) -> list[list[str]]:
    top = frame.iloc[:HEAD, :WIDE]
    return [[str(top.iat[r, c]) for c in range(top.shape[1])] for r in range(len(top))]


def _pandas_series(series: Any, contents: Contents) -> Facts:
    label = "values" if series.name is None else str(series.name)
    column = _pandas_column(label, series, contents, contents.header["values"])
    head = [[str(value)] for value in series.iloc[:HEAD]]
    return Facts([column], _levels(series.index, contents), lambda: head)


def _pandas_index(index: Any, contents: Contents) -> Facts:
    return Facts([], _levels(index, contents), lambda: [[str(value)] for value in index[:HEAD]])


_PANDAS = {"DataFrame": _pandas_frame, "Series": _pandas_series, "Index": _pandas_index}


def _levels(index: Any, contents: Contents) -> list[Column]:
    spec = contents.header["index"]
    if "range" in spec:
        return []
    if "levels" not in spec:
        return [_pandas_column(_text(index.name), index, contents, spec["level"])]
    return [
        Column(_text(name), str(level.dtype), _data(contents, part))
        for name, level, part in zip(index.names, index.levels, spec["levels"], strict=True)
    ]


def _text(name: object) -> str:
    return "unnamed" if name is None else str(name)


def _data(contents: Contents, spec: dict[str, Any]) -> Any:
    # Of categories and of an index's levels, what they stand for is what counts.
    plain = "field" in spec and spec.get("categories", spec)["codec"] in _RANGED
    return contents.table.column(spec["field"]) if plain else None


def _arrow(table: Any) -> Facts:
    columns = [Column(label, str(data.type), data) for label, data in _named(table)]
    return Facts(columns, [], lambda: _arrow_rows(table))


def _mapped(value: Mapped) -> Facts:
    empty, table = value.empty, value.table
    columns = [Column(label, str(kind), table[label]) for label, kind in empty.dtypes.items()]
    kinds = empty.index.dtypes if empty.index.nlevels > 1 else [empty.index.dtype]
    index = [
        Column(_text(name), str(kind), table[level])
        for name, kind, level in zip(value.index, kinds, value.levels, strict=False)
    ]
    return Facts(columns, index, lambda: _arrow_rows(table.drop_columns(list(value.levels))))


def _named(table: Any) -> Iterator[tuple[str, Any]]:
    return zip(table.column_names, table.columns, strict=True)


def _arrow_rows(table: Any) -> list[list[str]]:
    columns = [column.slice(0, HEAD).to_pylist() for column in table.columns[:WIDE]]
    return [[str(value) for value in row] for row in zip(*columns, strict=True)]


def _polars(value: Any, contents: Contents) -> Facts:
    frame = value.to_frame() if contents.kind == "polars.Series" else value
    data = dict(_named(contents.table))
    columns = [
        Column(label, _polars_dtype(dtype), data.get(label), frame[label].null_count())
        for label, dtype in frame.schema.items()
    ]
    top = frame.head(HEAD)[:, :WIDE]
    return Facts(columns, [], lambda: [[str(v) for v in row] for row in top.rows()])


def _polars_dtype(dtype: Any) -> str:
    # An Enum's text lists its categories, which are values.
    text = str(dtype)
    return str(dtype.base_type().__name__) if "Enum" in text else text


def _no_rows() -> list[list[str]]:
    return []
