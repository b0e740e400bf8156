"""Columns as people write them: found in a prompt whatever the case, spacing or number."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from aoai_magic.engine.models.offline.schema import Column, Table
from aoai_magic.engine.models.offline.vocabulary import CONCEPTS

_WORD = re.compile(r"[a-z]+|\d+")
_CJK = re.compile(r"[\u3041-\u30ff\u3400-\u9fff々ー]+")
_CLOSE = 0.84
"""Ratio from which a misspelt word of five letters or more counts as the column's."""


_SIDE_BY_SIDE = 3.0
"""Score of two words for a column, less than that of its name."""


@dataclass(frozen=True)
class Mention:
    """A column that stands in a prompt, from `start` to `end`; a higher `score` is surer."""

    column: Column
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class _Token:
    word: str
    start: int
    end: int


def mentions(prompt: str, table: Table) -> list[Mention]:
    """Find the columns in the order of the prompt, one for each place."""
    tokens = list(_tokens(prompt))
    found = [m for column in table.columns for m in _of_column(column, prompt, tokens)]
    chosen: list[Mention] = []
    for mention in sorted(found, key=lambda m: (-m.score, m.start - m.end)):
        free = all(mention.end <= other.start or other.end <= mention.start for other in chosen)
        if free and all(mention.column != other.column for other in chosen):
            chosen.append(mention)
    return sorted(chosen, key=lambda m: m.start)


@lru_cache(maxsize=4096)
def words_of(name: str) -> tuple[str, ...]:
    """Split a name as written by programs into lower-case singular words."""
    # A unit in brackets is no part of what people call a column.
    name = re.sub(r"(?<=\w)\s*[(\[].*[)\]]\s*$", "", name)
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    words = tuple(singular(word) for word in _WORD.findall(spaced.lower()))
    return words[:-1] if len(words) > 1 and words[-1] in _UNITS else words


def singular(word: str) -> str:
    """Give the singular of an English word, as far as the ending tells it."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] not in "sui" else word


def _tokens(prompt: str) -> Iterator[_Token]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "\0", prompt)
    place = 0
    for part in spaced.split("\0"):
        for match in _WORD.finditer(part.lower()):
            yield _Token(singular(match[0]), place + match.start(), place + match.end())
        place += len(part)


def _of_column(column: Column, prompt: str, tokens: Sequence[_Token]) -> Iterator[Mention]:
    exact = re.search(rf"(?<!\w){re.escape(column.name)}(?!\w)", prompt)
    if exact and column.name.strip():
        yield Mention(column, exact.start(), exact.end(), 4 + len(column.name) / 100)
    found = [*_in_words(column, tokens), *_by_concept(column, prompt, tokens)]
    yield from found
    yield from _in_characters(column, prompt)
    yield from _together(found, prompt)


def _together(found: Sequence[Mention], prompt: str) -> Iterator[Mention]:
    """Join two words of one column that stand side by side: "くちばしの長さ"."""
    for first in found:
        for second in found:
            between = prompt[first.end : second.start]
            if first.end <= second.start and re.fullmatch(r"[\s_-]?|の|的", between):
                score = min(first.score + second.score, _SIDE_BY_SIDE)
                yield Mention(first.column, first.start, second.end, score)


def _in_words(column: Column, tokens: Sequence[_Token]) -> Iterator[Mention]:
    words = words_of(column.name)
    size = len(words)
    for place in range(len(tokens) - size + 1 if words else 0):
        window = tokens[place : place + size]
        if tuple(token.word for token in window) == words:
            yield Mention(column, window[0].start, window[-1].end, 3 + size / 10)
    for token in tokens:
        score = max((_alike(token.word, word, words) for word in words), default=0.0)
        if column.temporal and words and token.word != words[-1]:
            continue  # "orders" are no order_date
        if score:
            yield Mention(column, token.start, token.end, score)
    joined = "".join(words)
    for token in tokens:
        if size > 1 and token.word == joined:
            yield Mention(column, token.start, token.end, 3)


def _alike(token: str, word: str, words: Sequence[str]) -> float:
    """Score one word of the prompt against one of a column's words; the last says most."""
    size = len(words)
    if len(token) < 3 or token in _TOO_COMMON:
        return 0.0
    if token == word:
        telling = [w for w in words if w not in _NAMING] or list(words)
        return (2.0 if word == telling[-1] else 1.4) - size / 10
    if len(token) < 5 or token[0] != word[0] or abs(len(token) - len(word)) > 2:
        return 0.0
    ratio = difflib.SequenceMatcher(None, token, word).ratio()
    if ratio >= _CLOSE:
        return (1.9 if size == 1 else 1.2) * ratio
    return 0.0


_UNITS = frozenset(
    ["mm", "cm", "km", "kg", "g", "mg", "lb", "usd", "eur", "jpy", "twd", "pct", "ms"]
)
_NAMING = frozenset({"id", "no", "code", "name", "key", "number"})
_TOO_COMMON = frozenset(
    [
        "the",
        "and",
        "for",
        "per",
        "top",
        "best",
        "with",
        "from",
        "that",
        "this",
        "show",
        "plot",
        "give",
        "what",
        "which",
        "how",
        "many",
        "mean",
        "average",
        "total",
        "sum",
        "count",
        "number",
        "value",
        "unit",
        "each",
        "all",
        "new",
        "data",
        "table",
        "file",
    ]
)


def _in_characters(column: Column, prompt: str) -> Iterator[Mention]:
    """Find Japanese and Chinese names, or the longest part of one, as they stand."""
    for name in _CJK.findall(column.name):
        for size in range(len(name), 0, -1):
            if size < 2 and len(name) > 1:
                break
            parts = {name[i : i + size] for i in range(len(name) - size + 1)}
            places = [(prompt.find(part), part) for part in parts if part in prompt]
            if places:
                start, part = min(places)
                score = 1 + 2.5 * size / len(name)
                yield Mention(column, start, start + len(part), score)
                break


def likeliest(columns: Sequence[Column]) -> Column | None:
    """Give the number that people mean when they name none: revenue before price."""
    for concept in CONCEPTS[:4]:
        for column in columns:
            words = words_of(column.name)
            if any(w in words if w.isascii() else w in column.name for w in concept):
                return column
    return None


_COLD = {"coldest", "coolest", "colder", "cooler"}


def _by_concept(column: Column, prompt: str, tokens: Sequence[_Token]) -> Iterator[Mention]:
    """Find the column by another word for the same thing, in whatever language."""
    words = words_of(column.name)
    name = set(words[-1:] if column.temporal else words)
    for concept in CONCEPTS:
        plain = {singular(word) for word in concept if word.isascii()}
        foreign = [word for word in concept if not word.isascii()]
        if not (name & plain or any(word in column.name for word in foreign)):
            continue
        weight = 1.5 if (name and name <= plain) or column.name in foreign else 1.3
        # Among columns of one concept the name that begins the list is the likeliest.
        for token in tokens:
            if token.word in plain:
                low = token.word in _COLD and "min" in words
                yield Mention(column, token.start, token.end, weight + low / 50)
        for word in foreign:
            # One character is a word of its own only where something says so.
            beside = "ごと|別|毎|間|の[長深幅高重]|[長深寬]|最[長短]|が[A-Zァ-ヴ]"
            alone = rf"(?:(?<=[各每按依]){word}|{word}(?={beside}))"
            if match := re.search(word if len(word) > 1 else alone, prompt):
                yield Mention(column, match.start(), match.end(), weight + len(word) / 50)
