"""Chat messages: the form in which a model is given a conversation."""

from __future__ import annotations

import base64
from pathlib import PurePosixPath
from typing import Any

import anyio.to_thread

from aoai_magic.engine.storage.files import Files
from aoai_magic.engine.storage.objects import Body

Chat = dict[str, Any]

_IMAGE_TYPES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".webp": "webp"}
_LARGEST_IMAGE = 20 << 20


def tool_call(id_: str, name: str, arguments: str) -> Chat:
    """Return an assistant's tool call."""
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def tool_result(id_: str, text: str) -> Chat:
    """Return the answer to a tool call."""
    return {"role": "tool", "tool_call_id": id_, "content": text}


async def image_url(files: Files, file: Body) -> str | None:
    """Return a stored image as a data URL; None for a file that models do not take."""
    suffix = _IMAGE_TYPES.get(PurePosixPath(file["filename"]).suffix.lower())
    if suffix is None or file["bytes"] > _LARGEST_IMAGE:
        return None
    path = await files.path(file["id"])
    data = await anyio.to_thread.run_sync(path.read_bytes)
    return f"data:image/{suffix};base64,{base64.b64encode(data).decode()}"
