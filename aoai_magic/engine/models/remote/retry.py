"""When a server is busy or out of reach: whether to ask again, and after how long."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import anyio

from aoai_magic.engine.models.base import Waiting
from aoai_magic.engine.models.remote import errors
from aoai_magic.shared.openai_errors import retry_after

TRIES = 5
CONNECTION_TRIES = 3
FIRST_WAIT = 0.5
"""Seconds, where the server says nothing; each next wait is doubled."""

LONGEST_WAIT = 120.0
"""Seconds; a server that wants more is not waited for."""


def pause(error: Exception, attempt: int) -> float | None:
    """Return the seconds to wait before the next try, None where there is to be none.

    ``attempt`` is how many failed before this one.
    """
    import openai

    if isinstance(error, openai.APITimeoutError):
        return None
    if isinstance(error, errors.StreamFailureError):
        again = error.code in ("server_error", "rate_limit_exceeded") and attempt + 1 < TRIES
        return FIRST_WAIT * 2**attempt if again else None
    if isinstance(error, openai.APIConnectionError | errors.UnfinishedError) or (
        errors.is_transport(error)
    ):
        return FIRST_WAIT * 2**attempt if attempt + 1 < CONNECTION_TRIES else None
    if not isinstance(error, openai.APIStatusError) or attempt + 1 >= TRIES:
        return None
    if not _passing(error):
        return None
    seconds = retry_after(error.response.headers)
    if seconds is None:
        seconds = FIRST_WAIT * 2**attempt
    return seconds if seconds <= LONGEST_WAIT else None


def _passing(error: object) -> bool:
    headers = error.response.headers  # type: ignore[attr-defined]
    if headers.get("x-should-retry") == "false" or error.code == "insufficient_quota":  # type: ignore[attr-defined]
        return False
    status = int(error.status_code)  # type: ignore[attr-defined]
    return status in (408, 429) or status >= 500


def reason(error: Exception) -> str:
    """Return in a few words why a try failed."""
    import openai

    if isinstance(error, openai.RateLimitError):
        return "the model takes no more calls for now"
    if isinstance(error, errors.StreamFailureError):
        return "the model's server failed"
    if isinstance(error, openai.APIStatusError):
        return f"the model's server failed ({error.status_code})"
    return "the model's server cannot be reached"


async def wait(seconds: float, why: str) -> AsyncIterator[Waiting]:
    """Wait, and yield every second how long it still takes."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        yield Waiting(left, why)
        await anyio.sleep(min(left, 1.0))
