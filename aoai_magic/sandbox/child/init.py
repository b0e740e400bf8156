"""The first process of a session: interrupts it, reaps it, and dies with its host."""

from __future__ import annotations

import contextlib
import os
import select
import signal

from aoai_magic.sandbox.host.processes import descendants
from aoai_magic.sandbox.isolation import syscalls
from aoai_magic.sandbox.spec import Plan

INTERRUPT = b"I"
"""What the host writes to the lifeline to interrupt the session's processes, and what comes
back when every one of them has been sent the signal."""


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


def _hear(lifeline: int) -> bytes:
    try:
        return os.read(lifeline, 1)
    except OSError:
        return b""  # the host hung up without having read all that was answered


def _take_charge(plan: Plan) -> None:
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)  # no process of the session may look inside
    if not plan.isolated:
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)


def supervise(plan: Plan, worker: int, lifeline: int, host: int) -> None:
    """Serve until the worker, the lifeline or the host (a pidfd) is gone."""
    _take_charge(plan)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(lifeline, False)  # whatever the host does, nothing here may wait for it
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    sources = [lifeline, woken, host]
    while _reap(worker):
        ready, _, _ = select.select(sources, [], [])
        if woken in ready:
            os.read(woken, 4096)
        if lifeline in ready and _hear(lifeline) == INTERRUPT:
            _signal_everyone(plan, signal.SIGINT)
            with contextlib.suppress(OSError):
                os.write(lifeline, INTERRUPT)
        elif lifeline in ready or host in ready:
            break
    _signal_everyone(plan, signal.SIGKILL)
    os._exit(0)
