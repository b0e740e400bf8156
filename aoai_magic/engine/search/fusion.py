"""Fusion: what was found by words and what was found by meaning, as one list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_RERANKED = 50
_OFFSET = 60
"""The usual constant of reciprocal ranks: how little the first of a list is above the next."""

Scores = Mapping[int, float]
"""Passages' ids to how well they fit; between 0 and 1."""


@dataclass(frozen=True)
class Weights:
    """How results are ranked.

    Attributes
    ----------
    words, meaning
        How much each of the two ways to find passages counts.
    again
        Whether the best of both are ranked again, by both of their scores.
    """

    words: float = 1.0
    meaning: float = 1.0
    again: bool = True


def weights_of(options: Mapping[str, Any]) -> Weights:
    """Read the ``ranking_options`` of a request."""
    given = options.get("hybrid_search") or {"text_weight": 1.0, "embedding_weight": 1.0}
    again = options.get("ranker") != "none"
    return Weights(given["text_weight"], given["embedding_weight"], again)


def merge(
    by_words: Scores,
    by_meaning: Scores,
    weights: Weights,
    score: Callable[[Sequence[int]], Scores],
    cosines: Callable[[Sequence[int]], Scores],
) -> Scores:
    """Merge two lists, and rank the best again.

    ``score`` and ``cosines`` return how well passages fit by words and by meaning, since each
    list lacks some of the other's.
    """
    fused = fuse(by_words, by_meaning, weights)
    if not weights.again:
        return fused
    best = _best(fused)[:_RERANKED]
    return rank_again(best, score(best), cosines(best), weights)


def fuse(by_words: Scores, by_meaning: Scores, weights: Weights) -> dict[int, float]:
    """Merge two lists by reciprocal ranks; 1 is the first of both.

    After Cormack, Clarke and Buettcher (2009).
    """
    fused = defaultdict[int, float](float)
    for weight, scores in _weighted(by_words, by_meaning, weights):
        for rank, id_ in enumerate(_best(scores)):
            fused[id_] += weight * (_OFFSET + 1) / (_OFFSET + 1 + rank)
    return fused


def rank_again(
    ids: Sequence[int], by_words: Scores, by_meaning: Scores, weights: Weights
) -> dict[int, float]:
    """Return the passages' mean scores, each list's relative to its best."""
    mean = dict.fromkeys(ids, 0.0)
    for weight, scores in _weighted(by_words, by_meaning, weights):
        best = max(scores.values(), default=0) or 1
        for id_ in ids:
            mean[id_] += weight * scores.get(id_, 0) / best
    return mean


def _best(scores: Scores) -> list[int]:
    """Return the ids, the best first; of equal ones the older, on every database."""
    return sorted(scores, key=lambda id_: (-scores[id_], id_))


def _weighted(by_words: Scores, by_meaning: Scores, weights: Weights) -> list[tuple[float, Scores]]:
    total = weights.words + weights.meaning
    return [(weights.words / total, by_words), (weights.meaning / total, by_meaning)]
