"""The one way to end a turn early: by the user, by time, by the budget, by the kernel's end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator

from aoai_magic.backends.base import CANCEL_SECONDS
from aoai_magic.locale import gettext as _
from aoai_magic.turn.events import Event, Finished

END_SECONDS = CANCEL_SECONDS + 1.0
"""How long a turn that was cancelled may take to end, telling the server included."""


class CancelToken:
    """Ends one turn; any thread, signal handler, timer or button may call it.

    Parameters
    ----------
    loop
        The event loop in which the turn runs; the running one if not given.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._ending: tuple[Event, ...] = ()

    def __call__(self) -> None:
        """Cancel the turn as its user does."""
        self.cancel(interrupted())

    def cancel(self, *ending: Event) -> None:
        """Cancel the turn; it ends with these events. Only the first call counts."""
        self._ending = self._ending or ending
        with contextlib.suppress(RuntimeError):  # the loop has ended, and so has the turn
            self._loop.call_soon_threadsafe(self._event.set)

    @property
    def ending(self) -> tuple[Event, ...]:
        """The events with which the turn is to end; empty as long as nobody has cancelled it."""
        return self._ending

    async def wait(self) -> None:
        """Wait until somebody cancels."""
        await self._event.wait()

    def renew(self) -> None:
        """Forget the call: what follows the turn can be cancelled by another one."""
        self._ending = ()
        self._event.clear()


def interrupted() -> Finished:
    """Return the end of a turn that its user stopped."""
    return Finished("interrupted", _("The turn was stopped."))


@contextlib.contextmanager
def interrupts(cancel: CancelToken) -> Iterator[None]:
    """Cancel at the first Ctrl-C (or the kernel's interrupt).

    Without this a terminal's Ctrl-C would tear down the event loop and leave the run
    going on the server. Only the main thread can hear signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def heard(*_: object) -> None:
        cancel()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
