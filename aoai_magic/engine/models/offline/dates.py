"""Dates and times that a question names, as conditions on a column of times."""

from __future__ import annotations

import re
from calendar import day_name, month_name
from dataclasses import dataclass, replace
from datetime import date, timedelta

from aoai_magic.engine.models.offline.lexicon import read_rows

_DAY = timedelta(days=1)
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
    ``weekday``, and the ``numbers`` that are meant (Monday is 0). What counts back from the
    end of the data has ``back``, how many units, and no ``start`` until it is resolved.
    """

    text: str
    start: date | None = None
    end: date | None = None
    unit: str = ""
    part: str = ""
    numbers: tuple[int, ...] = ()
    back: int = 0

    def resolve(self, last: date) -> Period:
        """Return the period that "last month" is in data whose last day is `last`."""
        months = {"M": 1, "Q": 3, "Y": 12}.get(self.unit)
        if not months:
            days = self.back * {"D": 1, "W": 7}[self.unit]
            return replace(self, start=last - timedelta(days=days - 1), end=last + _DAY)
        first = last.year * 12 + (last.month - 1) // months * months - (self.back - 1) * months
        return replace(self, start=date(first // 12, first % 12 + 1, 1), end=last + _DAY)

    @classmethod
    def begins(cls, unit: str, day: date) -> bool:
        """Return whether a period of a unit begins on a day."""
        return cls("", unit=unit, back=1).resolve(day).start == day

    @property
    def name(self) -> str:
        """The text that pandas has for a month or quarter."""
        assert self.start
        if self.unit == "Q":
            return f"{self.start.year}Q{(self.start.month + 2) // 3}"
        return f"{self.start.year}-{self.start.month:02}"


_SEASONS = {"spring": 0, "summer": 1, "autumn": 2, "fall": 2, "winter": 3,
            "春": 0, "夏": 1, "秋": 2, "冬": 3}  # fmt: skip
_SPAN = "day|week|month|quarter|year"
_SPANS = {
    **dict.fromkeys(("day", "日", "天"), "D"),
    **dict.fromkeys(("week", "週", "周"), "W"),
    **dict.fromkeys(("month", "月"), "M"),
    **dict.fromkeys(("quarter", "四半期", "季"), "Q"),
    **dict.fromkeys(("year", "年"), "Y"),
}
_COUNTS = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
_COUNT = rf"(?P<count>\d{{1,3}}|{'|'.join(_COUNTS)}|[一二三四五六七八九十兩])"

_PARTS = {"YEAR": _YEAR, "NAME": _NAME, "DAYS": "|".join(_DAYS), "SPAN": _SPAN, "COUNT": _COUNT}


def _pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern, its words in capitals filled in."""
    filled = re.sub("YEAR|NAME|DAYS|SPAN|COUNT", lambda found: _PARTS[found[0]], text)
    return re.compile(filled, re.IGNORECASE)


DATES = tuple(_pattern(row["pattern"]) for row in read_rows("dates.csv"))
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
    if span := found.get("span", found.get("one", "")).lower():
        unit = next(unit for word, unit in _SPANS.items() if word in span)
        return Period(text, unit=unit, back=_count(found.get("count", "1").lower()))
    if "season" in found:
        first = 3 * _SEASONS[found["season"].lower()] + 2
        months = tuple((first + n) % 12 + 1 for n in range(3))
        return Period(f"{text} ({months[0]}–{months[2]})", part="month", numbers=months)
    if "weekend" in found or "workday" in found:
        days = (5, 6) if "weekend" in found else (0, 1, 2, 3, 4)
        return Period(text, part="weekday", numbers=days)
    if named := [found[key] for key in ("weekday", "han", "zh") if key in found]:
        names = {"weekday": _DAYS, "han": list("月火水木金土日"), "zh": list("一二三四五六日")}
        key = next(key for key in names if key in found)
        number = names[key].index(named[0].lower().replace("天", "日"))
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


def month_end(day: date) -> date:
    """Return the last day of a day's month."""
    return _next_month(day.year, day.month) - _DAY


def _next_month(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1)


def _count(text: str) -> int:
    if text.isdecimal():
        return int(text)
    numbers = _COUNTS if text.isascii() else list("一二三四五六七八九十")
    return numbers.index(text.replace("兩", "二")) + 1
