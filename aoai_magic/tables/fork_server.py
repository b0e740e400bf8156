"""The process that is forked for each file: Arrow is imported in it, and nothing is ever read.

It stands behind the walls of `aoai_magic.sandbox.confine`, and so does every fork.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
from contextlib import suppress

from aoai_magic.tables import child

assert sys.platform != "win32", "nothing forks there"  # also tells the type checker

_MODULES = (
    *("pyarrow", "pyarrow.compute", "pyarrow.csv", "pyarrow.ipc", "pyarrow.parquet"),
    *("numpy", "chardet", "python_calamine", "multiprocessing", "zoneinfo", "_strptime"),
)
_IDLE_SECONDS = 300.0
_MESSAGE = 1 << 16


def main() -> None:
    """Serve the socket whose descriptor is the first argument, until it is closed."""
    child.hide_pandas()
    for name in _MODULES:
        with suppress(ImportError):
            importlib.import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        control.settimeout(_IDLE_SECONDS)
        control.send(b"ready")
        with suppress(TimeoutError, OSError):
            while _serve(control):
                pass


def _serve(control: socket.socket) -> bool:
    """Read one file in a fork, and send how that ended; return False at the end."""
    message, files, _, _ = socket.recv_fds(control, _MESSAGE, 3)
    if not message:
        return False
    pid = os.fork()
    if not pid:
        _read(control, json.loads(message), files)
    for file in files:
        os.close(file)
    _, status = os.waitpid(pid, 0)
    control.send(str(os.waitstatus_to_exitcode(status)).encode())
    return True


def _read(control: socket.socket, words: dict[str, object], files: list[int]) -> None:
    """Be the fork: read the file at the first descriptor, and never come back."""
    code = 1
    try:
        # What the file may take over must not speak in our name.
        control.close()
        for place, file in enumerate(files):
            os.dup2(file, place)
        os.setsid()
        child.answer(child.Request(**words))  # type: ignore[arg-type]
        sys.stdout.flush()
        code = 0
    finally:
        os._exit(code)
