"""A question cut into tokens: every stretch of it has a meaning, or is not understood."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from itertools import groupby

from aoai_magic.engine.models.offline.dates import DATES, read_date
from aoai_magic.engine.models.offline.lexicon import Language, concepts, words
from aoai_magic.engine.models.offline.schema import Column, Table, singular, split_name
from aoai_magic.engine.models.offline.units import NUMBER, read_number

_PERCENTILE = re.compile(
    r"(\d\d?)(?:(?:st|nd|rd|th)? ?percentile|パーセンタイル)|第(\d\d?)百分位數?", re.IGNORECASE
)
_BINS = re.compile(r"\b(\d{1,3}) bins\b|(\d{1,3})個?の?(?:ビン|階級|區間|組|bins)", re.IGNORECASE)
_WINDOW = re.compile(
    r"\b(\d{1,3})[- ](?:day|week|month|quarter|hour)s? (?:rolling|moving)(?: average| mean)\b"
    r"|(\d{1,3})(?:日|天|週|週間|ヶ月|か月|個月|時間|小時)間?[の的]?移動平均",
    re.IGNORECASE,
)
_UNITS = {"day": "D", "日": "D", "天": "D", "week": "W", "週": "W", "month": "M", "月": "M",
          "quarter": "Q", "hour": "h", "時": "h"}  # fmt: skip
_QUOTED = re.compile(r"[\"“'‘「『](?P<text>[^\"”'’」』]{1,60})[\"”'’」』]")
_FILE = re.compile(r"(?<![\w/.-])[\w-]+\.(csv|xlsx|json|parquet)\b", re.IGNORECASE)
_PROPER = re.compile(r"(?<![A-Za-z0-9_])[A-Z][A-Za-z\d_.-]*(?: (?:[A-Z][A-Za-z\d_.-]*|\d+))*")
_WORD = re.compile(r"[A-Za-z_][\w'’-]*|\d[\d.,]*\w*")
_PUNCTUATION = re.compile(r"[\s.,;:?!()（）\[\]`'\"’，。？！：；…・/–—*]+")
# "as a bar chart", and not "a and b", "a vs b", "a in March".
_ARTICLE = re.compile(
    r" (?!and\b|or\b|vs\b|versus\b|than\b|with\b|is\b|has\b|in\b|by\b|on\b)[a-z]+"
)
_WIDE = r"[\u3001-\u30ff\u3400-\u9fff々]"
_KINDS = {"number": "n", "date": "t", "flag": "f"}
_Word = tuple[str, int, int]


@dataclass(frozen=True)
class Match:
    """A value of a column."""

    column: Column
    value: str


@dataclass(frozen=True)
class Token:
    """A stretch of the question; ``rank`` says how sure its meaning is.

    ``dates`` is the column of a unit of time, where it is named: "day of ts"; ``meant`` is
    the name that a misspelt word was taken for.
    """

    kind: str
    value: object
    text: str
    start: int
    end: int
    rank: float = 0.0
    dates: Column | None = None
    meant: str = ""

    @property
    def column(self) -> Column:
        """The column that it names, or whose value it is."""
        assert isinstance(self.value, Column | Match)
        return self.value.column if isinstance(self.value, Match) else self.value


def normalize(text: str) -> str:
    """Return the text with wide digits and letters as plain ones."""
    text = "".join(unicodedata.normalize("NFKC", c) if "！" <= c <= "～" else c for c in text)
    # Japanese and Chinese put spaces around Latin letters and digits, or do not.
    return re.sub(rf"(?<={_WIDE})[ \u3000]+|[ \u3000]+(?={_WIDE})", "", text)


def scan(text: str, tables: Sequence[Table], language: Language) -> list[list[Token]]:
    """Return the tokens, each with its possible meanings; kind ``?`` is not understood."""
    found = [*_words(text, language), *_literals(text), *_spans(text)]
    found += [token for table in tables for token in _names(text, table)]
    return [_corrected(options, tables) for options in _chosen(text, found)]


def _corrected(options: list[Token], tables: Sequence[Table]) -> list[Token]:
    """Replace a word that is not understood by the one name of the data that it resembles."""
    word = options[0].text
    nouns = {noun for english, _ in concepts() for noun in english}
    unknown = options[0].kind in "?q" and options[0].rank <= 1
    if not unknown or len(word) < 5 or not word.isalpha() or singular(word.lower()) in nouns:
        return options
    known: dict[str, Token] = {}
    for column in (column for table in tables for column in table.columns):
        kind = "y" if column.is_year else "c" if column.is_id else _KINDS.get(column.kind, "c")
        names = {column.name.lower(), *(name for name in column.words if len(name) > 3)}
        known |= dict.fromkeys(
            names, replace(options[0], kind=kind, value=column, meant=column.name)
        )
        for value in column.values if column.complete else ():
            match = Match(column, value)
            known[value.lower()] = replace(options[0], kind="v", value=match, meant=value)
    close = get_close_matches(word.lower(), known, n=3, cutoff=0.8)
    found = {
        (t.kind, t.meant): t for name in close if name[0] == word[0].lower() for t in [known[name]]
    }
    return [*found.values()] if len(found) == 1 else options


def _make(kind: str, value: object, match: re.Match[str], rank: float) -> Token:
    return Token(kind, value, match[0], match.start(), match.end(), rank)


@lru_cache(maxsize=256)
def _words(text: str, language: Language) -> tuple[Token, ...]:
    return tuple(
        _make(kind, value, match, 2)
        for kind, value, pattern in words(language)
        for match in _everywhere(pattern, text)
        if match[0]
    )


def _everywhere(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Find matches at every place, also inside one another."""
    place = 0
    while match := pattern.search(text, place):
        yield match
        place = match.start() + 1


def _literals(text: str) -> Iterator[Token]:
    for match in _everywhere(NUMBER, text):
        if number := read_number(match):
            yield _make("N", number, match, 2)
    for match in _PERCENTILE.finditer(text):
        yield _make("A", f"p{match[1] or match[2]}", match, 2)
    for pattern in DATES:
        for match in pattern.finditer(text):
            if period := read_date(match):
                yield _make("D", period, match, 2.5)
    for match in _QUOTED.finditer(text):
        yield _make("q", match["text"], match, 1.5)
    for match in _FILE.finditer(text):
        yield _make("x", match[0], match, 5)


def _spans(text: str) -> Iterator[Token]:
    """Find "30-day moving average" and "10 bins"."""
    for match in _WINDOW.finditer(text):
        unit = next(alias for word, alias in _UNITS.items() if word in match[0].lower())
        yield _make("w", (int(match[1] or match[2]), unit), match, 5)
    for match in _BINS.finditer(text):
        yield _make("#", int(match[1] or match[2]), match, 5)


# Names of the data


def _names(text: str, table: Table) -> Iterator[Token]:
    found = [(singular(m[0].lower()), *m.span()) for m in re.finditer(r"[A-Za-z]+|\d+", text)]
    for column in table.columns:
        kind = "y" if column.is_year else "c" if column.is_id else _KINDS.get(column.kind, "c")
        # A column that counts the rows is called what the rows are: "booking".
        key = column.is_key and not column.is_id
        for start, end, rank in _spots(text, found, column.name, column.words):
            meaning: Column | Table = table if key else column
            yield Token("r" if key else kind, meaning, text[start:end], start, end, rank)
        for value in column.values if column.kind == "text" else ():
            for match in re.finditer(_forms(value), text, re.IGNORECASE):
                short = value.isupper() and len(value) < 4 and not match[0].startswith(value)
                article = match[0] == "a" and _ARTICLE.match(text, match.end())
                if _is_whole(text, *match.span()) and not short and not article:
                    rank = 3.6 if match[0] == value else 3.2
                    yield _make("v", Match(column, value), match, rank)
    name = table.label or table.name
    for start, end, rank in _spots(text, found, name, split_name(name)):
        if rank >= 3:
            # "@sales" is how the notebook attaches it; "@sales.csv" is a file.
            start -= bool(re.search(r"@$", text[:start]) and re.match(r"(?!\.\w)", text[end:]))
            yield Token("r", table, text[start:end], start, end, 3)


def _spots(
    text: str, found: Sequence[_Word], name: str, own: Sequence[str]
) -> Iterator[tuple[int, int, float]]:
    """Find a name, words of it, or other words for it; with how sure each is."""
    for match in re.finditer(re.escape(name), text, re.IGNORECASE):
        if _is_whole(text, *match.span()):
            yield *match.span(), 4
    whole, joined = split_name(name), "".join(own)
    for size in range(1, len(whole) + 1):
        parts = {own[i : i + size]: 1 + size / 9 for i in range(len(own) - size + 1)}
        parts |= {whole: 3.6, tuple(own): 3.5, (joined,): 3.5}
        if len(whole) > 2:  # "mpg" is miles_per_gallon
            parts["".join(word[0] for word in whole),] = 3.5
        for window in (found[i : i + size] for i in range(len(found) - size + 1)):
            if rank := parts.get(tuple(word for word, *_ in window)):
                yield window[0][1], window[-1][2], rank
    for start, end, share in _by_concept(text, found, name, own):
        yield start, end, 3 if share == 1 else 0.9 + share / 9
    yield from _parts(text, name)


def _parts(text: str, name: str) -> Iterator[tuple[int, int, float]]:
    """Find parts of a Japanese or Chinese name by which people call the column."""
    for run in re.findall(r"[\u3041-\u30ff\u3400-\u9fff々ー]{3,}", name):
        for size in range(len(run) - 1, 1, -1):
            for start in range(len(run) - size + 1):
                for match in re.finditer(re.escape(run[start : start + size]), text):
                    yield *match.span(), 1 + size / len(run) / 9


def _by_concept(
    text: str, found: Sequence[_Word], name: str, own: Sequence[str]
) -> list[tuple[int, int, float]]:
    """Find other words for the same thing; of a compound name, words for its parts."""
    spots: list[tuple[int, int, float]] = []
    for english, foreign in concepts():
        plain = {singular(word) for word in english}
        hits = plain.intersection(own) - ({"unit"} if len(own) > 1 else set())
        if hits or name in foreign:
            share = 1.0 if name in foreign else len(hits) / len(own)
            spots += [(start, end, share) for word, start, end in found if word in plain]
            spots += [
                (*match.span(), share)
                for word in filter(None, foreign)
                for match in re.finditer(word, text)
            ]
    return spots


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether a stretch is no part of a longer word of letters."""
    edges = text[max(start - 1, 0) : start + 1], text[end - 1 : end + 1]
    inside = [len(edge) == 2 and re.fullmatch(r"[A-Za-z0-9_]{2}", edge) for edge in edges]
    return not ((inside[0] and start > 0) or inside[1])


@lru_cache(maxsize=1024)
def _forms(value: str) -> str:
    """Return a pattern of a value as sentences inflect it: returned, returns; rain, rainy."""
    text = re.escape(value)
    if not re.fullmatch(r"[A-Za-z][A-Za-z ]+", value):  # "as" is not the plural of "a"
        return text
    stem = value[:-1] if value.endswith("e") else re.sub(r"(?<=[a-z]{3})ed$", "", value)
    return rf"(?:{text}(?:e?s|'s)?|{re.escape(stem)}(?:s|es|ed)?|{text}{value[-1]}?y)"


# The choice


def _chosen(text: str, found: list[Token]) -> Iterator[list[Token]]:
    """Go through the text, taking the longest stretch at each place."""
    found.sort(key=lambda token: token.start)
    by_start = {start: [*tokens] for start, tokens in groupby(found, lambda token: token.start)}
    place = 0
    while place < len(text):
        if here := by_start.get(place):
            longest = max(token.end for token in here)
            yield _meanings([token for token in here if token.end == longest])
            place = longest
        elif match := _PUNCTUATION.match(text, place):
            place = match.end()
        else:
            token = _unknown(text, place, by_start)
            yield [token]
            place = token.end


def _meanings(tokens: Sequence[Token]) -> list[Token]:
    """Keep what the stretch may mean: the surest names of the data, and the surest words."""
    names = [token for token in tokens if isinstance(token.value, Column | Match | Table)]
    best = max((token.rank for token in names), default=0.0)
    # A name of the data is never a word without meaning: the department IT is no "it".
    empty = "_u" if best >= 3 else ""
    other = [token for token in tokens if token not in names and token.kind not in empty]
    kept = [token for token in names if token.rank == best and not (other and best < 3)]
    columns = [token for token in kept if isinstance(token.value, Column)]
    if len({token.column.name for token in columns}) > 1:
        choices = tuple(dict.fromkeys(token.column.name for token in columns))
        kept = [token for token in kept if token not in columns]
        kept.append(replace(columns[0], kind="*", value=choices))
    surest = max((token.rank for token in other), default=0.0)
    kept += [token for token in other if token.rank == surest]
    if best < 4:  # "students" may be the rows of a table with a column "student"
        kept += [token for token in names if token.kind == "r"]
    return [*{(token.kind, str(token.value)): token for token in kept}.values()]


def _unknown(text: str, place: int, by_start: dict[int, list[Token]]) -> Token:
    """Return a stretch that no word covers: a name of something, or a word."""
    word, proper = _WORD.match(text, place), _PROPER.match(text, place)
    if proper and len(proper[0]) > 1 and (place > 0 or " " in proper[0]):
        return _make("q", proper[0], proper, 1)
    if word:
        return _make("?", word[0], word, 0)
    end = place + 1
    while end < len(text) and end not in by_start and not _PUNCTUATION.match(text, end):
        if _WORD.match(text, end):
            break
        end += 1
    return Token("?", text[place:end], text[place:end], place, end)
