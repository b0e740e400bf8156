"""The process that sessions are forked from: it has imported everything and computed nothing.

It is exec'd with a scrubbed environment, so that no memory of the host is in it. Requests
are datagrams, each a `Plan` with four descriptors: the control channel, the lifeline, and
both ends of the pipe for standard output and error. The answer carries a pidfd of the
session's first process.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from typing import NoReturn

from aoai_magic.sandbox.child import fonts, init, worker
from aoai_magic.sandbox.host.processes import children, data_size
from aoai_magic.sandbox.isolation import confinement, syscalls
from aoai_magic.sandbox.spec import Plan

_FIRST_FREE = 7
_CHANNEL, _LIFELINE, _HOST, _PRINTED = 3, 4, 5, 6


def _place(descriptors: list[int]) -> None:
    """Put descriptors at 0, 1, 2, ... and close all others."""
    # Copies above the targets first, so that none is overwritten before it is used.
    safe = [os.dup(fd) for fd in descriptors]
    while min(safe) < _FIRST_FREE:
        safe = [os.dup(fd) for fd in safe]
    for target, fd in enumerate(safe):
        os.dup2(fd, target)
    os.closerange(_FIRST_FREE, os.sysconf("SC_OPEN_MAX"))


def _become_session(plan: Plan, descriptors: list[int], host: int, inherited: int) -> NoReturn:
    """Turn this process into a session's first, with the worker as its child."""
    channel, lifeline, out, printed = descriptors
    null = os.open(os.devnull, os.O_RDONLY)
    _place([null, out, out, channel, lifeline, host, printed])
    confinement.set_limits(plan, inherited)
    confinement.set_environment(plan)
    confinement.drop_privileges(plan)
    if plan.isolated:
        confinement.restrict(plan)
    confinement.ignore_signals()
    process = os.fork()
    if process:
        os.close(_CHANNEL)
        os.close(_PRINTED)
        init.supervise(plan, process, _LIFELINE, _HOST)
    os.close(_LIFELINE)
    os.close(_HOST)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    if not plan.isolated:
        confinement.restrict(plan)
    worker.serve(socket.socket(fileno=_CHANNEL), plan, _PRINTED)
    os._exit(0)


def _fork_session(plan: Plan, descriptors: list[int], host: int, answer: int) -> NoReturn:
    """Create the session from a child of the zygote, and name its first process."""
    inherited = data_size()  # here, where there is a /proc
    os.setsid()
    confinement.join_group(plan)
    if not plan.isolated:
        _tell(answer, {"pid": os.getpid()})
        _become_session(plan, descriptors, host, inherited)
    confinement.unshare(plan)
    process = os.fork()
    if process:
        _tell(answer, {"pid": process})
        os._exit(0)
    os.close(answer)
    confinement.enter(plan)
    _become_session(plan, descriptors, host, inherited)


def _tell(answer: int, message: dict[str, object]) -> None:
    os.write(answer, json.dumps(message).encode())
    os.close(answer)


class Zygote:
    """The zygote's loop: forks sessions, sweeps what they leave, watches the host."""

    def __init__(self, control: socket.socket, host: int) -> None:
        self._control = control
        self._host = os.pidfd_open(host)
        self._sessions: set[int] = set()
        self._woken, self._wake = os.pipe()

    def serve(self) -> None:
        """Serve until the host hangs up or dies."""
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Not select, which knows no descriptor from 1,024 on: the socket has the number that it
        # had in a kernel that may hold many files open.
        sources = select.poll()
        for source in (self._control.fileno(), self._woken, self._host):
            sources.register(source, select.POLLIN)
        while True:
            ready = {source for source, _ in sources.poll()}
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._sweep()
            if self._host in ready:
                return
            if self._control.fileno() in ready and not self._answer():
                return

    def _answer(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._control, 1 << 16, 4)
        if not message:
            return False
        reply = self._spawn(Plan.decode(message), descriptors)
        for fd in descriptors:
            os.close(fd)
        pid = reply.get("pid")
        handles = []
        if isinstance(pid, int):
            self._sessions.add(pid)
            handles.append(os.pidfd_open(pid))
        socket.send_fds(self._control, [json.dumps(reply).encode()], handles)
        for fd in handles:
            os.close(fd)
        return True

    def _spawn(self, plan: Plan, descriptors: list[int]) -> dict[str, object]:
        reading, answer = os.pipe()
        if os.fork() == 0:
            self._forget()
            try:
                _fork_session(plan, descriptors, self._host, answer)
            except BaseException as error:
                _report(error, answer, descriptors[2])
        os.close(answer)
        with os.fdopen(reading, "rb") as stream:
            text = stream.read()
        return json.loads(text) if text else {"error": "the new process ended at once"}

    def _forget(self) -> None:
        """In a child: let go of what belongs to the zygote alone."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._control.close()

    def _sweep(self) -> None:
        """Reap the dead, and kill what a dead session without namespaces left to us."""
        while self._reap() and self._kill_orphans():
            time.sleep(0.002)

    def _reap(self) -> bool:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            self._sessions.discard(pid)

    def _kill_orphans(self) -> bool:
        orphans = set(children(os.getpid())) - self._sessions
        for process in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return bool(orphans)


def _report(error: BaseException, answer: int, out: int) -> NoReturn:
    """Report why a session could not be made: to the zygote, or, once it answered, to the host."""
    text = f"{type(error).__name__}: {error}"
    try:
        _tell(answer, {"error": text})
    except OSError:
        with contextlib.suppress(OSError):
            os.write(out, text.encode())
            os.write(2, text.encode())
    os._exit(1)


def _import(name: str) -> bool:
    try:
        importlib.import_module(name)
    except Exception as error:  # not installed here, or broken: then sessions do without
        print(f"{name} was not imported: {error!r}", file=sys.stderr)  # noqa: T201
        return False
    return True


def main() -> None:
    """Import, report ``{"ready": true, "modules": [...], "lacks": [...]}``, serve.

    The first argument is JSON: ``control`` (descriptor of a ``SOCK_SEQPACKET`` socket),
    ``host`` (process id), ``preload`` (modules to import if they are installed).
    """
    options = json.loads(sys.argv[1])
    gc.disable()  # imports make little garbage; looking for it takes a sixth of their time
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=options["control"])
    zygote = Zygote(control, options["host"])
    fonts.forget_old_list()
    loaded = [name for name in options["preload"] if _import(name)]
    lacks = worker.prepare()
    gc.enable()
    gc.collect()
    gc.freeze()  # a collection in a session must not touch, and so copy, shared pages
    control.send(json.dumps({"ready": True, "modules": loaded, "lacks": lacks}).encode())
    zygote.serve()
    sys.exit(0)
