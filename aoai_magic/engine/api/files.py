"""The endpoints of files."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from starlette.datastructures import FormData, UploadFile
from starlette.responses import FileResponse, Response

from aoai_magic.engine.api import pagination
from aoai_magic.engine.api.request_context import Call, reply
from aoai_magic.engine.errors import (
    ApiError,
    file_not_found,
    invalid_type,
    invalid_value,
    missing_parameter,
    too_large,
)
from aoai_magic.engine.search import vector_stores
from aoai_magic.engine.storage.blobs import TooLarge
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import CONTAINER_PURPOSE, FILES

PURPOSES = ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
_ALLOWED = ("purpose", "file", "expires_after[anchor]", "expires_after[seconds]")
_LONGEST_NAME = 512
_SHORTEST, _LONGEST = 3600, 2_592_000
_MOST_PARTS = 10
_MULTIPART_OVERHEAD = 64 << 10

_TYPES = {
    ".c": "text/x-c",
    ".cpp": "text/x-c++",
    ".csv": "application/csv",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".html": "text/html",
    ".java": "text/x-java",
    ".json": "application/json",
    ".md": "text/markdown",
    ".pdf": "application/pdf",
    ".php": "text/x-php",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".py": "text/x-python",
    ".rb": "text/x-ruby",
    ".tex": "text/x-tex",
    ".txt": "text/plain",
    ".css": "text/css",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".gif": "image/gif",
    ".png": "image/png",
    ".tar": "application/x-tar",
    ".ts": "application/typescript",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xml": "application/xml",
    ".zip": "application/zip",
}
"""The types of the original documentation's table of supported files."""


async def create(call: Call) -> Response:
    """Store an uploaded file."""
    limit = call.engine.config.bounds.upload
    async with form(call, limit) as given:
        upload, purpose, seconds = _parts(given)
        try:
            body = await call.engine.files.add(
                upload.file,
                clean_name(upload.filename or ""),
                purpose,
                azure=call.classic,
                limit=limit,
                seconds=seconds,
            )
        except TooLarge as error:
            raise too_large(limit) from error
    return reply(body)


def form(call: Call, limit: int, parts: int = _MOST_PARTS) -> Any:
    """Parse the form, of which no more is read than files of ``limit`` bytes need."""
    request = call.request
    most = limit + _MULTIPART_OVERHEAD * max(1, parts // 50)
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > most:
        raise too_large(limit)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise ApiError("The request body must be multipart/form-data with 'file' and 'purpose'.")
    request._receive = _bounded(request._receive, most, limit)
    return request.form(max_files=parts, max_fields=_MOST_PARTS)


def _bounded(receive: Any, most: int, limit: int) -> Any:
    total = 0

    async def bounded() -> Any:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > most:
            raise too_large(limit)
        return message

    return bounded


def _parts(form: FormData) -> tuple[UploadFile, str, int | None]:
    extra = next((key for key in form if key not in _ALLOWED), None)
    if extra is not None:
        raise ApiError(f"Additional properties are not allowed ('{extra}' was unexpected)")
    upload, purpose = form.get("file"), form.get("purpose")
    if upload is None:
        raise missing_parameter("file")
    if not isinstance(upload, UploadFile):
        raise invalid_type("file", "a file", "a string")
    if purpose is None:
        raise missing_parameter("purpose")
    if purpose not in PURPOSES:
        raise invalid_value("purpose", purpose, PURPOSES)
    return upload, str(purpose), _expiry(form)


def _expiry(form: FormData) -> int | None:
    anchor, seconds = form.get("expires_after[anchor]"), form.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at":
        raise invalid_value("expires_after.anchor", anchor, ["created_at"])
    if not str(seconds).isdecimal():
        raise invalid_type("expires_after.seconds", "an integer", "a string")
    if not _SHORTEST <= int(str(seconds)) <= _LONGEST:
        raise ApiError(
            f"Invalid 'expires_after.seconds': expected a value between {_SHORTEST} and "
            f"{_LONGEST}, but got {seconds} instead.",
            param="expires_after.seconds",
        )
    return int(str(seconds))


def clean_name(filename: str) -> str:
    """Return the last part of a file name without control characters, never empty."""
    name = re.sub(r"[\x00-\x1f\x7f]", "", filename.replace("\\", "/"))
    name = name.rsplit("/", 1)[-1].encode(errors="replace").decode()
    return name[-_LONGEST_NAME:] or "upload"


async def list_(call: Call) -> Response:
    """List files, of one purpose if asked to."""
    purpose = call.request.query_params.get("purpose")
    # What containers hold is theirs alone.
    where = [FILES.c.purpose == purpose] if purpose else [FILES.c.purpose != CONTAINER_PURPOSE]
    page = pagination.asked(call, most=10_000, default=10_000)
    return reply(await pagination.listing(call, FILES, "file", *where, page=page))


async def _load(call: Call) -> Body:
    id_ = call.request.path_params["file_id"]
    body = await call.engine.files.get(id_)
    if body is None:
        raise file_not_found(id_)
    return body


async def retrieve(call: Call) -> Response:
    """Return a file object."""
    return reply(await _load(call))


async def remove(call: Call) -> Response:
    """Delete a file."""
    id_ = (await _load(call))["id"]
    holders = await call.read(lambda c: vector_stores.stores_of(c, id_))
    await call.engine.files.delete(id_)
    if holders:
        await call.write(lambda c: vector_stores.remove_file(c, id_, holders))
    for holder in holders:
        await call.engine.library.remove(holder, id_)
    return reply({"object": "file", "id": id_, "deleted": True})


async def content(call: Call) -> Response:
    """Return the bytes of a file; no browser may take them for a page."""
    body = await _load(call)
    name = PurePosixPath(body["filename"]).name
    suffix = PurePosixPath(name).suffix.lower()
    return FileResponse(
        await call.engine.files.path(body["id"]),
        media_type=_TYPES.get(suffix, "application/octet-stream"),
        headers={"Content-Disposition": disposition(name), "X-Content-Type-Options": "nosniff"},
    )


def disposition(name: str) -> str:
    """Write the header that makes browsers save a file under its name."""
    return f"attachment; filename=\"{_ascii(name)}\"; filename*=UTF-8''{quote(name)}"


def _ascii(name: str) -> str:
    return re.sub(r"[^\x20-\x7e]|[\"\\]", "_", name)
