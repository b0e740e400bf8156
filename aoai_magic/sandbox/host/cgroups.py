"""Control groups: where systemd gives one, the kernel itself bounds a session as a whole.

The zygote is started in a systemd scope of its own, delegated to us, in which each session
gets a control group (version 2). Where there is no systemd the watchdog alone sees sums.

https://docs.kernel.org/admin-guide/cgroup-v2.html, https://systemd.io/CGROUP_DELEGATION
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_CONTROLLERS = ("memory", "pids")
_HELPERS = 2  # processes of a session that are not its code's: the first, and the zygote's fork
_ANSWER_SECONDS = 10.0
_REMOVALS, _PAUSE = 50, 0.02


def scope_command(environ: Mapping[str, str]) -> list[str]:
    """Return the words that start a program in a scope of its own; none where that fails.

    The program gets an environment of its own too; it is told by words after these.
    """
    user = os.geteuid() != 0
    runtime = environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}")
    manager = Path(runtime, "systemd/private") if user else Path("/run/systemd/private")
    tool, env = shutil.which("systemd-run"), shutil.which("env")
    if not (tool and env and manager.exists() and (_ROOT / "cgroup.controllers").exists()):
        return []
    scope = [tool, *(["--user"] if user else []), "--scope", "--quiet", "--collect"]
    scope += ["--property=Delegate=yes", "--property=MemoryMax=80%", "--"]
    command = [env, f"XDG_RUNTIME_DIR={runtime}", *scope, env, "--ignore-environment"]
    try:
        subprocess.run(  # noqa: S603  (found on the path, with our own words)
            [*command, "true"],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWER_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return command


class Group:
    """The control group of one session."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def killed(self) -> int:
        """How many of its processes the kernel has ended for want of memory."""
        try:
            lines = (self.path / "memory.events").read_text().splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)

    def close(self) -> None:
        """Kill what is left in it, and remove it."""
        with contextlib.suppress(OSError):  # before Linux 5.14
            (self.path / "cgroup.kill").write_text("1")
        for _ in range(_REMOVALS):
            try:
                self.path.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(_PAUSE)
            else:
                return


class Scope:
    """The control group that the zygote was started in, and the parent of the sessions'."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def around(cls, pid: int) -> Scope | None:
        """Return the scope of a process that is alone in it; None if it is unavailable."""
        try:
            lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
            inside = next(line[3:] for line in lines if line.startswith("0::"))
            scope = cls(_ROOT / inside.lstrip("/"))
            scope.prepare(pid)
        except (OSError, StopIteration):
            return None
        return scope

    def prepare(self, pid: int) -> None:
        """Make room for the sessions' groups: a group is a parent only while it is empty.

        Raises
        ------
        OSError
            When it is not ours to divide, or lacks a controller.
        """
        helper = self._path / "zygote"
        helper.mkdir()
        (helper / "cgroup.procs").write_text(str(pid))
        words = " ".join(f"+{name}" for name in _CONTROLLERS)
        (self._path / "cgroup.subtree_control").write_text(words)

    def open(self, memory: int, processes: int) -> Group:
        """Make the group of a session, for so many bytes and processes.

        Raises
        ------
        OSError
            When the scope is gone.
        """
        path = self._path / f"session-{secrets.token_hex(8)}"
        path.mkdir()
        group = Group(path)
        try:
            (path / "memory.max").write_text(str(memory))
            (path / "pids.max").write_text(str(processes + _HELPERS))
            with contextlib.suppress(OSError):  # a kernel without swap
                (path / "memory.swap.max").write_text("0")
        except OSError:
            group.close()
            raise
        return group
