"""Frames that were written by an engine of their own, and are DataFrames in the session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aoai_magic.parcel import labels
from aoai_magic.parcel.arrays import Beside, Spec


@dataclass(frozen=True)
class Mapped:
    """A table that stays on disk, and what pandas makes of it.

    Attributes
    ----------
    source
        What it was made of, such as ``dask.DataFrame``.
    table
        A ``pyarrow.Table``, usually one that is mapped from a file.
    index
        Name of the index.
    dtypes
        Columns that pandas would not give their dtype by itself (categoricals, texts),
        and that dtype.
    """

    source: str
    table: Any = field(repr=False)
    index: Any = None
    dtypes: dict[str, Any] = field(default_factory=dict)

    @property
    def levels(self) -> list[str]:
        """Columns of the table that are the index in pandas."""
        described = (self.table.schema.pandas_metadata or {}).get("index_columns", [])
        return [level for level in described if isinstance(level, str)]

    @property
    def empty(self) -> Any:
        """The DataFrame without its rows, for its dtypes."""
        table, header, beside = dump(self)
        return load(table.schema.empty_table(), header, beside)


def dump(value: Mapped) -> tuple[Any, Spec, Beside]:
    """Take the frame apart."""
    dtypes = {column: labels.dump(dtype) for column, dtype in value.dtypes.items()}
    return value.table, {"index_name": labels.dump(value.index), "dtypes": dtypes}, {}


def load(table: Any, header: Spec, _: Beside) -> Any:
    """Build the DataFrame."""
    frame = table.to_pandas()
    for column, dtype in header["dtypes"].items():
        if frame[column].dtype != (wanted := labels.load(dtype)):
            frame[column] = frame[column].astype(wanted)
    frame.index.name = labels.load(header["index_name"])
    return frame
