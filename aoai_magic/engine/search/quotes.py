"""Quotes: the sentences of found passages that fit a question, with their markers."""

from __future__ import annotations

import re

from aoai_magic.engine.search.terms import asked, terms

_MARKER = re.compile(r"^(【\d+:\d+†[^】\n]*】)[^\n]*\n", re.MULTILINE)
_BETWEEN = re.compile(r"(?<=[。！？])|(?<=[.!?])\s+|\n+")
_MOST = 3


def find_quotes(found: str, question: str) -> list[tuple[str, str]]:
    """Return the best sentences and their passages' markers, best passages first as they came.

    A sentence stands once: passages overlap.

    `found` is what a search told a model: markers on lines of their own, each above its
    passage.
    """
    wanted = set(asked(question))
    parts = _MARKER.split(found)
    rated = [
        max(((len(wanted.intersection(terms(s))), s) for s in _sentences(passage)), default=(0, ""))
        for passage in parts[2::2]
    ]
    most = max((count for count, _ in rated), default=0)
    quotes: dict[str, str] = {}
    for (count, text), mark in zip(rated, parts[1::2], strict=True):
        if count and 2 * count >= most:
            quotes.setdefault(text, mark)
    return list(quotes.items())[:_MOST]


def _sentences(passage: str) -> list[str]:
    return _BETWEEN.split(passage.strip())
