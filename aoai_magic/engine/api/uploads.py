"""The endpoints of uploads: files sent in parts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from starlette.datastructures import UploadFile
from starlette.responses import Response

from aoai_magic.engine.api.files import PURPOSES, clean_name, form
from aoai_magic.engine.api.request_context import Call, reply
from aoai_magic.engine.api.validation import Closed
from aoai_magic.engine.errors import (
    ApiError,
    invalid_type,
    invalid_value,
    missing_parameter,
    too_large,
)
from aoai_magic.engine.storage.blobs import TooLarge
from aoai_magic.engine.storage.uploads import PART_BYTES


class ExpiresAfter(Closed):
    """When the file expires that the upload becomes."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3600, le=2_592_000)]


class CreateUpload(Closed):
    """The body that begins an upload; ``bytes`` is what all parts hold together."""

    filename: Annotated[str, Field(min_length=1)]
    purpose: str
    bytes: Annotated[int, Field(ge=1)]
    mime_type: str
    expires_after: ExpiresAfter | None = None


class CompleteUpload(Closed):
    """The body that ends an upload; ``part_ids`` are in the order of the file."""

    part_ids: Annotated[list[str], Field(max_length=10_000)]
    md5: str | None = None


async def create(call: Call) -> Response:
    """Start an upload."""
    given = await call.body(CreateUpload)
    if given["purpose"] not in PURPOSES:
        raise invalid_value("purpose", given["purpose"], PURPOSES)
    limit = call.engine.config.bounds.upload
    if given["bytes"] > limit:
        raise too_large(limit)
    given["filename"] = clean_name(given["filename"])
    return reply(await call.engine.uploads.create(given))


async def add_part(call: Call) -> Response:
    """Store a part."""
    async with form(call, PART_BYTES) as given:
        extra = next((key for key in given if key != "data"), None)
        if extra is not None:
            raise ApiError(f"Additional properties are not allowed ('{extra}' was unexpected)")
        data = given.get("data")
        if data is None:
            raise missing_parameter("data")
        if not isinstance(data, UploadFile):
            raise invalid_type("data", "a file", "a string")
        try:
            return reply(await call.engine.uploads.add_part(_id(call), data.file))
        except TooLarge as error:
            raise too_large(PART_BYTES) from error


async def complete(call: Call) -> Response:
    """Make a stored file of the parts."""
    given = await call.body(CompleteUpload)
    upload = await call.engine.uploads.complete(_id(call), given["part_ids"], given.get("md5"))
    return reply(upload)


async def cancel(call: Call) -> Response:
    """Return an upload up."""
    return reply(await call.engine.uploads.cancel(_id(call)))


def _id(call: Call) -> str:
    return call.path("upload_id", "upload")
