"""Which values can be packed, and by whom.

A value's library is looked up in ``sys.modules``: a value of a library that was never
imported cannot exist, so nothing is imported to find out what a value is.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aoai_magic.frame_codec import (
    arrow_values,
    file_format,
    mapped_values,
    numpy_values,
    pandas_values,
    pickled_values,
    portable,
)
from aoai_magic.frame_codec.portable import Loss

Dump = Callable[[Any], tuple[Any, dict[str, Any], Any]]
Load = Callable[[Any, dict[str, Any], Any], Any]


@dataclass(frozen=True)
class Kind:
    """A type of value: its module and name, and how it is taken apart and put together.

    ``shape`` gives rows and columns without looking at the data. ``by_columns`` says that
    ``load`` wants nothing of the table but one column after the other.
    """

    module: str
    name: str
    shape: Callable[[Any], tuple[int, int]]
    dump: Dump
    load: Load
    by_columns: bool = False

    @property
    def full_name(self) -> str:
        """Module and name, as in the header."""
        return f"{self.module}.{self.name}"

    def matches(self, value: object) -> bool:
        """Return whether `value` is of this type; imports nothing."""
        kind = getattr(sys.modules.get(self.module), self.name, None)
        return isinstance(kind, type) and isinstance(value, kind)


@dataclass(frozen=True)
class Contents:
    """A value taken apart: what `pack` writes and what a fingerprint is made of.

    Attributes
    ----------
    kind
        Type of the value, such as ``pandas.DataFrame``.
    rows, columns
        Its size.
    table
        A ``pyarrow.Table`` that shares memory with the value where it can.
    header
        What else is needed to build the value again, JSON.
    losses
        What could not be taken as it is, for `contents` with ``for_session``.
    """

    kind: str
    rows: int
    columns: int
    table: Any
    header: dict[str, Any]
    losses: tuple[Loss, ...] = ()


def _flat(value: Any) -> tuple[int, int]:
    return len(value), 1


def _frame(value: Any) -> tuple[int, int]:
    return value.shape[0], value.shape[1]


def _table(value: Any) -> tuple[int, int]:
    return value.num_rows, value.num_columns


def _mapped(value: Any) -> tuple[int, int]:
    rows, columns = _table(value.table)
    return rows, columns - len(value.levels)


def _array(value: Any) -> tuple[int, int]:
    rows = len(value) if value.ndim else 1
    return rows, value.size // rows if rows else 0


def _matrix(value: Any) -> tuple[int, int]:
    return (value.shape[0], value.shape[1]) if len(value.shape) == 2 else (value.shape[0], 1)


def _labelled(value: Any) -> tuple[int, int]:
    """Count the cells of the axes (xarray), and the arrays over them."""
    sizes = value.sizes.values()
    return math.prod(sizes), len(getattr(value, "data_vars", "1"))


_PANDAS = pandas_values
_ARROW = arrow_values

KINDS = (
    Kind("pandas", "DataFrame", _frame, _PANDAS.dump_frame, _PANDAS.load_frame, True),
    Kind("pandas", "Series", _flat, _PANDAS.dump_series, _PANDAS.load_series, True),
    Kind("pandas", "Index", _flat, _PANDAS.dump_index, _PANDAS.load_index, True),
    Kind("polars", "DataFrame", _frame, _ARROW.dump_polars, _ARROW.load_polars),
    Kind("polars", "Series", _flat, _ARROW.dump_polars_series, _ARROW.load_polars_series),
    Kind("pyarrow", "Table", _table, _ARROW.dump_table, _ARROW.load_table),
    Kind("pyarrow", "RecordBatch", _table, _ARROW.dump_batch, _ARROW.load_batch),
    Kind("numpy", "ndarray", _array, numpy_values.dump, numpy_values.load, True),
    Kind("scipy.sparse", "sparray", _matrix, pickled_values.dump, pickled_values.load),
    Kind("scipy.sparse", "spmatrix", _matrix, pickled_values.dump, pickled_values.load),
    Kind("xarray", "Dataset", _labelled, pickled_values.dump, pickled_values.load),
    Kind("xarray", "DataArray", _labelled, pickled_values.dump, pickled_values.load),
    Kind(mapped_values.__name__, "Mapped", _mapped, mapped_values.dump, mapped_values.load),
)

_BY_NAME = {kind.full_name: kind for kind in KINDS}


def find(value: object) -> Kind | None:
    """Return the kind that packs `value`, or None."""
    return next((kind for kind in KINDS if kind.matches(value)), None)


def shape(value: object) -> tuple[int, int] | None:
    """Return rows and columns of a value that can be packed, without looking at its data."""
    kind = find(value)
    return kind.shape(value) if kind else None


def supported(value: object) -> bool:
    """Return whether `pack` takes `value`; fast, imports nothing, looks at no data."""
    return find(value) is not None


def contents(value: object, *, for_session: bool = False) -> Contents:
    """Return the parts of `value`.

    With ``for_session`` the parts of it that a session cannot load, since only this process
    knows their classes, are replaced and named; see `portable`.

    Raises
    ------
    TypeError
        No kind packs it.
    """
    kind = find(value)
    if kind is None:
        raise TypeError(f"A {type(value).__name__} cannot be packed.")
    with ExitStack() as stack:
        losses = stack.enter_context(portable.collecting()) if for_session else {}
        table, header, beside = kind.dump(value)
    whole = file_format.enclose(table, beside)
    return Contents(kind.full_name, *kind.shape(value), whole, header, tuple(losses))


def _untold(_: int) -> None:
    """Ignore it."""


def pack(value: object, name: str, folder: Path, tick: Callable[[int], object] = _untold) -> Path:
    """Write `value` to ``folder/<name>.arrow``.

    Parameters
    ----------
    value
        A value that `supported` accepts, or the `Contents` of one.
    name
        Name of the variable, a Python identifier.
    folder
        An existing folder.
    tick
        Told the bytes of each batch once written; what it raises ends the packing, and
        leaves nothing behind.

    Returns
    -------
    Path
        The file, which was replaced whole if it was there.

    Raises
    ------
    TypeError
        The value is of no kind that can be packed.
    ValueError
        The name is no identifier; it becomes part of a path.
    """
    if not name.isidentifier():
        raise ValueError(f"{name!r} is no name of a variable.")
    parts = value if isinstance(value, Contents) else contents(value)
    head = {"name": name, "kind": parts.kind, "rows": parts.rows, "columns": parts.columns}
    path = folder / f"{name}.arrow"
    file_format.write(path, parts.table, {**head, "value": parts.header}, tick)
    return path


def unpack(path: Path) -> object:
    """Return the value of a parcel again, equal in dtypes, labels, index and nulls.

    Raises
    ------
    ValueError
        The file is no parcel, or one of a newer version.
    """
    stored = file_format.Stored(path)
    kind = _BY_NAME[stored.header["kind"]]
    columns = stored if kind.by_columns else stored.table()
    return kind.load(columns, stored.header["value"], stored.beside())
