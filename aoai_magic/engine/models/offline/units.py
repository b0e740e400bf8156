"""Units that stand at numbers: which column they fit, and by what they differ from its own."""

from __future__ import annotations

import re

from aoai_magic.engine.models.offline.schema import Column

_MONEY = {
    "$": "usd", "dollar": "usd", "usd": "usd", "美元": "usd", "ドル": "usd",
    "€": "eur", "euro": "eur", "eur": "eur", "歐元": "eur", "ユーロ": "eur",
    "£": "gbp", "pound": "gbp", "gbp": "gbp",
    "¥": "jpy", "yen": "jpy", "jpy": "jpy", "円": "jpy", "日圓": "jpy",
    "twd": "twd", "ntd": "twd", "元": "twd", "塊": "twd",
}  # fmt: skip
_MEASURED = {
    "mm": ("length", 1e-3), "cm": ("length", 1e-2), "m": ("length", 1.0), "km": ("length", 1e3),
    "mg": ("mass", 1e-3), "g": ("mass", 1.0), "kg": ("mass", 1e3),
    "ミリ": ("length", 1e-3), "センチ": ("length", 1e-2), "公分": ("length", 1e-2),
    "公釐": ("length", 1e-3), "公里": ("length", 1e3), "グラム": ("mass", 1.0),
    "公克": ("mass", 1.0), "公斤": ("mass", 1e3), "gram": ("mass", 1.0), "kilo": ("mass", 1e3),
    "ms": ("time", 1e-3), "s": ("time", 1.0), "sec": ("time", 1.0), "second": ("time", 1.0),
    "秒": ("time", 1.0), "min": ("time", 60.0), "minute": ("time", 60.0), "分鐘": ("time", 60.0),
    "分": ("time", 60.0), "キロ": ("mass", 1e3),
}  # fmt: skip
_AGES = {"歳", "歲", "years old", "year old"}
_AGE_NAMES = re.compile(r"\bage\b|年齢|年齡|歳", re.IGNORECASE)
_PER_CENT = {"%", "percent", "％", "パーセント"}
UNIT = "|".join(
    sorted(
        map(re.escape, {*_MONEY, *_MEASURED, *_PER_CENT, *_AGES} - {"$", "€", "£", "¥"}), key=len
    )[::-1]
)
"""Pattern of a unit after a number."""

_MONEY_NAMES = re.compile(
    r"revenue|sales|amount|turnover|income|profit|price|cost|spend|budget|salary|wage|\bpay\b|fee"
    r"|売上|金額|利益|価格|単価|給与|年収|營收|銷售額|營業額|收入|利潤|價|薪|費",
    re.IGNORECASE,
)
_PER_CENT_NAMES = re.compile(r"percent|pct|rate|ratio|share|discount|率|割合|折扣", re.IGNORECASE)


def _unit(text: str) -> str:
    text = text.strip().lower()
    return text if text in _MEASURED or text in _MONEY or not text.endswith("s") else text[:-1]


def _own(column: Column) -> str:
    """Give the unit in a column's name: "mm" in "bill_length_mm" and "Length (mm)"."""
    words = re.findall(
        r"[a-z]+|[%€$£¥]|円|元", re.sub(r"([a-z])([A-Z])", r"\1 \2", column.name).lower()
    )
    return next(
        (w for w in reversed(words[1:] or words) if w in {*_MEASURED, *_MONEY, "%", "pct"}), ""
    )


def factor(unit: str, column: Column) -> float | None:
    """Give what makes a number in `unit` one of the column's; None if it can't be the column's."""
    given, own = _unit(unit), _own(column)
    if given in _MEASURED:
        kind, size = _MEASURED[given]
        if own not in _MEASURED or _MEASURED[own][0] != kind:
            return None
        return size / _MEASURED[own][1]
    if given in _PER_CENT:
        named = own in {"%", "pct"} or _PER_CENT_NAMES.search(column.name)
        fraction = column.high and abs(float(column.high)) <= 1
        return (0.01 if fraction else 1.0) if named else None
    if given in _AGES or unit.strip().lower() in _AGES:
        return 1.0 if _AGE_NAMES.search(column.name.replace("_", " ")) else None
    if given in _MONEY:
        if own in _MONEY:
            return 1.0 if _MONEY[own] == _MONEY[given] else None
        return 1.0 if _MONEY_NAMES.search(column.name) else None
    return 1.0
