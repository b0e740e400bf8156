"""One cell on its way: what the interpreter says becomes events, within the limits.

A task of its own reads the interpreter, whether or not anybody takes the events, so that
a cell can always be stopped. What it keeps is bounded by the limits on output.
"""

from __future__ import annotations

import asyncio
import base64
import codecs
import time
from collections.abc import AsyncIterator
from typing import Any

from aoai_magic.sandbox import framing
from aoai_magic.sandbox.framing import Frame
from aoai_magic.sandbox.host.interpreter import Interpreter
from aoai_magic.sandbox.host.interrupt_grace import InterruptGrace
from aoai_magic.sandbox.limits import MORE_MEMORY
from aoai_magic.sandbox.protocol import (
    MOUNT,
    Display,
    Done,
    Ended,
    Error,
    Event,
    Limit,
    Limits,
    Stream,
)

_AGAIN = 0.1  # seconds after which an interrupt that was not heard is sent again
_DISPLAYS = 32  # displays may take this many times what text may
_MOST_DISPLAYS = 200
_MOST_ERRORS = 50
_MOST_DROPPED = 256 << 20  # bytes
_LONGEST_NAME = 200

_LOST = "Its variables are lost, its files are kept; the next cell starts a fresh interpreter."

# How a session's own code sees a limit strike.
_MEMORY_ERRORS = ("MemoryError", "_ArrayMemoryError", "ArrowMemoryError")
_SIGNS = (
    ("[Errno 28]", "disk", "The session's space for files is full."),
    ("[Errno 27]", "disk", "A file grew beyond what one file may hold in this session."),
    ("can't start new thread", "processes", "The session may not start more threads."),
    ("[Errno 24]", "open_files", "A process of the session may not hold more files open."),
    ("[Errno 11]", "processes", "The session may not start more processes."),
)


class Cell:
    """Runs one cell; `events` ends with `Done`."""

    def __init__(self, interpreter: Interpreter, limits: Limits, timeout: float) -> None:
        self._interpreter = interpreter
        self._limits = limits
        self._timeout = timeout
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._started = time.monotonic()
        self._killed_before = interpreter.killed
        self._interrupted = False
        self._heard = False
        self._over = False
        self._text_left = limits.output
        self._display_left = limits.output * _DISPLAYS
        self._displays_left = _MOST_DISPLAYS
        self._errors, self._errors_left = 0, limits.output
        self._dropped = 0
        self._reported: set[str] = set()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._task: asyncio.Task[None] | None = None

    def start(self, code: str, put: set[str]) -> None:
        """Start the cell; ``put`` names files to bind as variables, and is emptied once sent."""
        self._task = asyncio.get_running_loop().create_task(self._run(code, put))

    async def events(self) -> AsyncIterator[Event]:
        """Yield the events as they come."""
        while True:
            event = await self._queue.get()
            yield event
            if isinstance(event, Done):
                return

    async def wait(self) -> None:
        """Wait until the cell is over, without taking its events."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def interrupt(self) -> None:
        """Interrupt the cell; if that does not help, end its interpreter."""
        if self.running and not self._interrupted:
            self._interrupted = True
            self._insist(InterruptGrace(self._interpreter.pid))

    def _insist(self, grace: InterruptGrace) -> None:
        """Send the interrupt until it is heard: the code may not have begun, or have lost it."""
        if not self.running:
            return
        if grace.over:
            self._interpreter.kill("The code could not be interrupted, so its process was ended.")
            return
        if not self._heard:
            self._interpreter.interrupt()
        asyncio.get_running_loop().call_later(_AGAIN, self._insist, grace)

    @property
    def running(self) -> bool:
        """Whether the code may still run."""
        return self._task is not None and not self._over

    def report_limit(self, kind: str, message: str) -> None:
        """Report that a limit struck, once of each kind."""
        if kind not in self._reported:
            self._reported.add(kind)
            self._queue.put_nowait(Limit(kind, message))

    def _expire(self) -> None:
        text = f"The cell was stopped after {self._timeout:g} seconds, the time it may take."
        self.report_limit("time", text)
        self.interrupt()

    async def _run(self, code: str, put: set[str]) -> None:
        timer = asyncio.get_running_loop().call_later(self._timeout, self._expire)
        ok = False
        try:
            ok = await self._begin(code, put) and await self._read() and not self._interrupted
        except framing.FrameError as error:
            self._interpreter.kill(f"The session was closed, for it sent no sense: {error}.")
        finally:
            self._over = True
            timer.cancel()
            await self._conclude(ok)

    async def _begin(self, code: str, put: set[str]) -> bool:
        try:
            await self._interpreter.send({"type": "run", "code": code, "put": sorted(put)})
            put.clear()
        except framing.FrameError as error:  # ours: nothing was sent, and nothing is lost
            text = f"The code of this cell cannot be run: {error}."
            self._queue.put_nowait(Error("ValueError", text, f"ValueError: {text}"))
            return False
        return True

    async def _conclude(self, ok: bool) -> None:
        await self._interpreter.settle()
        self._take_raw()
        self._note_dropped()
        if self._interpreter.killed > self._killed_before:
            self._report_memory_limit()
        if not self._interpreter.alive or self._interpreter.reason:
            await self._interpreter.wait()
            self._queue.put_nowait(Ended(self._epitaph()))
            ok = False
        self._queue.put_nowait(Done(ok, time.monotonic() - self._started))

    def _epitaph(self) -> str:
        reason = self._interpreter.reason or "The session's process ended."
        return f"{reason} {_LOST}"

    async def _read(self) -> bool:
        """Read until the cell is done (tell whether it succeeded) or nothing can follow."""
        while True:
            alive = self._interpreter.alive
            received = await self._interpreter.read(None)
            for frame in received:
                if frame["type"] == "done":
                    self._dropped += _count(frame.get("dropped"))
                    return frame.get("ok") is True
                self._take(frame)
            if not alive and not received:
                return False

    def _take_raw(self) -> None:
        while data := self._interpreter.read_raw():
            self._print("stdout", self._decoder.decode(data), len(data))

    def _take(self, frame: Frame) -> None:
        """Turn a frame into events; what makes no sense is left out."""
        if frame["type"] == "stream":
            text = _text(frame.get("text"))
            name = "stderr" if frame.get("name") == "stderr" else "stdout"
            self._print(name, text, len(text.encode("utf-8", "replace")))
        elif frame["type"] == "display":
            self._display(frame)
        elif frame["type"] == "error":
            self._error(frame)
        elif frame["type"] == "interrupted":
            self._heard = True

    def _print(self, name: str, text: str, size: int) -> None:
        granted = min(size, self._text_left)
        self._text_left -= granted
        self._dropped += size - granted
        if self._dropped > _MOST_DROPPED:
            self.interrupt()  # it would keep the host busy until its time is over
        if granted < size:
            text = text.encode("utf-8", "replace")[:granted].decode("utf-8", "ignore")
        if text:
            channel = "stderr" if name == "stderr" else "stdout"
            self._queue.put_nowait(Stream(channel, self._shown(text)))  # type: ignore[arg-type]

    def _display(self, frame: Frame) -> None:
        data = self._bundle(frame.get("data"))
        size = sum(map(len, data.values()))
        if not data:
            return
        if size > self._display_left or not self._displays_left:
            self._dropped += size
            return
        self._display_left -= size
        self._displays_left -= 1
        identity = frame.get("id")
        identity = _text(identity)[:_LONGEST_NAME] if isinstance(identity, str) else None
        update, result = frame.get("update") is True, frame.get("result") is True
        self._queue.put_nowait(Display(data, identity, update, result))

    def _bundle(self, bundle: object) -> dict[str, str | bytes]:
        data: dict[str, str | bytes] = {}
        for mime, value in (bundle if isinstance(bundle, dict) else {}).items():
            content = _content(value)
            if content is not None and len(mime) <= _LONGEST_NAME:
                data[_text(mime)] = self._shown(content) if isinstance(content, str) else content
        return data

    def _error(self, frame: Frame) -> None:
        name, value = _text(frame.get("name"))[:_LONGEST_NAME], _text(frame.get("value"))
        shown = self._shown(self._granted(value))
        traceback = self._shown(self._granted(_text(frame.get("traceback")), from_end=True))
        if self._errors < _MOST_ERRORS:
            self._queue.put_nowait(Error(name, shown, traceback))
        self._errors += 1
        if name in _MEMORY_ERRORS:
            self._report_memory_limit()
        for sign, kind, message in _SIGNS:
            if sign in value:
                self.report_limit(kind, message)

    def _granted(self, text: str, from_end: bool = False) -> str:
        """Return what of an error's text there is room for; all errors share one limit."""
        granted = min(len(text), self._errors_left)
        self._errors_left -= granted
        self._dropped += len(text) - granted
        if from_end:
            return text[len(text) - granted :]
        return text[:granted]

    def _report_memory_limit(self) -> None:
        size = f"{self._limits.memory / (1 << 20):,.0f} MB"
        self.report_limit("memory", f"The session may hold up to {size} of memory{MORE_MEMORY}.")

    def _shown(self, text: str) -> str:
        """Name the folder as the code does, where it has no such mount."""
        if self._interpreter.plan.isolated:
            return text
        plan = self._interpreter.plan
        return text.replace(plan.data, MOUNT).replace(plan.scratch, "/tmp")  # noqa: S108

    def _note_dropped(self) -> None:
        if self._dropped:
            text = f"The output was cut: {self._dropped:,} bytes beyond the first"
            self.report_limit("output", f"{text} {self._limits.output:,} were left out.")


def _text(value: Any) -> str:
    """Return text that can be written as UTF-8, whatever was sent."""
    if not isinstance(value, str):
        return ""
    return value.encode("utf-8", "replace").decode("utf-8")


def _count(value: Any) -> int:
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62
    return value if usable else 0


def _content(value: object) -> str | bytes | None:
    if not isinstance(value, dict):
        return None
    if isinstance(text := value.get("text"), str):
        return _text(text)
    if isinstance(encoded := value.get("base64"), str):
        try:
            return base64.b64decode(encoded, validate=True)
        except ValueError:
            return None
    return None
