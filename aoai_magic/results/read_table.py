"""Files that came back, as frames.

Everything here comes from a session and is hostile: it is read in a process of its own
(`aoai_magic.tables.process`), nothing is unpickled, and what is no table says why.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aoai_magic.errors import AssistantError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import ngettext
from aoai_magic.results.geo_tables import with_geometry
from aoai_magic.tables import process
from aoai_magic.tables.errors import NoTable
from aoai_magic.tables.found import Facts, Found

_LOG = logging.getLogger(__name__)

LIBRARIES = ("pandas", "polars", "pyarrow")
"""Libraries in which tables are given."""

Frame = Any


class TableError(AssistantError):
    """A file cannot be read as a table; the text says why, without the file's name.

    ``is_table`` is false for what is whole but something else, such as JSON with settings.
    """

    is_table = True


@dataclass(frozen=True)
class Tables:
    """What a file holds.

    Attributes
    ----------
    frames
        By the name of the sheet; of a file with one table the name is empty.
    notes
        What its reader guessed or kept as it is, a sentence each.
    """

    frames: Mapping[str, Frame]
    notes: tuple[str, ...]

    @property
    def frame(self) -> Frame | dict[str, Frame]:
        """The one table, or a dict of several by name."""
        frames = dict(self.frames)
        return next(iter(frames.values())) if len(frames) == 1 else frames


def read_table(source: Path | bytes, name: str, library: str = "pandas") -> Frame | None:
    """Read a file that came back as a frame.

    Parameters
    ----------
    source
        The file, or its content.
    name
        Its name, whose suffix says what it is: ``.csv .tsv .parquet .xlsx .xls .xlsb .ods
        .json .jsonl .ndjson .feather .arrow``, and any of these with ``.gz``, ``.bz2``,
        ``.xz`` or ``.zip`` behind it.
    library
        One of `LIBRARIES`; where it is not installed, the next one that is.

    Returns
    -------
    frame | dict | None
        A DataFrame (Table) of `library`; of a workbook with several sheets a dict of them by
        name; None for what is no table. No file makes it raise.
    """
    try:
        return read_tables(source, name, library).frame
    except TableError:
        return None


def read_tables(source: Path | bytes, name: str, library: str = "pandas") -> Tables:
    """Read a file as `read_table` does, and return what was found out on the way too.

    Raises
    ------
    TableError
        It is no table, and why.
    """
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
        found = process.read(data, name)
    except NoTable as none:
        raise _error(none) from none
    except OSError as error:
        reason = error.strerror or str(error)
        raise TableError(_("it cannot be read ({reason})").format(reason=reason)) from error
    library = installed(library)
    frames = {one.facts.name if len(found) > 1 else "": _frame(one, library) for one in found}
    notes = [note for one in found for note in notes_on(one.facts)]
    return Tables(frames, tuple(dict.fromkeys(notes)))


def read_head(data: bytes, name: str, rows: int, *, whole: bool = True) -> list[Found]:
    """Return the first rows of each table in a file as an Arrow table, and the facts on it.

    With ``whole`` false `data` is the file's beginning, which is enough for lines of text.

    Raises
    ------
    TableError
        It holds none, and why.
    """
    try:
        found = process.read(data, name, rows=rows, whole=whole)
    except NoTable as none:
        raise _error(none) from none
    return [replace(one, table=_plain(one)) for one in found]


def is_table(name: str) -> bool:
    """Return whether a file is meant to be a table, by its name."""
    return process.is_table(name)


def is_of_lines(name: str) -> bool:
    """Return whether the first lines of such a file are a table themselves."""
    return process.is_of_lines(name)


def installed(library: str) -> str:
    """Return the library, or the first of `LIBRARIES` that can be imported in its place."""
    for one in (library, *LIBRARIES):
        try:
            importlib.import_module(one)
        except ImportError:
            continue
        return one
    raise TableError(
        _("that needs {package}; install it with: pip install {package}").format(package="pyarrow")
    )


def _error(none: NoTable) -> TableError:
    error = TableError(_reason(none))
    error.is_table = none.reason != "not a table"
    return error


def _reason(none: NoTable) -> str:
    reasons = {
        "not text": _("its text encoding is unknown"),
        "empty": _("it is empty"),
        "not a table": _("it does not hold a table"),
        "broken": _("it is broken"),
        "too large": _("it needs more memory than a table may have"),
        "too many columns": _("it has too many columns"),
        "header too long": _("its header is too long"),
        "lines longer than the header": _("some lines have more values than the header has names"),
        "lines of different lengths": _("its lines have different numbers of values"),
        "too slow": _("reading it took too long"),
        "missing package": _("that needs {package}; install it with: pip install {package}"),
        "our mistake": _("its reader failed, which is a bug of aoai_magic; the log has it"),
    }
    return reasons[none.reason].format(package=none.detail)


def notes_on(facts: Facts) -> Iterator[str]:
    """Yield what a user should know of how a table was read, a sentence each."""
    if facts.guessed:
        yield _("Read as {encoding}, which is a guess.").format(encoding=facts.encoding)
    if facts.skipped:
        yield ngettext(
            "{count} line above the header was left out.",
            "{count} lines above the header were left out.",
            facts.skipped,
        ).format(count=facts.skipped)
    if facts.uncomputed:
        yield ngettext(
            "{count} formula has no value, because no spreadsheet program has computed it.",
            "{count} formulas have no value, because no spreadsheet program has computed them.",
            facts.uncomputed,
        ).format(count=facts.uncomputed)
    sentences = {
        "long": _("Kept as text, because digits would be lost: {columns}."),
        "separator": _("Kept as text, because its commas may mean either thing: {columns}."),
        "mixed": _("Kept as text, because it mixes texts and other values: {columns}."),
        "offsets": _("Converted to UTC, because the offset changes: {columns}."),
    }
    for why, sentence in sentences.items():
        if columns := facts.kept.get(why):
            yield sentence.format(columns=", ".join(columns))
    if facts.filled:
        yield _("Merged cells were filled downwards: {columns}.").format(
            columns=", ".join(facts.filled)
        )


def _frame(found: Found, library: str) -> Frame:
    try:
        return _MAKERS[library](found)
    except (KeyboardInterrupt, SystemExit):
        raise
    except Exception as error:
        _LOG.exception("a table could not be made a frame of %s", library)
        raise TableError(
            _("{library} cannot hold it ({reason})").format(
                library=library, reason=str(error).splitlines()[0][:200] if str(error) else ""
            )
        ) from error


def _plain(found: Found) -> Any:
    from aoai_magic import frame_codec

    return frame_codec.plain(found.table)  # it may be a copy of one of ours


def _pyarrow(found: Found) -> Frame:
    return _plain(found)


def _polars(found: Found) -> Frame:
    import polars as pl

    return pl.from_arrow(_plain(found))


def _pandas(found: Found) -> Frame:
    import pyarrow as pa

    table = _plain(found)
    if b"pandas" not in (table.schema.metadata or {}):  # else it is of Arrow's own types
        columns = [_timed(column) for column in table.columns]
        fields = [
            field.with_type(column.type)
            for field, column in zip(table.schema, columns, strict=True)
        ]
        table = pa.Table.from_arrays(columns, schema=pa.schema(fields, table.schema.metadata))
    return _labelled(with_geometry(table.to_pandas(), table), found.facts)


def _timed(column: Any) -> Any:
    """Return days and times in the unit that pandas uses by itself, and else the column."""
    import pyarrow as pa

    zone = getattr(column.type, "tz", None)
    if column.type not in (pa.date32(), pa.timestamp("us", zone)):
        return column
    times = column.cast(pa.timestamp("us", zone))
    try:
        return times.cast(pa.timestamp("ns", zone)) if _major() < 3 else times
    except pa.ArrowInvalid:  # before 1678 or after 2262: nanoseconds do not reach there
        return times


def _major() -> int:
    import pandas as pd

    return int(pd.__version__.partition(".")[0])


def _labelled(frame: Frame, facts: Facts) -> Frame:
    """Return a frame the labels of several header rows, and its index."""
    import pandas as pd

    if facts.index:
        frame = frame.set_index(list(frame.columns[: facts.index]))
        frame.index.names = [name or None for name in facts.index_names]
    if facts.labels:
        names = [name or None for name in facts.level_names]
        frame.columns = pd.MultiIndex.from_tuples(facts.labels, names=names)
    return frame


_MAKERS: Mapping[str, Callable[[Found], Frame]] = {
    "pandas": _pandas,
    "polars": _polars,
    "pyarrow": _pyarrow,
}
