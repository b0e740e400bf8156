"""Parquet and Arrow files that came back, decoded in a process whose memory is bounded.

Their pages and buffers are compressed, and say themselves how large they become: a file
of some kilobytes may ask for terabytes, and the decoders ask for that memory at once. So
they do it where little can be had: what asks for more ends a process and no kernel.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

MOST_BYTES = 512 << 20
"""Size of the decoded table, at most."""

MOST_COLUMNS = 20_000

_MEMORY = 3 << 30
"""Bytes of address space: file, table, its serialised form, and the libraries."""

_SECONDS = 60
_BATCH_ROWS = 4_096


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
        None for a file that is broken or becomes too large.
    """
    import pyarrow as pa

    command = [sys.executable, "-m", __name__, suffix]
    try:
        run = subprocess.run(  # noqa: S603 - our own module, no shell
            command, input=data, capture_output=True, timeout=_SECONDS, check=True
        )
    except subprocess.SubprocessError:
        return None
    return pa.ipc.open_stream(run.stdout).read_all()


def main(suffix: str) -> None:
    """Decode standard input, and write it to standard output as an uncompressed stream."""
    _bound()
    import pyarrow as pa

    data = sys.stdin.buffer.read()
    table = _parquet(data) if suffix == ".parquet" else _arrow(data)
    with pa.ipc.new_stream(sys.stdout.buffer, table.schema) as writer:
        writer.write_table(table)


def _bound() -> None:
    try:
        import resource
    except ImportError:  # no POSIX: there the bounds of `_gathered` are all there is
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _parquet(data: bytes) -> Any:
    from pyarrow import parquet

    file = parquet.ParquetFile(io.BytesIO(data))
    return _gathered(file.iter_batches(_BATCH_ROWS, use_threads=False), file.schema_arrow)


def _arrow(data: bytes) -> Any:
    import pyarrow as pa

    options = pa.ipc.IpcReadOptions(use_threads=False)
    with pa.ipc.open_file(pa.BufferReader(data), options=options) as file:
        return _gathered(map(file.get_batch, range(file.num_record_batches)), file.schema)


def _gathered(batches: Iterable[Any], schema: Any) -> Any:
    """Join batches as long as they stay in bounds: a page of some bytes may hold millions."""
    import pyarrow as pa

    if len(schema) > MOST_COLUMNS:
        raise ValueError("The table has too many columns.")
    taken, size = [], 0
    for batch in batches:
        size += batch.nbytes
        if size > MOST_BYTES:
            raise ValueError("The table is too large.")
        taken.append(batch)
    return pa.Table.from_batches(taken, schema)


if __name__ == "__main__":
    main(sys.argv[1])
