"""Passages: a text cut into overlapping pieces, as the store's chunking strategy says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from aoai_magic.engine.search.terms import UNSPACED
from aoai_magic.engine.storage.objects import Body

_TOKEN = re.compile(rf"[{UNSPACED}]| ?[^\W_{UNSPACED}]{{1,6}}|\s+|[^\w\s]|_")
"""About what a model's tokenizer makes of a text; the real ones are megabytes of tables."""


@dataclass(frozen=True)
class Passage:
    """A piece of a text; ``start`` counts the characters before it."""

    start: int
    text: str


def cut(text: str, strategy: Body) -> Iterator[Passage]:
    """Cut a text.

    Parameters
    ----------
    strategy
        A static one: ``max_chunk_size_tokens`` and ``chunk_overlap_tokens``.
    """
    size, overlap = strategy["max_chunk_size_tokens"], strategy["chunk_overlap_tokens"]
    starts = [match.start() for match in _TOKEN.finditer(text)]
    for first in range(0, len(starts), size - overlap):
        last = first + size
        end = starts[last] if last < len(starts) else len(text)
        yield Passage(starts[first], text[starts[first] : end])
        if last >= len(starts):
            return
