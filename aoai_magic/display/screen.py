"""What every view of a running turn does, and how often."""

from __future__ import annotations

import time
from typing import Literal, Protocol

from aoai_magic.turn.view import View

UPDATES_PER_SECOND = 10

Detail = Literal["quiet", "folded", "verbose"]
"""How much is shown: the answer alone, its work folded, its work unfolded."""


class Screen(Protocol):
    """Shows a turn while it runs; made by `open_screen`."""

    def show(self, view: View) -> None:
        """Show the newest view.

        To be called after every event and at least every 0.25 s: a screen draws at most
        ten times a second, and what one call left out the next one draws.
        """

    def close(self, view: View) -> None:
        """Draw the last view and leave it in place; a second call does nothing.

        Works also after an exception or an interrupt, with a view that is not finished.
        """


class Pace:
    """Says when it is time to draw again.

    The server of a kernel's channel silently drops messages above its rate limit
    (jupyter_server: 1000 a second), so a delta is never a message of its own.
    """

    def __init__(self, per_second: float = UPDATES_PER_SECOND) -> None:
        self._interval = 1 / per_second
        self._next = 0.0

    def due(self) -> bool:
        """Return whether to draw now; if so, the next interval begins."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._interval
        return True
