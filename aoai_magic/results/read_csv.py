"""CSV that came back: what it does not tell (separator, encoding, types) is made out.

Readers guess, and some guesses lose data: a region ``NA`` is no missing value, and a code
``007`` is no number. Those are taken back here.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from aoai_magic.results.decode_arrow import MOST_COLUMNS

Frame = Any

_HEAD = 1 << 20
"""Bytes in which the first line must end; of a longer one a parser would make gigabytes."""

_SEPARATORS = (",", ";", "\t")
_MISSING = ["", "nan", "NaN", "<NA>"]
"""What the libraries themselves write for a missing value, whatever its column holds."""

_WORDS = ["NA", "N/A", "n/a", "NULL", "null", "None", "#N/A", "NaT"]
"""What others write; among numbers a missing value, among texts a text."""

_CODE = r"[+-]?0\d+"
_DATE = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
_ISO_DATE = re.compile(_DATE)


def read_separated(data: bytes, separator: str, library: str) -> Frame:
    """Read CSV as a DataFrame of pandas or polars; None for what is no table."""
    data = _utf8(data)
    separator = _used(data, separator)
    if not 0 < _width(data, separator) <= MOST_COLUMNS:
        return None
    decimal_comma = separator == ";" and bool(re.search(rb"(?m)(?:^|;)-?\d+,\d+(?:;|\r|$)", data))
    read = _read_polars if library == "polars" else _read_pandas
    return read(data, separator, decimal_comma)


def dated(frame: Frame) -> Frame:
    """Turn text columns of pandas into dates where every value is one in ISO form.

    CSV and JSON have no dates, and only numbers are told apart by their readers.
    """
    import pandas as pd

    for column in _texts(frame):
        some = frame[column].dropna()
        if not len(some) or not all(map(_is_date, some.head(100))):
            continue
        try:
            frame[column] = pd.to_datetime(frame[column], format="ISO8601")
        except (ValueError, TypeError, OverflowError):  # 2024-02-31
            continue
    return frame


def dated_polars(frame: Frame) -> Frame:
    """Do the same in polars."""
    import polars as pl

    for series in frame.iter_columns():
        some = series.drop_nulls()
        if series.dtype != pl.String or not some.len() or not all(map(_is_date, some.head(100))):
            continue
        for parse in (series.str.to_date, series.str.to_datetime):
            try:
                frame = frame.with_columns(parse(strict=True))
            except pl.exceptions.PolarsError:
                continue
            break
    return frame


def _is_date(value: object) -> bool:
    return isinstance(value, str) and _ISO_DATE.fullmatch(value) is not None


def _utf8(data: bytes) -> bytes:
    """Give the text in UTF-8; Excel's "Unicode text" is UTF-16."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16").encode()
    return data.removeprefix(codecs.BOM_UTF8)


def _used(data: bytes, usual: str) -> str:
    """Give the separator: the usual one, or another one that the first line has instead."""
    if _width(data, usual) > 1:
        return usual
    return max((usual, *_SEPARATORS), key=lambda separator: _width(data, separator))


def _width(data: bytes, separator: str) -> int:
    head = data[:_HEAD].decode("utf-8", "ignore")
    lines = csv.reader(io.StringIO(head, newline=""), delimiter=separator)
    return next((len(line) for line in lines if line), 0)


def _has_codes(data: bytes, separator: str) -> bool:
    """Tell whether any cell is a number with a zero before it."""
    edge = re.escape(separator.encode())
    return bool(re.search(rb'(?m)(?:^|"|%b)[+-]?0\d+(?:%b|"|\r|$)' % (edge, edge), data))


# pandas


def _read_pandas(data: bytes, separator: str, decimal_comma: bool) -> Frame:
    import pandas as pd

    # Exact is what pandas is by itself since 3.1, where the option is deprecated.
    is_exact = tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)
    read: Callable[..., Frame] = partial(
        pd.read_csv,
        sep=separator,
        decimal="," if decimal_comma else ".",
        low_memory=False,
        keep_default_na=False,
        na_values=_MISSING,
        **({} if is_exact else {"float_precision": "round_trip"}),
    )
    frame = read(io.BytesIO(data))
    if _has_codes(data, separator):
        _restore_codes(frame, read(io.BytesIO(data), dtype=str))
    return dated(_numbers(_uncounted(frame)))


def _restore_codes(frame: Frame, raw: Frame) -> None:
    for place, kind in enumerate(frame.dtypes):
        if kind.kind in "iuf" and raw.iloc[:, place].str.fullmatch(_CODE).any():
            frame.isetitem(place, raw.iloc[:, place])


def _numbers(frame: Frame) -> Frame:
    """Make numbers of text columns that hold nothing else but words for missing values."""
    import pandas as pd

    for column in _texts(frame):
        is_word = frame[column].isin(_WORDS)
        if not is_word.any() or not frame[column].mask(is_word).notna().any():
            continue
        try:
            frame[column] = pd.to_numeric(frame[column].mask(is_word))
        except ValueError:
            continue
    return frame


def _texts(frame: Frame) -> Collection[str]:
    import pandas as pd

    is_text = [pd.api.types.is_string_dtype(kind) and kind.kind == "O" for kind in frame.dtypes]
    names: Collection[str] = frame.columns[is_text]
    return names


def _uncounted(frame: Frame) -> Frame:
    """Drop the first column if it is the row numbers that ``to_csv()`` writes unasked."""
    name = frame.columns[0]
    if name not in ("", "Unnamed: 0") or len(frame.columns) == 1:
        return frame
    if list(frame[name]) != list(range(len(frame))):
        return frame
    return frame.drop(columns=name) if hasattr(frame, "iloc") else frame.drop(name)


# polars


def _read_polars(data: bytes, separator: str, decimal_comma: bool) -> Frame:
    import polars as pl

    read: Callable[..., Frame] = partial(
        pl.read_csv,
        separator=separator,
        decimal_comma=decimal_comma,
        infer_schema_length=None,
        null_values=_MISSING[:1],
    )
    frame = read(data, try_parse_dates=True)
    if _has_codes(data, separator):
        frame = _restored_codes(frame, read(data, infer_schema=False))
    return _polars_numbers(_uncounted(frame))


def _restored_codes(frame: Frame, raw: Frame) -> Frame:
    coded = [
        raw[name]
        for name, kind in frame.schema.items()
        if kind.is_numeric() and raw[name].str.contains(f"^{_CODE}$").any()
    ]
    return frame.with_columns(coded)


def _polars_numbers(frame: Frame) -> Frame:
    import polars as pl

    for series in frame.iter_columns():
        if series.dtype != pl.String or not series.is_in([*_WORDS, *_MISSING]).any():
            continue
        rest = series.set(series.is_in([*_WORDS, *_MISSING]), None)
        if rest.null_count() == rest.len():
            continue
        for kind in (pl.Int64, pl.Float64):
            try:
                frame = frame.with_columns(rest.cast(kind, strict=True))
            except pl.exceptions.PolarsError:
                continue
            break
    return frame
