"""The process that is forked for each file: libraries are imported in it, and nothing is read.

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
from types import ModuleType

assert sys.platform != "win32", "nothing forks there"  # also tells the type checker

_IDLE_SECONDS = 300.0
_MESSAGE = 1 << 16


def main() -> None:
    """Serve a socket until it is closed; arguments are the module and the socket's descriptor."""
    module = importlib.import_module(sys.argv[1])
    module.prepare()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[2])) as control:
        control.settimeout(_IDLE_SECONDS)
        control.send(b"ready")
        with suppress(TimeoutError, OSError):
            while _serve(control, module):
                pass


def _serve(control: socket.socket, module: ModuleType) -> bool:
    """Read one file in a fork, and send how that ended; return False at the end."""
    message, files, _, _ = socket.recv_fds(control, _MESSAGE, 3)
    if not message:
        return False
    pid = os.fork()
    if not pid:
        _read(control, module, json.loads(message), files)
    for file in files:
        os.close(file)
    _, status = os.waitpid(pid, 0)
    control.send(str(os.waitstatus_to_exitcode(status)).encode())
    return True


def _read(
    control: socket.socket, module: ModuleType, words: dict[str, object], files: list[int]
) -> None:
    """Be the fork: read the file at the first descriptor, and never come back."""
    code = 1
    try:
        # What the file may take over must not speak in our name.
        control.close()
        for place, file in enumerate(files):
            os.dup2(file, place)
        os.setsid()
        module.answer(words)
        sys.stdout.flush()
        code = 0
    finally:
        os._exit(code)
