"""Responses over a WebSocket: each message asks for one, and its events come as messages.

https://developers.openai.com/api/docs/guides/websocket-mode. Responses of one connection run
one after another; an error is a message too, after which the connection goes on.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from pydantic_core import to_json
from starlette.websockets import WebSocket, WebSocketDisconnect

from aoai_magic.engine.api.request_context import Call, parse
from aoai_magic.engine.api.responses.responses import refuse_unserved
from aoai_magic.engine.api.responses.schemas import CreateEvent
from aoai_magic.engine.errors import ApiError, server_error
from aoai_magic.engine.storage.ids import new_id

_LOG = logging.getLogger(__name__)
_MOST_WAITING = 4


async def serve(call: Call, socket: WebSocket) -> None:
    """Answer until the client goes away, which ends what it alone is waiting for."""
    await socket.accept()
    send, waiting = anyio.create_memory_object_stream[bytes](_MOST_WAITING)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_answer, call, socket, waiting)
        # Where the answers end first, the client went away while others were waiting.
        with send, suppress(anyio.BrokenResourceError):
            async for message in _messages(socket):
                await send.send(message)
        tasks.cancel_scope.cancel()


async def _messages(socket: WebSocket) -> AsyncIterator[bytes]:
    while (received := await socket.receive())["type"] == "websocket.receive":
        text = received.get("text")
        yield text.encode() if text is not None else received["bytes"]


async def _answer(call: Call, socket: WebSocket, waiting: MemoryObjectReceiveStream[bytes]) -> None:
    with waiting, suppress(WebSocketDisconnect):
        async for message in waiting:
            try:
                await _respond(call, socket, message)
            except ApiError as error:
                await _send_error(socket, error)
            except WebSocketDisconnect:
                raise
            except Exception:
                id_ = new_id("req_")
                _LOG.exception("Request %s failed", id_)
                await _send_error(socket, server_error(id_))


async def _respond(call: Call, socket: WebSocket, message: bytes) -> None:
    given = parse(message, CreateEvent)
    del given["type"]
    refuse_unserved(given)
    if given.get("background"):
        raise ApiError("Background mode is not supported over a WebSocket.", param="background")
    execution = await call.engine.responses.create({**given, "stream": True}, azure=call.azure)
    try:
        with execution.record.log.listen_after(-1) as events:
            async for event in events:
                _, _, data = event.partition(b"\ndata: ")
                await socket.send_text(data.decode().strip())
    finally:
        execution.scope.cancel()


async def _send_error(socket: WebSocket, error: ApiError) -> None:
    event = {"type": "error", "status": error.status, **error.body()}
    await socket.send_text(to_json(event).decode())
