"""Events: what a run sends out while it goes on, to whoever listens.

A run never waits for a listener and never ends because one went away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from pydantic_core import to_json

DONE = b"event: done\ndata: [DONE]\n\n"
_BACKLOG = 100_000
"""Events that a listener may be behind before it is dropped."""

PING = b": ping\n\n"
PING_SECONDS = 15.0

View = Callable[[str, Any], Any]


def _as_it_is(_name: str, data: Any) -> Any:
    return data


def encode(name: str, data: Any) -> bytes:
    """Write one server-sent event; the data is one line of JSON."""
    return b"event: " + name.encode() + b"\ndata: " + to_json(data) + b"\n\n"


class Feed:
    """The events of one run, for any number of listeners.

    ``view`` turns an event's data into what the API version of the run shows.
    """

    def __init__(self, view: View = _as_it_is) -> None:
        self._view = view
        self._listeners: list[MemoryObjectSendStream[bytes]] = []

    def listen(self) -> MemoryObjectReceiveStream[bytes]:
        """Start to listen; everything sent from now on arrives, then the stream ends."""
        send, receive = anyio.create_memory_object_stream[bytes](_BACKLOG)
        self._listeners.append(send)
        return receive

    def send(self, name: str, data: Any) -> None:
        """Send one event to everybody who listens."""
        if self._listeners:
            self._send(encode(name, self._view(name, data)))

    def _send(self, event: bytes) -> None:
        for listener in self._listeners[:]:
            try:
                listener.send_nowait(event)
            except (anyio.BrokenResourceError, anyio.WouldBlock):
                self._listeners.remove(listener)
                listener.close()

    def close(self) -> None:
        """Describe that the stream is over; listeners hear the end after what was sent."""
        self._send(DONE)
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()


async def body(stream: MemoryObjectReceiveStream[bytes]) -> AsyncIterator[bytes]:
    """Yield a response's body: the events, and a comment when nothing was said for long.

    Proxies close connections that stay silent; a cell may compute for minutes.
    """
    with stream:
        while True:
            piece = PING
            with anyio.move_on_after(PING_SECONDS):
                try:
                    piece = await stream.receive()
                except anyio.EndOfStream:
                    return
            yield piece
