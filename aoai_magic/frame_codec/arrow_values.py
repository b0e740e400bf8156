"""Tables of pyarrow and polars, which are Arrow already, and back."""

from __future__ import annotations

from typing import Any

from aoai_magic.frame_codec import file_format, labels, portable
from aoai_magic.frame_codec.arrays import Beside, Spec


def dump_table(table: Any) -> tuple[Any, Spec, Beside]:
    """Dump a ``pyarrow.Table``; its own metadata stays in its schema."""
    return table, {}, {}


def load_table(table: Any, _: Spec, __: Beside) -> Any:
    """Return the table."""
    return table


def dump_batch(batch: Any) -> tuple[Any, Spec, Beside]:
    """Dump a ``pyarrow.RecordBatch``."""
    import pyarrow as pa

    return pa.Table.from_batches([batch]), {}, {}


def load_batch(table: Any, _: Spec, __: Beside) -> Any:
    """Return the batch."""
    return file_format.batches(table.combine_chunks())[0]


def dump_polars(frame: Any) -> tuple[Any, Spec, Beside]:
    """Dump a polars DataFrame; columns with no type of Arrow's are pickled."""
    import polars as pl

    beside = {name: frame[name] for name in frame.columns if not _has_arrow_type(frame[name])}
    for name, series in beside.items():
        if series.dtype == pl.Object:  # polars cannot pickle these itself
            beside[name] = _objects(name, series.to_list())
    plain = frame.drop(list(beside))
    header = {"order": frame.columns, "schema": labels.dump(plain.clear())}
    return plain.to_arrow(**_no_views()), header, beside


def _objects(name: str, values: list[Any]) -> Any:
    with portable.part(name):
        own, pickled = portable.reduced(values)
    return pickled if own is values else list(own)


def _no_views() -> dict[str, Any]:
    """Ask for large strings and not views, of which Arrow writes all for any slice."""
    import polars as pl

    # polars 1.0 has no views to give, and no such parameter.
    return {"compat_level": pl.CompatLevel.oldest()} if hasattr(pl, "CompatLevel") else {}


def _has_arrow_type(series: Any) -> bool:
    import polars as pl
    import pyarrow as pa

    if series.dtype == pl.Object:  # would be sent as pointers
        return False
    try:
        series.clear().to_arrow(**_no_views())
    except (pl.exceptions.PolarsError, pa.ArrowException):  # such as Int128
        return False
    return True


def load_polars(table: Any, header: Spec, beside: Beside) -> Any:
    """Build the polars DataFrame again."""
    import polars as pl

    empty = labels.load(header["schema"])
    frame: Any = pl.from_arrow(table) if table.num_rows else empty
    # By place: a column without a name gets one on the way. And older versions make an
    # Enum that comes from Arrow a Categorical.
    fields = zip(empty.schema.items(), frame.get_columns(), strict=True)
    series = {name: values.alias(name).cast(kind) for (name, kind), values in fields}
    for name, values in beside.items():
        is_list = isinstance(values, list)
        series[name] = pl.Series(name, values, dtype=pl.Object) if is_list else values
    return pl.DataFrame([series[name] for name in header["order"]])


def dump_polars_series(series: Any) -> tuple[Any, Spec, Beside]:
    """Dump a polars Series."""
    return dump_polars(series.to_frame())


def load_polars_series(table: Any, header: Spec, beside: Beside) -> Any:
    """Build the polars Series again."""
    return load_polars(table, header, beside).to_series()
