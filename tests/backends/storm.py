"""A proxy that harms a connection once, at one event of the first stream that it carries."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

KINDS = ("garble", "junk", "hang", "delay", "cut")
"""Change an event's JSON, send what is no HTTP, fall silent, pause, close the connection."""

_END = b"\n\n"
_EVENT = b"data: {"


class Storm:
    """Forwards bytes to a server until the fault's place is reached.

    Attributes
    ----------
    kind, number
        What happens after so many events; after 0 nothing of the answer has come yet.
    struck
        Whether it has happened.
    """

    def __init__(self, upstream: str, kind: str, number: int) -> None:
        self._upstream = urlsplit(upstream)
        self.kind, self.number = kind, number
        self.struck = False
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._upstream.hostname, self._upstream.port
        far_reader, far_writer = await asyncio.open_connection(host, port)
        up = asyncio.create_task(_copy(reader, far_writer))
        try:
            await self._down(far_reader, writer)
        except ConnectionError:
            pass
        finally:
            up.cancel()
            far_writer.close()
            writer.close()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen, streaming = 0, False
        while piece := await reader.read(65536):
            # An answer's head is never split from the test's engine.
            if piece.startswith(b"HTTP/1.1"):
                streaming, seen = b"text/event-stream" in piece, 0
            if streaming and not self.struck:
                place = _end_of(piece, self.number - seen)
                # An answer's head may come alone: there is nothing to change in it.
                if place is not None and (self.kind != "garble" or _EVENT in piece[place:]):
                    self.struck = True
                    await self._strike(piece[:place], piece[place:], writer)
                    if self.kind not in ("garble", "delay"):
                        return
                    continue
                seen += piece.count(_END)
            writer.write(piece)
            await writer.drain()

    async def _strike(self, before: bytes, after: bytes, writer: asyncio.StreamWriter) -> None:
        if self.kind == "garble":
            writer.write(before + after.replace(_EVENT, b"data: ]", 1))
            return
        if self.kind == "delay":
            writer.write(before)
            await asyncio.sleep(0.2)
            writer.write(after)
            return
        writer.write(before + (b"\x00 no HTTP at all \r\n" if self.kind == "junk" else b""))
        await writer.drain()
        if self.kind == "hang":
            await asyncio.sleep(3600)


def _end_of(piece: bytes, number: int) -> int | None:
    """Return the place after so many events of a piece; None if it has fewer."""
    place = 0
    for _ in range(number):
        found = piece.find(_END, place)
        if found < 0:
            return None
        place = found + len(_END)
    return place


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()


@asynccontextmanager
async def storm(upstream: str, kind: str, number: int):
    """Serve a proxy in this event loop; whoever still hangs in it is let go in the end."""
    proxy = Storm(upstream, kind, number)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader, writer):
        task = asyncio.ensure_future(proxy.serve(reader, writer))
        tasks.add(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks) if tasks else None
