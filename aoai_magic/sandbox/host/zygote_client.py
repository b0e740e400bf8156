"""The host's end of a zygote: starts it, and asks it for interpreters."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import site
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aoai_magic.sandbox.host.cgroups import Group, Scope, scope_command
from aoai_magic.sandbox.host.pipes import Handles, stretch
from aoai_magic.sandbox.host.process_handle import Handle
from aoai_magic.sandbox.protocol import SandboxError
from aoai_magic.sandbox.spec import Plan
from aoai_magic.shared.isolated_python import isolated

PRELOAD = ("IPython", "numpy", "pandas", "matplotlib", "matplotlib.pyplot", "pyarrow")
"""What sessions find imported; of these, what is installed."""

_LOG = logging.getLogger(__name__)

_START_SECONDS = 180.0  # a cold cache and a folder on the network make imports slow
_ANSWER_SECONDS = 30.0


class ZygoteClient:
    """One zygote process, and the interpreters born from it."""

    def __init__(self, preload: Sequence[str], scratch: Path) -> None:
        self._preload = list(preload)
        self._scratch = scratch
        self._log = scratch / "zygote.log"
        self._prefix: list[str] = []
        self._lock = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self.scope: Scope | None = None
        self.lacks: tuple[str, ...] = ()
        self.started = time.monotonic()
        self.born = 0
        self.living = 0

    async def start(self) -> None:
        """Start the zygote and wait until its imports are done.

        Raises
        ------
        SandboxError
            When it ends or does not get ready; with what it said last.
        """
        await asyncio.to_thread(self._start)

    def launch(self) -> None:
        """Launch the zygote's process, once, and wait for nothing."""
        if self._process is not None:
            return
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = {"control": theirs.fileno(), "host": os.getpid(), "preload": self._preload}
        words = json.dumps(settings)
        self._prefix = self._scope_prefix()
        with theirs, self._log.open("wb") as stream:
            self._process = subprocess.Popen(  # noqa: S603  (this Python, our own words)
                [*self._prefix, *isolated("aoai_magic.sandbox.child.zygote", _paths(), words)],
                pass_fds=[theirs.fileno()],
                env=_environment(self._scratch),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )

    def _start(self) -> None:
        self.launch()
        assert self._process is not None
        self._control.settimeout(_START_SECONDS)
        try:
            ready = self._control.recv(1 << 16)
        except TimeoutError:
            ready = b""
        if not ready:
            self._kill()
            last = self._log.read_text("utf-8", "replace").strip().splitlines()[-1:] or ["nothing"]
            raise SandboxError(f"The sandbox's helper process did not start; it said: {last[0]}.")
        self._control.settimeout(_ANSWER_SECONDS)
        self.scope = Scope.around(self._process.pid) if self._prefix else None
        said = json.loads(ready)
        self.lacks = tuple(said["lacks"])
        if missing := set(self._preload) - set(said["modules"]):
            _LOG.info(
                "Sessions do not find imported: %s; see %s", ", ".join(sorted(missing)), self._log
            )

    def _scope_prefix(self) -> list[str]:
        scope = scope_command(os.environ)
        words = [f"{name}={value}" for name, value in _environment(self._scratch).items()]
        return [*scope, *words] if scope else []

    async def spawn(self, plan: Plan) -> Handles:
        """Start an interpreter.

        Raises
        ------
        SandboxError
            When the zygote is gone or cannot do it; with the reason.
        """
        async with self._lock:
            handles = await asyncio.to_thread(self._spawn, plan)
        self.born += 1
        self.living += 1
        return handles

    def _spawn(self, plan: Plan) -> Handles:
        with stretch() as (wires, given):
            group = self._group(plan)
            try:
                plan = replace(plan, group=str(group.path) if group else None)
                return Handles(Handle(self._ask(plan, given)), wires, group)
            except BaseException:
                if group is not None:
                    group.close()
                raise

    def _group(self, plan: Plan) -> Group | None:
        if self.scope is None:
            return None
        try:
            return self.scope.open(plan.memory, plan.processes)
        except OSError as error:
            raise SandboxError(f"No session could be started: {error}.") from None

    def _ask(self, plan: Plan, given: list[int]) -> int:
        try:
            socket.send_fds(self._control, [plan.encode()], given)
            message, descriptors, _, _ = socket.recv_fds(self._control, 1 << 16, 1)
        except OSError as error:
            self._kill()  # a late answer would be taken for that to the next question
            raise SandboxError(f"The sandbox's helper process does not answer: {error}.") from None
        reply = json.loads(message) if message else {"error": "it has ended"}
        if not descriptors:
            raise SandboxError(f"No session could be started: {reply.get('error')}.")
        return descriptors[0]

    @property
    def alive(self) -> bool:
        """Whether the zygote can be asked for more."""
        return self._process is not None and self._process.poll() is None

    def _kill(self) -> None:
        self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def close(self) -> None:
        """End the zygote; sessions that live on are ended by their own lifelines."""
        if self._process is None:
            return
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, 2.0)
            return
        self._kill()


def _paths() -> list[str]:
    """Where the zygote finds this package and the account's own, which ``-I`` leaves out."""
    found = [str(Path(__file__).parents[3])]
    user = site.getusersitepackages()
    if user in sys.path:
        found.append(user)
    return found


def _environment(scratch: Path) -> dict[str, str]:
    """Return all that the zygote learns of the host's environment: nothing but a place."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(scratch),
        "LANG": "C.UTF-8",
        "IPYTHONDIR": str(scratch / "ipython"),
        "MPLCONFIGDIR": str(scratch / "matplotlib"),
        "MPLBACKEND": "agg",
        "OPENBLAS_NUM_THREADS": "1",  # a thread would not survive the fork
    }
