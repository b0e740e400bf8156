"""Embeddings of an endpoint's model: asked for again when it is busy, shortened when too long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import anyio

from aoai_magic.engine.models.remote import errors, retry

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from aoai_magic.engine.models.remote.endpoint import Endpoint, Route

_SHORTEST = 200
"""Characters; a text that is too long for the model is halved down to this."""


async def embed(
    endpoint: Endpoint, client: Callable[[Route], AsyncOpenAI], texts: Sequence[str]
) -> Sequence[Sequence[float]]:
    """Return an embedding of each text, of its beginning where it is too long for the model.

    Raises
    ------
    ModelError
        When the endpoint gives none.
    """
    attempt = 0
    while True:
        try:
            return await _embedded(endpoint, client, texts)
        except Exception as error:
            if not errors.is_fault(error):
                raise
            longest = max(map(len, texts))
            if errors.is_too_long(error) and longest > _SHORTEST:
                texts = [text[: longest // 2] for text in texts]
                continue
            seconds = retry.pause(error, attempt)
            if seconds is None:
                raise errors.describe(error, endpoint, started=False) from error
            attempt += 1
            await anyio.sleep(seconds)


async def _embedded(
    endpoint: Endpoint, client: Callable[[Route], AsyncOpenAI], texts: Sequence[str]
) -> Sequence[Sequence[float]]:
    import openai

    body = {"model": endpoint.model, "input": list(texts), "encoding_format": "float"}
    *others, last = {route.client: route for route in endpoint.routes}.values()
    for route in (*others, last):
        # As for questions: with a slash Azure's client writes the deployment into the path.
        path = "/embeddings" if route.client == "dated" else "embeddings"
        try:
            answer: Any = await client(route).post(path, cast_to=object, body=body)
        except openai.NotFoundError:
            if route is last:
                raise
        else:
            return [
                one["embedding"] for one in sorted(answer["data"], key=lambda one: one["index"])
            ]
    raise AssertionError("the last route answers or raises")
