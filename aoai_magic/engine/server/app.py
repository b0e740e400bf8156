"""The engine as an ASGI application: its routes as data, and the life of its parts."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aoai_magic.engine.agent.containers import Containers
from aoai_magic.engine.agent.executor import Executor
from aoai_magic.engine.agent.responses import Responses
from aoai_magic.engine.agent.runs import Runs
from aoai_magic.engine.agent.sandbox_sessions import Sessions
from aoai_magic.engine.agent.task import Services
from aoai_magic.engine.api import (
    engine_threads,
    files,
    models,
    status,
    uploads,
    vector_stores,
)
from aoai_magic.engine.api.assistants import assistants, runs, threads
from aoai_magic.engine.api.request_context import Engine, Handler, endpoint, web_socket
from aoai_magic.engine.api.responses import (
    containers,
    conversations,
    responses,
    skills,
    websocket,
)
from aoai_magic.engine.config import EngineConfig
from aoai_magic.engine.early_sandbox import EarlySandbox
from aoai_magic.engine.errors import (
    ApiError,
    invalid_url,
    method_not_allowed,
    resource_not_found,
    server_error,
)
from aoai_magic.engine.models.base import Model
from aoai_magic.engine.plugins import is_model_spec, open_embeddings, open_model
from aoai_magic.engine.search import shared_vectors
from aoai_magic.engine.search.embedding import Embedding
from aoai_magic.engine.search.library import Library
from aoai_magic.engine.server.auth import Authentication, ensure_token, error_response
from aoai_magic.engine.storage.blobs import Blobs, open_blobs
from aoai_magic.engine.storage.files import Files
from aoai_magic.engine.storage.ids import new_id
from aoai_magic.engine.storage.instances import open_instance
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.store import Store
from aoai_magic.engine.storage.uploads import Uploads
from aoai_magic.shared.private_files import private_folder

_LOG = logging.getLogger(__name__)

_THREAD = "/threads/{thread_id}"
_MESSAGE = f"{_THREAD}/messages/{{message_id}}"
_RUN = f"{_THREAD}/runs/{{run_id}}"
_ASSISTANT = "/assistants/{assistant_id}"
_STORE = "/vector_stores/{vector_store_id}"
_BATCH = f"{_STORE}/file_batches/{{batch_id}}"
_UPLOAD = "/uploads/{upload_id}"
_RESPONSE = "/responses/{response_id}"
_CONVERSATION = "/conversations/{conversation_id}"
_CONTAINER = "/containers/{container_id}"
_SKILL = "/skills/{skill_id}"
_SKILL_VERSION = f"{_SKILL}/versions/{{version}}"
_CONTAINER_FILE = f"{_CONTAINER}/files/{{file_id}}"

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/engine", status.engine),
    ("GET", "/engine/model", status.model),
    ("GET", "/engine/threads", engine_threads.list_),
    ("POST", "/engine/threads", engine_threads.copy),
    ("DELETE", "/engine/threads/{thread_id}", engine_threads.remove),
    ("GET", "/engine/sessions", status.sessions),
    ("DELETE", "/engine/sessions/{thread_id}", status.end_session),
    ("GET", "/models", models.list_),
    ("GET", "/models/{model:path}", models.retrieve),
    ("GET", "/files", files.list_),
    ("POST", "/files", files.create),
    ("GET", "/files/{file_id}", files.retrieve),
    ("DELETE", "/files/{file_id}", files.remove),
    ("GET", "/files/{file_id}/content", files.content),
    ("POST", "/uploads", uploads.create),
    ("POST", f"{_UPLOAD}/parts", uploads.add_part),
    ("POST", f"{_UPLOAD}/complete", uploads.complete),
    ("POST", f"{_UPLOAD}/cancel", uploads.cancel),
    ("GET", "/assistants", assistants.list_),
    ("POST", "/assistants", assistants.create),
    ("GET", _ASSISTANT, assistants.retrieve),
    ("POST", _ASSISTANT, assistants.modify),
    ("DELETE", _ASSISTANT, assistants.remove),
    ("GET", f"{_ASSISTANT}/files", assistants.list_files),
    ("POST", f"{_ASSISTANT}/files", assistants.add_file),
    ("GET", f"{_ASSISTANT}/files/{{file_id}}", assistants.retrieve_file),
    ("DELETE", f"{_ASSISTANT}/files/{{file_id}}", assistants.remove_file),
    ("POST", "/threads", threads.create),
    ("POST", "/threads/runs", runs.create_with_thread),
    ("GET", _THREAD, threads.retrieve),
    ("POST", _THREAD, threads.modify),
    ("DELETE", _THREAD, threads.remove),
    ("GET", f"{_THREAD}/messages", threads.list_messages),
    ("POST", f"{_THREAD}/messages", threads.create_message),
    ("GET", _MESSAGE, threads.retrieve_message),
    ("POST", _MESSAGE, threads.modify_message),
    ("DELETE", _MESSAGE, threads.remove_message),
    ("GET", f"{_MESSAGE}/files", threads.list_files),
    ("GET", f"{_MESSAGE}/files/{{file_id}}", threads.retrieve_file),
    ("GET", f"{_THREAD}/runs", runs.list_),
    ("POST", f"{_THREAD}/runs", runs.create),
    ("GET", _RUN, runs.retrieve),
    ("POST", _RUN, runs.modify),
    ("POST", f"{_RUN}/cancel", runs.cancel),
    ("POST", f"{_RUN}/submit_tool_outputs", runs.submit),
    ("GET", f"{_RUN}/steps", runs.list_steps),
    ("GET", f"{_RUN}/steps/{{step_id}}", runs.retrieve_step),
    ("GET", "/vector_stores", vector_stores.list_),
    ("POST", "/vector_stores", vector_stores.create),
    ("GET", _STORE, vector_stores.retrieve),
    ("POST", f"{_STORE}/search", vector_stores.search),
    ("POST", _STORE, vector_stores.modify),
    ("DELETE", _STORE, vector_stores.remove),
    ("GET", f"{_STORE}/files", vector_stores.list_files),
    ("POST", f"{_STORE}/files", vector_stores.add_file),
    ("GET", f"{_STORE}/files/{{file_id}}", vector_stores.retrieve_file),
    ("POST", f"{_STORE}/files/{{file_id}}", vector_stores.modify_file),
    ("DELETE", f"{_STORE}/files/{{file_id}}", vector_stores.remove_file),
    ("GET", f"{_STORE}/files/{{file_id}}/content", vector_stores.content),
    ("POST", f"{_STORE}/file_batches", vector_stores.create_batch),
    ("GET", _BATCH, vector_stores.retrieve_batch),
    ("POST", f"{_BATCH}/cancel", vector_stores.cancel_batch),
    ("GET", f"{_BATCH}/files", vector_stores.list_batch_files),
    ("POST", "/responses", responses.create),
    ("POST", "/responses/input_tokens", responses.count_tokens),
    ("POST", "/responses/compact", responses.compact),
    ("GET", _RESPONSE, responses.retrieve),
    ("DELETE", _RESPONSE, responses.remove),
    ("POST", f"{_RESPONSE}/cancel", responses.cancel),
    ("GET", f"{_RESPONSE}/input_items", responses.list_items),
    ("POST", "/conversations", conversations.create),
    ("GET", _CONVERSATION, conversations.retrieve),
    ("POST", _CONVERSATION, conversations.modify),
    ("DELETE", _CONVERSATION, conversations.remove),
    ("GET", f"{_CONVERSATION}/items", conversations.list_items),
    ("POST", f"{_CONVERSATION}/items", conversations.add_items),
    ("GET", f"{_CONVERSATION}/items/{{item_id}}", conversations.retrieve_item),
    ("DELETE", f"{_CONVERSATION}/items/{{item_id}}", conversations.remove_item),
    ("GET", "/containers", containers.list_),
    ("POST", "/containers", containers.create),
    ("GET", _CONTAINER, containers.retrieve),
    ("DELETE", _CONTAINER, containers.remove),
    ("GET", f"{_CONTAINER}/files", containers.list_files),
    ("POST", f"{_CONTAINER}/files", containers.add_file),
    ("GET", _CONTAINER_FILE, containers.retrieve_file),
    ("DELETE", _CONTAINER_FILE, containers.remove_file),
    ("GET", f"{_CONTAINER_FILE}/content", containers.content),
    ("GET", "/skills", skills.list_),
    ("POST", "/skills", skills.create),
    ("GET", _SKILL, skills.retrieve),
    ("POST", _SKILL, skills.modify),
    ("DELETE", _SKILL, skills.remove),
    ("GET", f"{_SKILL}/content", skills.content),
    ("GET", f"{_SKILL}/versions", skills.list_versions),
    ("POST", f"{_SKILL}/versions", skills.add_version),
    ("GET", _SKILL_VERSION, skills.retrieve_version),
    ("DELETE", _SKILL_VERSION, skills.remove_version),
    ("GET", f"{_SKILL_VERSION}/content", skills.content),
]

PREFIXES = ("/openai/v1", "/openai", "/v1")
"""Where the routes are; Azure's newer form before the one it would be taken for."""


def create_app(config: EngineConfig, sandbox: EarlySandbox | None = None) -> Starlette:
    """Make the application.

    Parameters
    ----------
    config
        Its ``data_dir`` is made if it is missing; without a ``token`` a fresh one is
        written there.
    sandbox
        What opens the sandbox, if that was begun before.

    Raises
    ------
    SpecError
        When a configured model is none that is installed.
    ModelError
        When a configured model cannot be opened.
    StoreError
        When the database cannot be reached, or a newer engine has written it.
    """
    private_folder(config.data_dir)
    token = ensure_token(config.token, config.data_dir)
    model = open_model(config.model, config.data_dir)
    store = Store(config.database_url)
    embedding = Embedding(open_embeddings(config.embeddings)) if config.embeddings else None
    store.prepare()
    if embedding is not None and not store.sqlite:
        shared_vectors.prepare(store)
    blobs = open_blobs(config.blobs, config.data_dir)
    return Starlette(
        routes=_routes(),
        middleware=[
            Middleware(Identification),
            Middleware(Authentication, token=token, host=config.host),
        ],
        exception_handlers=_HANDLERS,
        lifespan=partial(
            _lifespan, config, model, embedding, store, blobs, sandbox or EarlySandbox(config)
        ),
    )


def _routes() -> list[BaseRoute]:
    methods: dict[str, dict[str, Handler]] = {}
    for method, path, handler in ROUTES:
        methods.setdefault(path, {})[method] = handler
    served: list[BaseRoute] = [Route("/healthz", status.health)]
    for prefix in PREFIXES:
        routes = [
            Route(path, endpoint(_by_method(handlers)), methods=list(handlers))
            for path, handlers in methods.items()
        ]
        stream = WebSocketRoute("/responses", web_socket(websocket.serve))
        served.append(Mount(prefix, routes=[*routes, stream]))
    return served


def _by_method(handlers: dict[str, Handler]) -> Handler:
    """Serve all methods of a path, so that Starlette knows which it takes."""

    async def handle(call: Any) -> Response:
        method = call.request.method
        return await handlers["GET" if method == "HEAD" else method](call)

    return handle


@asynccontextmanager
async def _lifespan(
    config: EngineConfig,
    model: Model,
    embedding: Embedding | None,
    store: Store,
    blobs: Blobs,
    sandbox: EarlySandbox,
    app: Starlette,
) -> AsyncIterator[None]:
    """Open the parts of the engine, and close them in the reverse order."""
    instance = open_instance(store, config.data_dir, config.bounds.lease_seconds)
    await instance.start()
    stored = Files(store, blobs)
    sessions = Sessions(sandbox, store, stored, config.limits, instance)
    resolve = _model_opener(config, model)
    library = Library(store, stored, config.data_dir / "search", instance, embedding)
    services = Services(store, stored, sessions, library, config.bounds, resolve)
    try:
        async with anyio.create_task_group() as tasks:
            executor = Executor(services, instance, tasks)
            running = Runs(services, executor)
            containers_ = Containers(store, stored, sessions, config)
            answering = Responses(services, containers_, executor)
            app.state.engine = Engine(
                config,
                store,
                stored,
                Uploads(store, stored, blobs),
                sessions,
                library,
                running,
                answering,
                lambda: model.name,
                lambda spec: resolve({"model": spec}),
            )
            await executor.recover()
            tasks.start_soon(executor.keep_alive)
            tasks.start_soon(executor.watch)
            tasks.start_soon(library.watch)
            tasks.start_soon(_warm_up, sessions)
            yield
            await executor.stop()
            tasks.cancel_scope.cancel()
    finally:
        library.close()
        with anyio.CancelScope(shield=True):
            await sessions.close()
            await instance.close()
            await store.close()


async def _warm_up(sessions: Sessions) -> None:
    """Get the sandbox ready before the first run needs it; that run reports what fails."""
    try:
        await sessions.isolation()
    except Exception as error:
        _LOG.warning("There is no sandbox: %s", error)


def _model_opener(config: EngineConfig, model: Model) -> Callable[[Body], Awaitable[Model]]:
    """Return the model of a run: the configured one, unless the run may and does name another."""
    opened: dict[str, Model] = {}

    async def resolve(run: Body) -> Model:
        name = run["model"]
        if not config.request_models or not is_model_spec(name):
            return model
        if name not in opened:
            opened[name] = open_model(name, config.data_dir)
        return opened[name]

    return resolve


class Identification:
    """ASGI middleware that gives each request an id, and answers faults under it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        id_ = new_id("req_")
        started = False

        async def identified(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *_headers(id_, scope["path"])]
            await send(message)

        try:
            await self._app(scope, receive, identified)
        except Exception:
            _LOG.exception("Request %s failed", id_)
            if not started:
                await error_response(server_error(id_))(scope, receive, identified)


def _headers(id_: str, path: str) -> list[tuple[bytes, bytes]]:
    headers = [(b"x-request-id", id_.encode()), (b"openai-version", b"2020-10-01")]
    if path.startswith("/openai"):
        headers += [(b"apim-request-id", id_.encode()), (b"x-ms-region", b"local")]
    return headers


async def _on_api_error(_request: Request, error: Exception) -> Response:
    return error_response(cast("ApiError", error))


async def _on_http_error(request: Request, error: Exception) -> Response:
    raised = cast("HTTPException", error)
    method, path = request.method, request.url.path
    if raised.status_code == 404:
        answer = resource_not_found() if path.startswith("/openai") else invalid_url(method, path)
    elif raised.status_code == 405 and method == "OPTIONS":
        return Response(status_code=204, headers=raised.headers)
    elif raised.status_code == 405:
        answer = method_not_allowed(method, path)
    else:
        answer = ApiError(str(raised.detail), status=raised.status_code)
    response = error_response(answer)
    response.headers.update(raised.headers or {})
    return response


_HANDLERS: Any = {ApiError: _on_api_error, HTTPException: _on_http_error}
