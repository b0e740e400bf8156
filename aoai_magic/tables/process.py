"""Files → Arrow tables, in a process of their own; what it answers is checked again here."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import fields
from pathlib import PurePosixPath
from typing import Any

from aoai_magic.tables import child, launch
from aoai_magic.tables.errors import REASONS, NoTable
from aoai_magic.tables.found import Facts, Found
from aoai_magic.tables.limits import MOST_BYTES, MOST_CELLS
from aoai_magic.tables.read_arrow import check_batch, check_schema, plain_type

_LOG = logging.getLogger(__name__)

_RATIO = 20
"""How many times as large as its file a larger table may be; real ones stay below."""

_FREE_SHARE = 4
"""Which part of the free memory a larger table may take."""

_SECONDS = 60
_PREVIEW_SECONDS = 10
_BYTES_A_SECOND = 4 << 20
_HEADER = 64 << 20


def is_table(name: str) -> bool:
    """Return whether a file is meant to be a table, by its name."""
    return bool(_kind(name))


def is_of_lines(name: str) -> bool:
    """Return whether the first bytes of such a file are a table themselves."""
    return _kind(name) in child.LINES


def _kind(name: str) -> str:
    suffixes = PurePosixPath(name.lower()).suffixes
    if suffixes and suffixes[-1] in child.PACKED:
        suffixes = suffixes[:-1]
    return suffixes[-1] if suffixes and suffixes[-1] in child.SUFFIXES else ""


def most_bytes(size: int) -> int:
    """Return the bytes that a table may have whose file has `size`."""
    import psutil

    free = psutil.virtual_memory().available // _FREE_SHARE
    return max(MOST_BYTES, min(size * _RATIO, free))


def read(data: bytes, name: str, *, rows: int | None = None, whole: bool = True) -> list[Found]:
    """Read the tables in a file.

    Parameters
    ----------
    data
        Its content, or with ``whole`` false its beginning.
    name
        Its name, which says what it is.
    rows
        How many rows are wanted of each table; None for all.

    Returns
    -------
    list[Found]
        One, or one for each sheet that holds anything. All memory is this process's own.

    Raises
    ------
    NoTable
        It holds none, is broken, or becomes larger than `most_bytes` allows.
    """
    most = most_bytes(len(data))
    if not _kind(name):
        raise NoTable("not a table")
    if len(data) > most:
        raise NoTable("too large")
    seconds = _SECONDS if rows is None else _PREVIEW_SECONDS
    request = child.Request(name.lower(), most, rows, whole, seconds + len(data) // _BYTES_A_SECOND)
    answer = launch.run(request, data, _HEADER + most)
    try:
        return _checked(answer, most)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OSError) as error:
        # It was made to say this by the file.
        _LOG.debug("the reader of %s gave an answer that is none", name, exc_info=True)
        raise NoTable("broken") from error


def _checked(answer: bytes, most: int) -> list[Found]:
    """Return the tables of an answer, of which nothing is believed."""
    end = answer.index(b"\n", 0, _HEADER)
    header = json.loads(answer[:end])
    if header["reason"]:
        if header["reason"] not in REASONS:
            raise ValueError("unknown reason")
        if header["reason"] == "our mistake":
            _LOG.error("a reader of tables failed:\n%s", str(header["log"])[-4000:])
        raise NoTable(header["reason"], str(header["detail"])[:100])
    found, place = list[Found](), end + 1
    for one in header["tables"]:
        part = answer[place : place + int(one["bytes"])]
        place += len(part)
        table = _table(part, most)
        found.append(Found(table, _facts(one["facts"], table)))
    return found


def _table(part: bytes, most: int) -> Any:
    import pyarrow as pa

    stream = pa.ipc.open_stream(part)
    check_schema(stream.schema)
    if any(plain_type(field.type, top=True) != field.type for field in stream.schema):
        raise ValueError("types that stand for more than their bytes")
    batches, size, cells = list[Any](), 0, 0
    for batch in stream:
        check_batch(batch)
        batches.append(batch)
        size += batch.nbytes
        cells += batch.num_rows * max(1, batch.num_columns)
        if size > most or cells > MOST_CELLS:
            raise ValueError("larger than it may be")
    return pa.Table.from_batches(batches, stream.schema)


def _facts(given: Mapping[str, Any], table: Any) -> Facts:
    """Return facts whose values have the types that they should have."""
    plain = {one.name: _frozen(given[one.name]) for one in fields(Facts)}
    facts = Facts(**plain)
    texts = (facts.name, facts.encoding, *facts.level_names, *facts.index_names, *facts.filled)
    kept = [name for names in facts.kept.values() for name in names]
    labels = [label for one in facts.labels for label in one]
    if not all(isinstance(text, str) for text in (*texts, *kept, *labels)):
        raise ValueError("a text that is none")
    levels = {len(one) for one in facts.labels} or {len(facts.level_names)}
    if levels != {len(facts.level_names)} or facts.index != len(facts.index_names):
        raise ValueError("labels that do not match")
    if facts.labels and len(facts.labels) + facts.index != table.num_columns:
        raise ValueError("columns that do not match")
    for count in (facts.rows, facts.skipped, facts.index, facts.uncomputed):
        if not isinstance(count, int) or count < 0:
            raise ValueError("a number that is none")
    return facts


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
