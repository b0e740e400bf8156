"""The endpoint of models."""

from __future__ import annotations

from starlette.responses import Response

from aoai_magic.engine.api.request_context import Call, reply
from aoai_magic.engine.storage.objects import Body

_CREATED = 1_700_000_000


def _model(id_: str) -> Body:
    return {"id": id_, "object": "model", "created": _CREATED, "owned_by": "aoai-magic"}


async def list_(call: Call) -> Response:
    """List the one model that serves every name."""
    return reply({"object": "list", "data": [_model(call.engine.model_name())]})


async def retrieve(call: Call) -> Response:
    """Return the model of any name, since any is served."""
    return reply(_model(call.request.path_params["model"]))
