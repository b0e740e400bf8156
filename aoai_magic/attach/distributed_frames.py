"""Frames of Spark, Dask and Ray: written in parts by their own engine, never collected.

The engine writes Parquet into a folder of ours. The parts are then copied, batch by batch,
into one Arrow file that is mapped into memory, so that the kernel holds no more of the
frame than it looks at.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aoai_magic.attach import sample
from aoai_magic.errors import AttachError
from aoai_magic.frame_codec.mapped_values import Mapped
from aoai_magic.locale import gettext as _
from aoai_magic.turn import progress as meter

_UNKNOWN = "__UNKNOWN_CATEGORIES__"
"""What Dask gives as the only category of a column whose categories it does not know."""


@dataclass(frozen=True)
class Engine:
    """A kind of frame whose rows are with an engine of its own.

    ``thin`` gives a frame with about that share of the rows, ``write`` makes it write its
    parts into a new folder, and ``finish`` completes the table that came of them.
    """

    name: str
    modules: tuple[str, ...]
    kind: str
    count: Callable[[Any], int]
    thin: Callable[[Any, float], Any]
    write: Callable[[Any, Path], object]
    finish: Callable[[Any, Any, str], Mapped]

    def matches(self, value: object) -> bool:
        """Return whether the value is a frame of this engine; imports nothing."""
        kinds = (getattr(sys.modules.get(module), self.kind, None) for module in self.modules)
        return any(isinstance(kind, type) and isinstance(value, kind) for kind in kinds)


def find(value: object) -> Engine | None:
    """Return the engine that has the rows of `value`, or None."""
    return next((engine for engine in ENGINES if engine.matches(value)), None)


def read(engine: Engine, value: Any, rows: int | None, folder: Path) -> tuple[Mapped, int]:
    """Write a frame, or a sample of it, by its engine; return it and the number of all rows.

    Raises
    ------
    AttachError
        The engine wrote its parts where this kernel cannot see them.
    """
    if rows is None:
        table = _written(engine, value, folder)
        return engine.finish(value, table, engine.name), table.num_rows
    total = engine.count(value)
    if rows < total:
        # Engines sample by share: a little more than wanted, of which some are chosen.
        value = engine.thin(value, min(1.0, (rows + 4 * rows**0.5 + 10) / total))
    table = _written(engine, value, folder)
    if rows < table.num_rows:
        table = sample.of_value(table, table.num_rows, rows)
    return engine.finish(value, table, engine.name), total


def _written(engine: Engine, value: Any, folder: Path) -> Any:
    """Return the engine's parts as one table that is mapped from a file."""
    import pyarrow as pa

    folder.mkdir(parents=True, exist_ok=True)
    parts = folder / "parts"
    engine.write(value, parts)
    paths = sorted(parts.rglob("*.parquet"), key=_place)
    if not paths:
        raise AttachError(
            _(
                "{engine} wrote its parts where this kernel cannot see them, on the disks of "
                "its workers; attach a sample that fits in memory (toPandas(), compute() or "
                "to_pandas() of a part), or files from shared storage."
            ).format(engine=engine.name.partition(".")[0].title())
        )
    path = folder / "rows.arrow"
    _copy(paths, path)
    shutil.rmtree(parts)
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def _place(path: Path) -> list[int | str]:
    """Order parts by their numbers: engines write part.10 and do not mean part.1."""
    return [int(word) if word.isdecimal() else word for word in re.split(r"(\d+)", path.name)]


def _copy(paths: list[Path], target: Path) -> None:
    import pyarrow as pa

    # A part without any value of a column does not know the column's type.
    schemas = [_plain(_opened(path).schema_arrow) for path in paths]
    schema = pa.unify_schemas(schemas, promote_options="permissive")
    progress = meter.current()
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in _batches(paths):
            table = pa.Table.from_batches([batch]).select(schema.names).cast(schema)
            writer.write_table(table)
            progress.add(batch.num_rows)


def _batches(paths: list[Path]) -> Iterator[Any]:
    for path in paths:
        with _opened(path) as file:
            yield from file.iter_batches()


def _opened(path: Path) -> Any:
    from pyarrow import parquet

    # Spark still writes times as INT96, whose nanoseconds end in the year 2262.
    return parquet.ParquetFile(path, coerce_int96_timestamp_unit="us")


def _plain(schema: Any) -> Any:
    """Decode dictionaries: a file of Arrow's has one for all its batches, engines do not."""
    import pyarrow as pa

    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in schema
    ]
    return pa.schema(fields, schema.metadata)


# Dask


def _thin_dask(frame: Any, share: float) -> Any:
    # Not by its own `sample`, which shuffles. A function within a function goes to the
    # workers by value, which need not have this package.
    def thinner(part: Any, partition_info: Any = None) -> Any:
        import numpy as np

        seed = (partition_info or {}).get("number", 0)
        return part[np.random.default_rng(seed).random(len(part)) < share]

    return frame.map_partitions(thinner, meta=frame._meta)


def _write_dask(frame: Any, folder: Path) -> None:
    frame.to_parquet(str(folder), engine="pyarrow")


def _finish_dask(frame: Any, table: Any, name: str) -> Mapped:
    meta = frame._meta
    described = (table.schema.pandas_metadata or {}).get("index_columns", [])
    levels = [level for level in described if isinstance(level, str)]
    # In the parts an index without a name has one of Dask's.
    return Mapped(name, table, [meta.index.name], _dask_dtypes(meta), levels)


def _dask_dtypes(meta: Any) -> dict[str, Any]:
    """Return pandas' own dtypes, for which Parquet has no exact type."""
    own = {label: dtype for label, dtype in meta.dtypes.items() if hasattr(dtype, "na_value")}
    return {label: _known(dtype) for label, dtype in own.items()}


def _known(dtype: Any) -> Any:
    """Leave categories to pandas where Dask does not know them before it has read all."""
    return "category" if _UNKNOWN in getattr(dtype, "categories", ()) else dtype


# Spark


def _write_spark(frame: Any, folder: Path) -> None:
    frame.write.parquet(folder.absolute().as_uri())


def _finish_spark(frame: Any, table: Any, name: str) -> Mapped:
    """Return times their zone: Spark means moments, and shows them in its session's zone."""
    import pyarrow as pa

    zone = frame.sparkSession.conf.get("spark.sql.session.timeZone")
    moments = {
        field.name for field in frame.schema.fields if field.dataType.typeName() == "timestamp"
    }
    fields = [
        field.with_type(pa.timestamp("us", zone)) if field.name in moments else field
        for field in table.schema
    ]
    return Mapped(name, table.cast(pa.schema(fields)))


# pandas on Spark


def _write_pandas_on_spark(frame: Any, folder: Path) -> None:
    for label, dtype in frame.dtypes.items():
        if hasattr(dtype, "categories"):  # whose codes are all that Spark has
            kind = dtype.categories.dtype
            values = frame[label].astype(str if kind.kind == "O" else kind)
            frame = frame.assign(**{label: values})
    _write_spark(frame.to_spark(index_col=_level_columns(frame)), folder)


def _finish_pandas_on_spark(frame: Any, table: Any, name: str) -> Mapped:
    levels = _level_columns(frame)
    rows = _finish_spark(frame.to_spark(index_col=levels), table, name)
    own = {label: dtype for label, dtype in frame.dtypes.items() if _is_own(dtype)}
    return Mapped(name, _local(rows.table), frame.index.names, own, levels)


def _is_own(dtype: Any) -> bool:
    return hasattr(dtype, "na_value") or dtype.kind == "M"


def _local(table: Any) -> Any:
    """Return times as the clock of their zone shows them, which is how this API has them."""
    import pyarrow.compute as pc

    for place, field in enumerate(table.schema):
        if getattr(field.type, "tz", None):
            local = pc.local_timestamp(table.column(place))
            table = table.set_column(place, field.name, local)
    return table


def _level_columns(frame: Any) -> list[str]:
    """Name the columns in which the levels of the index are written."""
    return [f"__level_{place}__" for place in range(frame.index.nlevels)]


# Ray


def _write_ray(dataset: Any, folder: Path) -> None:
    # Of several machines the one that this kernel is on; said to one alone, Ray warns.
    scheme = "local://" if len(sys.modules["ray"].nodes()) > 1 else ""
    dataset.write_parquet(f"{scheme}{folder.absolute()}")


def _finish_ray(_: Any, table: Any, name: str) -> Mapped:
    return Mapped(name, table)


ENGINES = (
    Engine(
        "dask.DataFrame",
        ("dask.dataframe",),
        "DataFrame",
        len,
        _thin_dask,
        _write_dask,
        _finish_dask,
    ),
    Engine(
        "pyspark.DataFrame",
        ("pyspark.sql", "pyspark.sql.connect.dataframe"),
        "DataFrame",
        lambda frame: int(frame.count()),
        lambda frame, share: frame.sample(fraction=share, seed=0),
        _write_spark,
        _finish_spark,
    ),
    Engine(
        "pyspark.pandas.DataFrame",
        ("pyspark.pandas",),
        "DataFrame",
        len,
        lambda frame, share: frame.sample(frac=share, random_state=0),
        _write_pandas_on_spark,
        _finish_pandas_on_spark,
    ),
    Engine(
        "ray.Dataset",
        ("ray.data",),
        "Dataset",
        lambda dataset: int(dataset.count()),
        lambda dataset, share: dataset.random_sample(share, seed=0),
        _write_ray,
        _finish_ray,
    ),
)
