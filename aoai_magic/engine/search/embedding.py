"""Embedding: texts turned into vectors by a model, in batches; and what is done without it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from aoai_magic.engine.search.vectors import Matrix

_LOG = logging.getLogger(__name__)

_AT_ONCE, _CHARACTERS_AT_ONCE = 64, 200_000
_REST_SECONDS = 60.0
"""How long a model that failed is left alone: each of its errors comes after some retries."""


class Embedder(Protocol):
    """A model that makes embeddings."""

    name: str

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return an embedding of each text."""


class EmbeddingError(Exception):
    """The model gave no embeddings; the text says why."""


class Embedding:
    """A model's embeddings, as vectors of length 1.

    Attributes
    ----------
    name
        The model's SPEC.
    error
        Why the last call failed, empty if it did not.
    """

    def __init__(self, model: Embedder) -> None:
        self._model = model
        self.name = model.name
        self.error = ""
        self._rests_until = 0.0

    async def vectors(self, texts: Sequence[str]) -> Matrix:
        """Return a row for each text.

        Raises
        ------
        EmbeddingError
            When the model fails, or has failed in the last minute.
        """
        if time.monotonic() < self._rests_until:
            raise EmbeddingError(self.error)
        try:
            parts = [
                _units(await self._model.embed(batch), len(batch)) for batch in _batches(texts)
            ]
            made = np.concatenate(parts)
        except Exception as error:
            # Files are searched by words then: no fault of a model may lose them.
            self.error, self._rests_until = str(error), time.monotonic() + _REST_SECONDS
            _LOG.warning("Files are searched by words alone: %s", error)
            raise EmbeddingError(self.error) from error
        self.error = ""
        return made


def _batches(texts: Sequence[str]) -> list[list[str]]:
    batches, size = [list[str]()], 0
    for text in texts:
        size += len(text)
        if batches[-1] and (size > _CHARACTERS_AT_ONCE or len(batches[-1]) == _AT_ONCE):
            batches.append([])
            size = len(text)
        batches[-1].append(text)
    return batches


def _units(embeddings: Sequence[Sequence[float]], count: int) -> Matrix:
    """Return embeddings as rows of length 1.

    Raises
    ------
    ValueError
        When they are no numbers, or not one for each text.
    """
    rows = np.asarray(embeddings, np.float32)
    if rows.ndim != 2 or len(rows) != count or not rows.shape[1] or not np.isfinite(rows).all():
        raise ValueError("The model's answer holds no embeddings.")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)
