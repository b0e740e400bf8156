"""The endpoints of skills and their versions."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from starlette.datastructures import FormData, UploadFile
from starlette.responses import FileResponse, Response

from aoai_magic.engine.api import pagination
from aoai_magic.engine.api.files import disposition, form
from aoai_magic.engine.api.request_context import Call, reply
from aoai_magic.engine.api.responses.schemas import UpdateSkill
from aoai_magic.engine.errors import ApiError, invalid_type, invalid_value, missing_parameter
from aoai_magic.engine.storage import skill_bundles
from aoai_magic.engine.storage.schema import SKILL_VERSIONS, SKILLS
from aoai_magic.engine.storage.skill_bundles import Bundle
from aoai_magic.engine.storage.skills import Skills


def _skills(call: Call) -> Skills:
    return call.engine.responses.containers.skills


def _id(call: Call) -> str:
    return call.path("skill_id", "skill_")


async def create(call: Call) -> Response:
    """Store a skill."""
    async with _form(call) as given:
        bundle = await _bundle(given)
    return reply(await _skills(call).create(bundle))


def _form(call: Call) -> Any:
    if not call.request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise missing_parameter("files")
    return form(call, skill_bundles.LARGEST_UPLOAD, parts=skill_bundles.MOST_FILES + 1)


async def _bundle(given: FormData) -> Bundle:
    """Read the skill that was uploaded: one zip file, or its files by their paths."""
    extra = next((key for key in given if key not in ("files", "files[]", "default")), None)
    if extra is not None:
        raise ApiError(f"Additional properties are not allowed ('{extra}' was unexpected)")
    uploads = [*given.getlist("files"), *given.getlist("files[]")]
    if not uploads:
        raise missing_parameter("files")
    files = []
    for upload in uploads:
        if not isinstance(upload, UploadFile):
            raise invalid_type("files", "files", "a string")
        files.append((upload.filename or "", upload.file))
    _, first = files[0]
    zipped = len(files) == 1 and first.read(2) == b"PK"
    first.seek(0)
    if zipped:
        return await anyio.to_thread.run_sync(skill_bundles.read_zip, first)
    return await anyio.to_thread.run_sync(skill_bundles.read_files, files)


async def list_(call: Call) -> Response:
    """List skills."""
    return reply(await pagination.listing(call, SKILLS, "skill"))


async def retrieve(call: Call) -> Response:
    """Return a skill."""
    return reply(await _skills(call).get(_id(call)))


async def modify(call: Call) -> Response:
    """Make another version the default."""
    given = await call.body(UpdateSkill)
    return reply(await _skills(call).set_default(_id(call), given["default_version"]))


async def remove(call: Call) -> Response:
    """Delete a skill with its versions; containers that have it keep it."""
    id_ = _id(call)
    await _skills(call).delete(id_)
    return reply({"id": id_, "object": "skill.deleted", "deleted": True})


async def content(call: Call) -> Response:
    """Return the zip file of a version, by default of the default one."""
    version = call.request.path_params.get("version")
    found = await _skills(call).version(_id(call), version)
    name = f"{found.body['name']}.zip"
    return FileResponse(
        await call.engine.files.path(found.file_id),
        media_type="application/zip",
        headers={"Content-Disposition": disposition(name), "X-Content-Type-Options": "nosniff"},
    )


# Versions


async def add_version(call: Call) -> Response:
    """Store a further version of a skill."""
    id_ = _id(call)
    async with _form(call) as given:
        default = given.get("default", "false")
        if default not in ("true", "false"):
            raise invalid_value("default", default, ["true", "false"])
        bundle = await _bundle(given)
    return reply(await _skills(call).add_version(id_, bundle, default=default == "true"))


async def list_versions(call: Call) -> Response:
    """List the versions of a skill."""
    id_ = str((await _skills(call).get(_id(call)))["id"])
    where = SKILL_VERSIONS.c.skill_id == id_
    return reply(await pagination.listing(call, SKILL_VERSIONS, "skill version", where))


async def retrieve_version(call: Call) -> Response:
    """Return a version."""
    found = await _skills(call).version(_id(call), call.request.path_params["version"])
    return reply(found.body)


async def remove_version(call: Call) -> Response:
    """Delete a version that is not the default."""
    gone = await _skills(call).delete_version(_id(call), call.request.path_params["version"])
    body = {"id": gone["id"], "object": "skill.version.deleted", "deleted": True}
    return reply({**body, "version": gone["version"]})
