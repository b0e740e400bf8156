"""Dates and times that a question names, as conditions on a column of times."""

from __future__ import annotations

import re
from calendar import day_name, month_name
from dataclasses import dataclass
from datetime import date, timedelta

_MONTHS = [month.lower() for month in month_name]
_DAYS = [day.lower() for day in day_name]
# "May" is a word as well, unless it is written with a capital.
_NAMES = [name for month in _MONTHS[1:] if month != "may" for name in (month, month[:3])]
_NAME = rf"(?:(?:{'|'.join([*_NAMES, 'sept'])})|(?-i:May))\.?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"


@dataclass(frozen=True)
class Period:
    """A stretch of time, or a part of the calendar that comes again.

    ``start`` is its first day and ``end`` the day after its last, ``unit`` is ``Y``, ``Q``,
    ``M`` or ``D``. What comes again has none of these but ``part``, which is ``month`` or
    ``weekday``, and the ``numbers`` that are meant (Monday is 0).
    """

    text: str
    start: date | None = None
    end: date | None = None
    unit: str = ""
    part: str = ""
    numbers: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The text that pandas has for a month or quarter."""
        assert self.start
        if self.unit == "Q":
            return f"{self.start.year}Q{(self.start.month + 2) // 3}"
        return f"{self.start.year}-{self.start.month:02}"


DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?<!\d){_YEAR}-(?P<month>\d\d?)-(?P<day>\d\d?)(?!\d)",
        rf"(?<!\d){_YEAR}/(?P<month>\d\d?)/(?P<day>\d\d?)(?!\d)",
        rf"(?<!\d){_YEAR}[-/](?P<month>\d\d?)(?![\d/-])",
        rf"(?<!\d){_YEAR}年(?P<month>\d\d?)月(?P<day>\d\d?)日",
        rf"(?<!\d){_YEAR}年の?(?P<month>\d\d?)月(?!\d*日)",
        rf"(?<!\d){_YEAR}年?の?的?第(?P<quarter>[1-4一二三四])(?:四半期|季度?)",
        rf"(?<!\d){_YEAR}年度?(?!\d|の?第|の?\d+月)",
        rf"\bq(?P<quarter>[1-4])(?: of)?,? {_YEAR}\b",
        rf"\b{_YEAR}[- ]?q(?P<quarter>[1-4])\b",
        rf"\b(?P<quarter>first|second|third|fourth|1st|2nd|3rd|4th) quarter(?: of)?,? {_YEAR}\b",
        rf"\b(?P<name>{_NAME}) (?P<day>\d\d?)(?:st|nd|rd|th)?,? {_YEAR}\b",
        rf"\b(?P<day>\d\d?)(?:st|nd|rd|th)?(?: of)? (?P<name>{_NAME}),? {_YEAR}\b",
        rf"\b(?P<name>{_NAME})(?: of)?,? {_YEAR}\b",
        rf"(?<![\d.,$€£¥-]){_YEAR}(?![\d.,%]*\d|[-/]\d|年|\s?(?:%|mm\b|cm\b|kg\b|g\b|円|元))",
        rf"\b(?P<name>{_NAME})(?![\w ]*\d{{4}})\b",
        r"(?<![\d年])(?P<month>1[0-2]|[1-9])月(?!\d|別|ごと)",
        rf"\b(?P<weekday>{'|'.join(_DAYS)})s?\b",
        r"(?P<weekend>\bweekends?\b|週末|周末)",
        r"(?P<han>[月火水木金土日])曜日?|(?:星期|禮拜|週|周)(?P<zh>[一二三四五六日天])",
    )
)
_QUARTERS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4}
_QUARTERS |= {"4th": 4, "一": 1, "二": 2, "三": 3, "四": 4}


def read_date(match: re.Match[str]) -> Period | None:
    """Read what one of `DATES` has found; None if there is no such day."""
    found = {key: value for key, value in match.groupdict().items() if value is not None}
    try:
        return _read(match[0].strip(), found)
    except ValueError:
        return None


def _read(text: str, found: dict[str, str]) -> Period:
    if "weekend" in found:
        return Period(text, part="weekday", numbers=(5, 6))
    if days := [found[key] for key in ("weekday", "han", "zh") if key in found]:
        names = {"weekday": _DAYS, "han": list("月火水木金土日"), "zh": list("一二三四五六日")}
        key = next(key for key in names if key in found)
        number = names[key].index(days[0].lower().replace("天", "日"))
        return Period(text, part="weekday", numbers=(number,))
    month = int(found.get("month", 0))
    if "name" in found:
        month = [name[:3] for name in _MONTHS].index(found["name"][:3].lower())
    if "year" not in found:
        return Period(text, part="month", numbers=(month,))
    year = int(found["year"])
    if "quarter" in found:
        quarter = _QUARTERS.get(found["quarter"].lower()) or int(found["quarter"])
        return Period(text, date(year, 3 * quarter - 2, 1), _next_month(year, 3 * quarter), "Q")
    if "day" in found:
        day = date(year, month, int(found["day"]))
        return Period(text, day, day + timedelta(days=1), "D")
    if month:
        return Period(text, date(year, month, 1), _next_month(year, month), "M")
    return Period(text, date(year, 1, 1), date(year + 1, 1, 1), "Y")


def _next_month(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1)
