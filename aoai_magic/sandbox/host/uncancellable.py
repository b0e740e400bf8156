"""Work that is done to its end, whoever stops waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def run_uncancelled(work: Coroutine[Any, Any, T]) -> T:
    """Run the work to its end, also when its caller is cancelled.

    Half of it done would leave processes and descriptors that nobody knows of any more; and
    a zygote left in the middle of an answer would be taken to have answered the next question.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return await asyncio.shield(task)
