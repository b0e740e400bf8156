"""Numbers as a question writes them, and the units at them."""

from __future__ import annotations

import re

from aoai_magic.engine.models.offline.schema import Column

_SAME = {
    "dollar": "usd", "dollars": "usd", "美元": "usd", "ドル": "usd", "$": "usd", "euro": "eur",
    "euros": "eur", "€": "eur", "£": "gbp", "¥": "jpy", "yen": "jpy", "円": "jpy", "元": "twd",
    "grams": "g", "グラム": "g", "公克": "g", "公斤": "kg", "公分": "cm", "seconds": "s", "秒": "s",
    "minutes": "min", "percent": "%", "％": "%", "years old": "year", "歳": "year", "歲": "year",
}  # fmt: skip
_SIZES = {"mm": (1, 0.001), "cm": (1, 0.01), "m": (1, 1), "km": (1, 1000), "mg": (2, 0.001),
          "g": (2, 1), "kg": (2, 1000), "ms": (3, 0.001), "s": (3, 1), "min": (3, 60)}  # fmt: skip
_MONEY = {"usd", "eur", "gbp", "jpy", "twd"}
_UNIT = "|".join(
    sorted(map(re.escape, {*_SAME, *_SIZES, *_MONEY, "%"} - set("$€£¥")), key=len)[::-1]
)
_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
          "nine": 9, "ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20, "dozen": 12,
          "hundred": 100}  # fmt: skip
_HAN = "〇一二三四五六七八九"
_SCALES = {"k": 1e3, "千": 1e3, "万": 1e4, "萬": 1e4, "億": 1e8, "": 1}
NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.])(?P<money>[$€£¥]\s?)?"
    rf"(?P<number>-?\d+(?:,\d{3})*(?:\.\d+)?|(?:{'|'.join(_WORDS)})\b)"
    rf"(?P<scale>k\b|万|萬|千|億)?\s?(?P<unit>{_UNIT})?(?![A-Za-z0-9_])"
    r"|(?P<han>[一二三四五六七八九十兩]+)(?=\s*(?:名|個|筆|件|位|隻|匹|羽|行|列|社|人|大|つ|種|間|日間|天))",
    re.IGNORECASE,
)


def read_number(match: re.Match[str]) -> tuple[float, str] | None:
    """Return the number that `NUMBER` has found, and its unit; None if it is none."""
    text = (match["number"] or match["han"]).lower().replace(",", "")
    if match["han"]:
        tens, ten, ones = text.replace("兩", "二").rpartition("十")
        if len(tens) > 1 or len(ones) > 1:
            return None
        value: float = (_HAN.index(tens) if tens else 1) * 10 if ten else 0
        value += _HAN.index(ones) if ones else 0
    else:
        value = float(_WORDS.get(text, 0)) or float(text)
    value *= _SCALES[(match["scale"] or "").lower()]
    unit = (match["money"] or match["unit"] or "").strip().lower()
    return (int(value) if value == int(value) else value), _SAME.get(unit, unit)


def factor(unit: str, column: Column) -> float | None:
    """Return what makes a number in `unit` one of the column's; None if that is not known."""
    own = _SAME.get(column.unit, column.unit)
    if unit in _SIZES and own in _SIZES:
        (kind, size), (kind2, size2) = _SIZES[unit], _SIZES[own]
        return size / size2 if kind == kind2 else None
    ages = unit == "year" and (column.words == ("age",) or column.name in {"年齢", "年齡"})
    return 1.0 if not unit or unit == own or ages or (unit in _MONEY and not own) else None
