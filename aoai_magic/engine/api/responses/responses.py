"""The endpoints of responses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from aoai_magic.engine.agent.event_stream import body
from aoai_magic.engine.agent.responses import ResponseExecution, Responses
from aoai_magic.engine.agent.responses_sink import show
from aoai_magic.engine.api import pagination
from aoai_magic.engine.api.request_context import Call, reply
from aoai_magic.engine.api.responses.schemas import (
    CompactConversation,
    CountTokens,
    CreateResponse,
)
from aoai_magic.engine.errors import ApiError, invalid_type
from aoai_magic.engine.storage import response_objects
from aoai_magic.engine.storage.objects import Body

_NO_REPLAY = (
    "This response cannot be streamed because it was not created with background=true and "
    "stream=true."
)
_LISTEN_SECONDS = 0.5
_ALL = (response_objects.OUTPUTS, response_objects.RESULTS)


def _responses(call: Call) -> Responses:
    return call.engine.responses


async def create(call: Call) -> Response:
    """Create a response; the answer is its stream, its end, or its beginning."""
    given = await call.body(CreateResponse)
    refuse_unserved(given)
    if given.get("background") and given.get("store") is False:
        raise ApiError("Background mode requires 'store' to be true.", param="store")
    key = call.request.headers.get("idempotency-key", "")
    if given.get("stream") and (made := await _responses(call).made_by(key)):
        return await _replay(call, made)
    execution = await _responses(call).create(given, azure=call.azure, key=key)
    if given.get("stream"):
        return _stream(_until_over(call, execution))
    if execution.background:
        return reply(execution.beginning)
    await _over(call, execution)
    return reply(execution.record.shown())


def refuse_unserved(given: Body) -> None:
    """Refuse by name what the service has and this engine has not, unless it is null."""
    for name in ("prompt", "moderation", "context_management"):
        if given.get(name):
            raise ApiError(
                f"Unsupported parameter: '{name}' is not supported by this engine.",
                param=name,
                code="unsupported_parameter",
            )


def _stream(pieces: AsyncIterator[bytes]) -> Response:
    headers = {"Cache-Control": "no-cache"}
    return StreamingResponse(pieces, media_type="text/event-stream", headers=headers)


async def _until_over(call: Call, execution: ResponseExecution) -> AsyncIterator[bytes]:
    """Yield the events; a client that goes away ends what it alone is waiting for."""
    try:
        async for piece in body(execution.record.log.listen_after(-1)):
            yield piece
    finally:
        if not execution.background:
            execution.scope.cancel()


async def _over(call: Call, execution: ResponseExecution) -> None:
    """Wait for the end, or for the client to go away, which ends it too."""
    while not execution.over.is_set():
        with anyio.move_on_after(_LISTEN_SECONDS):
            await execution.over.wait()
        if not execution.over.is_set() and await _left(call.request):
            execution.scope.cancel()
            await execution.over.wait()


async def _left(request: Request) -> bool:
    return await request.is_disconnected()


def included(call: Call) -> list[str]:
    """Return what a request asks to be included in items."""
    query = call.request.query_params
    return [*query.getlist("include[]"), *query.getlist("include")]


async def count_tokens(call: Call) -> Response:
    """Count, about, the tokens that a request would have the model read."""
    given = await call.body(CountTokens)
    count = await _responses(call).count_tokens(given)
    return reply({"object": "response.input_tokens", "input_tokens": count})


async def compact(call: Call) -> Response:
    """Summarize a conversation."""
    return reply(await _responses(call).compact(await call.body(CompactConversation)))


async def retrieve(call: Call) -> Response:
    """Return a response as it stands, or its events from a number on."""
    id_ = call.path("response_id", "resp")
    if call.request.query_params.get("stream") == "true":
        return await _replay(call, id_)
    return reply(await _responses(call).get(id_, included(call)))


async def _replay(call: Call, id_: str) -> Response:
    after = call.request.query_params.get("starting_after", "-1")
    if not after.removeprefix("-").isdecimal():
        raise invalid_type("starting_after", "an integer", "a string")
    execution = _responses(call).execution(id_)
    if execution is not None and execution.background and execution.streamed:
        return _stream(body(execution.record.log.listen_after(int(after))))
    row = await _responses(call).row(id_)
    if row.events is None:
        raise ApiError(_NO_REPLAY, param="stream")
    return _stream(_responses(call).events(row, int(after) + 1))


async def remove(call: Call) -> Response:
    """Delete a response."""
    id_ = call.path("response_id", "resp")
    await _responses(call).delete(id_)
    return reply({"id": id_, "object": "response.deleted", "deleted": True})


async def cancel(call: Call) -> Response:
    """Stop a background response."""
    return reply(await _responses(call).cancel(call.path("response_id", "resp")))


async def list_items(call: Call) -> Response:
    """List what a client sent for a response."""
    row = await _responses(call).row(call.path("response_id", "resp"))
    shown = {item["id"]: show(item, _ALL) for item in row.input}
    return reply(pagination.cut(call, list(shown), "item", shown.__getitem__))
