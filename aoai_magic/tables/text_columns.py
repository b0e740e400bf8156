"""Columns of text → numbers, truth values and times, where that is certain; else they stay text.

Codes with leading zeros are no numbers, a region ``NA`` is no missing value, and ``1,234`` is
a number only where the file shows what its comma means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
_LONG = r"^[+-]?\d{18,}$"
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
    votes = Counter(vote for texts in prepared for vote in [texts.vote()] if vote)
    style: Style = next(iter(votes)) if len(votes) == 1 else ""
    return [texts.column(style) for texts in prepared]


def read_times(values: Any) -> Column | None:
    """Return texts as times if all of them are times in ISO form, and None otherwise."""
    return _times(values)


def _all(values: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())


def _any(values: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring_regex(values, pattern)).as_py())


class _Texts:
    """A column of texts, looked at."""

    def __init__(self, column: Any) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        null = pa.scalar(None, column.type)
        self.texts = pc.if_else(pc.is_in(column, pa.array(MISSING, column.type)), null, column)
        is_word = pc.is_in(self.texts, pa.array(WORDS, column.type))
        self.words = bool(pc.any(is_word).as_py())
        rest = pc.if_else(is_word, null, self.texts) if self.words else self.texts
        self.rest = pc.utf8_trim_whitespace(rest)
        self.empty = self.rest.null_count == len(self.rest)

    def vote(self) -> Style:
        """Return which style of numbers the column proves."""
        if self.empty or _all(self.rest, _INTEGER):
            return ""
        if _all(self.rest, _COMMA) and _any(self.rest, _COMMA_CERTAIN):
            return "comma"
        is_point = _all(self.rest, _POINT) or _all(self.rest, _FLOAT)
        return "point" if is_point and _any(self.rest, _POINT_CERTAIN) else ""

    def column(self, style: Style) -> Column:
        """Return the column, read where that is certain."""
        import pyarrow as pa

        if self.empty:
            kind = pa.float64() if not self.words else self.texts.type
            what: Kind = "text" if self.words else "empty"
            return Column(self.texts.cast(kind), what, words=self.words)
        found = self._number(style) or self._truth() or _times(self.rest) or self._text("")
        return replace(found, words=self.words)

    def _text(self, why: Why) -> Column:
        return Column(self.texts, "text", why=why)

    def _number(self, style: Style) -> Column | None:
        import pyarrow as pa

        rest = self.rest
        if _all(rest, _INTEGER):
            if _any(rest, _CODE):
                return self._text("code")
            for kind in (pa.int64(), pa.uint64()):
                if (values := _cast(_unsigned(rest), kind)) is not None:
                    return Column(values, "number")
            return self._text("long")
        own = self.vote() or style
        if _all(rest, _FLOAT) and not (own == "comma" and _all(rest, f"{_GROUPED_POINT}|^\\d+$")):
            return self._float()
        for name, pattern in (("comma", _COMMA), ("point", _POINT)):
            if own == name and _all(rest, pattern):
                return self._grouped(own)
        return self._text("separator") if _all(rest, f"{_COMMA}|{_POINT}") else None

    def _float(self) -> Column | None:
        import pyarrow as pa

        if _any(self.rest, _CODE):
            return self._text("code")
        if _any(self.rest, _LONG) or _all(self.rest, _LIKE_FLOAT):
            return self._text("long")
        values = _cast(_unsigned(self.rest), pa.float64())
        return Column(values, "number") if values is not None else None

    def _grouped(self, style: Style) -> Column | None:
        """Read numbers with grouped digits or a decimal comma."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if _any(self.rest, r"^[+-]?0\d"):
            return self._text("code")
        group, mark = (".", ",") if style == "comma" else (",", ".")
        plain = pc.replace_substring(self.rest, group, "")
        plain = _unsigned(pc.replace_substring(plain, mark, "."))
        kind = pa.int64() if _all(plain, _INTEGER) else pa.float64()
        values = _cast(plain, kind)
        return Column(values, "number", style) if values is not None else None

    def _truth(self) -> Column | None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if not _all(self.rest, _TRUTH):
            return None
        is_true = pc.is_in(self.rest, pa.array(_TRUE, self.rest.type))
        missing = pa.scalar(None, pa.bool_())
        return Column(pc.if_else(pc.is_null(self.rest), missing, is_true), "truth")


def _unsigned(values: Any) -> Any:
    """Drop a plus before numbers, which Arrow does not read."""
    import pyarrow.compute as pc

    return pc.replace_substring_regex(values, r"^\+", "")


def _cast(values: Any, kind: Any) -> Any:
    import pyarrow as pa

    try:
        return values.cast(kind)
    except pa.ArrowInvalid:
        return None


def _times(values: Any) -> Column | None:
    """Read times in ISO form; those whose offset changes are the same moments in UTC."""
    import pyarrow as pa
    import pyarrow.compute as pc

    unit = "ns" if _any(values, r"\.\d{7,9}") else "us"
    if _all(values, _DAY):
        read = _cast(values, pa.date32())
    elif _all(values, f"{_DAY}|{_TIME}"):
        read = _cast(values, pa.timestamp(unit))
    elif _all(values, _ZONED):
        offsets = pc.unique(pc.replace_substring_regex(values, _BEFORE_OFFSET, r"\1"))
        zone, why = _zone([text for text in offsets.to_pylist() if text])
        read = _cast(values, pa.timestamp(unit, zone))
        return Column(read, "time", why=why) if read is not None else None
    else:
        return None
    return Column(read, "time") if read is not None else None


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
