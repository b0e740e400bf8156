"""CSV → Arrow: what the file does not say (separator, encoding, types) is made out."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from aoai_magic.tables import encodings, text_columns
from aoai_magic.tables.csv_dialect import Dialect, sniff
from aoai_magic.tables.errors import NoTable
from aoai_magic.tables.found import Facts, Found
from aoai_magic.tables.limits import MOST_CELLS, MOST_COLUMNS
from aoai_magic.tables.text_columns import Column

_HEADER_CHARS = 1 << 20
"""Characters in which the header must end; of a longer one a parser would make gigabytes."""

_BLOCK = 16 << 20
_REPAIRED = 64 << 20
"""Bytes of a file with lines of different lengths, which are put right line by line."""


def read_csv(data: bytes, usual: str = ",", *, whole: bool = True) -> Found:
    """Read CSV.

    Parameters
    ----------
    data
        The file, or with ``whole`` false its beginning, which may end anywhere.
    usual
        The separator that the file's name stands for.

    Raises
    ------
    NoTable
        It is none, with a reason.
    """
    decoded = encodings.decode(data, whole=whole)
    if decoded is None:
        raise NoTable("not text")
    text = decoded.text if whole else decoded.text[: decoded.text.rfind("\n") + 1]
    dialect = _sniff(text, usual)
    raw = _rows(text[dialect.offset :], dialect)
    names = text_columns.unique_names([_flat(labels) for labels in dialect.names])
    columns = text_columns.read_columns(raw)
    return _found(dialect, names, columns, decoded, whole)


def _sniff(text: str, usual: str) -> Dialect:
    try:
        dialect = sniff(text, usual)
    except (ValueError, csv.Error) as error:
        raise NoTable("empty") from error
    if not 0 < len(dialect.names) <= MOST_COLUMNS:
        raise NoTable("too many columns")
    if dialect.offset >= _HEADER_CHARS:
        raise NoTable("header too long")
    return dialect


def _flat(labels: Sequence[str]) -> str:
    return " ".join(label for label in labels if label)


def _rows(text: str, dialect: Dialect) -> list[Any]:
    """Return the columns below the header, chunked arrays of strings."""
    width = len(dialect.names)
    odd = list[Any]()
    table = _parsed(text.encode("utf-8", "replace"), dialect, width + dialect.trailing, odd)
    if odd:
        table = _parsed(_repaired(text, dialect, width), dialect, width, odd := [])
    if table.num_rows * width > MOST_CELLS:
        raise NoTable("too large")
    import pyarrow.compute as pc

    # A column without a name goes only if nothing at all stands in it.
    if any(pc.any(pc.not_equal(column, "")).as_py() for column in table.columns[width:]):
        raise NoTable("lines longer than the header")
    return list(table.columns[:width])


def _parsed(data: bytes, dialect: Dialect, width: int, odd: list[Any]) -> Any:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = [str(place) for place in range(width)]
    if len(data) < _BLOCK and not data.strip(b"\r\n"):
        return pa.table({name: pa.array([], pa.string()) for name in names})

    def skip(row: Any) -> str:
        odd.append(row.actual_columns)
        return "skip"

    return arrow_csv.read_csv(
        pa.BufferReader(data),
        # A row must fit into a block.
        arrow_csv.ReadOptions(
            use_threads=False, block_size=min(max(len(data), 1024), _BLOCK), column_names=names
        ),
        arrow_csv.ParseOptions(
            delimiter=dialect.separator, newlines_in_values=True, invalid_row_handler=skip
        ),
        arrow_csv.ConvertOptions(
            column_types={name: pa.string() for name in names},
            strings_can_be_null=False,
            null_values=[],
        ),
    )


def _repaired(text: str, dialect: Dialect, width: int) -> bytes:
    """Return the rows with short ones filled up; longer ones may hold nothing more."""
    if len(text) > _REPAIRED:
        raise NoTable("lines of different lengths")
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=dialect.separator, quoting=csv.QUOTE_ALL)
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=dialect.separator):
        if any(row[width:]):
            raise NoTable("lines longer than the header")
        if row:
            writer.writerow((row + [""] * width)[:width])
    return out.getvalue().encode("utf-8", "replace")


def _found(
    dialect: Dialect,
    names: list[str],
    columns: list[Column],
    decoded: encodings.Decoded,
    whole: bool,
) -> Found:
    import pyarrow as pa

    rows = len(columns[0].values)
    names = [*dialect.index_names, *names[len(dialect.index_names) :]]
    first = names[0] if dialect.index_names else "".join(dialect.names[0])
    if numbered := is_numbering(first, columns[0].values, len(names)):
        names, columns = names[1:], columns[1:]
    labels = dialect.names[numbered:] if dialect.levels > 1 else ()
    index = 0 if numbered else dialect.index
    facts = Facts(
        rows=rows,
        whole=whole,
        encoding=decoded.label,
        guessed=decoded.guessed,
        skipped=dialect.titles,
        level_names=dialect.names[0] if dialect.index else ("",) * dialect.levels,
        labels=labels[index:],
        index=index,
        index_names=dialect.index_names or ("",) * index,
        numbered=numbered,
        kept=kept(names, columns),
        pandas=_keywords(dialect, names, columns, decoded, numbered),
    )
    return Found(pa.table([column.values for column in columns], names), facts)


def is_numbering(label: str, values: Any, width: int) -> bool:
    """Return whether a first column is the row numbers that pandas writes unasked."""
    import pyarrow as pa

    if label or width < 2 or not pa.types.is_integer(values.type):
        return False
    head = values.slice(0, 100).to_pylist()
    return bool(head == list(range(len(head))) and values.to_pylist() == list(range(len(values))))


def kept(names: Sequence[str], columns: Sequence[Column]) -> dict[str, tuple[str, ...]]:
    """Return the columns that stay text although they look like something else, by why."""
    found: dict[str, tuple[str, ...]] = {}
    for name, column in zip(names, columns, strict=True):
        if column.why:
            found[column.why] = (*found.get(column.why, ()), name)
    return found


def _keywords(
    dialect: Dialect,
    names: Sequence[str],
    columns: Sequence[Column],
    decoded: encodings.Decoded,
    numbered: bool,
) -> dict[str, Any]:
    """Return the keywords with which ``pandas.read_csv`` reads the same table."""
    found: dict[str, Any] = {}
    if dialect.separator != ",":
        found["sep"] = dialect.separator
    if decoded.encoding not in ("utf-8", "utf-8-sig"):
        found["encoding"] = decoded.encoding
    if dialect.skipped:
        found["skiprows"] = dialect.skipped
    if dialect.levels > 1:
        found["header"] = list(range(dialect.levels))
    if dialect.index:
        found["index_col"] = list(range(dialect.index))
    elif numbered:
        found["index_col"] = 0
    elif dialect.trailing:
        found["index_col"] = False
        found["usecols"] = list(range(len(dialect.names)))
    return found | _values(names, columns, dialect.levels > 1)


def _values(names: Sequence[str], columns: Sequence[Column], several: bool) -> dict[str, Any]:
    """Return the keywords that say how values are written."""
    found: dict[str, Any] = {}
    styles = {column.style for column in columns} - {""}
    if styles == {"comma"}:
        found |= {"decimal": ",", "thousands": "."}
    elif styles:
        found["thousands"] = ","
    if several:  # pandas takes these by name, and labels of several rows are none
        return found
    named = list(zip(names, columns, strict=True))
    texts = [name for name, column in named if _looks_like_number(column, bool(styles))]
    if texts:
        found["dtype"] = dict.fromkeys(texts, "str")
    if any(column.words and column.kind == "text" for column in columns):
        found |= {"keep_default_na": False, "na_values": _missing(named)}
    if dates := [name for name, column in named if column.kind == "time" and not column.why]:
        found["parse_dates"] = dates
    return found


def _looks_like_number(column: Column, grouped: bool) -> bool:
    """Whether pandas would take a column of texts for numbers."""
    import pyarrow.compute as pc

    if column.kind != "text" or column.values.null_count == len(column.values):
        return False
    if column.why in ("code", "long"):
        return True
    digits = pc.match_substring_regex(column.values, r"^[+-]?[\d.,]+$") if grouped else None
    return digits is not None and bool(pc.all(digits).as_py())


def _missing(named: Sequence[tuple[str, Column]]) -> list[str] | Mapping[str, list[str]]:
    """Return what is missing in each column: words only where the rest is no text."""
    plain = list(text_columns.MISSING)
    if not any(column.words and column.kind != "text" for _, column in named):
        return plain
    return {
        name: [*plain, *text_columns.WORDS] if column.kind != "text" and column.words else plain
        for name, column in named
    }
