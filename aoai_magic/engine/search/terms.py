"""Terms: what of a text is compared with a query.

Words are folded and stemmed. Where words stand unspaced, as in Japanese and Chinese,
every character and every two neighbouring ones are terms: that needs no dictionary and no
language. `benchmarks/search.py` shows what the single ones are worth.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Inside a character class: letters of scripts that do not set words apart, and Korean's."""

_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0903\u093a-\u094d\u0980-\u0dff"
)
_WORD = re.compile(rf"[{UNSPACED}]+|(?:[^\W_{UNSPACED}]|[{_MARKS}])+")
_STARTS_UNSPACED = re.compile(rf"[{UNSPACED}]")
_LONGEST = 64
_STOPS = """
a an and are as at be been but by can could did do does for from had has have how i if in into is
it its me my no not of on or our shall she should so such than that the their them then there
these they this to us was we were what when where which who whom why will with would you your
"""
_stemming = threading.Lock()


def terms(text: str) -> Iterator[str]:
    """Yield the terms of a text, in its order."""
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text)):
        word = match[0]
        if not _STARTS_UNSPACED.match(word):
            yield _folded(word[:_LONGEST])
        else:
            yield from word
            yield from (word[at : at + 2] for at in range(len(word) - 1))


def asked(query: str) -> list[str]:
    """Return the terms of a query, each once, without words that say nothing."""
    found = list(dict.fromkeys(terms(query)))
    telling = [term for term in found if term not in _dull()]
    return telling or found


@lru_cache(maxsize=1 << 16)
def _folded(word: str) -> str:
    plain = unicodedata.normalize("NFD", word.casefold())
    bare = "".join(letter for letter in plain if not "\u0300" <= letter <= "\u036f")
    # A stemmer holds the word that it is at.
    with _stemming:
        return str(_stemmer().stemWord(bare))


@cache
def _stemmer() -> Any:
    import snowballstemmer  # here, for an engine is started more often than it searches

    return snowballstemmer.stemmer("english")


@cache
def _dull() -> frozenset[str]:
    return frozenset(map(_folded, _STOPS.split()))
