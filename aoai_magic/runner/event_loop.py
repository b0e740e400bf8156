"""Running a coroutine to its end from code that is not asynchronous.

A notebook's own event loop is running already, so that the coroutine gets a loop in
a thread of its own, kept for the kernel's life because connections belong to a loop.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def run_blocking(coroutine: Coroutine[Any, Any, T], stop: Callable[[], None]) -> T:
    """Give the coroutine's result; on an interrupt call ``stop`` and wait for the end."""
    # The task inherits this thread's context variables, by which ipykernel knows
    # the cell that output belongs to.
    future = asyncio.run_coroutine_threadsafe(coroutine, loop())
    while True:
        try:
            return future.result(timeout=0.1)
        except concurrent.futures.TimeoutError:
            if future.done():  # the coroutine's own TimeoutError
                return future.result()
        except KeyboardInterrupt:
            stop()


@cache
def loop() -> asyncio.AbstractEventLoop:
    """Give the loop of that thread."""
    made = asyncio.new_event_loop()
    threading.Thread(target=made.run_forever, name="aoai-magic", daemon=True).start()
    return made
