"""Frames, series and arrays: taken as they are, from whatever library they are of.

Nothing is imported to find out what a value is; see `aoai_magic.frame_codec.kinds`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aoai_magic import frame_codec
from aoai_magic.attach import distributed_frames, fingerprint, losses, sample
from aoai_magic.attach import schema_card as card_
from aoai_magic.attach.attachment import Attachment, Parcel
from aoai_magic.attach.schema_facts import facts
from aoai_magic.errors import AttachError
from aoai_magic.frame_codec.mapped_values import Mapped
from aoai_magic.locale import gettext as _
from aoai_magic.locale import ngettext
from aoai_magic.turn import progress as meter

_CARDS: dict[tuple[str, str, bool], str] = {}
_MOST_CARDS = 64


def describe(value: object) -> str | None:
    """Describe in a few words what the value is, or None if it is no frame; fast."""
    name = type(value).__name__
    if engine := distributed_frames.find(value):
        return f"{engine.name.partition('.')[0]} {name}"
    size = frame_codec.shape(value)
    if size is None:
        return name if any(matches(value) for matches, _ in _OTHERS) else None
    dimensions = getattr(value, "shape", size)
    if not dimensions:
        return _("{name}, no dimensions").format(name=name)
    if len(dimensions) == 1:
        count = dimensions[0]
        values = ngettext("{count:,} value", "{count:,} values", count).format(count=count)
        return f"{name}, {values}"
    return f"{name}, {' × '.join(f'{n:,}' for n in dimensions)}"


def native(value: object) -> object:
    """Return the frame that narwhals wraps; any other value as it is."""
    wrapped = type(value).__module__.partition(".")[0] == "narwhals"
    unwrap = getattr(value, "to_native", None) if wrapped else None
    return unwrap() if callable(unwrap) else value


def estimate(value: object) -> int:
    """Return the bytes in memory, without a look at each object; 0 where that needs work."""
    if distributed_frames.find(value):
        return 0
    for name in ("nbytes", "estimated_size"):
        size = getattr(value, name, None)
        size = size() if callable(size) else size
        if isinstance(size, int):
            return size
    usage = getattr(value, "memory_usage", None)
    used = usage(deep=False) if usage else 0
    return int(used.sum() if hasattr(used, "sum") else used)


def attach(
    name: str,
    value: object,
    filename: str,
    *,
    rows: int | None,
    schema_only: bool,
    folder: Path,
) -> Attachment:
    """Make an attachment of a value that `describe` knows.

    A query (LazyFrame, DuckDB relation) is run, a reader is read to its end; Spark, Dask
    and Ray write their own frames into `folder`.

    Parameters
    ----------
    name
        Name of the variable.
    filename
        What the file is to be called in the interpreter's folder.
    rows
        Take a random sample of so many rows, in their order; the same each time.
    schema_only
        Keep values out of the card.
    folder
        Where it is packed, if it ever is.

    Raises
    ------
    AttachError
        Its rows cannot be read, or it holds something that cannot be written.
    """
    progress = meter.current()
    progress.begin(_("reading {name}").format(name=name))
    taken, note = _read(name, value, rows, folder)
    contents = _contents(name, taken)
    progress.begin(_("looking for changes in {name}").format(name=name), contents.table.nbytes)
    digest = fingerprint.of_contents(contents, name, filename)
    return Attachment(
        name=name,
        kind=_kind(taken),
        filename=filename,
        sha256=digest,
        card=_known_card(
            (digest, note, schema_only),
            lambda: _card(name, filename, taken, contents, note, schema_only),
        ),
        origin="variable",
        parcel=Parcel(lambda: _packed(contents, name, folder), int(contents.table.nbytes)),
        notice=losses.notice(name, contents.losses),
    )


def _packed(contents: frame_codec.Contents, name: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    progress = meter.current()
    try:
        progress.begin(_("packing {name}").format(name=name), contents.table.nbytes)
        return frame_codec.pack(contents, name, folder, progress.add)
    except OSError as error:
        raise AttachError(
            _(
                "{name} cannot be written to {folder} ({reason}); make room there, or attach "
                "less with --rows."
            ).format(name=name, folder=folder, reason=error.strerror or error)
        ) from error


def _read(name: str, value: object, rows: int | None, folder: Path) -> tuple[Any, str]:
    """Return the value with its rows, or a sample of them and words on that."""
    try:
        taken, total = _rows(value, rows, folder)
        size = frame_codec.shape(taken)
        return taken, card_.sample_words(size[0] if size else total, total)
    except AttachError as error:
        raise AttachError(
            _("{name} cannot be attached: {error}").format(name=name, error=error)
        ) from error
    except Exception as error:  # whatever a query of the user's may raise
        raise AttachError(
            _(
                "{name} cannot be attached because reading its rows failed ({error}); make a "
                "DataFrame of it and attach that."
            ).format(name=name, error=card_.clean(str(error), 200))
        ) from error


def _contents(name: str, value: object) -> frame_codec.Contents:
    try:
        return frame_codec.contents(value, for_session=True)
    except Exception as error:  # whatever the pickling of a user's object may raise
        raise AttachError(
            _(
                "{name} cannot be attached because some of its values cannot be written "
                "({error}); drop or convert that column."
            ).format(name=name, error=card_.clean(str(error), 200))
        ) from error


def _rows(value: Any, rows: int | None, folder: Path) -> tuple[Any, int]:
    """Return the value with its rows, or with some of them, and the number of all."""
    engine = distributed_frames.find(value)
    if engine is not None:
        return distributed_frames.read(engine, value, rows, folder)
    size = frame_codec.shape(value)
    if size is None:
        read = next(read for matches, read in _OTHERS if matches(value))
        return read(value, rows)
    if rows is None or rows >= size[0]:
        return value, size[0]
    return sample.of_value(value, size[0], rows), size[0]


def _is(module: str, name: str) -> Callable[[object], bool]:
    """Whether a value is of that class, which is looked for but never imported."""

    def matches(value: object) -> bool:
        kind = getattr(sys.modules.get(module), name, None)
        return isinstance(kind, type) and isinstance(value, kind)

    return matches


def _offers(protocol: str) -> Callable[[object], bool]:
    return lambda value: callable(getattr(type(value), protocol, None))


def _from_query(query: Any, rows: int | None) -> tuple[Any, int]:
    if rows is not None:
        return sample.of_lazy(query, rows)
    frame = query.collect()
    return frame, len(frame)


def _from_dataset(dataset: Any, rows: int | None) -> tuple[Any, int]:
    return sample.of_batches(dataset.to_batches(), dataset.schema, rows)


def _from_stream(value: Any, rows: int | None) -> tuple[Any, int]:
    import pyarrow as pa

    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        value = pa.table({"values": value})
    if hasattr(pa.RecordBatchReader, "from_stream"):
        reader = pa.RecordBatchReader.from_stream(value)
    else:  # pyarrow 14, whose pa.table() would hold all rows at once, without an end for Stop
        reader = pa.RecordBatchReader._import_from_c_capsule(value.__arrow_c_stream__())
    return sample.of_batches(reader, reader.schema, rows)


def _from_interchange(value: Any, rows: int | None) -> tuple[Any, int]:
    from pyarrow import interchange

    table = interchange.from_dataframe(value)
    return sample.of_batches(table.to_batches(), table.schema, rows)


_OTHERS: list[tuple[Callable[[object], bool], Callable[[Any, int | None], tuple[Any, int]]]] = [
    (_is("polars", "LazyFrame"), _from_query),
    (_is("pyarrow.dataset", "Dataset"), _from_dataset),
    (_is("pyarrow", "Array"), _from_stream),
    (_is("pyarrow", "ChunkedArray"), _from_stream),  # no stream in pyarrow 14
    (_offers("__arrow_c_stream__"), _from_stream),  # readers, DuckDB, ibis
    (_offers("__dataframe__"), _from_interchange),  # Modin, cuDF
]


def _known_card(key: tuple[str, str, bool], write: Callable[[], str]) -> str:
    """Return the card written before for the same content, which saves reading it again."""
    if key not in _CARDS:
        while len(_CARDS) >= _MOST_CARDS:
            _CARDS.pop(next(iter(_CARDS)), None)
        _CARDS[key] = write()
    return _CARDS[key]


def _card(
    name: str,
    filename: str,
    value: Any,
    contents: frame_codec.Contents,
    note: str,
    schema_only: bool,
) -> str:
    size = f"{_count(contents.rows, 'row')} × {_count(contents.columns, 'column')}"
    if contents.kind == "numpy.ndarray":
        size = f"shape {tuple(value.shape)}, dtype {value.dtype}"
    elif contents.columns == 1 and not contents.kind.endswith(("Frame", "Table")):
        size = _count(contents.rows, "value")
    mapped = isinstance(value, Mapped)
    title = (
        f"`{name}`: {'pandas.DataFrame' if mapped else _kind(value)}, {size}"
        f"{f', made of a {value.source}' if mapped else ''}{f', {note}' if note else ''}."
    )
    if contents.losses:
        title += f"\n{losses.card_line(contents.losses)}"
    index = _range_words(contents.header.get("index", {}))
    return card_.card(title, facts(value, contents), index, schema_only=schema_only)


def _kind(value: object) -> str:
    """Name the type as its users do: ``geopandas.GeoDataFrame``."""
    if isinstance(value, Mapped):
        return value.source
    return f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _range_words(index: dict[str, Any]) -> str:
    if "range" not in index:
        return ""
    start, stop, step = index["range"]
    return f"{start:,} to {stop - step:,}" if stop != start else "no rows"
