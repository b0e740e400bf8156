"""Connections that have sent no request: bounded in time and number.

Anybody on the machine can open them without a token. uvicorn puts no time limit on the
first request of a connection, and its ``limit_concurrency`` would turn away those who do
send one, so the silent connections are what is bounded here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

MOST_SILENT = 512
"""Connections without a request at one time; the oldest is closed for the next one."""

_Base: Any = AutoHTTPProtocol


def bounded_protocol(seconds: float, most: int = MOST_SILENT) -> type[asyncio.Protocol]:
    """Return the HTTP protocol of a server that closes silent connections.

    Parameters
    ----------
    seconds
        How long a connection may go without the head of a request.
    most
        How many such connections are kept.
    """
    silent: dict[BoundedProtocol, asyncio.TimerHandle] = {}

    class BoundedProtocol(_Base):  # type: ignore[misc]
        """A connection that is closed when no request comes."""

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._expect()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if _is_silent(self):
                self._expect()
            else:
                self._forget()

        def connection_lost(self, error: Exception | None) -> None:
            self._forget()
            super().connection_lost(error)

        def _expect(self) -> None:
            """Start to wait for a request; the wait is not renewed by single bytes."""
            if self in silent or self.transport.is_closing():
                return
            silent[self] = self.loop.call_later(seconds, self.transport.abort)
            if len(silent) > most:
                oldest = next(iter(silent))
                # At once: a burst is accepted before the loop gets to close anything.
                oldest._forget()
                oldest.transport.abort()

        def _forget(self) -> None:
            timer = silent.pop(self, None)
            if timer is not None:
                timer.cancel()

    return BoundedProtocol


def _is_silent(protocol: Any) -> bool:
    """Return whether a connection is to send a request; one that is a WebSocket by now is not."""
    answered = protocol.cycle is None or protocol.cycle.response_complete
    return answered and protocol.transport.get_protocol() is protocol


class RepeatFilter(logging.Filter):
    """Let a message through a few times a minute, so that nobody can fill the log.

    Records are told apart by the text of their call, not by its arguments. Those with a
    traceback always pass.
    """

    def __init__(self, most: int = 20, seconds: float = 60.0) -> None:
        super().__init__()
        self._most = most
        self._seconds = seconds
        self._since = time.monotonic()
        self._counts: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is written."""
        if record.exc_info:
            return True
        if time.monotonic() - self._since > self._seconds:
            self._since = time.monotonic()
            self._counts.clear()
        count = self._counts[str(record.msg)] = self._counts.get(str(record.msg), 0) + 1
        if count == self._most:
            record.msg, record.args = f"{record.getMessage()} (repeats are left out)", ()
        return count <= self._most


def allow_many_files() -> None:
    """Raise the limit of open files to what this account may have."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
