"""Sessions without a zygote: each a Python started anew, for systems where forks are unsafe.

A first process, outside the walls, starts the worker behind them and ends with the host. It
is what the level ``seatbelt`` stands on; see `seatbelt` for how far that can be trusted.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from aoai_magic.sandbox.child import init, worker
from aoai_magic.sandbox.host.pipes import Handles, stretch
from aoai_magic.sandbox.host.process_handle import Child
from aoai_magic.sandbox.host.zygote_client import BOOT, paths
from aoai_magic.sandbox.isolation import confinement, root_fs, seatbelt
from aoai_magic.sandbox.spec import Plan


class ColdNursery:
    """Starts interpreters one by one; stands in for a `Nursery`."""

    scope = None
    alive = True

    def __init__(self, preload: Sequence[str], scratch: Path) -> None:
        self._preload = list(preload)
        self._scratch = scratch
        self.started = time.monotonic()
        self.born = 0
        self.living = 0

    async def start(self) -> None:
        """Make the folder in which the first processes live."""
        await asyncio.to_thread(self._scratch.mkdir, 0o700, parents=True, exist_ok=True)

    async def spawn(self, plan: Plan) -> Handles:
        """Start an interpreter.

        Raises
        ------
        OSError
            When the program cannot be started.
        """
        handles = await asyncio.to_thread(self._spawn, plan)
        self.living += 1
        return handles

    def _spawn(self, plan: Plan) -> Handles:
        with stretch() as (wires, given):
            channel, lifeline, out, err = given
            settings = {"channel": channel, "lifeline": lifeline, "preload": self._preload}
            words = json.dumps({**settings, "plan": plan.encode().decode()})
            process = subprocess.Popen(  # noqa: S603  (this Python, our own words)
                [sys.executable, "-I", "-c", BOOT.format("host.cold", "lead"), words, *paths()],
                pass_fds=[channel, lifeline],
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
                cwd=self._scratch,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            return Handles(Child(process), wires)

    async def close(self) -> None:
        """Do nothing: sessions end by their own lifelines."""


def _walls(plan: Plan) -> list[str]:
    if plan.level != "seatbelt":
        return []
    own = [os.path.realpath(path) for path in (plan.data, plan.scratch)]
    return seatbelt.command(root_fs.software(), own)


def lead(words: str) -> None:
    """Be a session's first process: start the worker behind the walls, and supervise it.

    Parameters
    ----------
    words : str
        JSON: ``channel`` and ``lifeline`` (descriptors), ``preload`` (modules), ``plan``.
    """
    settings = json.loads(words)
    plan = Plan.decode(settings["plan"].encode())
    confinement.set_limits(plan)
    confinement.set_environment(plan)
    python = [sys.executable, "-I", "-c", BOOT.format("host.cold", "work"), words, *sys.argv[2:]]
    process = subprocess.Popen(  # noqa: S603  (this Python, our own words)
        [*_walls(plan), *python], pass_fds=[settings["channel"]], cwd=plan.data
    )
    os.close(settings["channel"])
    confinement.ignore_signals()
    init.supervise(plan, process.pid, settings["lifeline"], None)


def work(words: str) -> None:
    """Be the worker: import what is wanted, and serve."""
    settings = json.loads(words)
    plan = Plan.decode(settings["plan"].encode())
    for name in settings["preload"]:
        with contextlib.suppress(Exception):  # not installed, or broken: then without it
            importlib.import_module(name)
    worker.prepare()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=settings["channel"])
    worker.serve(channel, plan)
