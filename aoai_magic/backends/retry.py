"""Retries: rate limits, dropped connections, and how long to wait before asking again."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import anyio

from aoai_magic.errors import AssistantError, ServiceError
from aoai_magic.locale import gettext as _
from aoai_magic.shared.openai_errors import retry_after
from aoai_magic.turn.events import Event, Progress

TRIES = 5
"""How often a request is made before its failure is the turn's."""

FIRST_WAIT = 0.5
"""Seconds before the second try, where the service says nothing; each next is doubled."""

LONGEST_WAIT = 120.0
"""Seconds; a service that wants more is not waited for."""

CONNECT_SECONDS = 10.0

SILENCE_SECONDS = 60.0
"""How long a stream may say nothing before it is taken for dead and opened again."""

_HTTP = ("httpx", "httpx2", "httpcore", "httpcore2")


def is_dropped(error: Exception) -> bool:
    """Return whether the connection went away; the SDK lets its library's errors through."""
    import openai

    if isinstance(error, openai.APIConnectionError):
        # One with a sentence of ours was refused on purpose.
        return not isinstance(error.__cause__, AssistantError)
    return type(error).__module__.partition(".")[0] in _HTTP


def is_broken(error: Exception) -> bool:
    """Return whether an error means that a stream is at its end, and not what it tells of."""
    # What was cut or garbled may be no JSON, or JSON of another form.
    garbled = (ValueError, AttributeError, TypeError, KeyError)
    return is_dropped(error) or isinstance(error, garbled)


def is_silent(error: Exception) -> bool:
    """Return whether nothing came for too long."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return True
    return is_dropped(error) and "Timeout" in type(error).__name__


def is_passing(error: Exception) -> bool:
    """Return whether asking again may help."""
    import openai

    if isinstance(error, openai.RateLimitError):
        return error.code != "insufficient_quota"
    return is_dropped(error) or isinstance(error, openai.InternalServerError)


async def retry_call(work: Callable[[], Awaitable[object]]) -> AsyncGenerator[Event, None]:
    """Do work that can be done again, as `retry_events` does."""

    async def once() -> AsyncGenerator[Event, None]:
        await work()
        return
        yield

    async for event in retry_events(once):
        yield event


async def retry_events(
    work: Callable[[], AsyncGenerator[Event, None]],
) -> AsyncGenerator[Event, None]:
    """Yield the events of work that can be done again; where it fails in passing, wait.

    Raises
    ------
    Exception
        What the work raised the last time, or at once where trying again is no use.
    """
    for attempt in range(TRIES):
        try:
            async with aclosing(work()) as events:
                async for event in events:
                    yield event
        except Exception as error:
            if attempt + 1 == TRIES or not is_passing(error):
                raise
            async for progress in waited(error, attempt):
                yield progress
        else:
            return


async def waited(error: Exception, attempt: int) -> AsyncIterator[Progress]:
    """Wait before the next try, telling how long it still takes.

    Raises
    ------
    ServiceError
        If the service wants to be left alone for too long.
    """
    response = getattr(error, "response", None)
    seconds = None if response is None else retry_after(response.headers)
    if seconds is None:
        seconds = FIRST_WAIT * 2**attempt
    if seconds > LONGEST_WAIT:
        raise ServiceError(
            _("The rate limit is reached; run the cell again in {seconds:.0f} s.").format(
                seconds=seconds
            )
        ) from error
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        yield Progress(
            _("{reason}; trying again in {left:.0f} s").format(reason=_reason(error), left=left), 0
        )
        await anyio.sleep(min(left, 1.0))


def _reason(error: Exception) -> str:
    import openai

    if isinstance(error, openai.RateLimitError):
        return _("the rate limit is reached")
    if isinstance(error, openai.APIStatusError):
        return _("the service failed ({status})").format(status=error.status_code)
    return _("the connection was lost")
