"""Watches what the kernel's own limits do not see: sums over a session's processes and files."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aoai_magic.sandbox.host.folder import Usage
from aoai_magic.sandbox.host.interpreter import Interpreter
from aoai_magic.sandbox.host.processes import (
    children,
    cpu_seconds,
    deleted_files,
    descendants,
    kernel_memory,
    proportional,
    resident,
)
from aoai_magic.sandbox.limits import MORE_MEMORY
from aoai_magic.sandbox.protocol import Limits

if TYPE_CHECKING:
    from aoai_magic.sandbox.host.local import LocalSession

_LOG = logging.getLogger(__name__)

_RUNNING = 0.1  # seconds between two looks at a session with a cell under way
_IDLE = 2.0
_AFTER_CELL = 20.0  # seconds of processor time that a session may use while no cell runs
_COME_DOWN = 3.0  # seconds that an interrupted cell has to have less of something
_NEVER = object()
_SHARE = 0.05  # of one core, at most, for looking at folders


@dataclass(frozen=True)
class Excess:
    """What a session has too much of; ``process`` is one that is to blame, if any."""

    kind: str
    message: str
    process: int = 0


def _memory_excess(pids: list[int], worker: int, limits: Limits) -> Excess | None:
    kernel = {pid: kernel_memory(pid) for pid in pids}
    if sum(map(resident, pids)) + sum(kernel.values()) <= limits.memory:
        return None
    sizes = {pid: proportional(pid) + kernel[pid] for pid in pids}
    total = sum(sizes.values())
    if total <= limits.memory:
        return None
    largest = max(sizes, key=lambda pid: sizes[pid])
    bound = f"{limits.memory >> 20:,} MB"
    message = f"The session held {total >> 20:,} MB of memory and may hold {bound}{MORE_MEMORY}."
    return Excess("memory", message, 0 if largest == worker else largest)


def examine_processes(pid: int, limits: Limits) -> Excess | None:
    """Check the processes below a session's first."""
    own = children(pid)
    pids = descendants(pid)
    if len(pids) > limits.processes + 1:
        message = f"The session had {len(pids)} processes and may have {limits.processes}."
        return Excess("processes", message)
    return _memory_excess(pids, own[0] if own else 0, limits)


def _measure(pid: int, limits: Limits) -> tuple[Excess | None, float]:
    """Look at the processes of a session; also return the processor time that it has used."""
    used = sum(map(cpu_seconds, [pid, *descendants(pid)]))
    return examine_processes(pid, limits), used


def _left_running(pid: int) -> Excess:
    """Blame what computes on though the cell that began it is over."""
    worker = children(pid)[:1]
    others = [one for one in descendants(pid) if one not in worker]
    busiest = max(others, key=cpu_seconds, default=0)
    blamed = busiest if busiest and cpu_seconds(busiest) > _AFTER_CELL / 4 else 0
    text = f"What a cell had started used {_AFTER_CELL:g} seconds of processor time after the cell"
    return Excess("cpu", f"{text}, and was ended.", blamed)


def examine_folder(usage: Usage, allowed: int) -> Excess | None:
    """Check what was measured of a folder."""
    if usage.bytes > allowed:
        text = f"The session's files took {usage.bytes >> 20:,} MB"
        return Excess("disk", f"{text} and may take {allowed >> 20:,} MB.")
    if not usage.complete:
        return Excess("disk", "The session's files are too many, or nested too deep, to measure.")
    return None


def _kill_below(first: int, process: int) -> None:
    """Kill a process if it is (still) below ``first``; its number may be another's by now."""
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(process)
        try:
            if process in descendants(first):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def _usage(session: LocalSession, pid: int) -> Usage:
    """Measure the session's files, with those that are open and have no name any more."""
    usage = session.usage()
    nameless = deleted_files(descendants(pid), session.data.stat().st_dev) if pid else 0
    return Usage(usage.bytes + nameless, usage.complete)


class _Watch:
    """What is remembered of one interpreter between two looks."""

    def __init__(self, interpreter: Interpreter) -> None:
        self.interpreter = interpreter
        self.cell: object = None
        self.files_before = 0
        self.timed: object = None
        self.cpu_before = 0.0
        self.next_folder = 0.0
        self.exceeded: dict[str, float] = {}

    def too_long(self, kind: str) -> bool:
        """Return whether there has been too much of it ever since it was first noticed."""
        since = self.exceeded.setdefault(kind, time.monotonic())
        return time.monotonic() - since > _COME_DOWN


class Watchdog:
    """Looks at living sessions in turn, and stops those that go too far.

    A process other than the interpreter itself that takes the memory is killed alone;
    else the cell is interrupted, and what has not come down soon after is ended.
    """

    def __init__(self, sessions: Callable[[], Iterable[LocalSession]], limits: Limits) -> None:
        self._sessions = sessions
        self._limits = limits
        self._watches: dict[str, _Watch] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        looked = 0.0
        while True:
            await asyncio.sleep(_RUNNING)
            all_of_them = time.monotonic() - looked > _IDLE
            sessions = list(self._sessions())
            if all_of_them:
                looked = time.monotonic()
                self._forget(sessions)
            for session in sessions:
                if session.busy or all_of_them:
                    await self._look_safely(session)

    def _forget(self, sessions: list[LocalSession]) -> None:
        """Keep nothing of sessions that are gone."""
        for key in self._watches.keys() - {session.key for session in sessions}:
            del self._watches[key]

    def _watch(self, session: LocalSession, interpreter: Interpreter) -> _Watch:
        watch = self._watches.get(session.key)
        if watch is None or watch.interpreter is not interpreter:
            watch = self._watches[session.key] = _Watch(interpreter)
        return watch

    async def _look_safely(self, session: LocalSession) -> None:
        """Look at a session; whatever its folder is by now, the others are looked at too."""
        try:
            await self._look(session)
        except Exception:
            if session.alive:
                _LOG.exception("A session could not be watched")

    async def _look(self, session: LocalSession) -> None:
        interpreter = session.interpreter
        if interpreter is None:
            self._watches.pop(session.key, None)
            return
        watch = self._watch(session, interpreter)
        pid = interpreter.pid
        measured = await asyncio.to_thread(_measure, pid, session.limits) if pid else (None, 0.0)
        excess, used = measured
        excess = excess or self._look_at_the_clock(session, watch, used, pid)
        excess = excess or await self._look_at_files(session, watch)
        if excess is not None:
            self._act(session, watch, excess, pid)
        else:
            watch.exceeded.clear()

    def _look_at_the_clock(
        self, session: LocalSession, watch: _Watch, used: float, interpreter_pid: int
    ) -> Excess | None:
        """Count the processor time of the present cell, of what the session has used in all."""
        if session.cell is not watch.timed:
            watch.timed, watch.cpu_before = session.cell, used
        since = used - watch.cpu_before
        if session.cell is None:
            return _left_running(interpreter_pid) if since > _AFTER_CELL else None
        if since <= self._limits.cpu_seconds:
            return None
        text = f"The cell used {self._limits.cpu_seconds:g} seconds of processor time"
        return Excess("cpu", f"{text}, all that it may.")

    async def _look_at_files(self, session: LocalSession, watch: _Watch) -> Excess | None:
        started = time.monotonic()
        if started < watch.next_folder:
            return None
        usage = await asyncio.to_thread(_usage, session, watch.interpreter.pid)
        took = time.monotonic() - started
        watch.next_folder = started + min(max(_RUNNING, took / _SHARE), _IDLE)
        if session.cell is not watch.cell:
            # What earlier cells left must not stop this one from deleting it.
            watch.cell, watch.files_before = session.cell, usage.bytes
        return examine_folder(usage, max(self._limits.disk, watch.files_before))

    def _act(self, session: LocalSession, watch: _Watch, excess: Excess, pid: int) -> None:
        cell = session.cell
        if cell is not None:
            cell.report_limit(excess.kind, excess.message)
        if excess.process:
            _kill_below(pid, excess.process)
            watch.timed = _NEVER  # what others use is counted from here
            if cell is None:
                session.note(excess.message)
        elif cell is None or excess.kind == "memory" or watch.too_long(excess.kind):
            watch.interpreter.kill(excess.message)
        else:
            cell.interrupt()
