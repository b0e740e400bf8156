"""Columns that a prompt names and no table has: better said than passed over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from . import vocabulary
from .columns import words_of

_GROUP = re.compile(
    r"\b(?:by|per|for each|in each|for every|of each|each|across)\s+(?:the\s+)?"
    r"([a-z_][\w-]*(?:\s[a-z_][\w-]*){0,2})",
    re.IGNORECASE,
)
_MEASURE = re.compile(
    r"\b(?:average|mean|median|total|sum of|distribution of|maximum|minimum)\s+(?:the\s+|of\s+)*"
    r"([a-z_][\w-]*(?:\s[a-z_][\w-]*){0,2})",
    re.IGNORECASE,
)
_HAN = r"[\u4e00-\u9fff々]"
_GROUP_CJK = re.compile(
    rf"((?:{_HAN}|[ァ-ヴー])+)(?:ごと|毎|別)(?=[のにで、]|$)"
    rf"|(?:各種|各個|各|每個|每種|依照|按照|按|依)({_HAN}{{1,4}}?)(?=的|，|、|來|分|統計|計算|$)"
)
_NO_GROUP = re.compile(
    r"an?|and|any|all|both|each|of|in|its?|itself|that|this|these|those|the|their|them|using"
    r"|one|two|other|default|far|hand|per|cent|second|minute|hour|days?|weeks?|months?|quarters?"
    r"|years?|dates?|times?|periods?|averages?|means?|medians?|sums?|totals?|counts?|numbers?"
    r"|values?|sizes?|orders?|records?|frequency|groups?|category|categories|columns?|rows?|cases?|tables?|data"
    r"|files?|bars?|lines?|pie|charts?|graphs?|plots?|ascending|descending"
)
_PREPOSITION = re.compile(r"\s+(?:per|by|for|in|of|on|at|to|from|with|and|as)\b", re.IGNORECASE)
_NOT_TOLD = re.compile("[特区區個差級類]$|^(?:位|筆|名|項|組|季|年|月|日|週|周|天|次|種|個|別|性)$")


def unknown_column(text: str, spans: Iterable[tuple[int, int]], names: Iterable[str]) -> str:
    """Find the column that the text names and that is none.

    `spans` are the places that are understood, `names` the tables' names and the values of
    the data, which may stand where a column's name could.
    """
    known, places = _words(names), list(spans)
    for start, words in _named(text):
        phrase = _PREPOSITION.split(words)[0]
        end = start + len(phrase)
        if any(first < end and start < last for first, last in places):
            continue
        first, *_ = phrase.split()
        if _NO_GROUP.fullmatch(first.lower()) or {*words_of(phrase), phrase} & known:
            continue
        if vocabulary.first(text[max(0, start - 6) : end + 2], vocabulary.FREQUENCIES):
            continue
        return first
    return ""


def _named(text: str) -> Iterator[tuple[int, str]]:
    for pattern in (_GROUP, _MEASURE):
        for match in pattern.finditer(text):
            yield match.start(1), match[1]
    for match in _GROUP_CJK.finditer(text):
        place = 1 if match[1] else 2
        if not _NOT_TOLD.search(match[place]):
            yield match.start(place), match[place]


def _words(names: Iterable[str]) -> set[str]:
    return {word for name in names for word in (*words_of(name), name.lower())}
