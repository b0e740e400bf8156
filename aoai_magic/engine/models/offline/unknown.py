"""Columns and values that a prompt names and no table has: better said than passed over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from aoai_magic.engine.models.offline import vocabulary
from aoai_magic.engine.models.offline.columns import Mention, singular, words_of
from aoai_magic.engine.models.offline.condition import Filter
from aoai_magic.engine.models.offline.schema import Table

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
_SERIES = re.compile(
    r"\b(?:daily|weekly|monthly|quarterly|yearly|annual)\s+([a-z_][\w-]*)"
    r"|\b(?:plot|draw|chart|graph)\s+(?:the\s+)?([a-z_][\w-]*)\s+(?:over time|per|by|for)\b"
    r"|\b([a-z_][\w-]*)\s+rates?\b",
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
    r"|files?|trends?|development|evolution|series|plots?|results?|statistics|figures|overview|report"
    r"|summary|maximum|minimum|average|median|max|min|breakdown|comparison|rate|number|count|total"
    r"|bars?|lines?|pie|charts?|graphs?|plots?|ascending|descending"
)
_PREPOSITION = re.compile(r"\s+(?:per|by|for|in|of|on|at|to|from|with|and|as)\b", re.IGNORECASE)
_NOT_TOLD = re.compile("[特区區個差級類]$|^(?:位|筆|名|項|組|季|年|月|日|週|周|天|次|種|個|別|性)$")


def unknown_column(text: str, spans: Iterable[tuple[int, int]], names: Iterable[str]) -> str:
    """Find the column that the text names and that is none.

    `spans` are the places that are understood, `names` the tables' names and the values of
    the data, which may stand where a column's name could.
    """
    known, places = _words(names), list(spans)
    for start, words, timed in _named(text):
        phrase = _PREPOSITION.split(words)[0]
        end = start + len(phrase)
        if any(first < end and start < last for first, last in places):
            continue
        first, *_ = phrase.split()
        if _NO_GROUP.fullmatch(first.lower()) or {*words_of(phrase), phrase} & known:
            continue
        if not timed and vocabulary.first(
            text[max(0, start - 6) : end + 2], vocabulary.FREQUENCIES
        ):
            continue
        return first
    return ""


def _named(text: str) -> Iterator[tuple[int, str, bool]]:
    for pattern in (_GROUP, _MEASURE, _SERIES):
        for match in pattern.finditer(text):
            place = match.lastindex or 1
            yield match.start(place), match[place], pattern is _SERIES
    for match in _GROUP_CJK.finditer(text):
        place = 1 if match[1] else 2
        if not _NOT_TOLD.search(match[place]):
            yield match.start(place), match[place], False


def _words(names: Iterable[str]) -> set[str]:
    return {word for name in names for word in (*words_of(name), name.lower())}


@dataclass(frozen=True)
class Strange:
    """A word that the data do not have; `sure` if it can only be meant as a value."""

    word: str
    sure: bool


_NAME = r"[A-Z][\w'’&.-]*(?:\s+(?:[A-Z][\w'’&.-]*|\d+))*"
_CAPITAL = re.compile(rf"\b(in|from|at|for|of|on|only|about)\s+(?:the\s+)?({_NAME})")
_PLACES = ("in", "from", "at")
_LOWER = re.compile(r"\b(?:in|for|of|from|at|are|do)\s+(?:the\s+)?([a-z]{3,})\s+([a-z]+)")
_PLACE = re.compile(r"\b(?:from|in|at)\s+([a-z]{4,})\s*[?.!]*$")
_TOLD = r"([A-Z][\w-]*|[A-Za-z]\w*(?=[のでな的])|[\u4e00-\u9fff々ァ-ヴー]{2,}?)"
_IS_CJK = re.compile(
    rf"\s*(?:が|は|＝|=|是|為|为)\s*「?{_TOLD}」?\s*(?:の|で(?!す)|である|的|，|、|」)"
)
_WITHIN_CJK = re.compile(
    r"([A-Z]\w*|[\u4e00-\u9fff々ァ-ヴー]{2,})(?:における|での)|在([A-Z]\w*|[\u4e00-\u9fff]{2,6}?)(?:的|，|有)"
)
_OF_CJK = re.compile(r"([A-Z]\w+|[\u4e00-\u9fff々ァ-ヴー]{2,})(?:の|的)")
_NO_VALUE = re.compile(
    r"the|all|each|every|both|these|those|this|that|our|my|your|their|its|any|some|other|different"
    r"|various|many|most|more|less|there|total|general|order|detail|details|short|english|japanese"
    r"|chinese|dollars?|euros?|percent|usd|eur|gbp|jpy|twd|excel|csv|json|xlsx|parquet|tsv|i|r|iqr"
    r"|[qh][1-4]|nan|none|null|true|false|python|pandas|and|or|plot|show|save|then|descending"
    r"|ascending|addition|particular|comparison|relation|terms|one|two|three|four|five|ten"
    r"|same|whole|entire|average|new|old|first|last|next|previous|given|raw|per|rows?|columns?"
    r"|here|it|them|kg|mm|cm|km|g|mg|m|celsius|fahrenheit|kelvin|kilos?|kilograms?|grams?|met(?:er|re)s?|inches|miles|feet|monthly|weekly|daily|yearly|quarterly|overall",
    re.IGNORECASE,
)
_GENERAL_CJK = re.compile(
    r"データ|資料|數據|数据|全体|全部|全て|所有|各|每|毎|別|表|テーブル|結果|情報|以下|今回|最|上位|下位|一|年|月|日|週|季"
    r"|以上|以下|以內|未満|未滿|超|円|元|[万萬千]|社員|注文|顧客|行動|順|数|數|値|值|合計|平均|割合|比率|比例|関係|分布|推移|変化|違い|差|方法|両方|グラフ|図|圖|ファイル|檔|列|行|欄|我|你|什麼|哪|何"
)


def unknown_value(
    text: str, table: Table, named: Sequence[Mention], filters: Sequence[Filter]
) -> Strange | None:
    """Find what the text takes for a value of the data and what no column has.

    A name after "for" or "of", or after a column's, can be nothing else: "for Zed". Nor can
    one after "in", where any column has names for values.
    A Japanese or Chinese noun before "の" or "的" may as well say what the rows are.
    """
    known = _known(table, filters)
    spans = [(m.start, m.end) for m in named if m.column.categorical or m.score > 1.25]
    for start, word, sure in _strange(text, table, named):
        free = all(start + len(word) <= a or b <= start for a, b in spans)
        if free and not _is_known(word, known):
            return Strange(word, sure)
    return None


def _strange(text: str, table: Table, named: Sequence[Mention]) -> Iterator[tuple[int, str, bool]]:
    yield from _at_columns(text, [m for m in named if m.column.categorical])
    named_values = any(value[:1].isupper() for c in table.columns for value in c.values)
    for match in _CAPITAL.finditer(text):
        # Where no column has names for values, a place is where all the rows are from.
        yield match.start(2), match[2], named_values or match[1] not in _PLACES
    own = {word for part in table.sources for word in words_of(part.name)}
    for match in _LOWER.finditer(text):
        if singular(match[2]) in own:
            yield match.start(1), match[1], True
    for match in _PLACE.finditer(text):
        yield match.start(1), match[1], False
    yield from _before_nouns(text)


def _at_columns(text: str, named: Sequence[Mention]) -> Iterator[tuple[int, str, bool]]:
    """Find what is said to be a column's value: "customer Zed", "地区がアジアの"."""
    for mention in named:
        rest = text[mention.end :]
        if match := re.match(rf"(?:\s+(?:is|=|==|named|called))?\s+({_NAME})", rest):
            yield mention.end + match.start(1), match[1], True
        if (match := _IS_CJK.match(rest)) and not _GENERAL_CJK.match(match[1]):
            yield mention.end + match.start(1), match[1], True


def _before_nouns(text: str) -> Iterator[tuple[int, str, bool]]:
    for pattern, sure in ((_WITHIN_CJK, True), (_OF_CJK, False)):
        for match in pattern.finditer(text):
            place = 1 if match[1] else 2
            if not _GENERAL_CJK.search(match[place]):
                yield match.start(place), match[place], sure


def _known(table: Table, filters: Sequence[Filter]) -> set[str]:
    """Give all words that the data explain: of names, of values, and of what both mean."""
    texts = [table.name, *(source.name for source in table.sources)]
    texts += [column.name for column in table.columns]
    texts += [value for column in table.columns for value in column.values]
    texts += [
        v for f in filters if isinstance(f.value, tuple) for v in f.value if isinstance(v, str)
    ]
    texts += [f.label for f in filters]
    concepts = {singular(word) for concept in vocabulary.CONCEPTS for word in concept}
    return {word for text in texts for word in (text.lower(), *words_of(text))} | concepts


def _is_known(word: str, known: set[str]) -> bool:
    if _NO_VALUE.fullmatch(word.split()[0]) or word.lower() in known:
        return True
    words = words_of(word)
    if words and any(w in known for w in words):
        return True
    if not word.isascii() and any(w in word for w in known if len(w) > 1 and not w.isascii()):
        return True
    groups = (vocabulary.KINDS, vocabulary.AGGREGATIONS, vocabulary.FREQUENCIES, vocabulary.CHARTS)
    patterns = [pattern for group in groups for pattern in group.values()]
    return any(pattern.search(word) for pattern in [*patterns, _CALENDAR])


_CALENDAR = re.compile(
    r"^(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)[a-z]*\b"
    r"|曜|星期|週|周|禮拜",
    re.IGNORECASE,
)
