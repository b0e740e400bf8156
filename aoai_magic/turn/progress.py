"""How far work has come: told by the thread that does it, shown by the event loop.

Whoever reads, hashes, packs or sends tells the meter of its context (`current`); whoever
waits for that work runs it as `Metered` and takes the events that come of it. Nobody has
to hand a meter through, and work that nobody watches tells a meter that nobody reads.
"""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Generic, TypeVar

from aoai_magic.turn.events import Progress

PATIENCE = 0.5
"""Seconds of work that are not worth a word."""

EVERY = 0.2
"""Seconds from one event to the next."""

T = TypeVar("T")


class Stopped(BaseException):
    """Nobody waits for the work any longer.

    No `Exception`, lest it be taken for a failure of the work.
    """


class Meter:
    """How far the work of one context has come.

    Attributes
    ----------
    what
        The work in a few words.
    done, total
        In bytes or rows; ``total`` is None where it is not known.
    stopped
        Set to end the work at its next `add`.
    """

    def __init__(self) -> None:
        self.what = ""
        self.done = 0
        self.total: int | None = None
        self.stopped = False

    def begin(self, what: str, total: int | None = None) -> None:
        """Describe what is done now, and how much of it there is."""
        self.what, self.done, self.total = what, 0, total
        self._heed()

    def add(self, count: int) -> None:
        """Describe that so much more is done; raise `Stopped` if nobody waits for it."""
        self.done += count
        self._heed()

    def _heed(self) -> None:
        if self.stopped:
            raise Stopped(self.what)


_CURRENT: ContextVar[Meter] = ContextVar("meter")


def current() -> Meter:
    """Return the meter of this context; one that nobody reads where nobody watches."""
    return _CURRENT.get(None) or Meter()


class Metered(Generic[T]):
    """A coroutine at work, and the events that tell how far it has come."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self.meter = Meter()
        self._work = work
        self._task: asyncio.Task[T] | None = None

    @property
    def done(self) -> bool:
        """Whether the work came to its own end, good or bad."""
        return self._task is not None and self._task.done() and not self._task.cancelled()

    @property
    def succeeded(self) -> bool:
        """Whether there is a `result`."""
        return self._task is not None and self.done and self._task.exception() is None

    @property
    def result(self) -> T:
        """What the work gave; raises what it raised."""
        assert self._task is not None
        return self._task.result()

    async def events(self) -> AsyncGenerator[Progress, None]:
        """Run the work; yield how far it has come, once it has taken `PATIENCE` seconds.

        Iterate to the end, then read `result`. Closing the iterator early, or cancelling
        its task, cancels the work and waits until it has ended, threads included.
        """
        self._task = asyncio.create_task(self._metered())
        patience = PATIENCE
        try:
            while not (await asyncio.wait({self._task}, timeout=patience))[0]:
                patience = EVERY
                if self.meter.what:
                    yield Progress(self.meter.what, self.meter.done, self.meter.total)
        finally:
            await self._ended(self._task)

    async def _metered(self) -> T:
        # A task has a context of its own, which threads that it starts inherit.
        _CURRENT.set(self.meter)
        return await self._work

    async def _ended(self, task: asyncio.Task[T]) -> None:
        if not task.done():
            self.meter.stopped = True
            task.cancel()
            await _over(task)


async def in_thread(work: Callable[[], T]) -> T:
    """Run work in a thread; if cancelled, only once that has ended, which `Stopped` hastens."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await _over(task)
        raise


async def _over(task: asyncio.Future[Any]) -> None:
    """Wait for the end of what nobody wants the result of any more."""
    await asyncio.wait({task})
    # Looked at, lest asyncio report it to the user.
    _ = task.cancelled() or task.exception()


class MeteredFile(io.FileIO):
    """A file open for reading that tells its context's meter how much of it was read.

    An SDK that is given it reads from disk what it sends, piece by piece.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.meter = current()

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any file does."""
        data = super().read(size) or b""
        self.meter.add(len(data))
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move as in any file; a request that is tried again begins from the start."""
        self.meter.done = super().seek(offset, whence)
        return self.meter.done
