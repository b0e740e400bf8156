"""Weather: busy services, dropped connections, and how long to wait before asking again."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio

from .. import events
from ..errors import ServiceError
from ..events import Event

if TYPE_CHECKING:
    pass

TRIES = 5
"""How often a request is made before its failure is the turn's."""

LONGEST_WAIT = 120.0
"""Seconds; a service that wants more is not waited for."""

_HTTP = ("httpx", "httpx2", "httpcore", "httpcore2")


def is_dropped(error: Exception) -> bool:
    """Say whether the connection went away; the SDK lets its library's errors through."""
    import openai

    if isinstance(error, openai.APIConnectionError):
        return True
    return type(error).__module__.partition(".")[0] in _HTTP


def is_passing(error: Exception) -> bool:
    """Say whether asking again may help."""
    import openai

    if isinstance(error, openai.RateLimitError):
        return error.code != "insufficient_quota"
    return is_dropped(error) or isinstance(error, openai.InternalServerError)


async def waited(error: Exception, attempt: int) -> AsyncIterator[Event]:
    """Wait before the next try, telling how long it still takes.

    Raises
    ------
    ServiceError
        If the service wants to be left alone for too long.
    """
    seconds = _asked_for(error)
    if seconds is None:
        seconds = 0.5 * 2**attempt
    if seconds > LONGEST_WAIT:
        raise ServiceError(
            f"The service is too busy and asks to come back in {seconds:.0f} seconds; "
            "run the cell again then."
        ) from error
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        yield events.Progress(f"trying again in {left:.0f} s", int(seconds - left), int(seconds))
        await anyio.sleep(min(left, 1.0))


def _asked_for(error: Exception) -> float | None:
    """Give the seconds that the service asks for in its answer, if it does."""
    import openai

    if not isinstance(error, openai.APIStatusError):
        return None
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
    return None
