"""Tables of pyarrow and polars, which are Arrow already, and back."""

from __future__ import annotations

from typing import Any

from aoai_magic.parcel import envelope
from aoai_magic.parcel.arrays import Beside, Spec


def dump_table(table: Any) -> tuple[Any, Spec, Beside]:
    """Take a ``pyarrow.Table`` apart; its own metadata stays in its schema."""
    return table, {}, {}


def load_table(table: Any, _: Spec, __: Beside) -> Any:
    """Give the table."""
    return table


def dump_batch(batch: Any) -> tuple[Any, Spec, Beside]:
    """Take a ``pyarrow.RecordBatch`` apart."""
    import pyarrow as pa

    return pa.Table.from_batches([batch]), {}, {}


def load_batch(table: Any, _: Spec, __: Beside) -> Any:
    """Give the batch."""
    return envelope.batches(table.combine_chunks())[0]


def dump_polars(frame: Any) -> tuple[Any, Spec, Beside]:
    """Take a polars DataFrame apart; columns with no type of Arrow's are pickled."""
    import polars as pl

    beside = {name: frame[name] for name in frame.columns if not _has_arrow_type(frame[name])}
    for name, series in beside.items():
        if series.dtype == pl.Object:  # polars cannot pickle these itself
            beside[name] = series.to_list()
    table = frame.drop(list(beside)).to_arrow(compat_level=pl.CompatLevel.oldest())
    return table, {"order": frame.columns}, beside


def _has_arrow_type(series: Any) -> bool:
    import polars as pl
    import pyarrow as pa

    if series.dtype == pl.Object:  # would be sent as pointers
        return False
    try:
        series.clear().to_arrow(compat_level=pl.CompatLevel.oldest())
    except (pl.exceptions.PolarsError, pa.ArrowException):  # such as Int128
        return False
    return True


def load_polars(table: Any, header: Spec, beside: Beside) -> Any:
    """Build the polars DataFrame again."""
    import polars as pl

    frame: Any = pl.from_arrow(table)
    series = {name: frame[name] for name in frame.columns}
    for name, values in beside.items():
        is_list = isinstance(values, list)
        series[name] = pl.Series(name, values, dtype=pl.Object) if is_list else values
    return pl.DataFrame([series[name] for name in header["order"]])


def dump_polars_series(series: Any) -> tuple[Any, Spec, Beside]:
    """Take a polars Series apart."""
    return dump_polars(series.to_frame())


def load_polars_series(table: Any, header: Spec, beside: Beside) -> Any:
    """Build the polars Series again."""
    return load_polars(table, header, beside).to_series()
