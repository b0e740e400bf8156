"""How long an interrupted cell is waited for before its interpreter is ended."""

from __future__ import annotations

import time

from aoai_magic.sandbox.host.processes import cpu_seconds, descendants, runnable

GRACE = 0.8
"""Seconds in which a cell that can be interrupted is over."""

_LONGEST = 10.0


class InterruptGrace:
    """Counts the time that a session has had to stop, from when this was made.

    A machine that is busy with other work gives a session less than the clock says: while
    one of its processes waits for a processor, its own processor time counts.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._started = time.monotonic()
        self._used_before = self._used()

    def _used(self) -> float:
        return sum(map(cpu_seconds, self._processes()))

    def _processes(self) -> list[int]:
        return descendants(self._pid) if self._pid else []

    @property
    def over(self) -> bool:
        """Whether the cell has had its time."""
        waited = time.monotonic() - self._started
        if waited < GRACE or waited > _LONGEST:
            return waited > _LONGEST
        kept_waiting = any(map(runnable, self._processes()))
        return not kept_waiting or self._used() - self._used_before >= GRACE
