"""The engine's own endpoints: whether it is up, and what it is made of."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from aoai_magic._version import CONTRACT, __version__
from aoai_magic.engine.api.request_context import Call, reply
from aoai_magic.engine.errors import not_found
from aoai_magic.engine.models.base import Model, ModelError
from aoai_magic.engine.plugins import SpecError
from aoai_magic.engine.storage.objects import Body
from aoai_magic.sandbox.protocol import SandboxError
from aoai_magic.shared.network import hide_credentials


async def health(_request: Request) -> Response:
    """Describe that the engine answers; needs no token."""
    return PlainTextResponse("ok\n")


async def engine(call: Call) -> Response:
    """Describe the engine: version, model, isolation, limits and sessions.

    ``contract`` is the form of its extensions; see `aoai_magic._version.CONTRACT`.
    """
    return reply(
        {
            "version": __version__,
            "contract": CONTRACT,
            "model": call.engine.model_name(),
            "sandbox": await _sandbox(call),
            "search": _search(call),
            "limits": asdict(call.engine.config.limits),
            "sessions": await call.engine.sessions.listing(),
        }
    )


async def model(call: Call) -> Response:
    """Return whether a model would answer, which is tried at no cost; ``spec`` names another.

    With ``abilities``, instead, what was learned of it by its answers.
    """
    asked = call.request.query_params
    try:
        found = await call.engine.model(asked.get("spec", ""))
        if "abilities" not in asked and hasattr(found, "check"):
            await found.check()
        abilities = await _abilities(found) if "abilities" in asked else None
    except (ModelError, SpecError) as error:
        return reply({"model": None, "error": str(error)})
    return reply({"model": found.name, "error": None, "abilities": abilities})


async def _abilities(found: Model) -> Body:
    learned = getattr(found, "abilities", None)
    return await learned() if learned else {"pictures": getattr(found, "sees", False)}


async def sessions(call: Call) -> Response:
    """List the sessions with the memory that each holds."""
    return reply({"object": "list", "data": await call.engine.sessions.measured()})


async def end_session(call: Call) -> Response:
    """End a session: its variables are lost, its files are kept."""
    id_ = str(call.request.path_params["thread_id"])
    if not await call.engine.sessions.end(id_):
        raise not_found("session", id_)
    return reply({"thread_id": id_, "object": "engine.session", "ended": True})


def _search(call: Call) -> Body:
    """Return the model that file search compares meanings with, and why it failed last."""
    embedding = call.engine.library.embedding
    if embedding is None:
        return {"embeddings": None, "error": None}
    return {"embeddings": hide_credentials(embedding.name), "error": embedding.error or None}


async def _sandbox(call: Call) -> Body:
    try:
        isolation = await call.engine.sessions.isolation()
    except (SandboxError, SpecError) as error:
        return {"error": str(error)}
    return {
        "level": isolation.level,
        "gaps": list(isolation.gaps),
        "tried": list(isolation.tried),
        "lacks": list(isolation.lacks),
    }
