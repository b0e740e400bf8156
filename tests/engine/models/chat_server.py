"""A server of the chat protocol, real HTTP on loopback, that answers as each test says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from aoai_magic.engine.models.base import Chunk, Request, Text, ToolCall

KEY = "sk-secret-0123456789"
PYTHON = {
    "type": "function",
    "function": {
        "name": "python",
        "description": "Run code.",
        "parameters": {"type": "object", "properties": {"code": {"type": "string"}}},
    },
}
USER = {"role": "user", "content": "What is six by seven?"}


class ChatServer:
    """A server, usually on loopback, that speaks the chat protocol the way each test says."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.bodies: list[dict[str, Any]] = []
        self.urls: list[str] = []
        self.answer: Callable[[dict[str, Any]], Response] = lambda body: stream(say("Hi."))
        self.models: list[str] = []
        self.ends: dict[str, str] = {}
        self.listed: dict[str, Any] = {}  # what the list says of each model besides
        self.keys: list[str] = []
        routes = [
            Route("/token", self._token),
            Route("/v1/models", self._models),
            Route("/{path:path}", self._post, methods=["POST"]),
        ]
        app = _as_proxy(Starlette(routes=routes))
        config = uvicorn.Config(app, host=host, port=0, log_level="critical")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    async def _models(self, request: HttpRequest) -> Response:
        data = [
            {"id": name, "object": "model", "shutdown_date": self.ends.get(name), **self.listed}
            for name in self.models
        ]
        return JSONResponse({"object": "list", "data": data})

    async def _token(self, request: HttpRequest) -> Response:
        """Be the identity of App Service, which is the easiest to imitate."""
        soon = str(int(time.time()) + 3600)
        given = {"access_token": "token-of-the-identity", "token_type": "Bearer"}
        asked = request.query_params["resource"]
        return JSONResponse({**given, "expires_on": soon, "resource": asked})

    async def _post(self, request: HttpRequest) -> Response:
        self.bodies.append(await request.json())
        self.keys.append(request.headers.get("authorization", ""))
        self.urls.append(f"{request.url.path}?{request.url.query}")
        return self.answer(self.bodies[-1])

    def __enter__(self) -> ChatServer:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.should_exit = True
        self._thread.join()


def _as_proxy(app: Any) -> Any:
    """Serve requests too that come through the server as a proxy, for whichever host."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        if path.startswith("http://"):
            scope = {**scope, "path": urlsplit(path).path, "raw_path": b""}
        await app(scope, receive, send)

    return serve


def stream(*deltas: dict, done: bool = True) -> Response:
    lines = [f"data: {json.dumps(delta)}\n\n" for delta in deltas]
    return StreamingResponse(iter([*lines, *["data: [DONE]\n\n"] * done]), 200, {}, EVENTS)


EVENTS = "text/event-stream"


def say(text: str, **more: Any) -> dict:
    return {"choices": [{"index": 0, "delta": {"content": text}, **more}]}


def call(*entries: dict, **more: Any) -> dict:
    return {"choices": [{"index": 0, "delta": {"tool_calls": list(entries)}, **more}]}


def fault(status: int, message: str, headers: dict | None = None, **more: Any) -> Response:
    # The SDK itself tries some errors again; a test has no time for that.
    headers = {"x-should-retry": "false", **(headers or {})}
    return JSONResponse({"error": {"message": message, **more}}, status, headers)


async def take(model: Any, *messages: dict, **request: Any) -> list[Chunk]:
    request = {"tools": [PYTHON], **request}
    return [chunk async for chunk in model.stream(Request(messages or (USER,), **request))]


def calls(chunks: list[Chunk]) -> list[tuple[str, dict]]:
    pieces = [chunk for chunk in chunks if isinstance(chunk, ToolCall)]
    heads = [piece for piece in pieces if piece.name]
    assert all(piece.id for piece in heads)
    assert len({piece.id for piece in heads}) == len(heads)
    return [
        (head.name, json.loads("".join(p.arguments for p in pieces if p.index == head.index)))
        for head in heads
    ]


def text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))
