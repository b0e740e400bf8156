"""Starting the process that reads a file: forked from one that has Arrow already, or afresh."""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from typing import IO

from aoai_magic.shared.isolated_python import isolated, package_paths
from aoai_magic.tables.child import Request
from aoai_magic.tables.errors import NoTable

_LOG = logging.getLogger(__name__)

_CONFINED = "aoai_magic.sandbox.confine"
_START_SECONDS = 60
_GRACE_SECONDS = 5
_FORKS = sys.platform == "linux"  # elsewhere libraries are not safe to fork
_LOG_BYTES = 4_000
_SIGALRM, _SIGXCPU = 14, 24  # Windows has no names for them


def run(request: Request, data: bytes, most: int) -> bytes:
    """Return the first `most` bytes of what the process answered, copied.

    Not mapped: whatever it left running could still change the file after a check.

    Raises
    ------
    NoTable
        The process ended before it had answered.
    """
    with (
        tempfile.TemporaryFile() as source,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as log,
    ):
        source.write(data)
        source.seek(0)
        code = (
            _SERVER.run(request, source, out, log) if _FORKS else _once(request, source, out, log)
        )
        if code:
            raise NoTable(_reason(code, log))
        out.seek(0)
        return out.read(most)


def _once(request: Request, source: IO[bytes], out: IO[bytes], log: IO[bytes]) -> int:
    words = json.dumps(asdict(request))
    command = isolated(_CONFINED, package_paths(), "aoai_magic.tables.child", words)
    process = _start(command, source, out, log)
    try:
        return process.wait(request.seconds + _GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        return -_SIGALRM
    finally:
        _end(process)


def _start(
    command: list[str],
    source: IO[bytes] | int,
    out: IO[bytes] | int,
    log: IO[bytes] | int,
    pass_fds: tuple[int, ...] = (),
) -> subprocess.Popen[bytes]:
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


def _reason(code: int, log: IO[bytes]) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _LOG_BYTES))
    text = log.read(_LOG_BYTES).decode("utf-8", "replace").strip()
    is_large = "MemoryError" in text or code < 0
    _LOG.log(
        logging.DEBUG if is_large else logging.ERROR,
        "the process that reads tables ended with %s: %s",
        code,
        text,
    )
    if -code in (_SIGXCPU, _SIGALRM):
        return "too slow"
    return "too large" if is_large else "our mistake"


class _Server:
    """The process that is forked for each file; started when the first one is read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._owner = 0

    def run(self, request: Request, source: IO[bytes], out: IO[bytes], log: IO[bytes]) -> int:
        """Read one file in a fork; return its exit code, negative for a signal."""
        with self._lock:
            try:
                return self._asked(request, [source.fileno(), out.fileno(), log.fileno()])
            except TimeoutError:
                self.close()
                return -_SIGALRM
            except OSError:  # it had been idle for long, or was killed
                self.close()
                out.truncate(0)
            try:
                return self._asked(request, [source.fileno(), out.fileno(), log.fileno()])
            except OSError:
                self.close()
                return _once(request, source, out, log)

    def _asked(self, request: Request, files: list[int]) -> int:
        if sys.platform == "win32":
            raise OSError
        control = self._connected()
        control.settimeout(request.seconds + _GRACE_SECONDS)
        socket.send_fds(control, [json.dumps(asdict(request)).encode()], files)
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
        command = isolated(
            _CONFINED, package_paths(), "aoai_magic.tables.fork_server", str(theirs.fileno())
        )
        none = subprocess.DEVNULL
        with theirs:
            self._process = _start(command, none, none, none, (theirs.fileno(),))
        control.settimeout(_START_SECONDS)
        if control.recv(64) != b"ready":
            control.close()
            raise ConnectionResetError
        return control

    def close(self) -> None:
        """Stop the process."""
        if self._owner != os.getpid():
            return
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            _end(self._process)
        self._control = self._process = None


_SERVER = _Server()
atexit.register(_SERVER.close)
