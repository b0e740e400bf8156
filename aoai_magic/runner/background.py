"""Turns that run in the background, while other cells run.

They run in a thread and not in the kernel's own event loop: a cell that computes would
hold that loop up, and with it the turn.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, Any

from aoai_magic.errors import AssistantError, TurnError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import ngettext
from aoai_magic.runner import event_loop
from aoai_magic.runner.cancel import END_SECONDS, CancelToken
from aoai_magic.runner.cell_output import AskingCell
from aoai_magic.runner.follow import TICK
from aoai_magic.runner.turn import Turn, cell_number
from aoai_magic.turn.events import Event, Started

if TYPE_CHECKING:
    from aoai_magic.display import Screen

_running: set[PendingTurn] = set()


class PendingTurn:
    """A turn in the background: ``turn = await pending``, or ``pending.result()``.

    Attributes
    ----------
    target
        Where it goes: ``local``, ``azure``, ``openai`` or an engine's URL.
    thread
        Name of its thread, empty for that of cells that name none.
    number
        Its place among the kernel's questions.
    cell
        Number of the cell that asked, None outside notebooks.
    future
        What it will have given, for threads that wait for several.
    """

    def __init__(self, target: str, thread: str, number: int, display: str) -> None:
        self.target = target
        self.thread = thread
        self.number = number
        self.cell = cell_number()
        self.cancel = CancelToken(event_loop.loop())
        self._cell = AskingCell(display)
        self._since = time.monotonic()
        self._started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.future: concurrent.futures.Future[Turn] = concurrent.futures.Future()

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self.future.done()

    @property
    def turn(self) -> Turn | None:
        """The turn as far as it came, once it is over; None before, or if there was none."""
        error = self.future.exception() if self.done else None
        if error:
            return error.turn if isinstance(error, AssistantError) else None
        return self.future.result() if self.done else None

    @property
    def status(self) -> str:
        """``running``, and then as `Turn.status`."""
        if not self.done:
            return "running"
        return self.turn.status if self.turn else "failed"

    @property
    def seconds(self) -> float:
        """Time since it was asked."""
        return time.monotonic() - self._since

    def stop(self) -> None:
        """Ask it to stop; what has come until then is kept."""
        self.cancel()

    def result(self, timeout: float | None = None) -> Turn:
        """Wait for the turn, at most ``timeout`` seconds; an interrupt ends the waiting alone.

        Raises
        ------
        TurnError
            If it failed or was stopped, unless it was asked with ``no_raise``.
        AssistantError
            If what came back could not be bound or saved.
        TimeoutError
            If it still runs.
        """
        concurrent.futures.wait([self.future], timeout)
        if not self.done:
            raise TimeoutError(
                _("The turn still runs after {timeout:g} s; stop() ends it.").format(
                    timeout=timeout
                )
            )
        return self.future.result()

    def __await__(self) -> Generator[Any, None, Turn]:
        # Whoever breaks off the waiting does not mean the turn.
        yield from _first(self.future).__await__()
        return self.future.result()

    def __repr__(self) -> str:
        where = f" in thread {self.thread!r}" if self.thread else ""
        return f"<PendingTurn {self.status}{where}>"

    def _ipython_display_(self) -> None:
        if self.turn is not None:
            self.turn._ipython_display_()
        elif self.done:
            print(repr(self))  # noqa: T201 - the notebook's own output
        elif not (self._cell.shows_while_running and self.cell == cell_number()):
            print(self._words())  # noqa: T201

    def _words(self) -> str:
        if self._cell.shows_while_running:
            return _("The turn is still running; await it, or end it by %assistant stop.")
        return _("The turn runs in the background; its answer comes here when it has ended.")

    # What follows is for who asks.

    def start(self, work: Coroutine[Any, Any, Turn]) -> None:
        """Start the work."""
        _heed_the_end()
        _running.add(self)
        context = copy_context()
        context.run(self._cell.take)
        self.future = context.run(
            asyncio.run_coroutine_threadsafe, self._followed(work), event_loop.loop()
        )

    async def taken(self) -> None:
        """Wait until the server has the question and its data; raise what kept it from that.

        In a headless run, wait for the end: such a client takes what a cell shows only
        until the cell is over, and a run must not succeed before its turns do.
        """
        started = () if self._cell.is_headless else (self._started,)
        try:
            await _first(*started, self.future)
        except asyncio.CancelledError:
            self.stop()
            raise
        if not self._started.done():
            self.future.result()

    def observe(self, event: Event) -> Event:
        """Mark that the server has the question and its data; see `follow.Observer`."""
        if isinstance(event, Started) and not self._cell.is_headless:
            # Once the turn is shown too: a front end may not show what comes after the cell's end.
            event_loop.loop().call_soon(self._mark_started)
        return event

    def _mark_started(self) -> None:
        if not self._started.done():
            self._started.set_result(None)

    async def over(self) -> None:
        """Wait for the end, whatever it is."""
        await _first(self.future)

    def open_screen(self) -> Screen:
        """Open the screen in the cell that asked."""
        return self._cell.open_screen(self.cancel)

    async def _followed(self, work: Coroutine[Any, Any, Turn]) -> Turn:
        self._cell.hold()
        try:
            return await work
        except Exception as error:
            # As long as the cell waits, it fails by this; afterwards nobody else would say it.
            if self._started.done():
                _complain(error)
            raise
        finally:
            _running.discard(self)


async def _first(*futures: concurrent.futures.Future[Any]) -> None:
    """Wait until one of the futures of another thread is done, whatever came of it."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop that waited has ended
            loop.call_soon_threadsafe(event.set)

    for future in futures:
        future.add_done_callback(tell)
    waiting = asyncio.ensure_future(event.wait())
    try:
        while not event.is_set():
            # Not for good: ipykernel heeds an interrupt only when its loop wakes up.
            await asyncio.wait({waiting}, timeout=TICK)
    finally:
        waiting.cancel()


def _complain(error: Exception) -> None:
    from aoai_magic.display import complain
    from aoai_magic.text import sanitize

    if isinstance(error, TurnError) and error.turn:
        complain(error.turn.view)
    else:
        said = error if isinstance(error, AssistantError) else repr(error)
        print(sanitize.line(f"{said}"), file=sys.stderr, flush=True)  # noqa: T201


@cache
def _heed_the_end() -> None:
    """Have turns that still run stopped when the process ends."""
    # Where there is such a thing: an exit handler proper comes when threads can no longer
    # be started, and connections that need one could not be opened.
    register: Callable[[Callable[[], None]], object] = getattr(
        threading, "_register_atexit", atexit.register
    )
    register(_end_all)


def _end_all() -> None:
    """Stop what runs, on the server too, which would go on and cost."""
    running = list(_running)
    for pending in running:
        pending.stop()
    concurrent.futures.wait([pending.future for pending in running], END_SECONDS)
    if running:
        text = ngettext(
            "{count} turn was still running in the background and was stopped.",
            "{count} turns were still running in the background and were stopped.",
            len(running),
        )
        with contextlib.suppress(ValueError):  # a kernel's stream may be closed by now
            print(text.format(count=len(running)), file=sys.stderr)  # noqa: T201
