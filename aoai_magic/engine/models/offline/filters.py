"""Conditions on rows, as prompts write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aoai_magic.engine.models.offline import vocabulary
from aoai_magic.engine.models.offline.columns import Mention, likeliest
from aoai_magic.engine.models.offline.condition import Filter
from aoai_magic.engine.models.offline.schema import Column, Table
from aoai_magic.engine.models.offline.times import YEAR, find_times
from aoai_magic.engine.models.offline.units import UNIT, factor

_NUMBER = (
    r"[-+]?([$€£¥])?\s*(-?\d[\d,]*(?:\.\d+)?)\s*(?:(k|thousand|million|万|萬|千)(?![a-z]))?"
    rf"\s*({UNIT})?(?:s|er|et)?(?![a-z])"
)
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


@dataclass(frozen=True)
class _Amount:
    """A comparison with a number and its place; one that is not `loose` stands at a column."""

    operator: str
    number: float
    unit: str
    start: int
    end: int
    loose: bool = True


def find_filters(prompt: str, table: Table, named: Sequence[Mention]) -> list[Filter]:
    """Find all conditions of a clause."""
    found = [*_comparisons(prompt, table, named), *_values(prompt, table, named)]
    found += [*_quoted(prompt, named, found), *_flags(prompt, named)]
    dates = table.dates
    found += find_times(prompt, dates[0]) if dates else ()
    return list(dict.fromkeys(found))


def _comparisons(prompt: str, table: Table, named: Sequence[Mention]) -> Iterator[Filter]:
    for amount in _amounts(prompt):
        column = _compared(amount, prompt, table, named)
        # "Over 4 kg" is over 4000 where the column is in grams.
        scale = factor(amount.unit, column) if column else None
        if column and scale:
            yield Filter(column, amount.operator, _whole(amount.number * scale))
    for mention in named:
        match = re.match(
            rf"\s*(?:of|=)\s*{_NUMBER}(?!\w|\s*%)", prompt[mention.end :], re.IGNORECASE
        )
        if match and mention.column.numeric:
            yield Filter(mention.column, "==", _value(match[2], match[3]))


def has_amount(prompt: str) -> bool:
    """Whether a text compares anything with a number."""
    return any(True for _ in _amounts(prompt))


def undecided(prompt: str, table: Table, named: Sequence[Mention]) -> str:
    """Give the first comparison with a number that is of no column."""
    for amount in _amounts(prompt):
        column = _compared(amount, prompt, table, named)
        if amount.loose and column is None:
            return prompt[amount.start : amount.end].strip()
    return ""


def _compared(
    amount: _Amount, prompt: str, table: Table, named: Sequence[Mention]
) -> Column | None:
    """Find the column of a comparison: beside it, by its unit, or the likeliest measure."""
    fits = [m for m in named if _can_be(m, amount)]
    for mention in fits:
        gap = prompt[mention.end : amount.start] if mention.end <= amount.start else "-"
        if re.fullmatch(_GAP, gap, re.IGNORECASE) or mention.start == amount.start:
            return mention.column
    if not amount.loose:
        return None
    own = [c for c in table.numbers if factor(amount.unit, c) is not None]
    if amount.unit:
        return next((m.column for m in fits if m.column in own), None) or _only(own)
    rest = prompt[amount.end :]
    for mention in named:
        if amount.end <= mention.start and _NEXT.fullmatch(prompt[amount.end : mention.start]):
            return mention.column if mention in fits else None
    return None if _COUNTED.match(rest) else _only(own)


def _only(columns: Sequence[Column]) -> Column | None:
    return columns[0] if len(columns) == 1 else likeliest(columns)


_NEXT = re.compile(r"[\s-]*(?:of|in|の|的)?\s*(?:the\s+)?", re.IGNORECASE)
"""What may stand between an amount and its column: "over 50 units"."""
_COUNTED = re.compile(rf"\s*(?:{vocabulary.ROWS.pattern}|times|回|次)", re.IGNORECASE)
"""Rows are counted: "customers with more than ten orders"."""


def _can_be(mention: Mention, amount: _Amount) -> bool:
    column = mention.column
    surely = not column.identifying or mention.score >= 3 or column.yearly
    return column.numeric and surely and factor(amount.unit, column) is not None


def _amounts(prompt: str) -> Iterator[_Amount]:
    """Find the comparisons with numbers, wherever they stand; years are none."""
    between = re.compile(rf"between\s+{_NUMBER}\s+and\s+{_NUMBER}", re.IGNORECASE)
    for match in between.finditer(prompt):
        first, last = match.groups()[:4], match.groups()[4:]
        unit = last[3] or last[0] or first[3] or first[0] or ""
        if not _is_year(first[1], first) and not _is_year(last[1], last):
            yield _Amount(">=", _value(*first[1:3]), unit, match.start(), match.end())
            yield _Amount("<=", _value(*last[1:3]), unit, match.start(), match.end())
    for pattern, operator in _PATTERNS:
        for match in pattern.finditer(prompt):
            currency, digits, scale, unit = match.groups()
            if not _is_year(digits, match.groups()) and _FREE.fullmatch(prompt[match.end() :][:8]):
                value, loose = _value(digits, scale), not _BESIDE.match(match[0])
                unit = unit or currency or ""
                yield _Amount(operator, value, unit, match.start(), match.end(), loose)


_BESIDE = re.compile(r"from|up to|=|is exactly|equals?|最多|至多|等於", re.IGNORECASE)
"""Words that compare only where they stand at a column."""
_FREE = re.compile(
    r"(?!\s*(?:days?|weeks?|months?|years?|hours?|日|天|週|周|[年月]|か月|個月)).*",
    re.DOTALL | re.I,
)
"""What follows an amount that is no span of time."""


def _is_year(digits: str, groups: Sequence[str | None]) -> bool:
    plain = not any(group for group in groups if group not in {None, digits})
    return plain and bool(re.fullmatch(YEAR, digits))


def _patterns() -> Iterator[tuple[re.Pattern[str], str]]:
    for operator, words in _BEFORE.items():
        # "Is" and "=" alone stand at a column; a number that only follows one is no limit.
        yield (
            re.compile(rf"(?<![<>=a-z])(?:{words})\s*(?:than\s+)?{_NUMBER}", re.IGNORECASE),
            operator,
        )
    for operator, words in _AFTER.items():
        yield re.compile(rf"(?<![\d.,]){_NUMBER}\s*[点歳個人件隻]?\s*(?:{words})"), operator
    yield re.compile(rf"\b(?:{_LESS}) than {_NUMBER}", re.IGNORECASE), "<"
    yield re.compile(rf"\b(?:{_MORE}) than {_NUMBER}", re.IGNORECASE), ">"


_LESS = r"lighter|shorter|younger|colder|cooler|cheaper|smaller"
_MORE = r"heavier|longer|older|hotter|warmer|taller"


_PATTERNS = list(_patterns())


def _value(digits: str, scale: str | None) -> float:
    return _whole(float(digits.replace(",", "")) * _SCALE.get((scale or "").lower(), 1))


def _whole(value: float) -> float:
    value = round(value, 9)
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
    bounded = value.isascii()  # Japanese and Chinese set no spaces between words
    # "females" and "rainy days" mean the values "female" and "rain".
    ending = r"(?:e?s|ed|ing|\w?y)?" if len(value) > 2 else ""
    word = r"[a-zA-Z0-9_]"
    pattern = rf"(?<!{word}){re.escape(value)}{ending}(?!{word})" if bounded else re.escape(value)
    for match in re.finditer(pattern, prompt, re.IGNORECASE):
        # Short names such as "US" or "It" are words too, unless written as in the data.
        exact = match[0] == value or len(value) > 3
        named_here = any(m.start < match.end() and match.start() < m.end for m in named)
        if exact and not (named_here and value.islower()):
            return match.start()
    return None


def _negated(prompt: str, start: int, size: int) -> bool:
    return bool(_NOT.search(prompt[:start]) or _NOT_AFTER.match(prompt[start + size :]))


_CHOSEN = re.compile(
    r"\b(how many|share of|percentage of|for|of|who|that|are|were|have|with|without)\b", re.I
)
_NO = re.compile(r"\b(not|without|didn't|isn't|aren't|non)\W*$|n't\s*$", re.IGNORECASE)
_TRUE = r"true|yes|真|是"
_NOT_CHOSEN = re.compile(
    r"\b(vs\.?|versus|compare\w*|than|or|distribut\w+|missing|unique|between|correlat\w+|and)\b"
    r"|と|與|和|比較|分布",
    re.IGNORECASE,
)
"""Words by which a flag is looked at as a whole, and none of its values chosen."""
_FLAG = re.compile(
    rf"\s*(?:is|are|=|==|が|は|為)?\s*(?:({_TRUE})|false|no|偽|否)(?![a-z])", re.IGNORECASE
)


def _flags(prompt: str, named: Sequence[Mention]) -> Iterator[Filter]:
    """Read ``active is true``, and "how many passed" as those for which it is true."""
    for mention in named:
        before, after = prompt[: mention.start], prompt[mention.end :]
        if mention.column.kind != "flag" or vocabulary.GROUPING.search(before):
            continue
        if match := _FLAG.match(after):
            yield Filter(mention.column, "==", bool(match[1]))
        elif _CHOSEN.search(before) and not _NOT_CHOSEN.search(prompt):
            yield Filter(mention.column, "==", not _NO.search(before))
        elif re.match(r"(?:の|的)\w", after) and not _NOT_CHOSEN.search(prompt):
            yield Filter(mention.column, "==", not re.search(r"非$", before))


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
