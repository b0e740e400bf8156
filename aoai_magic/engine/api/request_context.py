"""Call: one request, with what the engine has to serve it, and which API it speaks.

A path begins with one of three prefixes. Under ``/openai`` the mandatory
``api-version`` chooses the version of the API and the header is ignored, since the
SDK always sends that of version 2; elsewhere the header ``OpenAI-Beta`` decides.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from pydantic_core import from_json, to_json
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocket

from aoai_magic.engine.agent.event_stream import Feed, body
from aoai_magic.engine.agent.responses import Responses
from aoai_magic.engine.agent.runs import Runs
from aoai_magic.engine.agent.sandbox_sessions import Sessions
from aoai_magic.engine.api import validation
from aoai_magic.engine.api.assistants import leniency, v1
from aoai_magic.engine.api.validation import Closed
from aoai_magic.engine.config import EngineConfig
from aoai_magic.engine.errors import (
    ApiError,
    invalid_id,
    invalid_url,
    invalid_value,
    resource_not_found,
    too_large,
)
from aoai_magic.engine.models.base import Model
from aoai_magic.engine.search.library import Library
from aoai_magic.engine.storage import objects
from aoai_magic.engine.storage.files import Files
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.store import Store
from aoai_magic.engine.storage.uploads import Uploads

T = TypeVar("T")
Version = Literal["v1", "v2"]

_API_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")

_MOST_VALUES = 1_000_000
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)

_LAST_V1 = "2024-02-15"
POLL_AFTER = {"openai-poll-after-ms": "100"}
"""The header that tells the SDK's polling helpers when to ask again."""

_INCLUDABLE = "step_details.tool_calls[*].file_search.results[*].content"
_NO_BETA = (
    "You must provide the 'OpenAI-Beta' header to access the Assistants API. "
    "Please try again by setting the header 'OpenAI-Beta: assistants=v2'."
)


@dataclass(frozen=True)
class Engine:
    """The parts of a running engine that requests need."""

    config: EngineConfig
    store: Store
    files: Files
    uploads: Uploads
    sessions: Sessions
    library: Library
    runs: Runs
    responses: Responses
    model_name: Callable[[], str]
    model: Callable[[str], Awaitable[Model]]


@dataclass(frozen=True)
class Call:
    """One request."""

    engine: Engine
    request: Request
    azure: bool

    @property
    def version(self) -> Version:
        """The version of the Assistants API that the client speaks.

        Raises
        ------
        ApiError
            When the client does not say.
        """
        if self.classic:
            return "v1" if self.request.query_params["api-version"][:10] <= _LAST_V1 else "v2"
        beta = self.request.headers.get("openai-beta", "")
        if "assistants=v1" in beta:
            return "v1"
        if "assistants=v2" not in beta:
            raise ApiError(_NO_BETA, code="invalid_beta")
        return "v2"

    @property
    def classic(self) -> bool:
        """Whether the path is Azure's, with the version in the query."""
        return self.azure and not self.request.url.path.startswith("/openai/v1")

    def only_v2(self) -> None:
        """Refuse what version 1 does not have."""
        if self.version != "v2":
            raise invalid_url(self.request.method, self.request.url.path)

    def path(self, name: str, prefix: str) -> str:
        """Return an id out of the path, checked for its prefix."""
        value = str(self.request.path_params[name])
        if not value.startswith(prefix):
            raise invalid_id(name, value, prefix)
        return value

    async def given(self, model: type[Closed]) -> Body:
        """Read and check the body; gives the keys sent, in the form of version 2.

        ``model`` is the body of version 2; that of version 1 is found from it. An empty
        body counts as ``{}``.
        """
        raw = await read(self.request, self.engine.config.bounds.body)
        given = _json(raw) if raw.strip() else {}
        if self.version == "v1":
            if self.azure and not self.engine.config.lenient:
                v1.refuse_retrieval(given)
            return v1.given(model, given, later=not self.azure)
        if self.engine.config.lenient:
            given = leniency.repair_body(given)
        return validation.check(model, given).given()

    async def body(self, model: type[Closed]) -> Body:
        """Read and check a body of an API that has but one version; gives the keys sent."""
        return parse(await read(self.request, self.engine.config.bounds.body), model)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Read from the store."""
        return await self.engine.store.read(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Write to the store."""
        return await self.engine.store.write(work)

    @property
    def contents(self) -> bool:
        """Whether the client asks for the contents of search results.

        Raises
        ------
        ApiError
            When it asks to include anything else.
        """
        asked = self.request.query_params.getlist("include[]")
        asked += self.request.query_params.getlist("include")
        for name in asked:
            if name != _INCLUDABLE:
                raise invalid_value("include", name, [_INCLUDABLE])
        return bool(asked)

    def view(self, data: Body) -> Body:
        """Show an object as the client's version of the API has it."""
        if not self.contents:
            data = objects.without_contents(data)
        return v1.view(data, later=not self.azure) if self.version == "v1" else data

    def answer(self, data: Body) -> Response:
        """Return an object of the Assistants API."""
        return reply(self.view(data))

    def feed(self) -> Feed:
        """Make the feed of a run that this request starts."""
        old, contents = self.version == "v1", self.contents

        def view(_name: str, data: Body) -> Body:
            data = data if contents else objects.without_contents(data)
            return v1.view(data, later=not self.azure, streamed=True) if old else data

        return Feed(view)


Handler = Callable[[Call], Awaitable[Response]]


def reply(data: Any, headers: dict[str, str] | None = None) -> Response:
    """Return JSON."""
    return Response(to_json(data), media_type="application/json", headers=headers)


def stream(feed: Feed) -> Callable[[], Response]:
    """Listen to a feed from now on; what is returned makes the answer of it."""
    heard = feed.listen()
    return lambda: StreamingResponse(
        body(heard), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
    )


def endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Make a Starlette endpoint of a handler."""

    async def serve(request: Request) -> Response:
        azure = request.url.path.startswith("/openai")
        call = Call(cast("Engine", request.app.state.engine), request, azure)
        if call.classic and not _API_VERSION.fullmatch(request.query_params.get("api-version", "")):
            raise resource_not_found()
        return await handler(call)

    return serve


def web_socket(serve: Callable[[Call, WebSocket], Awaitable[None]]) -> Any:
    """Make a Starlette endpoint of what serves a WebSocket."""

    async def endpoint(socket: WebSocket) -> None:
        azure = socket.url.path.startswith("/openai")
        call = Call(cast("Engine", socket.app.state.engine), cast("Request", socket), azure)
        await serve(call, socket)

    return endpoint


async def read(request: Request, limit: int) -> bytes:
    """Read a body of at most ``limit`` bytes."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large(limit)
    pieces, total = [], 0
    async for piece in request.stream():
        total += len(piece)
        if total > limit:
            raise too_large(limit)
        pieces.append(piece)
    return b"".join(pieces)


def parse(raw: bytes, model: type[Closed]) -> Body:
    """Check a body; gives the keys sent. An empty one counts as ``{}``."""
    return validation.check(model, _json(raw) if raw.strip() else {}).given()


def _json(raw: bytes) -> Any:
    _check_values(raw)
    try:
        return from_json(raw)
    except ValueError as error:
        raise ApiError(
            f"We could not parse the JSON body of your request: {error}. The OpenAI API expects "
            "a JSON payload, but what was sent was not valid JSON."
        ) from error


def _check_values(raw: bytes) -> None:
    """Refuse a body of so many values that parsing it would take all memory.

    Commas inside strings are text, however many; they are looked at apart only where there
    are many commas in all, since that takes a second.
    """
    if raw.count(b",") > _MOST_VALUES and _STRING.sub(b"", raw).count(b",") > _MOST_VALUES:
        raise ApiError(
            f"The request body holds more than {_MOST_VALUES} values, the most that it may."
        )
