"""The pump of a turn: events in, past the observers, folded, shown; nothing is ever lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from aoai_magic.errors import AssistantError
from aoai_magic.locale import gettext as _
from aoai_magic.runner.cancel import END_SECONDS, CancelToken, interrupted
from aoai_magic.turn.events import Event, Finished, Notice
from aoai_magic.turn.times import Stopwatch
from aoai_magic.turn.view import View, fold

TICK = 0.2
"""Seconds after which the view is shown again though nothing came (elapsed time)."""

_log = logging.getLogger(__name__)

Show = Callable[[View], None]

Observer = Callable[[Event], Event]
"""Sees each event of a turn before it is folded, and returns the event that the next one sees.
It is called on the event loop: what takes time is for a thread of its own."""


async def follow(
    stream: AsyncIterator[Event],
    show: Show,
    cancel: CancelToken,
    timeout: float = 0.0,
    observers: Sequence[Observer] = (),
) -> View:
    """Fold the stream and show each view; return the last one, which is never ``running``.

    Errors of the server, a cancelled turn, a time-out and an interrupt all end in a view that
    keeps what had come; a fault in ``show`` or in an observer costs only that one, and the
    view's ``troubles`` say so. ``timeout`` is in seconds, 0 for no limit.
    """
    turn = _Following(show, cancel, observers)
    receiving = asyncio.create_task(_receive(stream, turn.queue))
    timer = _start_timer(cancel, timeout)
    try:
        await turn.until_over()
    except asyncio.CancelledError:
        cancel()
    finally:
        timer.cancel()
    await _end(receiving)
    turn.drain()
    return turn.view


class _Following:
    """The state of one `follow`."""

    def __init__(self, show: Show, cancel: CancelToken, observers: Sequence[Observer]) -> None:
        self.queue: asyncio.Queue[Event] = asyncio.Queue()
        self.view = View()
        self._show = show
        self._cancel = cancel
        self._observers = list(observers)
        self._began = time.monotonic()
        self._watch = Stopwatch(self._began)
        self._is_deaf = False

    async def until_over(self) -> None:
        """Follow events until the turn is over, or cancelled."""
        getter = asyncio.create_task(self.queue.get())
        cancelled = asyncio.create_task(self._cancel.wait())
        try:
            while self.view.status == "running" and not self._cancel.ending:
                await asyncio.wait(
                    {getter, cancelled}, timeout=TICK, return_when=asyncio.FIRST_COMPLETED
                )
                if getter.done():
                    self._take(getter.result())
                    self._take_waiting()
                    getter = asyncio.create_task(self.queue.get())
                self._draw()
        finally:
            cancelled.cancel()
            getter.cancel()
            with contextlib.suppress(asyncio.CancelledError):  # a second interrupt
                await asyncio.wait({getter})
            if getter.done() and not getter.cancelled():
                self._take(getter.result())

    def _take_waiting(self) -> None:
        while not self.queue.empty():
            self._take(self.queue.get_nowait())

    def drain(self) -> None:
        """Read what is left, and make sure that the turn has an end."""
        self._take_waiting()
        for event in self._cancel.ending or (interrupted(),):
            self._fold(event)
        self._draw()

    def _take(self, event: Event) -> None:
        """Fold an event, past the observers; nothing after one of them has cancelled."""
        cancelled = bool(self._cancel.ending)
        if self._is_deaf or (cancelled and isinstance(event, Finished)):
            return
        for observer in list(self._observers):
            event = self._observed(observer, event)
        self._fold(event)
        self._is_deaf = bool(self._cancel.ending) and not cancelled

    def _observed(self, observer: Observer, event: Event) -> Event:
        try:
            return observer(event)
        except Exception as error:
            _log.exception("%r is left out of the rest of the turn", observer)
            self._observers.remove(observer)
            self._add_trouble(
                _("A part of aoai_magic failed during the turn ({error!r}); please report it."),
                error,
            )
            return event

    def _fold(self, event: Event) -> None:
        if self.view.status != "running":
            return
        now = time.monotonic()
        self._watch.take(event, now)
        if isinstance(event, Finished) and event.seconds is None:
            # Of a recorded turn the recording says it.
            event = replace(event, seconds=now - self._began, times=self._watch.times)
        self.view = fold(self.view, event)

    def _draw(self) -> None:
        """Show the view; a fault in showing must not cost the user the turn."""
        try:
            self._show(self.view)
        except Exception as error:
            _log.exception("The turn cannot be shown; _assistant will hold it")
            self._show = _blind
            self._add_trouble(
                _("The turn could not be shown while it ran ({error!r})."),
                error,
            )

    def _add_trouble(self, sentence: str, error: Exception) -> None:
        self.view = with_trouble(self.view, sentence.format(error=error))


def with_trouble(view: View, sentence: str) -> View:
    """Return the view with a trouble: among its ``troubles``, and as a notice to be shown."""
    return replace(fold(view, Notice(sentence)), troubles=(*view.troubles, sentence))


def _blind(view: View) -> None:
    """Show nothing."""


async def _receive(stream: AsyncIterator[Event], queue: asyncio.Queue[Event]) -> None:
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


async def _end(receiving: asyncio.Task[None]) -> None:
    """End the receiving: by now it is done, or is to stop and to tell the server so."""
    receiving.cancel()
    with contextlib.suppress(asyncio.CancelledError):  # a second interrupt
        await asyncio.wait({receiving}, timeout=END_SECONDS)


def _start_timer(cancel: CancelToken, seconds: float) -> asyncio.TimerHandle:
    wait = seconds if seconds else float(10**9)
    return asyncio.get_running_loop().call_later(wait, lambda: cancel.cancel(_late(seconds)))


def _late(seconds: float) -> Finished:
    return Finished(
        "incomplete",
        _("The turn was stopped after {seconds:g} s; raise the limit with --timeout.").format(
            seconds=seconds
        ),
    )
