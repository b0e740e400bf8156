"""The engine inside a container, which lives as long as one of its user's kernels holds it.

The container's first process makes a named pipe and waits. Each kernel then runs `join` in the
container, which sends on to the pipe what the kernel writes: one line, with the token, the keys
and the settings that an engine reads, so that they stand in no argument and in nothing that the
container's own program lists. After that nothing comes; the engine ends once the last of them has
closed the pipe, as an engine outside does when its standard input ends.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from aoai_magic.cli.main import main as command_line

assert sys.platform != "win32"  # a container is Linux, wherever Docker runs it

PORT = 8787
DATA = "/data"
PIPE = Path("/tmp/aoai-magic-kernels")  # noqa: S108 - the container's own, which nobody shares
JOIN_SECONDS = 60
"""How long an engine waits for its first kernel, and a kernel for the engine."""

_PAUSE = 0.05


def main() -> int:
    """Run the engine, or with the word ``join`` hold the one that runs."""
    return join() if sys.argv[1:] == ["join"] else serve()


def serve() -> int:
    """Serve from the first kernel's settings on until the last kernel is gone."""
    os.mkfifo(PIPE, 0o600)
    # A process 1 ignores every signal that it does not handle.
    signal.signal(signal.SIGALRM, lambda *_: os._exit(3))
    signal.alarm(JOIN_SECONDS)
    kernels = PIPE.open("rb", buffering=0)
    os.environ.update(json.loads(kernels.readline()))
    signal.alarm(0)
    lifeline, ours = os.pipe()
    os.dup2(lifeline, 0)
    threading.Thread(target=_watch, args=(kernels.fileno(), ours), daemon=True).start()
    sandbox = os.environ["AOAI_MAGIC_SANDBOX"]
    where = ["--host", "0.0.0.0", "--port", str(PORT), "--data-dir", DATA]  # noqa: S104
    return command_line(["serve", *where, "--sandbox", sandbox])


def _watch(kernels: int, ours: int) -> None:
    while os.read(kernels, 4096):
        pass
    PIPE.rename(_ended())  # who comes now starts another container
    os.close(ours)


def _ended() -> Path:
    return PIPE.with_suffix(".ended")


def join() -> int:
    """Hold the engine until standard input ends; print a line of JSON once it answers."""
    given = sys.stdin.buffer.readline()
    _wait_until(lambda: PIPE.is_fifo() or _ended().exists())
    if _ended().exists():
        return 1
    with PIPE.open("wb", buffering=0) as pipe:
        pipe.write(given)
        _wait_until(_answers)
        print(json.dumps({"pid": os.getpid()}), flush=True)  # noqa: T201
        sys.stdin.buffer.read()
    return 0


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + JOIN_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit("The engine in this container did not get ready.")
        time.sleep(_PAUSE)


def _answers() -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
