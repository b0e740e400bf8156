"""Frames that were written by an engine of their own, and are DataFrames in the session."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aoai_magic.frame_codec import labels
from aoai_magic.frame_codec.arrays import Beside, Spec


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
        Names of the index's levels.
    levels
        Columns of the table that are the index in pandas; none where that is a range.
    dtypes
        Columns that pandas would not give their dtype by itself (categoricals, texts),
        and that dtype.
    """

    source: str
    table: Any = field(repr=False)
    index: Sequence[Any] = (None,)
    dtypes: dict[str, Any] = field(default_factory=dict)
    levels: Sequence[str] = ()

    @property
    def empty(self) -> Any:
        """The DataFrame without its rows, for its dtypes."""
        table, header, beside = dump(self)
        return load(table.schema.empty_table(), header, beside)


def dump(value: Mapped) -> tuple[Any, Spec, Beside]:
    """Dump the frame."""
    dtypes = {column: labels.dump(_bare(dtype)) for column, dtype in value.dtypes.items()}
    names = [labels.dump(name) for name in value.index]
    return value.table, {"names": names, "levels": list(value.levels), "dtypes": dtypes}, {}


def _bare(dtype: Any) -> Any:
    """Return a dtype without what pandas keeps in it of earlier look-ups, which is pickled too.

    Equal frames would else differ in their bytes, and be sent again.
    """
    bare = copy.copy(dtype)
    getattr(bare, "__dict__", {}).pop("_cache", None)
    return bare


def load(table: Any, header: Spec, _: Beside) -> Any:
    """Build the DataFrame."""
    frame = table.to_pandas(ignore_metadata=True)
    for column, dtype in header["dtypes"].items():
        if frame[column].dtype != (wanted := labels.load(dtype)):
            frame[column] = frame[column].astype(wanted)
    if header["levels"]:
        frame = frame.set_index(header["levels"])
    frame.index.names = [labels.load(name) for name in header["names"]]
    return frame
