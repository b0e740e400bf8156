"""The file itself: a table, a header and what is pickled beside them."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADER = b"aoai_magic"
"""Key of the schema's metadata under which the header stands."""

PICKLE = b"aoai_magic.pickle"
"""Key of the pickle; empty where the table's last column holds it."""

VERSION = 1

_SMALL_BATCH = 1 << 16
"""Rows below which batches are joined before they are written."""

_TOGETHER = 8 << 20
"""Cells of the columns that are read at a time."""

_MOST_READS = 32

_LARGE_BATCH = 32 << 20
"""Bytes above which a batch is cut: Arrow compresses a whole one before it writes any."""


@dataclass(frozen=True)
class Manifest:
    """What a parcel holds, known without reading the data.

    Attributes
    ----------
    name
        Name of the variable.
    kind
        Type of the value, such as ``pandas.DataFrame``.
    rows, columns
        Its size; a one-dimensional value has one column.
    """

    name: str
    kind: str
    rows: int
    columns: int


def write(path: Path, table: Any, header: Mapping[str, Any], tick: Callable[[int], object]) -> None:
    """Write a table and its header to a new file at `path`.

    The file appears whole or not at all. LZ4 costs less than the bytes that it saves
    on their way through a socket. `tick` is told the bytes of each batch once written.
    """
    import pyarrow as pa

    text = json.dumps({"version": VERSION, **header}, allow_nan=False).encode()
    schema = table.schema.with_metadata({**(table.schema.metadata or {}), HEADER: text})
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    options = pa.ipc.IpcWriteOptions(compression="lz4", unify_dictionaries=True)
    try:
        with (
            pa.OSFile(str(half), "wb") as sink,
            pa.ipc.new_file(sink, schema, options=options) as w,
        ):
            for batch in _cut(batches(table)):
                w.write_batch(batch)
                tick(batch.nbytes)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def batches(table: Any) -> list[Any]:
    """Return a table's record batches; one without rows for an empty table.

    Dictionaries stand in batches, so that with no batch categories would be lost.
    """
    import pyarrow as pa

    if table.num_rows or not table.num_columns:
        parts = list(table.to_batches())
        few = len(parts) <= 1 + table.num_rows // _SMALL_BATCH
        return parts if few else list(table.combine_chunks().to_batches())
    arrays = [
        column.chunk(0) if column.num_chunks else pa.nulls(0, column.type)
        for column in table.columns
    ]
    return [pa.RecordBatch.from_arrays(arrays, schema=table.schema)]


def _cut(whole: list[Any]) -> Iterator[Any]:
    for batch in whole:
        pieces = 1 + batch.nbytes // _LARGE_BATCH
        rows = max(1, -(-batch.num_rows // pieces))
        for start in range(0, max(1, batch.num_rows), rows):
            yield batch.slice(start, rows)


class Stored:
    """A parcel on disk, of which columns are read when they are asked for.

    So that who builds a frame of them, one after the other, never has all of them twice.

    Attributes
    ----------
    header
        The parcel's header.
    schema
        The schema as it is in the file.

    Raises
    ------
    ValueError
        The file is no parcel.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._opened() as reader:
            header = _header(reader.schema)
            if header is None:
                raise ValueError(f"{path.name} is not a parcel of aoai_magic.")
            self.schema = reader.schema
        self.header = header
        # Not one by one where they are small or many, since each time the file is opened.
        few = _TOGETHER // max(1, header.get("rows", 0))
        self._together = max(1, few, len(self.schema) // _MOST_READS)
        self._group = -1
        self._columns: list[Any] = []

    def column(self, place: int) -> Any:
        """Read the column at `place`, a ``pyarrow.ChunkedArray``."""
        group, inner = divmod(place, self._together)
        if group != self._group:
            self._forget()
            first = group * self._together
            places = range(first, min(first + self._together, len(self.schema)))
            with self._opened(included_fields=list(places)) as reader:
                self._columns = reader.read_all().columns
            self._group = group
        return self._columns[inner]

    def _forget(self) -> None:
        """Return back what the columns read before took; Arrow keeps it, else, for a while."""
        import pyarrow as pa

        self._columns = []
        pa.default_memory_pool().release_unused()

    def table(self) -> Any:
        """Read the whole table, without our additions."""
        with self._opened() as reader:
            return plain(reader.read_all())

    def beside(self) -> dict[str, Any]:
        """Return what was pickled beside the table; unpickles."""
        data = (self.schema.metadata or {}).get(PICKLE)
        if data == b"":
            data = b"".join(map(_joined, self.column(len(self.schema) - 1).chunks))
        return pickle.loads(data) if data else {}  # noqa: S301 - see the package's docstring

    @contextmanager
    def _opened(self, **options: Any) -> Iterator[Any]:
        import pyarrow as pa

        chosen = pa.ipc.IpcReadOptions(**options)
        # Mapped, and let go of each time: else Arrow allocates what the whole batch takes.
        with (
            pa.memory_map(str(self._path)) as source,
            pa.ipc.open_file(source, options=chosen) as reader,
        ):
            yield reader


def peek(path: Path) -> Manifest | None:
    """Read what a parcel holds, from its schema alone.

    Returns
    -------
    Manifest | None
        None for any file that is no parcel, whatever it is.
    """
    import pyarrow as pa

    try:
        if not path.is_file():
            return None
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            header = _header(reader.schema)
    except (OSError, ValueError, RecursionError, pa.ArrowException):
        return None
    return _manifest(header)


def _header(schema: Any) -> dict[str, Any] | None:
    text = (schema.metadata or {}).get(HEADER)
    header = json.loads(text) if text else None
    return header if isinstance(header, dict) and header.get("version") == VERSION else None


def _manifest(header: dict[str, Any] | None) -> Manifest | None:
    match header:
        case {"name": str(name), "kind": str(kind), "rows": int(rows), "columns": int(columns)}:
            return Manifest(name, kind, rows, columns)
    return None


def enclose(table: Any, beside: Mapping[str, Any]) -> Any:
    """Return `table` with `beside` pickled into it.

    The pickle is cut into as many slices as there are rows, so that a further column can
    hold it whatever its size. Without rows or columns it stands in the schema.
    """
    if not beside:
        return table
    data = pickle.dumps(dict(beside), protocol=5)
    if not table.num_rows or not table.num_columns:
        return table.replace_schema_metadata({**(table.schema.metadata or {}), PICKLE: data})
    table = table.append_column("__pickled__", _slices(data, table.num_rows))
    return table.replace_schema_metadata({**(table.schema.metadata or {}), PICKLE: b""})


def plain(table: Any) -> Any:
    """Return the table of a parcel as any Arrow reader would have it: without our additions."""
    metadata = dict(table.schema.metadata or {})
    if metadata.pop(PICKLE, None) == b"":
        table = table.select(range(table.num_columns - 1))
    metadata.pop(HEADER, None)
    return table.replace_schema_metadata(metadata or None)


def _slices(data: bytes, rows: int) -> Any:
    import numpy as np
    import pyarrow as pa

    ends = np.linspace(0, len(data), rows + 1).astype(np.int64)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_binary(), rows, buffers)


def _joined(chunk: Any) -> Any:
    import numpy as np

    # A batch's buffers are padded, so the offsets say where the bytes are.
    _, offsets, data = chunk.buffers()
    ends = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
    return memoryview(data)[ends[0] : ends[-1]]
