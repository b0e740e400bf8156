"""Runs the attempts of `attempts` in a session of a level, with targets to reach for.

As a script: ``escape.py LEVEL``, with LEVEL one of `RUNGS`; prints the results as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from aoai_magic.sandbox.host import levels
from aoai_magic.sandbox.host.local import LocalSandbox
from aoai_magic.sandbox.protocol import Limits, Stream

RUNGS = {
    "namespaces": levels.RUNGS[0],
    "namespaces-without-proc": levels.RUNGS[1],
    "landlock": levels.RUNGS[2],
    "none": levels.UNISOLATED,
}


def _serve_tcp(stack: contextlib.ExitStack, family: int, host: str) -> int:
    server = stack.enter_context(socket.create_server((host, 0), family=family))

    def greet() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.send(b"x")

    threading.Thread(target=greet, daemon=True).start()
    stack.callback(server.shutdown, socket.SHUT_RDWR)
    return server.getsockname()[1]


def _serve_udp(stack: contextlib.ExitStack) -> int:
    server = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    server.bind(("127.0.0.1", 0))
    server.settimeout(20)

    def echo() -> None:
        with contextlib.suppress(OSError):
            data, peer = server.recvfrom(1)
            server.sendto(data, peer)

    threading.Thread(target=echo, daemon=True).start()
    return server.getsockname()[1]


def _listen_unix(stack: contextlib.ExitStack, address: str) -> None:
    server = stack.enter_context(socket.socket(socket.AF_UNIX))
    server.bind(address)
    server.listen()


def _take_datagrams(stack: contextlib.ExitStack, address: str) -> str:
    server = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    server.bind(address)
    Path(address).chmod(0o666)
    return address


def _start_victim(stack: contextlib.ExitStack, canary: str) -> tuple[int, int]:
    """Start a process with the canary in its environment; also give an address in it."""
    code = (
        "import ctypes, sys, time; kept = ctypes.create_string_buffer(64);"
        "print(ctypes.addressof(kept), flush=True); time.sleep(100)"
    )
    victim = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "CANARY": canary},
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(victim.wait)
    stack.callback(victim.kill)
    return victim.pid, int(victim.stdout.readline())


def _share_memory(stack: contextlib.ExitStack) -> int:
    libc = ctypes.CDLL(None)
    identity = libc.shmget(0, 4096, 0o1666)
    stack.callback(libc.shmctl, identity, 0, None)
    return identity


def _make_queue(stack: contextlib.ExitStack) -> int:
    libc = ctypes.CDLL(None)
    identity = libc.msgget(0, 0o1666)
    stack.callback(libc.msgctl, identity, 0, None)
    return identity


def _make_full_queue(stack: contextlib.ExitStack) -> int:
    identity = _make_queue(stack)
    message = ctypes.create_string_buffer((1).to_bytes(8, sys.byteorder) + b"x")
    assert ctypes.CDLL(None).msgsnd(identity, message, ctypes.c_size_t(1), 0) == 0
    return identity


def _lay_out(stack: contextlib.ExitStack, folder: Path) -> dict:
    host = folder / "host"
    host.mkdir(mode=0o777)
    for name in ("secret", "bait"):
        (host / name).write_text("host")
    canary = secrets.token_hex(16)
    _listen_unix(stack, str(host / "socket"))
    _listen_unix(stack, "\0" + canary[::-2])
    victim, address = _start_victim(stack, canary)
    return {
        "host": str(host),
        "secret": str(host / "secret"),
        "bait": str(host / "bait"),
        "software": json.__file__,
        "canary_reversed": canary[::-1],
        "unix": str(host / "socket"),
        "abstract": canary[::-2],
        "victim": victim,
        "victim_address": address,
        "tcp": _serve_tcp(stack, socket.AF_INET, "127.0.0.1"),
        "tcp6": _serve_tcp(stack, socket.AF_INET6, "::1"),
        "udp": _serve_udp(stack),
        "shared_memory": _share_memory(stack),
        "queue": _make_queue(stack),
        "full_queue": _make_full_queue(stack),
        "datagrams": _take_datagrams(stack, str(host / "datagrams")),
    }


async def attempt_all(level: str, folder: Path) -> dict[str, str]:
    """Run every attempt on a level; return ``{name: "" if it got through, else why not}``."""
    with contextlib.ExitStack() as stack:
        targets = _lay_out(stack, folder)
        sandbox = LocalSandbox(folder / "sessions", Limits(), RUNGS[level], preload=["IPython"])
        await sandbox.start()
        try:
            other = await sandbox.open("other")
            (other.data / "kept").write_text("x")
            targets["other"] = str(other.data / "kept")
            session = await sandbox.open("attempts")
            source = Path(__file__).with_name("attempts.py").read_text()
            # In hexadecimal: paths in the code of a cell may be rewritten.
            packed = json.dumps(targets).encode().hex()
            code = f"TARGETS = __import__('json').loads(bytes.fromhex({packed!r}))\n{source}"
            events = [event async for event in session.run(code, timeout=30)]
        finally:
            await sandbox.close()
    said = "".join(event.text for event in events if isinstance(event, Stream))
    assert said, events
    return json.loads(said)


def main() -> None:
    """Print the results on the level named in the arguments."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        print(json.dumps(asyncio.run(attempt_all(sys.argv[1], Path(folder).resolve()))))  # noqa: T201


if __name__ == "__main__":
    main()
