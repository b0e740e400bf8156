"""The first process of a session: interrupts it, reaps it, and dies with its host."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path

from . import syscalls
from .plan import Plan

INTERRUPT = b"I"
"""What the host writes to the lifeline to interrupt the session's processes."""


def children(pid: int) -> list[int]:
    """Return the living and dead children of a process, the eldest first."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """Return everything below a process, children before grandchildren."""
    found = children(pid)
    for process in found:
        found.extend(children(process))
    return found


def _signal_everyone(plan: Plan, number: int) -> None:
    if plan.isolated:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, number)  # all of this process namespace but us
        return
    for process in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def _reap(worker: int) -> bool:
    """Collect the dead; tell whether the worker is still among the living."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        if pid == worker:
            return False


def supervise(plan: Plan, worker: int, lifeline: int, host: int) -> None:
    """Serve until the worker, the lifeline or the host (a pidfd) is gone."""
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)  # no process of the session may look inside
    if not plan.isolated:
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while _reap(worker):
        ready, _, _ = select.select([lifeline, woken, host], [], [])
        if woken in ready:
            os.read(woken, 4096)
        if lifeline in ready and os.read(lifeline, 1) == INTERRUPT:
            _signal_everyone(plan, signal.SIGINT)
        elif lifeline in ready or host in ready:
            break
    _signal_everyone(plan, signal.SIGKILL)
    os._exit(0)
