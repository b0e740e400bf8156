"""Columns of text → numbers, truth values and times, where that is certain; else they stay text.

Codes with leading zeros are no numbers, a region ``NA`` is no missing value, and ``1,234`` is
a number only where the file shows what its comma means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

MISSING = ("", "nan", "NaN", "<NA>")
"""What libraries write for a missing value, whatever its column holds."""

WORDS = ("NA", "N/A", "n/a", "NULL", "null", "None", "#N/A", "NaT")
"""What others write; among numbers a missing value, among texts a text."""

Style = Literal["", "comma", "point"]
"""How numbers are written: with a decimal comma, or a decimal point and grouping commas."""

Kind = Literal["number", "truth", "time", "text", "empty"]

Why = Literal["", "code", "long", "separator", "mixed", "offsets"]
"""Why a column that looks like something else stays text, or what was done to its times."""

_INTEGER = r"^[+-]?\d+$"
_CODE = r"^[+-]?0\d+$"
_FLOAT = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?inf$|^[+-]?Infinity$"
_LIKE_FLOAT = r"^\d+[eE]\d+$"  # 12E3 is an article's number; libraries write 1.2e+04
_LONGEST = 18
_LONG = r"^[+-]?\d{18,}$"
_DIGITS = r"^[+-]?[\d.,]*\d[\d.,]*$"
_SAMPLE = 500
"""Values that are asked before all of a column are."""

_COMMA = r"^[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?$"
_COMMA_CERTAIN = r"\.\d{3},|\.\d{3}\.|,\d{1,2}$|,\d{4}|^[+-]?0,|^[+-]?\d{4,},"
_POINT = r"^[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?$"
_POINT_CERTAIN = r",\d{3}\.|,\d{3},|\.\d{1,2}$|\.\d{4}|^[+-]?0\.|^[+-]?\d{4,}\."
_GROUPED_POINT = r"^[+-]?\d{1,3}(\.\d{3})+$"
_TRUE = ("True", "TRUE", "true")
_TRUTH = r"^(True|TRUE|true|False|FALSE|false)$"
_DAY = r"^\d{4}-\d\d-\d\d$"
_TIME = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?$"
_ZONED = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)$"
_BEFORE_OFFSET = r"^.*?(Z|[+-]\d\d:?\d\d)$"


@dataclass(frozen=True)
class Column:
    """A column as it was read.

    Attributes
    ----------
    values
        An Arrow array.
    kind
        What became of the text.
    style
        How its numbers are written, where that is not Python's way.
    words
        Whether words such as ``NA`` stand in it: missing in numbers, text in texts.
    why
        Why it stays text, or ``offsets`` for times that were converted to UTC.
    """

    values: Any
    kind: Kind
    style: Style = ""
    words: bool = False
    why: Why = ""


def read_columns(columns: Sequence[Any]) -> list[Column]:
    """Read columns, Arrow arrays of strings, each as what it is."""
    prepared = [_Texts(column) for column in columns]
    grouped = [texts for texts in prepared if texts.may_be_grouped()]
    style: Style = ""
    if any(texts.has(",") for texts in grouped):
        votes = Counter(vote for texts in grouped for vote in [texts.vote()] if vote)
        style = next(iter(votes)) if len(votes) == 1 else ""
    return [texts.column(style) for texts in prepared]


def read_times(values: Any) -> Column | None:
    """Return texts as times if all of them are times in ISO form, and None otherwise."""
    return _times(_Texts(values))


class _Texts:
    """A column of texts, looked at.

    Patterns are slow, so that a few values are asked first, and what Arrow reads strictly is
    not asked for again.
    """

    def __init__(self, column: Any) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        null = pa.scalar(None, column.type)
        self.texts = pc.if_else(pc.is_in(column, pa.array(MISSING, column.type)), null, column)
        is_word = pc.is_in(self.texts, pa.array(WORDS, column.type))
        self.words = bool(pc.any(is_word).as_py())
        rest = pc.if_else(is_word, null, self.texts) if self.words else self.texts
        edges = (pc.starts_with(rest, " "), pc.ends_with(rest, " "))
        is_padded = any(pc.any(edge).as_py() for edge in edges)
        self.rest = pc.utf8_trim_whitespace(rest) if is_padded else rest
        self.empty = self.rest.null_count == len(self.rest)
        self._sample = self.rest.slice(0, _SAMPLE).drop_null()
        if not len(self._sample):
            self._sample = self.rest.drop_null().slice(0, _SAMPLE)

    def maybe(self, pattern: str) -> bool:
        """Return whether the first values match a pattern."""
        return _all(self._sample, pattern)

    def all(self, pattern: str) -> bool:
        """Return whether all values match a pattern."""
        return self.maybe(pattern) and _all(self.rest, pattern)

    def has(self, part: str) -> bool:
        """Return whether any value holds a text."""
        import pyarrow.compute as pc

        return bool(pc.any(pc.match_substring(self.rest, part)).as_py())

    def may_be_grouped(self) -> bool:
        """Return whether the first values are digits with points and commas."""
        return not self.empty and self.maybe(_DIGITS)

    def vote(self) -> Style:
        """Return which style of numbers the column proves."""
        if self.all(_COMMA) and _any(self.rest, _COMMA_CERTAIN):
            return "comma"
        is_point = self.all(_POINT) or self.all(_FLOAT)
        return "point" if is_point and _any(self.rest, _POINT_CERTAIN) else ""

    @cached_property
    def whole(self) -> Any:
        """The values without a decimal point."""
        import pyarrow.compute as pc

        return self.rest.filter(pc.invert(pc.match_substring(self.rest, ".")))

    def has_codes(self) -> bool:
        """Return whether any value is digits after a leading zero."""
        return bool(len(self.whole)) and _any(self.whole, _CODE)

    def column(self, style: Style) -> Column:
        """Return the column, read where that is certain."""
        import pyarrow as pa

        if self.empty:
            kind = pa.float64() if not self.words else self.texts.type
            what: Kind = "text" if self.words else "empty"
            return Column(self.texts.cast(kind), what, words=self.words)
        found = self._number(style) or self._truth() or _times(self) or self._text("")
        return replace(found, words=self.words)

    def _text(self, why: Why) -> Column:
        return Column(self.texts, "text", why=why)

    def _number(self, style: Style) -> Column | None:
        if not self.maybe(f"{_FLOAT}|{_DIGITS}"):
            return None
        if self.maybe(_INTEGER) and (found := self._integer()):
            return found
        own = style
        if self.has(",") and self.maybe(f"{_COMMA}|{_POINT}"):
            own = self.vote() or style
        is_grouped = own == "comma" and self.all(f"{_GROUPED_POINT}|^[+-]?\\d+$")
        if self.maybe(_FLOAT) and not is_grouped and (found := self._float()):
            return found
        for name, pattern in (("comma", _COMMA), ("point", _POINT)):
            if own == name and self.all(pattern):
                return self._grouped(own)
        return self._text("separator") if self.all(f"{_COMMA}|{_POINT}") else None

    def _integer(self) -> Column | None:
        import pyarrow as pa

        plain = _unsigned(self.rest)
        for kind in (pa.int64(), pa.uint64()):
            values = _cast(plain, kind)
            if values is not None and not self.has("x"):  # Arrow reads 0x1F too
                return self._text("code") if self.has_codes() else Column(values, "number")
        if not self.all(_INTEGER):
            return None
        return self._text("code" if self.has_codes() else "long")

    def _float(self) -> Column | None:
        import pyarrow as pa
        import pyarrow.compute as pc

        values = _cast(_unsigned(self.rest), pa.float64())
        if values is None:
            return None
        if self.has_codes():
            return self._text("code")
        longest = pc.max(pc.binary_length(self.whole)).as_py() or 0
        if (longest >= _LONGEST and _any(self.whole, _LONG)) or self.all(_LIKE_FLOAT):
            return self._text("long")
        return Column(values, "number")

    def _grouped(self, style: Style) -> Column | None:
        """Read numbers with grouped digits or a decimal comma."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if _any(self.rest, r"^[+-]?0\d"):
            return self._text("code")
        group, mark = (".", ",") if style == "comma" else (",", ".")
        plain = pc.replace_substring(self.rest, group, "")
        plain = _unsigned(pc.replace_substring(plain, mark, "."))
        for kind in (pa.int64(), pa.float64()):
            if (values := _cast(plain, kind)) is not None:
                return Column(values, "number", style)
        return None

    def _truth(self) -> Column | None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.maybe(_TRUTH) or not self.all(_TRUTH):
            return None
        is_true = pc.is_in(self.rest, pa.array(_TRUE, self.rest.type))
        missing = pa.scalar(None, pa.bool_())
        return Column(pc.if_else(pc.is_null(self.rest), missing, is_true), "truth")


def _all(values: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())


def _any(values: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring_regex(values, pattern)).as_py())


def _unsigned(values: Any) -> Any:
    """Drop a plus before numbers, which Arrow does not read."""
    import pyarrow.compute as pc

    if not pc.any(pc.starts_with(values, "+")).as_py():
        return values
    return pc.replace_substring_regex(values, r"^\+", "")


def _cast(values: Any, kind: Any) -> Any:
    import pyarrow as pa

    try:
        return values.cast(kind)
    except pa.ArrowInvalid:
        return None


def _times(texts: _Texts) -> Column | None:
    """Read times in ISO form; those whose offset changes are the same moments in UTC."""
    import pyarrow as pa

    read = None
    if texts.maybe(_DAY):
        read = _cast(texts.rest, pa.date32())
    if read is None and texts.maybe(f"{_DAY}|{_TIME}"):
        read = _stamps(texts.rest, None)
    if read is not None:
        return Column(read, "time")
    return _zoned(texts) if texts.all(_ZONED) else None


def _zoned(texts: _Texts) -> Column | None:
    import pyarrow.compute as pc

    offsets = pc.unique(pc.replace_substring_regex(texts.rest, _BEFORE_OFFSET, r"\1"))
    zone, why = _zone([text for text in offsets.to_pylist() if text])
    read = _stamps(texts.rest, zone)
    return Column(read, "time", why=why) if read is not None else None


def _stamps(values: Any, zone: str | None) -> Any:
    import pyarrow as pa

    read = _cast(values, pa.timestamp("us", zone))
    return read if read is not None else _cast(values, pa.timestamp("ns", zone))


def _zone(offsets: Sequence[str]) -> tuple[str, Why]:
    plain = {_offset(text) for text in offsets}
    if len(plain) == 1:
        return next(iter(plain)), ""
    return "UTC", "offsets"


def _offset(text: str) -> str:
    digits = text.replace(":", "")
    return "UTC" if text == "Z" or digits[1:] == "0000" else f"{digits[:3]}:{digits[3:]}"


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names, each once, as pandas does it: ``a``, ``a.1``; ``Unnamed: 2`` for none."""
    given, unique = set(names), dict[str, None]()
    counts = Counter[str]()
    for place, name in enumerate(names):
        label = base = name or f"Unnamed: {place}"
        while label in unique or (label != name and label in given):
            counts[base] += 1
            label = f"{base}.{counts[base]}"
        unique[label] = None
    return list(unique)
