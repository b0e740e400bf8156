"""Where a turn's seconds went, told from the order of its events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from aoai_magic.locale import gettext, later
from aoai_magic.turn import events
from aoai_magic.turn.events import Times

STARTING = later("starting the engine")
"""What `Progress` says while the local engine starts."""

Kind = Literal["start", "upload", "waiting", "writing", "code", ""]

_WRITING = (events.TextDelta, events.ReasoningDelta, events.CodeDelta)


@dataclass
class Stopwatch:
    """Adds up the time between events by what went on; what is none of these is left out.

    Attributes
    ----------
    last
        When the event before came, or the turn began: seconds of any clock.
    """

    last: float
    times: Times = field(default_factory=Times)
    _now: Kind = "upload"
    _before: Times = field(default_factory=Times)

    def take(self, event: events.Event, at: float) -> None:
        """Count the time until the event came, and note what goes on after it."""
        kind = self._until(event)
        if kind:
            spent = getattr(self.times, kind) + at - self.last
            self.times = replace(self.times, **{kind: spent})
        if isinstance(event, events.CodeDone):
            self._correct(event.seconds or 0.0)
        if isinstance(event, events.CodeDone | events.Started):
            self._before = self.times
        self.last, self._now = at, self._after(event)

    def _correct(self, seconds: float) -> None:
        """Count code that ran unseen: some servers say so only at its first output."""
        seen = self.times.code - self._before.code
        written = self.times.writing - self._before.writing
        unseen = min(max(seconds - seen, 0.0), written)
        self.times = replace(
            self.times, code=self.times.code + unseen, writing=self.times.writing - unseen
        )

    def _until(self, event: events.Event) -> Kind:
        """Return what went on until the event: progress says it of the time before, too."""
        if isinstance(event, events.Progress) and self._now in ("start", "upload"):
            return "start" if event.what == gettext(STARTING) else "upload"
        return self._now

    def _after(self, event: events.Event) -> Kind:
        if isinstance(event, events.Progress):
            return self._until(event)
        if isinstance(event, events.Started | events.CodeDone | events.ReasoningDone):
            return "waiting"
        if isinstance(event, events.CodeRunning):
            return "code"
        if isinstance(event, _WRITING):
            return "writing"
        return "" if isinstance(event, events.TextDone) else self._now
