"""The endpoints of containers and their files."""

from __future__ import annotations

from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, Response

from aoai_magic.engine.agent.containers import Containers
from aoai_magic.engine.api import pagination
from aoai_magic.engine.api.files import disposition, form
from aoai_magic.engine.api.request_context import Call, reply
from aoai_magic.engine.api.responses.schemas import CreateContainer, CreateContainerFile
from aoai_magic.engine.errors import (
    ApiError,
    file_not_found,
    invalid_type,
    missing_parameter,
    too_large,
)
from aoai_magic.engine.storage.blobs import TooLarge
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.response_objects import bare
from aoai_magic.engine.storage.schema import CONTAINER_FILES, CONTAINERS


def _containers(call: Call) -> Containers:
    return call.engine.responses.containers


def _id(call: Call) -> str:
    return call.path("container_id", "cntr")


def _file_id(call: Call) -> str:
    return call.path("file_id", "cfile")


async def create(call: Call) -> Response:
    """Make a container, with copies of files if asked to."""
    given = await call.body(CreateContainer)
    files = await _named(call, given.get("file_ids") or [])
    body = await _containers(call).create(
        given["name"],
        files,
        minutes=(given.get("expires_after") or {}).get("minutes"),
        memory=given.get("memory_limit"),
        skills=given.get("skills"),
    )
    return reply(bare(body))


async def _named(call: Call, ids: list[str]) -> dict[str, Body]:
    found = await call.engine.files.many(ids)
    for index, id_ in enumerate(ids):
        if id_ not in found:
            raise file_not_found(id_, f"file_ids[{index}]")
    return found


async def list_(call: Call) -> Response:
    """List containers, those of one name if asked to."""
    name = call.request.query_params.get("name")
    where = [CONTAINERS.c.body["name"].as_string() == name] if name else []
    page = await pagination.listing(call, CONTAINERS, "container", *where)
    page["data"] = [bare(await _containers(call).get(body["id"])) for body in page["data"]]
    return reply(page)


async def retrieve(call: Call) -> Response:
    """Return a container, also one that has expired; asking for it keeps it alive."""
    body = await _containers(call).get(_id(call))
    if body["status"] == "running":
        await _containers(call).touch(body["id"])
    return reply(bare(body))


async def remove(call: Call) -> Response:
    """Delete a container with its files."""
    body = await _containers(call).get(_id(call))
    await _containers(call).delete(body["id"])
    return reply({"id": body["id"], "object": "container.deleted", "deleted": True})


# Files


async def add_file(call: Call) -> Response:
    """Add a file to a container: an upload, or a copy of a stored file."""
    id_ = str((await _containers(call).running(_id(call)))["id"])
    if call.request.headers.get("content-type", "").startswith("multipart/form-data"):
        return reply(bare(await _upload(call, id_)))
    given = await call.body(CreateContainerFile)
    files = await _named(call, [given["file_id"]])
    (file,) = files.values()
    with (await call.engine.files.path(file["id"])).open("rb") as source:
        return reply(bare(await _containers(call).upload(id_, source, file["filename"])))


async def _upload(call: Call, id_: str) -> Body:
    limit = call.engine.config.bounds.upload
    async with form(call, limit) as given:
        extra = next((key for key in given if key not in ("file", "file_id")), None)
        if extra is not None:
            raise ApiError(f"Additional properties are not allowed ('{extra}' was unexpected)")
        upload = given.get("file")
        if upload is None:
            raise missing_parameter("file")
        if not isinstance(upload, UploadFile):
            raise invalid_type("file", "a file", "a string")
        try:
            return await _containers(call).upload(id_, upload.file, upload.filename or "upload")
        except TooLarge as error:
            raise too_large(limit) from error


async def list_files(call: Call) -> Response:
    """List the files of a container."""
    id_ = str((await _containers(call).running(_id(call)))["id"])
    where = CONTAINER_FILES.c.container_id == id_
    page = await pagination.listing(call, CONTAINER_FILES, "file", where)
    page["data"] = [bare(body) for body in page["data"]]
    return reply(page)


async def retrieve_file(call: Call) -> Response:
    """Return a file of a container."""
    body, _ = await _containers(call).file(_id(call), _file_id(call))
    return reply(bare(body))


async def remove_file(call: Call) -> Response:
    """Delete a file of a container."""
    id_, file_id = _id(call), _file_id(call)
    await _containers(call).remove(id_, file_id)
    return reply({"id": file_id, "object": "container.file.deleted", "deleted": True})


async def content(call: Call) -> Response:
    """Return the bytes of a file; no browser may take them for a page."""
    body, stored = await _containers(call).file(_id(call), _file_id(call))
    name = body["path"].rsplit("/", 1)[-1]
    return FileResponse(
        await call.engine.files.path(stored),
        media_type="application/octet-stream",
        headers={"Content-Disposition": disposition(name), "X-Content-Type-Options": "nosniff"},
    )
