"""Times that a prompt names, as conditions on the column that says when."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from aoai_magic.engine.models.offline.condition import Filter
from aoai_magic.engine.models.offline.language import HAN_NUMBER, NUMBER_WORD, count
from aoai_magic.engine.models.offline.schema import Column

YEAR = r"((?:19|20)\d\d)"
_MONTHS = "january february march april may june july august september october november december"
_DAYS = "monday tuesday wednesday thursday friday saturday sunday"
_NAMES = "|".join(name[:3] + "(?:" + name[3:] + ")?" for name in _MONTHS.split())


def find_times(prompt: str, column: Column) -> Iterator[Filter]:
    """Find the conditions on a column that says when."""
    text = prompt.lower()
    if compared := _compared(text, column):
        yield compared
        return
    start, end = _span(prompt)
    if column.yearly:
        yield from _whole_years(column, start, end)
        return
    start = start or ("" if end else _recent(text, column))
    if start:
        yield Filter(column, ">=", start)
    if end:
        yield Filter(column, "<", end)
    yield from _parts(text, column, bool(start or end))


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


_YEARS = rf"(?<![\d-]){YEAR}(?!\d|[-/]\d)年?度?"
_PERIODS = {
    "year": _YEARS,
    "M": rf"(?:{_NAMES})\.?,?\s+{YEAR}|{YEAR}(?:-|/|年)\d\d?月?",
    "Q": rf"q[1-4]\s*(?:of\s*)?{YEAR}|{YEAR}\s*-?q[1-4]|{YEAR}年?第?[1-4](?:四半期|季)",
}
_SIDE_BY_SIDE = (
    r"(?:\s*(?:[,、&]|\band\b|\bor\b|\bvs\b\.?|\bversus\b|\bwith\b|\bcompared\b|\bagainst\b|と|和|與|跟|比)"
    r"\s*(?:the|to|with|in|and)?\s*)+"
)
_COMPARING = re.compile(r"differ|compar|chang|比")
_FAR = re.compile(
    rf"\b(?:differ|chang|compar)\w*.*?{_YEARS}.*?{_YEARS}"
    rf"|{_YEARS}.*\b(?:compar\w+|vs\.?|versus)\b.*?{_YEARS}"
)


def compared_periods(text: str) -> str:
    """Give ``Y``, ``M`` or ``Q`` if years, months or quarters are set against each other."""
    part, _ = _periods(text.lower())
    return "Y" if part == "year" else part


def _periods(text: str) -> tuple[str, list[str]]:
    """Find periods that stand side by side: these are meant, and none between them."""
    for part, pattern in _PERIODS.items():
        one = pattern.replace("(", "(?:").replace("(?:?", "(?")
        for match in re.finditer(rf"(?:{one})(?:{_SIDE_BY_SIDE}(?:{one}))+", text):
            whole = re.search(r"\b(from|between|since)\s*$", text[: match.start()])
            if not whole or _COMPARING.search(text[: match.start()]):
                return part, [m[0] for m in re.finditer(one, match[0])]
    if far := _FAR.search(text):
        return "year", sorted(year for year in far.groups() if year)
    return "", []


def _compared(text: str, column: Column) -> Filter | None:
    part, texts = _periods(text)
    label = ", ".join(texts)
    if part == "year":
        years = tuple(int(year[:4]) for year in texts)
        return Filter(column, "in", years, "" if column.yearly else part, label)
    spans = [_span(one)[0] for one in texts]
    if not part or column.yearly or not all(spans):
        return None
    months = [(start[:4], int(start[5:7])) for start in spans]
    names = [f"{y}-{m:02}" if part == "M" else f"{y}Q{(m + 2) // 3}" for y, m in months]
    return Filter(column, "in", tuple(names), part, ", ".join(names))


_N = rf"(\d+|{NUMBER_WORD}|{HAN_NUMBER})"
RECENT = re.compile(
    rf"\b(?:last|past|previous|recent)\s+{_N}\s*(day|week|month|year)s?\b"
    r"|\b(?:in|over|during|for|from|of)\s+the\s+(?:last|past)\s+(day|week|month|year)\b"
    rf"|(?:直近|過去|最近|近)の?\s*{_N}\s*個?(日|天|週|周|か月|ヶ月|カ月|ヵ月|月|年)間?",
    re.IGNORECASE,
)
"""The last days, weeks, months or years of the data."""
_SPANS = {"day": 1, "日": 1, "天": 1, "week": 7, "週": 7, "周": 7, "year": 12, "年": 12}
VAGUE = re.compile(
    r"\b(?:last|this|previous|current) (?:year|month|week|quarter)\b|\b(?:today|yesterday)\b"
    r"|去年|今年|本月|這個月|上個月|先月|今月|昨年|昨日|今日|今天|昨天|本週|上週|今週|先週",
    re.IGNORECASE,
)
"""Times counted from today, which data of another time know nothing of."""


def is_vague(text: str) -> str:
    """Give the words that count from today, if any do."""
    match = VAGUE.search(text)
    return match[0] if match and not RECENT.search(text) else ""


def _recent(text: str, column: Column) -> str:
    """Give the first of the last days, weeks, months or years of the data."""
    match = RECENT.search(text)
    if not match or not re.match(r"\d{4}-\d\d-\d\d", column.high):
        return ""
    number = count(match[1] or match[4] or "1") or 1
    unit = match[2] or match[3] or match[5]
    last = date.fromisoformat(column.high[:10]) + timedelta(days=1)
    if unit in {"day", "日", "天", "week", "週", "周"}:
        return str(last - timedelta(days=number * _SPANS[unit]))
    months = last.year * 12 + last.month - 1 - number * _SPANS.get(unit, 1)
    return f"{months // 12}-{months % 12 + 1:02}-{min(last.day, 28):02}"


_MONTH = re.compile(
    rf"\b(?:in|during|for|of|every|each|and|vs\.?|versus)\s+({_NAMES})\b(?!\s*,?\s*\d)"
    r"|\b(january|february|april|june|july|august|september|october|november|december)s?\b(?!\s*,?\s*\d)"
    rf"|(?<![\d年個\-/])(?<!年\s)(\d\d?|{HAN_NUMBER})月(?:份)?(?!\d|間|曜|別)"
)
_DAY = re.compile(
    rf"\b({_DAYS.replace(' ', '|')})s?\b|([月火水木金土日])曜"
    r"|(?:星期|週|周|禮拜)([一二三四五六日天])"
)
_WEEKEND = re.compile(r"\bweekends?\b|週末|周末|土日")
_WORKDAYS = re.compile(r"\bweekdays\b|平日|工作日")


def _parts(text: str, column: Column, spanned: bool) -> Iterator[Filter]:
    """Find months and days of the week that are named without a year."""
    if not spanned and (months := {_month(m): m[0] for m in _MONTH.finditer(text)}):
        yield _part(column, "month", months)
    end, work = _WEEKEND.search(text), _WORKDAYS.search(text)
    if end and work:
        return  # set against each other, not chosen
    if end:
        yield Filter(column, "in", (5, 6), "day_of_week", end[0])
    elif work and re.search(r"\b(on|during) weekdays|平日の|工作日的", text):
        yield Filter(column, "in", (0, 1, 2, 3, 4), "day_of_week", work[0])
    elif days := {_day(m): m[0] for m in _DAY.finditer(text)}:
        yield _part(column, "day_of_week", days)


def _part(column: Column, part: str, found: dict[int, str]) -> Filter:
    places = sorted(found)
    words = [
        re.sub(r"^(in|during|for|of|every|each|and|vs\.?|versus)\s+", "", found[p]) for p in places
    ]
    return Filter(column, "in", tuple(places), part, ", ".join(word.capitalize() for word in words))


def _month(match: re.Match[str]) -> int:
    name = match[1] or match[2]
    if name:
        return [month[:3] for month in _MONTHS.split()].index(name[:3]) + 1
    return count(match[3]) or 0


def _day(match: re.Match[str]) -> int:
    if match[1]:
        return _DAYS.split().index(match[1])
    return "月火水木金土日".index(match[2]) if match[2] else "一二三四五六日天".index(match[3]) % 7


_DATE = re.compile(
    rf"{YEAR}[-/年]\s?(\d\d?)[-/月]\s?(\d\d?)日?|\b({_NAMES})\.?\s+(\d\d?)(?:st|nd|rd|th)?,?\s+{YEAR}"
    rf"|\b(\d\d?)(?:st|nd|rd|th)?\s+({_NAMES})\.?,?\s+{YEAR}"
)


def _days(text: str) -> tuple[str, str] | None:
    """Give the span of time that whole dates name, if there are any."""
    found = [(match, day) for match in _DATE.finditer(text) if (day := _date(match))]
    if not found:
        return None
    first, last = found[0], found[-1]
    before, after = text[: first[0].start()], text[first[0].end() :]
    following = str(first[1] + timedelta(days=1))
    if len(found) > 1:
        return str(first[1]), str(last[1] + timedelta(days=1))
    if re.search(r"\b(since|from|starting)\W*$", before) or re.match(
        r"\s*(以降|以來|から|起)", after
    ):
        return str(first[1]), ""
    if re.search(r"\bafter\W*$", before) or re.match(r"\s*(より後|之後)", after):
        return following, ""
    if re.search(r"\b(before|until)\W*$", before) or re.match(r"\s*(以前|より前|之前)", after):
        return "", str(first[1])
    return str(first[1]), following


def _date(match: re.Match[str]) -> date | None:
    year = match[1] or match[6] or match[9]
    name = match[4] or match[8]
    month = (
        _MONTHS.split().index(next(m for m in _MONTHS.split() if m[:3] == name[:3])) + 1
        if name
        else int(match[2])
    )
    try:
        return date(int(year), month, int(match[3] or match[5] or match[7]))
    except ValueError:
        return None


def _span(prompt: str) -> tuple[str, str]:
    """Give the first day, and the day after the last one, of the time that is asked for."""
    text = prompt.lower()
    if days := _days(text):
        return days
    if match := re.search(
        rf"(?:from|between|since)?\s*{YEAR}年?\s*(?:to|and|until|-|–|~|〜|から|到|至)\s*{YEAR}",
        text,
    ):
        return f"{match[1]}-01-01", f"{int(match[2]) + 1}-01-01"
    if match := re.search(
        rf"q([1-4])\s*(?:of\s*)?{YEAR}|{YEAR}年?\s*(?:第?([1-4])四半期|第?([1-4])季|-?q([1-4]))",
        text,
    ):
        year = int(match[2] or match[3])
        quarter = int(match[1] or match[4] or match[5] or match[6])
        return _months(year, 3 * quarter - 2, 3)
    if match := re.search(
        rf"\bh([12])\s*(?:of\s*)?{YEAR}|{YEAR}\s*(?:年\s*([上下])半[期年]|-?h([12]))", text
    ):
        late = "2" in {match[1], match[5]} or match[4] == "下"
        return _months(int(match[2] or match[3]), 7 if late else 1, 6)
    if match := re.search(rf"{YEAR}\s*[-/年]\s*(\d{{1,2}})\s*月?(?!\d)", text):
        return _months(int(match[1]), int(match[2]), 1)
    if match := re.search(rf"\b({_NAMES})\.?,?\s+{YEAR}", text):
        month = [name[:3] for name in _MONTHS.split()].index(match[1][:3]) + 1
        return _months(int(match[2]), month, 1)
    return _years(text)


def _years(text: str) -> tuple[str, str]:
    if match := re.search(
        rf"\b(?:since|from|starting)\s+{YEAR}|{YEAR}年?(?:以降|以來|から|之後|起)", text
    ):
        return f"{match[1] or match[2]}-01-01", ""
    if match := re.search(rf"\bafter\s+{YEAR}", text):
        return f"{int(match[1]) + 1}-01-01", ""
    if match := re.search(rf"\b(?:before|until)\s+{YEAR}|{YEAR}年?(?:以前|より前|之前)", text):
        return "", f"{match[1] or match[2]}-01-01"
    if match := re.search(
        rf"\b(?:in|during|for|of)\s+(?:the\s+year\s+)?{YEAR}\b|{YEAR}\s*年|^\W*{YEAR}\W*$", text
    ):
        year = int(match[1] or match[2] or match[3])
        return f"{year}-01-01", f"{year + 1}-01-01"
    return "", ""


def _months(year: int, month: int, count: int) -> tuple[str, str]:
    if not 1 <= month <= 12:
        return "", ""
    after = year * 12 + month - 1 + count
    return f"{year}-{month:02}-01", f"{after // 12}-{after % 12 + 1:02}-01"
