"""Parquet and Arrow files that came back, decoded in a process whose memory is bounded.

Their pages and buffers are compressed, and say themselves how large they become: a file
of some kilobytes may ask for terabytes, and the decoders ask for that memory at once. So
they do it where little can be had: what asks for more ends a process and no kernel.
"""

from __future__ import annotations

import io
import mmap
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

MOST_BYTES = 512 << 20
"""Size that the table of any file may have."""

MOST_COLUMNS = 20_000

_RATIO = 20
"""How many times as large as its file a larger table may be; real ones stay below."""

_FREE_SHARE = 4
"""Which part of the free memory a larger table may take."""

_MEMORY = 5 << 29
"""Bytes of address space beside the table's: the file, one batch, the libraries."""

_SECONDS = 60
_BYTES_A_SECOND = 4 << 20
_BATCH_ROWS = 4_096
_BATCH_ROWS_BOUNDED = 65_536


def most_bytes(size: int) -> int:
    """Give the bytes that a table may have whose file has `size`."""
    import psutil

    free = psutil.virtual_memory().available // _FREE_SHARE
    return max(MOST_BYTES, min(size * _RATIO, free))


def decode(data: bytes, suffix: str) -> Any:
    """Decode a file.

    Parameters
    ----------
    data
        Its content.
    suffix
        ``.parquet``, ``.feather`` or ``.arrow``.

    Returns
    -------
    pyarrow.Table | None
        A table whose memory is that of a file which nobody else has; None for a file that
        is broken or becomes larger than `most_bytes` says.
    """
    import pyarrow as pa

    command = [sys.executable, "-m", __name__, suffix, str(most_bytes(len(data)))]
    seconds = _SECONDS + len(data) // _BYTES_A_SECOND
    with tempfile.TemporaryFile() as decoded:
        try:
            subprocess.run(  # noqa: S603 - our own module, no shell
                command,
                input=data,
                stdout=decoded,
                stderr=subprocess.DEVNULL,
                timeout=seconds,
                check=True,
            )
        except subprocess.SubprocessError:
            return None
        mapped = mmap.mmap(decoded.fileno(), 0, access=mmap.ACCESS_READ)
    return pa.ipc.open_stream(pa.py_buffer(mapped)).read_all()


def main(suffix: str, most: int) -> None:
    """Decode standard input, and write it to standard output as an uncompressed stream."""
    rows = _BATCH_ROWS_BOUNDED if _bound(most) else _BATCH_ROWS
    import pyarrow as pa

    data = sys.stdin.buffer.read()
    schema, batches = _parquet(data, rows) if suffix == ".parquet" else _arrow(data)
    if len(schema) > MOST_COLUMNS:
        raise ValueError("The table has too many columns.")
    with pa.ipc.new_stream(sys.stdout.buffer, schema) as writer:
        for batch in _bounded(batches, most):
            writer.write_batch(batch)


def _bound(most: int) -> bool:
    """Bound this process's memory; tell whether that can be done here."""
    try:
        import resource
    except ImportError:  # no POSIX: there the bounds of `_bounded` are all there is
        return False
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY + most, _MEMORY + most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return True


def _parquet(data: bytes, rows: int) -> tuple[Any, Iterable[Any]]:
    from pyarrow import parquet

    file = parquet.ParquetFile(io.BytesIO(data))
    return file.schema_arrow, file.iter_batches(rows, use_threads=False)


def _arrow(data: bytes) -> tuple[Any, Iterable[Any]]:
    import pyarrow as pa

    options = pa.ipc.IpcReadOptions(use_threads=False)
    file = pa.ipc.open_file(pa.BufferReader(data), options=options)
    return file.schema, map(file.get_batch, range(file.num_record_batches))


def _bounded(batches: Iterable[Any], most: int) -> Iterator[Any]:
    """Give batches as long as they stay in bounds: a page of some bytes may hold millions."""
    size = 0
    for batch in batches:
        size += batch.nbytes
        if size > most:
            raise ValueError("The table is too large.")
        yield batch


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
