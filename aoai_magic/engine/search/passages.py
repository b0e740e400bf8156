"""Passages: a text cut into overlapping pieces, as the store's chunking strategy says."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from aoai_magic.engine.search.reading import Document
from aoai_magic.engine.search.terms import UNSPACED
from aoai_magic.engine.storage.objects import Body

_TOKEN = re.compile(rf"[{UNSPACED}]| ?[^\W_{UNSPACED}]{{1,6}}|\s+|[^\w\s]|_")
"""About what a model's tokenizer makes of a text; the real ones are megabytes of tables."""


@dataclass(frozen=True)
class Passage:
    """A piece of a text; ``start`` counts the characters before it.

    ``place`` is where it begins in its file, such as ``page 2``; empty where that is unknown.
    """

    start: int
    text: str
    place: str = ""


def cut(document: Document, strategy: Body) -> Iterator[Passage]:
    """Cut a document.

    Parameters
    ----------
    strategy
        A static one: ``max_chunk_size_tokens`` and ``chunk_overlap_tokens``.
    """
    size, overlap = strategy["max_chunk_size_tokens"], strategy["chunk_overlap_tokens"]
    text, marks = document.text, document.marks
    starts = [start for start, _ in marks]
    ends = [*starts[1:], len(text) + 1] if document.apart else [len(text) + 1]
    line, counted = 1, 0
    for first, end in zip(starts if document.apart else [0], ends, strict=True):
        for start, piece in _pieces(text[first : end - 1], size, size - overlap):
            line, counted = line + text.count("\n", counted, first + start), first + start
            place = marks[bisect_right(starts, counted) - 1][1] if marks else f"line {line}"
            yield Passage(counted, piece, place)


def _pieces(text: str, size: int, step: int) -> Iterator[tuple[int, str]]:
    """Yield pieces of so many tokens, a step apart, and the characters before each."""
    starts = [match.start() for match in _TOKEN.finditer(text)]
    for first in range(0, len(starts), step):
        last = first + size
        end = starts[last] if last < len(starts) else len(text)
        yield starts[first], text[starts[first] : end]
        if last >= len(starts):
            return
