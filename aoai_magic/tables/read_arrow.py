"""Parquet and Arrow files → Arrow tables whose every buffer has been checked."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from aoai_magic.tables.errors import NoTable
from aoai_magic.tables.found import Facts, Found
from aoai_magic.tables.limits import MOST_CELLS, MOST_COLUMNS

_BATCH_ROWS = 4_096
_DEEPEST = 20
"""Levels that types may be nested."""


def read_parquet(data: bytes, most: int, rows: int | None = None) -> Found:
    """Read a Parquet file whose table has at most `most` bytes; of it the first ``rows``."""
    from pyarrow import parquet

    # Arrow's own schema in the metadata names types that the values need not have.
    file = parquet.ParquetFile(io.BytesIO(data))
    batches = file.iter_batches(_BATCH_ROWS, use_threads=False)
    return _found(file.schema_arrow, batches, most, rows, file.metadata.num_rows)


def read_arrow(data: bytes, most: int, rows: int | None = None) -> Found:
    """Read an Arrow file (Feather, version 2) or stream in the same way."""
    import pyarrow as pa

    source = pa.BufferReader(data)
    options = pa.ipc.IpcReadOptions(use_threads=False)
    if not data.startswith(b"ARROW1"):
        stream = pa.ipc.open_stream(source, options=options)
        return _found(stream.schema, stream, most, rows, None)
    file = pa.ipc.open_file(source, options=options)
    batches = map(file.get_batch, range(file.num_record_batches))
    return _found(file.schema, batches, most, rows, None)


def _found(
    schema: Any, batches: Iterable[Any], most: int, rows: int | None, total: int | None
) -> Found:
    import pyarrow as pa

    check_schema(schema)
    rest = iter(batches)
    read = [plain_batch(batch) for batch in _bounded(rest, most, rows)]
    if total is None:
        total = sum(batch.num_rows for batch in (*read, *rest))
    schema = read[0].schema if read else schema
    return Found(pa.Table.from_batches(read, schema), Facts(rows=total))


def check_schema(schema: Any) -> None:
    """Raise `NoTable` for a schema that takes more than a table has."""
    if len(schema) > MOST_COLUMNS:
        raise NoTable("too many columns")
    for field in schema:
        _check_type(field.type, _DEEPEST)


def _check_type(kind: Any, levels: int) -> None:
    if not levels:
        raise NoTable("too large")
    for place in range(kind.num_fields):
        _check_type(kind.field(place).type, levels - 1)


def _bounded(batches: Iterable[Any], most: int, rows: int | None) -> Iterator[Any]:
    """Yield batches, each checked, as long as they stay in bounds."""
    size = cells = count = 0
    for batch in batches:
        check_batch(batch)
        size += batch.nbytes
        # Nulls, and lists of nothing, take no bytes until somebody makes objects of them.
        cells += batch.num_rows * max(1, batch.num_columns)
        if size > most or cells > MOST_CELLS:
            raise NoTable("too large")
        yield batch
        count += batch.num_rows
        if rows is not None and count >= rows:
            return


def check_batch(batch: Any) -> None:
    """Check every offset, index, view and text of a batch, those of dictionaries too.

    Raises
    ------
    pyarrow.ArrowInvalid
        One of them points outside of its buffer. Whoever reads that value reads the
        memory of the process instead, or ends it.
    """
    batch.validate(full=True)
    for column in batch.columns:
        column.validate(full=True)


def plain_batch(batch: Any) -> Any:
    """Return a batch without types that stand for more than their bytes."""
    import pyarrow as pa

    columns = [_plain(column) for column in batch.columns]
    if all(new is old for new, old in zip(columns, batch.columns, strict=True)):
        return batch
    fields = [
        field.with_type(column.type) for field, column in zip(batch.schema, columns, strict=True)
    ]
    return pa.record_batch(columns, schema=pa.schema(fields, batch.schema.metadata))


def _plain(column: Any) -> Any:
    kind = plain_type(column.type, top=True)
    if kind == column.type:
        return column
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_run_end_encoded(column.type):
        return _plain(pc.run_end_decode(column))
    return column.cast(kind)


def plain_type(kind: Any, *, top: bool = False) -> Any:
    """Return the type with views, runs and dictionaries within others written out.

    Many views, runs or indices may stand for one large value; written out they are
    counted, and bounded by the memory of this process.
    """
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return kind if top else plain_type(kind.value_type)
    if types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    named = {"string_view": pa.large_string(), "binary_view": pa.large_binary()}
    if str(kind) in named:
        return named[str(kind)]
    if types.is_list(kind) or types.is_large_list(kind) or "list_view" in str(kind).split("<")[0]:
        make = pa.list_ if types.is_list(kind) else pa.large_list
        return make(kind.value_field.with_type(plain_type(kind.value_type)))
    if types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(plain_type(kind.value_type)), kind.list_size)
    if types.is_struct(kind):
        return pa.struct([one.with_type(plain_type(one.type)) for one in kind])
    if types.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type), kind.keys_sorted)
    return kind
