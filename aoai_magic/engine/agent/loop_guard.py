"""Repeats: a model that runs the same code again and again gets told, and then stopped."""

from __future__ import annotations

import re

MOST = 4
"""Times that the same code may give the same output, one right after the other."""

STUCK = (
    f"The model ran the same code {MOST} times over without getting on; say more precisely what "
    "to do, or use another model."
)
_NOTE = (
    "[This code has run before and gave the same; go on in another way, or answer with what you "
    "have.]"
)
_CELL = re.compile(r"<cell \d+>")


class Repeats:
    """Watches what one run does."""

    def __init__(self) -> None:
        self._last: tuple[str, str] | None = None
        self._times = 0

    @property
    def stuck(self) -> bool:
        """Whether the run goes round in circles."""
        return self._times >= MOST

    def note(self, code: str, output: str) -> list[str]:
        """Record a cell; return what the model is told beside its output."""
        # An error's text names the cell, which is another one each time.
        now = (code.strip(), _CELL.sub("", output))
        self._times = self._times + 1 if now == self._last else 1
        self._last = now
        return [_NOTE] if self._times > 1 else []
