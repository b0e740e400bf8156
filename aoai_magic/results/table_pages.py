"""Pages of a table that came back, sorted and filtered, as texts for a grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from aoai_magic.results.cell_value import cell_value

LONGEST = 500
"""Characters of a cell that a grid is given; a longer one ends with an ellipsis."""


class Order(NamedTuple):
    """Which rows there are, and in which order.

    ``sort`` is the place of a column, None for the table's own order; ``words`` is a text that
    some cell of the row holds, without regard to case.
    """

    sort: int | None = None
    descending: bool = False
    words: str = ""


class TablePages:
    """A table that is looked at in pages."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._order = Order()
        self._places: pa.Array | None = None

    def columns(self) -> list[dict[str, Any]]:
        """Return the columns: ``name``, and whether they hold numbers."""
        fields = self.table.schema
        return [{"name": str(one.name), "isNumber": _is_number(one.type)} for one in fields]

    def count(self, order: Order) -> int:
        """Return the number of rows that there are in that order."""
        places = self._sorted(order)
        return self.table.num_rows if places is None else len(places)

    def rows(self, order: Order, offset: int, limit: int) -> list[list[str]]:
        """Return at most ``limit`` rows from ``offset`` on, as texts; nulls are empty."""
        places = self._sorted(order)
        page: Iterable[pa.ChunkedArray]
        if places is None:
            page = map(_texts, self.table.slice(offset, limit).columns)
        else:
            page = (_taken(one, places.slice(offset, limit)) for one in self.table.columns)
        columns = [[_shortened(text) for text in one.to_pylist()] for one in page]
        return [list(row) for row in zip(*columns, strict=True)]

    def _sorted(self, order: Order) -> pa.Array | None:
        """Return the places of the rows; None where all stand as they are."""
        if order != self._order:
            self._places, self._order = self._arranged(order), order
        return self._places

    def _arranged(self, order: Order) -> pa.Array | None:
        places = None
        if order.words and self.table.num_columns:
            found = reduce(pc.or_, self._matches(order.words))
            places = pc.indices_nonzero(found)
        if order.sort is None:
            return places
        keys = _sortable(self.table.column(order.sort))
        keys = keys if places is None else keys.take(places)
        direction = "descending" if order.descending else "ascending"
        sorted_ = pc.sort_indices(keys, sort_keys=[("", direction)])
        return sorted_ if places is None else places.take(sorted_)

    def _matches(self, words: str) -> Iterator[pa.ChunkedArray]:
        for column in self.table.columns:
            found = pc.match_substring(_texts(column), words, ignore_case=True)
            yield pc.fill_null(found, False)


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        texts = pc.cast(column, pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # Lists, bytes that are no text, and the like.
        return pa.chunked_array([pa.array(map(_text, column), pa.large_string())])
    if pa.types.is_timestamp(column.type):
        return pc.replace_substring_regex(texts, r"\.0+($|[Z+-])", r"\1")
    return texts


def _taken(column: pa.ChunkedArray, places: pa.Array) -> pa.ChunkedArray:
    try:
        return _texts(column.take(places))
    except pa.ArrowNotImplementedError:  # views of texts, and run-end encoded ones
        return _texts(column).take(places)


def _text(scalar: pa.Scalar) -> str | None:
    value = cell_value(scalar)
    return None if value is None else str(value)


def _sortable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_float16(kind):  # has no order of its own, nor a cast everywhere
        return pa.chunked_array([pa.array(column.to_pylist(), pa.float32())])
    is_span = pa.types.is_interval(kind)
    has_order = _is_number(kind) or pa.types.is_temporal(kind) or pa.types.is_boolean(kind)
    return column if has_order and not is_span else _texts(column)


def _is_number(kind: pa.DataType) -> bool:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(is_kind(kind) for is_kind in kinds)


def _shortened(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
