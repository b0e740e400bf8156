"""Run a coroutine from code that is not asynchronous, and wait for its result.

A notebook's own event loop is running already, so the coroutine gets a loop in a thread
of its own. That loop is kept for the kernel's life because connections belong to a loop.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any, TypeVar

from aoai_magic.errors import ServiceError
from aoai_magic.locale import gettext as _

T = TypeVar("T")

COMMAND_SECONDS = 10.0
"""How long a command waits for a server; the SDK's own limit is ten minutes."""

_here = threading.local()


def run_blocking(coroutine: Coroutine[Any, Any, T], stop: Callable[[], None] | None = None) -> T:
    """Return the coroutine's result; the calling thread waits for it.

    The first interrupt calls ``stop``, after which the coroutine may end in its own way.
    Without ``stop``, and on the second interrupt, the coroutine is cancelled.

    Raises
    ------
    KeyboardInterrupt
        If it was cancelled.
    """
    # A function that the model calls may run in our thread and ask something itself: it
    # waits for the next loop, because a loop cannot wait for itself.
    level = getattr(_here, "level", 0)
    # The task inherits this thread's context variables, by which ipykernel knows
    # the cell that output belongs to.
    future = asyncio.run_coroutine_threadsafe(coroutine, loop(level))
    while True:
        try:
            return future.result(timeout=0.1)
        except concurrent.futures.TimeoutError:
            if future.done():  # the coroutine's own TimeoutError
                return future.result()
        except KeyboardInterrupt:
            if stop is None:
                future.cancel()
                raise
            stop()
            stop = None


def wait_for(coroutine: Coroutine[Any, Any, T], more: float = 0.0) -> T:
    """Return the coroutine's result; wait `COMMAND_SECONDS`, and ``more`` where work is long.

    Raises
    ------
    ServiceError
        If it takes longer.
    KeyboardInterrupt
        If it was interrupted.
    """
    return run_blocking(_within(coroutine, COMMAND_SECONDS + more))


async def _within(coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
    task = asyncio.ensure_future(coroutine)
    try:
        # Not wait_for, which waits for the cancelled task too: fetching a token of Entra ID
        # cannot be broken off.
        await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
    if not task.done():
        task.add_done_callback(lambda late: late.cancelled() or late.exception())
        raise ServiceError(
            _(
                "The server did not answer within {seconds:g} s; try again, or check its address "
                "with %assistant status."
            ).format(seconds=seconds)
        )
    return task.result()


def is_blocking() -> bool:
    """Return whether the running code is that of `run_blocking`, whose caller hears no button."""
    return getattr(_here, "level", 0) > 0


@cache
def loop(level: int = 0) -> asyncio.AbstractEventLoop:
    """Return the loop of our thread; for each further ``level`` that of one more thread."""
    made = asyncio.new_event_loop()

    def run() -> None:
        _here.level = level + 1
        made.run_forever()

    threading.Thread(target=run, name="aoai-magic", daemon=True).start()
    return made
