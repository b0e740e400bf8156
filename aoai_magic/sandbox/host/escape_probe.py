"""Checks that the walls of a session stand, run by a session of its own.

Its source is run as a cell, with a line ``TARGETS = {...}`` before it; it prints one JSON
object, ``{check: sentence}``, of what got through.
"""

import ctypes
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

TARGETS: dict[str, Any] = globals().get("TARGETS", {})


def read_host_file() -> None:
    """Read a file that lies beside the session's folder."""
    Path(TARGETS["secret"]).read_text()


def write_host_file() -> None:
    """Write a file beside the session's folder."""
    Path(TARGETS["bait"]).write_text("x")


def connect_tcp() -> None:
    """Connect to a socket on which the host listens."""
    with socket.socket() as connection:
        connection.settimeout(1)
        connection.connect(("127.0.0.1", TARGETS["port"]))


def connect_abstract() -> None:
    """Connect to the host's abstract UNIX socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("\0" + TARGETS["abstract"])


def signal_host() -> None:
    """Signal the host's process."""
    os.kill(TARGETS["pid"], 0)
    try:
        is_own = os.getsid(TARGETS["pid"]) == os.getsid(0)
    except OSError:
        return
    if is_own:  # of the same number in a namespace of the session's, as 1 is in a container
        raise ProcessLookupError


def become_privileged() -> None:
    """Enter a user namespace, in which all is allowed."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(0x10000000):
        raise OSError(ctypes.get_errno(), "unshare")


def trace() -> None:
    """Use the debugger's system call."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.ptrace(0, 0, None, None):
        raise OSError(ctypes.get_errno(), "ptrace")


def read_environment() -> None:
    """Find the host's environment in one's own."""
    if TARGETS["canary"] not in os.environ.values():
        raise OSError("not there")


ATTEMPTS: list[Callable[[], None]] = [
    read_host_file,
    write_host_file,
    connect_tcp,
    signal_host,
    read_environment,
    connect_abstract,
    become_privileged,
    trace,
]


def escapes() -> dict[str, str]:
    """Run each; return the names of those that worked, with what they do."""
    through = {}
    for attempt in ATTEMPTS:
        try:
            attempt()
        except OSError:
            continue
        through[attempt.__name__] = attempt.__doc__ or ""
    return through


if __name__ == "__main__" and TARGETS:
    Path("probe.txt").write_text("x")
    print(json.dumps(escapes()))  # noqa: T201
