"""The language of a prompt, and numbers as it writes them."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["en", "ja", "zh"]
"""English, Japanese or Traditional Chinese."""

Phrase = dict[Language, str]
"""One text in every language."""

_KANA = re.compile(r"[\u3041-\u30ff]")
_HAN = re.compile(r"[\u4e00-\u9fff]")
# Characters and words of Japanese that Traditional Chinese does not write.
_JAPANESE = re.compile(
    r"[売円気県図検変対応価単権価区数総]|(?<![類性分個差特級國區識])別|一覧|上位|下位|月次|年次|相関|欠損|推移"
)
_WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_TENS = {"eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "fifty": 50, "hundred": 100}
_HAN_DIGITS = "一二三四五六七八九"
NUMBER_WORD = "|".join([*_WORDS, *_TENS])
HAN_NUMBER = f"[{_HAN_DIGITS}十]+"


def detect(text: str) -> Language:
    """Tell the language by its script; the words alone count, not quoted code."""
    words = re.sub(r"`[^`]*`", "", text)
    if _KANA.search(words):
        return "ja"
    if _HAN.search(words):
        return "ja" if _JAPANESE.search(words) else "zh"
    return "en"


def count(text: str) -> int | None:
    """Read a small whole number in digits or words; None if it is none."""
    text = text.strip().lower().translate(str.maketrans("０１２３４５６７８９", "0123456789"))
    if text.isdecimal():
        return int(text)
    if text in _WORDS:
        return _WORDS.index(text) + 1
    return _TENS.get(text) or _han(text)


def _han(text: str) -> int | None:
    if not re.fullmatch(HAN_NUMBER, text):
        return None
    tens, ten, ones = text.rpartition("十")
    value = (_HAN_DIGITS.index(tens) + 1 if tens else 1) * 10 if ten else 0
    return value + (_HAN_DIGITS.index(ones[0]) + 1 if ones else 0)
