"""One turn, followed to its end: stream in, fold, show, stop; nothing is ever lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace

from aoai_magic.errors import AssistantError
from aoai_magic.locale import gettext as _
from aoai_magic.turn.events import Event, Finished
from aoai_magic.turn.view import View, fold

TICK = 0.2
"""Seconds after which the view is shown again though nothing came (elapsed time)."""

STOP_SECONDS = 4.0
"""How long a stopped turn may take to tell the far side."""

_log = logging.getLogger(__name__)

Show = Callable[[View], None]


@dataclass
class Stop:
    """A wish to stop that any thread, signal handler or button may utter."""

    _event: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def __call__(self) -> None:
        """Ask for the turn to stop."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and so has the turn
            self._loop.call_soon_threadsafe(self._event.set)

    @property
    def asked(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Wait until somebody asks."""
        await self._event.wait()


async def follow(
    stream: AsyncIterator[Event], show: Show, stop: Stop, timeout: float = 0.0
) -> View:
    """Fold the stream and show each view; give the last one, which is never ``running``.

    Errors of the far side, a stop, a time-out and an interrupt all end in a view that
    keeps what had come. ``timeout`` is in seconds, 0 for no limit.
    """
    turn = _Following(show, timeout)
    pump = asyncio.create_task(_pump(stream, turn.queue))
    waiting = asyncio.create_task(stop.wait())
    try:
        await turn.until_over(waiting)
    except asyncio.CancelledError:
        turn.reason = _interrupted()
    finally:
        waiting.cancel()
    await _ended(pump)
    turn.drain()
    return turn.view


def _interrupted() -> Finished:
    return Finished("interrupted", _("The turn was stopped; what had come until then is kept."))


class _Following:
    """The state of one `follow`."""

    def __init__(self, show: Show, timeout: float) -> None:
        self.queue: asyncio.Queue[Event] = asyncio.Queue()
        self.view = View()
        self.reason: Finished | None = None
        self._show = show
        self._began = time.monotonic()
        self._timeout = timeout

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    async def until_over(self, stopped: asyncio.Task[None]) -> None:
        """Take events until the turn is over, or is to be stopped."""
        getter = asyncio.create_task(self.queue.get())
        try:
            while self.view.status == "running" and not self._is_to_stop(stopped):
                await asyncio.wait(
                    {getter, stopped}, timeout=TICK, return_when=asyncio.FIRST_COMPLETED
                )
                if getter.done():
                    self._take(getter.result())
                    self._take_waiting()
                    getter = asyncio.create_task(self.queue.get())
                self._draw()
        finally:
            getter.cancel()
            await asyncio.wait({getter})
            if not getter.cancelled():
                self._take(getter.result())

    def _is_to_stop(self, stopped: asyncio.Task[None]) -> bool:
        if stopped.done():
            self.reason = _interrupted()
        elif self._timeout and self.seconds > self._timeout:
            self.reason = _late(self._timeout)
        return self.reason is not None

    def _take_waiting(self) -> None:
        while not self.queue.empty():
            self._take(self.queue.get_nowait())

    def drain(self) -> None:
        """Take what is left, and see that the turn has an end."""
        self._take_waiting()
        if self.view.status == "running":
            self._take(self.reason or _interrupted())
        self._draw()

    def _draw(self) -> None:
        """Show the view; a fault in showing must not cost the user the turn."""
        try:
            self._show(self.view)
        except Exception:
            _log.exception("The turn cannot be shown; _assistant will hold it")
            self._show = _blind

    def _take(self, event: Event) -> None:
        if self.view.status != "running":
            return
        if isinstance(event, Finished):
            event = self.reason or event
            # That of a recorded turn is told by the recording.
            seconds = self.seconds if event.seconds is None else event.seconds
            event = replace(event, seconds=seconds)
        self.view = fold(self.view, event)


def _blind(view: View) -> None:
    """Show nothing."""


async def _pump(stream: AsyncIterator[Event], queue: asyncio.Queue[Event]) -> None:
    """Move the stream into the queue; its errors become the turn's end."""
    try:
        async for event in stream:
            queue.put_nowait(event)
        # Where the stream had its own end, this one is not looked at.
        queue.put_nowait(Finished("incomplete", _("The stream ended before the answer did.")))
    except AssistantError as error:
        queue.put_nowait(Finished("failed", str(error)))
    except Exception as error:
        _log.exception("A turn failed unexpectedly")
        queue.put_nowait(
            Finished("failed", _("The turn failed unexpectedly: {error!r}.").format(error=error))
        )


async def _ended(pump: asyncio.Task[None]) -> None:
    """End the pump: by now it is done, or is to stop and to tell the far side so."""
    pump.cancel()
    await asyncio.wait({pump}, timeout=STOP_SECONDS)


def _late(seconds: float) -> Finished:
    return Finished(
        "incomplete",
        _(
            "The turn took longer than {seconds:g} seconds and was stopped; give it more "
            "with --timeout."
        ).format(seconds=seconds),
    )


@contextlib.contextmanager
def interrupts(stop: Stop) -> Iterator[None]:
    """Turn the first Ctrl-C (or the kernel's interrupt) into a stop.

    Without this a terminal's Ctrl-C would tear down the event loop and leave the run
    going on the far side. Only the main thread can hear signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def heard(*_: object) -> None:
        stop()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
