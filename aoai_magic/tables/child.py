"""The process that reads one file: it is given the bytes, and writes down what is in them.

Decoders of compressed formats believe what a file says of itself, and a wrong offset in one
makes them read, or write, other memory than theirs. So they run here: with an empty
environment, little memory, and (`aoai_magic.sandbox.confine`) no files and no network.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import json
import lzma
import sys
import traceback
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from aoai_magic.shared.confined import limit
from aoai_magic.tables.errors import NoTable
from aoai_magic.tables.found import Found
from aoai_magic.tables.limits import MOST_BYTES, most_unpacked
from aoai_magic.tables.read_arrow import check_batch, read_arrow, read_parquet
from aoai_magic.tables.read_csv import read_csv
from aoai_magic.tables.read_json import read_json, read_lines
from aoai_magic.tables.read_workbook import read_workbook

_MEMORY = 5 << 29
"""Bytes of address space beside the table's: the file, one batch, the libraries."""

_HEAD = 1 << 18
"""Bytes that are enough for the first rows of a text."""

_MODULES = (
    *("pyarrow", "pyarrow.compute", "pyarrow.csv", "pyarrow.ipc", "pyarrow.parquet"),
    *("numpy", "chardet", "python_calamine", "multiprocessing", "zoneinfo", "_strptime"),
)


@dataclass(frozen=True)
class Request:
    """What is to be read.

    Attributes
    ----------
    name
        The file's name in lower case, which says what it is.
    most
        Bytes that its table may have.
    rows
        How many rows are wanted, None for all.
    whole
        Whether all of the file is given, and not its beginning.
    seconds
        Time of a processor that this may take.
    """

    name: str
    most: int
    rows: int | None
    whole: bool
    seconds: int


def main() -> None:
    """Read standard input as the first argument says, and write the answer."""
    hide_pandas()
    answer(json.loads(sys.argv[1]))


def prepare() -> None:
    """Import what reading takes, before the process is forked for a file."""
    hide_pandas()
    for name in _MODULES:
        with suppress(ImportError):
            importlib.import_module(name)


def answer(words: Mapping[str, Any]) -> None:
    """Read standard input as a `Request` of these fields says; write to standard output."""
    request = Request(**words)
    limit(_MEMORY + request.most, request.seconds, 2 * request.most + (1 << 20))
    with open(0, "rb", closefd=False) as source:
        if source.seekable():
            source.seek(0)
        data = source.read()
    try:
        parts = _answer(_read(data, request), request.rows)
    except NoTable as none:
        parts = [_header(none.reason, none.detail, "", [])]
    except MemoryError:
        parts = [_header("too large", "", "", [])]
    except Exception as error:
        kind = "broken" if _is_of_file(error) else "our mistake"
        parts = [_header(kind, "", traceback.format_exc(), [])]
    with open(1, "wb", closefd=False) as target:
        for part in parts:
            target.write(part)


def hide_pandas() -> None:
    """Hide pandas from imports; to be called before Arrow is imported."""
    sys.meta_path.insert(0, _WithoutPandas())


class _WithoutPandas:
    """Hide pandas, which Arrow imports to ask whether a list is a frame: it takes half a second."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse pandas alone."""
        if name == "pandas":
            raise ModuleNotFoundError(name)


def _is_of_file(error: Exception) -> bool:
    """Whether a library says that the file is broken; anything else is a mistake of ours."""
    import pyarrow as pa

    faults = (pa.ArrowException, OSError, EOFError, UnicodeError, zlib.error, lzma.LZMAError)
    return isinstance(error, (*faults, zipfile.BadZipFile))


def _read(data: bytes, request: Request) -> Sequence[Found]:
    suffixes = PurePosixPath(request.name).suffixes
    text = suffixes[-1] if suffixes else ""
    whole = request.whole
    if text in PACKED:
        bound = min(most_unpacked(len(data)), request.most)
        head = request.rows is not None and suffixes[-2] in LINES
        data, ended = _unpacked(data, text, _HEAD if head else bound)
        if not (ended or head):
            raise NoTable("too large")
        whole, text = ended and whole, suffixes[-2]
    if not data:
        raise NoTable("empty")
    found: Sequence[Found] = _readers(request, whole)[text](data)
    return found


def _readers(request: Request, whole: bool) -> Mapping[str, Any]:
    rows, most = request.rows, request.most
    books = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
    return {
        ".csv": lambda data: [read_csv(data, ",", whole=whole)],
        ".tsv": lambda data: [read_csv(data, "\t", whole=whole)],
        ".json": lambda data: [read_json(data)],
        ".jsonl": lambda data: [read_lines(data, whole=whole)],
        ".ndjson": lambda data: [read_lines(data, whole=whole)],
        ".parquet": lambda data: [read_parquet(data, most, rows)],
        ".feather": lambda data: [read_arrow(data, most, rows)],
        ".arrow": lambda data: [read_arrow(data, most, rows)],
        **dict.fromkeys(books, lambda data: read_workbook(data)),
    }


SUFFIXES = frozenset(_readers(Request("", 0, None, True, 0), True))
"""Kinds of tables."""

LINES = (".csv", ".tsv", ".jsonl", ".ndjson")
"""Kinds of which the first lines are a table themselves."""

PACKED = (".gz", ".bz2", ".xz", ".zip")
"""What may stand behind them."""


def _unpacked(data: bytes, suffix: str, limit: int) -> tuple[bytes, bool]:
    """Return the first bytes of what is packed, and whether that is all."""
    if suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            inside = [info for info in archive.infolist() if not info.is_dir()]
            if len(inside) != 1:
                raise NoTable("not a table")
            with archive.open(inside[0]) as file:
                return _head(file, limit)
    kinds: Mapping[str, Callable[[Any], Any]] = {
        ".gz": gzip.open,
        ".bz2": bz2.open,
        ".xz": lzma.open,
    }
    with kinds[suffix](io.BytesIO(data)) as file:
        return _head(file, limit)


def _head(file: Any, limit: int) -> tuple[bytes, bool]:
    content: bytes = file.read(min(limit, MOST_BYTES) + 1)
    return content[:limit], len(content) <= limit


def _answer(found: Sequence[Found], rows: int | None) -> list[Any]:
    import pyarrow as pa

    streams = list[Any]()
    for one in found:
        out = pa.BufferOutputStream()
        with pa.ipc.new_stream(out, one.table.schema) as writer:
            table = one.table if rows is None else one.table.slice(0, rows)
            for batch in table.to_batches():
                check_batch(batch)
                writer.write_batch(batch)
        streams.append(out.getvalue())
    tables = [
        {"bytes": stream.size, "facts": one.facts.encode()}
        for stream, one in zip(streams, found, strict=True)
    ]
    return [_header("", "", "", tables), *streams]


def _header(reason: str, detail: str, log: str, tables: list[dict[str, Any]]) -> bytes:
    words = {"reason": reason, "detail": detail, "log": log[-4000:], "tables": tables}
    return json.dumps(words).encode() + b"\n"
