"""The engine's own endpoints: whether it is up, and what it is made of."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

import aoai_magic
from aoai_magic.engine.objects import Body
from aoai_magic.engine.registry import SpecError
from aoai_magic.engine.wire.call import Call, reply
from aoai_magic.sandbox.session import SandboxError


async def health(_request: Request) -> Response:
    """Say that the engine answers; needs no token."""
    return PlainTextResponse("ok\n")


async def engine(call: Call) -> Response:
    """Describe the engine: version, model, isolation and sessions."""
    return reply(
        {
            "version": aoai_magic.__version__,
            "model": call.engine.model_name(),
            "sandbox": await _sandbox(call),
            "sessions": await call.engine.sessions.listing(),
        }
    )


async def _sandbox(call: Call) -> Body:
    try:
        isolation = await call.engine.sessions.isolation()
    except (SandboxError, SpecError) as error:
        return {"error": str(error)}
    return {
        "level": isolation.level,
        "gaps": list(isolation.gaps),
        "tried": list(isolation.tried),
    }
