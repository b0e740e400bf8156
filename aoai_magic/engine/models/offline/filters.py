"""Conditions on rows, as prompts write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .columns import Mention
from .schema import Column, Table

_NUMBER = r"[-+]?[$€£¥]?\s*(\d[\d,]*(?:\.\d+)?)\s*(k|thousand|million|万|萬|千)?"
_SCALE = {"k": 1e3, "thousand": 1e3, "million": 1e6, "万": 1e4, "萬": 1e4, "千": 1e3}
_BEFORE = {
    ">=": r">=|≥|at least|no less than|from|至少|不少於|不低於",
    "<=": r"<=|≤|at most|no more than|up to|不超過|至多|最多",
    ">": r">|over|above|more than|greater than|higher than|larger than|exceed(?:s|ing)?"
    r"|older than|大於|超過|高於|多於|大于|超过",
    "<": r"<|under|below|less than|lower than|smaller than|fewer than|cheaper than"
    r"|younger than|小於|低於|少於|小于|未滿",
    "==": r"==|=|is exactly|equals?|等於",
}
_AFTER = {
    ">=": r"以上",
    "<=": r"以下|以內",
    ">": r"より(?:大き|高|多)|を?(?:超え|超|上回)",
    "<": r"より(?:小さ|安|低|少な)|未満|を?下回",
}
_GAP = r"(?:\s|is|are|was|were|be|of|that|the|が|は|を|の|,|為|是|price|value)*"
_NOT = re.compile(
    r"(except|excluding|exclude|without|not|other than|除了|排除|不含|扣除)\W*(for|in|the)?\W*$",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(r"^\s*(以外|を除|は除|除く)")
_YEAR = r"((?:19|20)\d\d)"
_MONTHS = "january february march april may june july august september october november december"


@dataclass(frozen=True)
class Filter:
    """A condition: `column` `operator` `value`.

    The operators are those of Python, and ``in`` and ``not in`` for several texts;
    values of dates are ISO dates.
    """

    column: Column
    operator: str
    value: float | str | tuple[str, ...]


def find_filters(prompt: str, table: Table, named: Sequence[Mention]) -> list[Filter]:
    """Find all conditions of a clause."""
    found = [*_comparisons(prompt, named), *_values(prompt, table, named)]
    found += _quoted(prompt, named, found)
    dates = table.dates
    return [*found, *(_times(prompt, dates[0]) if dates else ())]


def _comparisons(prompt: str, named: Sequence[Mention]) -> Iterator[Filter]:
    for mention in named:
        if not mention.column.numeric:
            continue
        rest = prompt[mention.end :]
        between = re.match(rf"{_GAP}between\s+{_NUMBER}\s+and\s+{_NUMBER}", rest, re.IGNORECASE)
        if between:
            yield Filter(mention.column, ">=", _value(between[1], between[2]))
            yield Filter(mention.column, "<=", _value(between[3], between[4]))
            continue
        for operator, words in _BEFORE.items():
            match = re.match(rf"{_GAP}(?:{words})\s*{_NUMBER}", rest, re.IGNORECASE)
            if match:
                yield Filter(mention.column, operator, _value(match[1], match[2]))
                break
        else:
            if match := re.match(rf"\s*(?:of|=)\s*{_NUMBER}(?!\w|\s*%)", rest, re.IGNORECASE):
                yield Filter(mention.column, "==", _value(match[1], match[2]))
            yield from _after(mention, rest)
            yield from _comparative(mention, prompt)


def _after(mention: Mention, rest: str) -> Iterator[Filter]:
    for operator, words in _AFTER.items():
        match = re.match(rf"{_GAP}{_NUMBER}\s*[円元点歳個人]?\s*(?:{words})", rest)
        if match:
            yield Filter(mention.column, operator, _value(match[1], match[2]))
            return


_LESS = r"lighter|shorter|younger|colder|cooler|cheaper|smaller"
_MORE = r"heavier|longer|older|hotter|warmer|taller"


def _comparative(mention: Mention, prompt: str) -> Iterator[Filter]:
    """Read "lighter than 3000", where the word itself is another for the column."""
    rest = prompt[mention.start :]
    match = re.match(rf"(?:({_LESS})|{_MORE}) than {_NUMBER}", rest, re.IGNORECASE)
    if match:
        yield Filter(mention.column, "<" if match[1] else ">", _value(match[2], match[3]))


def _value(digits: str, scale: str | None) -> float:
    value = float(digits.replace(",", "")) * _SCALE.get((scale or "").lower(), 1)
    return int(value) if value.is_integer() else value


def _values(prompt: str, table: Table, named: Sequence[Mention]) -> Iterator[Filter]:
    """Find values of the data that stand in the prompt."""
    for column in table.columns:
        if not column.categorical or column.kind == "flag":
            continue
        values = (*column.values, *_shaped(prompt, column))
        places = {v: p for v in values if (p := _place(prompt, v, named)) is not None}
        negated = [v for v, place in places.items() if _negated(prompt, place, len(v))]
        kept = tuple(v for v in places if v not in negated)
        if kept:
            yield Filter(column, "in", kept)
        if negated:
            yield Filter(column, "not in", tuple(negated))


def _shaped(prompt: str, column: Column) -> Iterator[str]:
    """Find values that look like the examples: "Customer 07" where there is a "Customer 12"."""
    shapes = {
        re.sub(r"\d+", r"\\d+", re.escape(value))
        for value in column.values
        if re.search(r"\d", value)
    }
    if column.distinct > len(column.values):
        for shape in shapes:
            yield from re.findall(rf"(?<!\w){shape}(?!\w)", prompt)


_CALLED = {
    "male": ("オス", "雄", "男性"),
    "female": ("メス", "雌", "女性"),
    "rain": ("雨の日", "下雨"),
    "snow": ("雪の日", "下雪"),
}
"""Values in other languages."""


def _place(prompt: str, value: str, named: Sequence[Mention]) -> int | None:
    """Find a value where no column is named; short or common words are none."""
    if len(value) < 2 or value.isdecimal():
        return None
    for word in _CALLED.get(value.lower(), ()):
        if word in prompt:
            return prompt.index(word)
    bounded = value.isascii()
    # "females" and "rainy days" mean the values "female" and "rain".
    ending = r"(?:e?s|\w?y)?" if len(value) > 2 else ""
    pattern = rf"(?<!\w){re.escape(value)}{ending}(?!\w)" if bounded else re.escape(value)
    for match in re.finditer(pattern, prompt, re.IGNORECASE):
        # Short names such as "US" or "It" are words too, unless written as in the data.
        exact = match[0] == value or len(value) > 3
        named_here = any(m.start < match.end() and match.start() < m.end for m in named)
        if exact and not (named_here and value.islower()):
            return match.start()
    return None


def _negated(prompt: str, start: int, size: int) -> bool:
    return bool(_NOT.search(prompt[:start]) or _NOT_AFTER.match(prompt[start + size :]))


def _quoted(prompt: str, named: Sequence[Mention], found: Sequence[Filter]) -> Iterator[Filter]:
    """Read ``customer is "Acme"``, for values that the inspection does not list."""
    for mention in named:
        if not mention.column.categorical or any(f.column == mention.column for f in found):
            continue
        pattern = (
            rf"{_GAP}(?:is|=|==|equals|named|called|が|は|為|是)?\s*[\"'「“]([^\"'」”]+)[\"'」”]"
        )
        if match := re.match(pattern, prompt[mention.end :]):
            yield Filter(mention.column, "in", (match[1],))


def _times(prompt: str, column: Column) -> Iterator[Filter]:
    start, end = _span(prompt)
    if column.yearly:
        yield from _whole_years(column, start, end)
        return
    if start:
        yield Filter(column, ">=", start)
    if end:
        yield Filter(column, "<", end)


def _whole_years(column: Column, start: str, end: str) -> Iterator[Filter]:
    """Compare a number that names years with numbers."""
    first, last = int(start[:4] or 0), int(end[:4] or 0) - 1
    if first and first == last:
        yield Filter(column, "==", first)
        return
    if first:
        yield Filter(column, ">=", first)
    if end:
        yield Filter(column, "<=", last)


_YEARS_COMPARED = re.compile(
    rf"\b(?:differ|chang|compar)\w*.*?{_YEAR}.*?{_YEAR}|{_YEAR}(?!\d|-\d).*\b(?:compar\w+|vs\.?|versus)\b.*?{_YEAR}|{_YEAR}年?(?:と|與|和|比){_YEAR}",
    re.IGNORECASE,
)


def compares_years(text: str) -> bool:
    """Whether two years are set against each other."""
    return bool(_YEARS_COMPARED.search(text))


def _span(prompt: str) -> tuple[str, str]:
    """Give the first day, and the day after the last one, of the time that is asked for."""
    text = prompt.lower()
    if match := re.search(
        rf"(?:from|between|since)?\s*{_YEAR}年?\s*(?:to|and|until|-|–|~|〜|から|到|至)\s*{_YEAR}",
        text,
    ):
        return f"{match[1]}-01-01", f"{int(match[2]) + 1}-01-01"
    if match := _YEARS_COMPARED.search(text):
        first, last = sorted(int(year) for year in match.groups() if year)
        return f"{first}-01-01", f"{last + 1}-01-01"
    if match := re.search(
        rf"q([1-4])\s*(?:of\s*)?{_YEAR}|{_YEAR}年?\s*(?:第?([1-4])四半期|第?([1-4])季|-?q([1-4]))",
        text,
    ):
        year = int(match[2] or match[3])
        quarter = int(match[1] or match[4] or match[5] or match[6])
        return _months(year, 3 * quarter - 2, 3)
    if match := re.search(rf"{_YEAR}\s*[-/年]\s*(\d{{1,2}})\s*月?(?!\d)", text):
        return _months(int(match[1]), int(match[2]), 1)
    names = "|".join(name[:3] + "(?:" + name[3:] + ")?" for name in _MONTHS.split())
    if match := re.search(rf"\b({names})\.?,?\s+{_YEAR}", text):
        month = [name[:3] for name in _MONTHS.split()].index(match[1][:3]) + 1
        return _months(int(match[2]), month, 1)
    return _years(text)


def _years(text: str) -> tuple[str, str]:
    if match := re.search(
        rf"\b(?:since|from|starting)\s+{_YEAR}|{_YEAR}年?(?:以降|以來|から|之後|起)", text
    ):
        return f"{match[1] or match[2]}-01-01", ""
    if match := re.search(rf"\bafter\s+{_YEAR}", text):
        return f"{int(match[1]) + 1}-01-01", ""
    if match := re.search(rf"\b(?:before|until)\s+{_YEAR}|{_YEAR}年?(?:以前|より前|之前)", text):
        return "", f"{match[1] or match[2]}-01-01"
    if match := re.search(
        rf"\b(?:in|during|for|of)\s+(?:the\s+year\s+)?{_YEAR}\b|{_YEAR}\s*年|^\W*{_YEAR}\W*$", text
    ):
        year = int(match[1] or match[2] or match[3])
        return f"{year}-01-01", f"{year + 1}-01-01"
    return "", ""


def _months(year: int, month: int, count: int) -> tuple[str, str]:
    if not 1 <= month <= 12:
        return "", ""
    after = year * 12 + month - 1 + count
    return f"{year}-{month:02}-01", f"{after // 12}-{after % 12 + 1:02}-01"
