"""Reading hostile files behind walls: in a process forked from one that is ready, or a new one.

The process reads the file at its standard input, and writes an answer. It has an empty
environment, and stands behind the walls of `aoai_magic.sandbox.confine`: no network, no files.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from typing import IO, Any

from aoai_magic.shared.isolated_python import isolated, package_paths

_CONFINED = "aoai_magic.sandbox.confine"
_START_SECONDS = 60
_GRACE_SECONDS = 5
_FORKS = sys.platform == "linux"  # elsewhere libraries are not safe to fork
_LOG_BYTES = 4_000
SIGALRM, SIGXCPU = 14, 24  # Windows has no names for them


class Reader:
    """Runs ``answer(words)`` of a module for one file after the other.

    The module also has ``prepare()``, which imports what it needs, and ``main()``, which answers
    the words in the first argument. The process that is forked starts with the first file.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._owner = 0
        self._is_stopped = False
        atexit.register(self.close)

    def read(
        self, words: Mapping[str, Any], source: IO[bytes], seconds: int, most: int
    ) -> tuple[int, bytes, str]:
        """Return the exit code (negative for a signal), the answer, and the end of the log.

        The first `most` bytes of the answer are copied, not mapped: whatever the process left
        running could still change the file after a check.
        """
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log:
            code = self._run(words, seconds, source, out, log)
            out.seek(0)
            return code, out.read(most), _tail(log)

    def stop(self) -> None:
        """End the file that is being read, and read no other."""
        self._is_stopped = True
        if self._process is not None:
            _end(self._process)

    def close(self) -> None:
        """Stop the process."""
        if self._owner != os.getpid():
            return
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            _end(self._process)
        self._control = self._process = None

    def _run(
        self,
        words: Mapping[str, Any],
        seconds: int,
        source: IO[bytes],
        out: IO[bytes],
        log: IO[bytes],
    ) -> int:
        with self._lock:
            files = [source.fileno(), out.fileno(), log.fileno()]
            for _ in range(2 if _FORKS and not self._is_stopped else 0):
                try:
                    return self._asked(words, seconds, files)
                except TimeoutError:
                    self.close()
                    return -SIGALRM
                except OSError:  # it had been idle for long, or was killed
                    self.close()
                    out.truncate(0)
            return -SIGALRM if self._is_stopped else self._once(words, seconds, source, out, log)

    def _once(
        self,
        words: Mapping[str, Any],
        seconds: int,
        source: IO[bytes],
        out: IO[bytes],
        log: IO[bytes],
    ) -> int:
        command = isolated(_CONFINED, package_paths(), self._module, json.dumps(words))
        process = start(command, source, out, log)
        try:
            return process.wait(seconds + _GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return -SIGALRM
        finally:
            _end(process)

    def _asked(self, words: Mapping[str, Any], seconds: int, files: list[int]) -> int:
        if sys.platform == "win32" or self._is_stopped:
            raise OSError
        control = self._connected()
        control.settimeout(seconds + _GRACE_SECONDS)
        socket.send_fds(control, [json.dumps(words).encode()], files)
        code = control.recv(64)
        if not code:
            raise ConnectionResetError
        return int(code)

    def _connected(self) -> socket.socket:
        # A fork of the kernel has the socket too, but may not use it.
        if self._control is None or self._owner != os.getpid():
            self._control, self._owner = self._started(), os.getpid()
        return self._control

    def _started(self) -> socket.socket:
        if sys.platform == "win32":
            raise OSError
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        arguments = ("aoai_magic.shared.fork_server", self._module, str(theirs.fileno()))
        command = isolated(_CONFINED, package_paths(), *arguments)
        none = subprocess.DEVNULL
        with theirs:
            self._process = start(command, none, none, none, (theirs.fileno(),))
        control.settimeout(_START_SECONDS)
        if control.recv(64) != b"ready":
            control.close()
            raise ConnectionResetError
        return control


def start(
    command: list[str],
    source: IO[bytes] | int,
    out: IO[bytes] | int,
    log: IO[bytes] | int,
    pass_fds: tuple[int, ...] = (),
) -> subprocess.Popen[bytes]:
    """Start a process that has nothing of the user's environment."""
    return subprocess.Popen(  # noqa: S603 - our own module, no shell
        command,
        stdin=source,
        stdout=out,
        stderr=log,
        env=_environment(),
        cwd="/" if os.name == "posix" else None,
        start_new_session=True,
        pass_fds=pass_fds,
    )


def _environment() -> dict[str, str]:
    """Return an environment without the user's keys; Windows does not start without its own."""
    kept = ("SYSTEMROOT", "WINDIR") if sys.platform == "win32" else ()
    found = {name: os.environ[name] for name in kept if name in os.environ}
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_IO_THREADS")
    return {**found, **dict.fromkeys(threads, "1")}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it may have started."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(log: IO[bytes]) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _LOG_BYTES))
    return log.read(_LOG_BYTES).decode("utf-8", "replace").strip()


def limit(memory: int, seconds: int, output: int) -> None:
    """Bound this process's memory, time and output (bytes, seconds), where the system can."""
    if sys.platform == "win32":  # there the bounds of the readers are all there is
        return
    import resource

    bounds = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: output,
    }
    for kind, value in bounds.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    signal.setitimer(signal.ITIMER_REAL, seconds)
