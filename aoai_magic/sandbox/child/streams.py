"""Standard output and error of a session, sent to the host as they are written."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import select
import sys
import threading
import time

from aoai_magic.sandbox.child.channel import Channel

_PROMPT = 0.03  # seconds that text waits at most for more of it
_FULL = 1 << 14
_CHUNK = 1 << 16
_LOOK = 0.5  # seconds after which it is looked whether a cell still runs


class Budget:
    """How many bytes a cell may still print; counts what was dropped beyond that."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.reset()

    def reset(self) -> None:
        """Start a new cell."""
        self.left = self._limit
        self.dropped = 0

    def grant(self, size: int) -> int:
        """Return how many of ``size`` bytes may pass."""
        granted = min(size, self.left)
        self.left -= granted
        self.dropped += size - granted
        return granted


class Printed:
    """All that a cell prints, in the order in which it was printed.

    What this process prints comes through `write`; what its children print lies in a pipe,
    standard output and error alike, and is taken before anything that is printed later.
    """

    def __init__(self, channel: Channel, pipe: int, budget: Budget) -> None:
        self._channel = channel
        self._pipe = pipe
        self._budget = budget
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {name: decoder("replace") for name in ("stdout", "stderr")}
        self._pending: list[tuple[str, bytearray]] = []
        self._lock = threading.RLock()
        self._sent = 0.0
        self._due = threading.Event()
        self._running = threading.Event()
        # Now and not when they are needed: where memory is short, starting would never end.
        threading.Thread(target=self._send_when_due, name="flush", daemon=True).start()
        threading.Thread(target=self._watch_children, name="children", daemon=True).start()

    @property
    def owned(self) -> bool:
        """Whether this process is the one whose output this is, and no forked child."""
        return self._channel.owned

    def write(self, name: str, data: bytes) -> None:
        """Write what was printed to ``name``; it is sent within a moment."""
        with self._lock:
            self._take_from_children()
            self._append(name, data)
            size = sum(len(text) for _, text in self._pending)
        line_over = data.endswith(b"\n")
        waited = time.monotonic() - self._sent > _PROMPT
        if size > _FULL or (line_over and waited):
            self.send()
        elif size:
            self._due.set()

    def _append(self, name: str, data: bytes) -> None:
        granted = memoryview(data)[: self._budget.grant(len(data))]
        if not self._pending or self._pending[-1][0] != name:
            self._pending.append((name, bytearray()))
        self._pending[-1][1].extend(granted)

    def _take_from_children(self) -> int:
        """Read what children have printed by now; return how many bytes."""
        try:
            data = os.read(self._pipe, _CHUNK)
        except OSError:  # nothing there, or the cell has closed it
            return 0
        self._append("stdout", data)
        return len(data)

    def send(self) -> None:
        """Send what is pending, but for incomplete characters."""
        with self._lock:
            self._take_from_children()
            pending, self._pending = self._pending, []
            for name, data in pending:
                if text := self._decoders[name].decode(bytes(data)):
                    self._sent = time.monotonic()
                    self._channel.send({"type": "stream", "name": name, "text": text})

    def begin(self) -> None:
        """Start a cell: from here on the output of children is watched."""
        self._running.set()

    def end(self) -> None:
        """Finish a cell: what children print from now on is read with the next one."""
        self._running.clear()
        with self._lock:
            while self._take_from_children() and self._budget.left:
                pass
        self.send()

    def _send_when_due(self) -> None:
        while self._due.wait():
            self._due.clear()
            time.sleep(_PROMPT)
            self.send()

    def _watch_children(self) -> None:
        while self._running.wait():
            try:
                ready, _, _ = select.select([self._pipe], [], [], _LOOK)
            except (OSError, ValueError):  # the cell has closed it
                return
            if ready and self._running.is_set():
                with self._lock:
                    size = self._take_from_children()
                self.send()
                if size < _FULL:
                    time.sleep(_PROMPT)  # what follows goes out together


class _Raw(io.RawIOBase):
    """The bytes under one text stream."""

    def __init__(self, printed: Printed, name: str, descriptor: int) -> None:
        self._printed = printed
        self.name = f"<{name}>"
        self._name = name
        self._descriptor = descriptor
        self._process = os.getpid()
        self._pending = bytearray()
        self._lock = threading.RLock()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: bytes) -> int:  # type: ignore[override]
        size = len(data)
        if self._printed.owned:
            self._printed.write(self._name, data)
        else:
            self._write_in_child(data)
        return size

    def _write_in_child(self, data: bytes) -> None:
        """Write whole lines to the pipe, all that a forked child has to speak through."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._lock = threading.RLock()  # another thread may have held it at the fork
            self._pending = bytearray()
        with self._lock:
            self._pending += data
            if b"\n" in data or len(self._pending) > _FULL:
                self._empty_in_child()

    def _empty_in_child(self) -> None:
        data, self._pending = bytes(self._pending), bytearray()
        while data:
            data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        """Flush, and stay open: a cell that closes its output must not silence the next."""
        self.flush()

    def flush(self) -> None:
        if self._printed.owned:
            self._printed.send()
        elif self._process == os.getpid():
            self._empty_in_child()


def flush_all() -> None:
    """Flush standard output and error, whatever the session's code has put there."""
    for name in ("stdout", "stderr"):
        with contextlib.suppress(Exception):
            getattr(sys, name).flush()


def open_stream(printed: Printed, name: str, descriptor: int) -> io.TextIOWrapper:
    """Make a text stream that prints as ``name``.

    ``descriptor`` is where forked and spawned children write.
    """
    raw = _Raw(printed, name, descriptor)
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", newline="", write_through=True)
