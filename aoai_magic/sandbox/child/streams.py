"""Standard output and error of a session, sent to the host as they are written."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import Callable

from aoai_magic.sandbox.child.channel import Channel

_PROMPT = 0.03  # seconds that text waits at most for more of it
_FULL = 1 << 14


class Budget:
    """How many bytes a cell may still print; counts what was dropped beyond that."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.reset()

    def reset(self) -> None:
        """Start a new cell."""
        self._left = self._limit
        self.dropped = 0

    def grant(self, size: int) -> int:
        """Return how many of ``size`` bytes may pass."""
        granted = min(size, self._left)
        self._left -= granted
        self.dropped += size - granted
        return granted


class _Flusher:
    """A thread that flushes a stream a moment after text was left in it."""

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._due = threading.Event()
        # Now and not when it is needed: where memory is short, starting it would never end.
        threading.Thread(target=self._run, name="flush", daemon=True).start()

    def wake(self) -> None:
        """Flush soon."""
        self._due.set()

    def _run(self) -> None:
        while self._due.wait():
            self._due.clear()
            time.sleep(_PROMPT)
            self._flush()


class _Raw(io.RawIOBase):
    """The bytes under a text stream; gathers what is written in one burst."""

    def __init__(self, channel: Channel, name: str, descriptor: int, budget: Budget) -> None:
        self._channel = channel
        self.name = f"<{name}>"
        self._name = name
        self._descriptor = descriptor
        self._budget = budget
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._process = os.getpid()
        self._pending = bytearray()
        self._lock = threading.RLock()
        self._flushed = 0.0
        self._flusher = _Flusher(self.send)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: bytes) -> int:  # type: ignore[override]
        size = len(data)
        if not self._channel.owned:
            self._write_in_child(data)
            return size
        with self._lock:
            self._pending += memoryview(data)[: self._budget.grant(size)]
        line_over = self._pending.endswith(b"\n")
        waited = time.monotonic() - self._flushed > _PROMPT
        if len(self._pending) > _FULL or (line_over and waited):
            self.send()
        elif self._pending:
            self._flusher.wake()
        return size

    def _write_in_child(self, data: bytes) -> None:
        """Write whole lines to the pipe, all that a forked child has to speak through."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._lock = threading.RLock()  # another thread may have held it at the fork
            self._pending = bytearray()  # the parent's, which sends it
        with self._lock:
            self._pending += data
            if b"\n" in data or len(self._pending) > _FULL:
                self._empty_in_child()

    def _empty_in_child(self) -> None:
        data, self._pending = bytes(self._pending), bytearray()
        while data:
            data = data[os.write(self._descriptor, data) :]

    def send(self) -> None:
        """Send what is pending, but for an incomplete character."""
        with self._lock:
            text = self._decoder.decode(bytes(self._pending))
            self._pending.clear()
            if text:
                self._flushed = time.monotonic()
                self._channel.send({"type": "stream", "name": self._name, "text": text})

    def close(self) -> None:
        """Flush, and stay open: a cell that closes its output must not silence the next."""
        self.flush()

    def flush(self) -> None:
        if self._channel.owned:
            self.send()
        elif self._process == os.getpid():
            self._empty_in_child()


def flush_all() -> None:
    """Flush standard output and error, whatever the session's code has put there."""
    for name in ("stdout", "stderr"):
        with contextlib.suppress(Exception):
            getattr(sys, name).flush()


def open_stream(channel: Channel, name: str, descriptor: int, budget: Budget) -> io.TextIOWrapper:
    """Make a text stream that sends to the host under ``name``.

    ``descriptor`` is where forked and spawned children write.
    """
    raw = _Raw(channel, name, descriptor, budget)
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", newline="", write_through=True)
