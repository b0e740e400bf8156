r"""The words that the rules know and the sentences that they write, in three languages.

``words.csv`` maps a meaning to phrases (regular expressions). A meaning is a kind, one
character that the grammar of `parse` is written in, and a value, as in ``S:desc:weight``::

    A figure   H how many   U different   % share   S superlative   T top   L second, third
    E first or last rows   > comparison   < comparison after the number   ~ between
    ! not, before   ^ not, after   = is   B each, before   b each, after   z sorted by
    F monthly   m month   Y day of the week   I since, before   j since, after a date
    W which   l list   P plot   K kind of chart   X save   x format   M missing
    d duplicates   O overview   i outliers   h distribution   R correlation   V against
    C compare   k coloured by   r rows   & and   | or   : to   J join
    o times, minus   Q ratio   g growth   e difference   s significant   G regression
    a cumulative   w moving average   p pivot   # bins   $ over time   Z ascending
    u a word that points back   _ a word without meaning of its own here

A word in none of them is not understood, and a question with such a word is refused.
Rows with the meaning ``@`` are words for one thing, in names of columns and in questions.
"""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from pathlib import Path
from typing import Literal

Language = Literal["en", "ja", "zh"]
"""English, Japanese or Traditional Chinese."""

_KANA, _HAN = re.compile(r"[\u3041-\u30ff]"), re.compile(r"[\u4e00-\u9fff]")
# Characters that one of the two does not write, then words of Japanese in Han characters.
_JAPANESE, _CHINESE = (
    re.compile(r"[売円気県図検変対応価単権区数総]"),
    re.compile(r"[的嗎呢哪們這麼從筆幾於]"),
)
_WORDS = re.compile(r"(?<![類性分個差特級國區識])別|一覧|上位|下位|月次|年次|相関|欠損|推移")


def detect(text: str) -> Language:
    """Return the language by its script; the words alone count, not quoted code."""
    words = re.sub(r"`[^`]*`", "", text)
    if _KANA.search(words) or _JAPANESE.search(words):
        return "ja"
    if _CHINESE.search(words) or not _WORDS.search(words):
        return "zh" if _HAN.search(words) else "en"
    return "ja"


def read_rows(name: str) -> list[dict[str, str]]:
    """Read a table of this package."""
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@lru_cache
def words(language: Language) -> list[tuple[str, str, re.Pattern[str]]]:
    """Return kinds, values and patterns; English words stand in every other language too."""
    found = []
    for row in read_rows("words.csv"):
        kind, value = row["meaning"][0], row["meaning"][1:].lstrip(":")
        for phrases in {row[language], row["en"]} if kind != "@" else ():
            # Phrases that begin with a letter or digit are whole words.
            whole = rf"(?<![A-Za-z0-9_])(?=[A-Za-z0-9])(?:{phrases})(?![A-Za-z0-9_])"
            pattern = rf"{whole}|(?![A-Za-z0-9])(?:{phrases})"
            found += [(kind, value, re.compile(pattern, re.IGNORECASE))] if phrases else []
    return found


@lru_cache
def concepts() -> list[tuple[frozenset[str], tuple[str, ...]]]:
    """Return words for one thing: those of English, and those of other scripts."""
    rows = [row for row in read_rows("words.csv") if row["meaning"] == "@"]
    return [(frozenset(row["en"].split("|")), tuple(row["ja"].split("|"))) for row in rows]


@lru_cache
def _sentences() -> dict[str, dict[str, str]]:
    return {row["key"]: row for row in read_rows("sentences.csv")}


def sentence(key: str, language: Language, /, *values: object, **words: object) -> str:
    """Write a sentence of ``sentences.csv``."""
    return _sentences()[key][language].format(*values, **words)


# Values as they stand in an answer


def plain(text: str, longest: int = 60) -> str:
    """Return text of the data as one line without markup, not too long."""
    text = " ".join(text.split())
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return re.sub(r"([\\`*\[\]<|])", r"\\\1", text) or "–"


def number(text: str | float) -> str:
    """Write a number for people: thousands apart, two decimals; below 1, four digits."""
    try:
        value = float(text)
    except ValueError:
        return plain(str(text))
    if value != value or value in (float("inf"), float("-inf")):
        return "–"
    if value and abs(value) < 1:
        return f"{value:.4g}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")
