"""Skills: versioned bundles of files that containers can be given."""

from __future__ import annotations

import base64
import binascii
from contextlib import ExitStack
from io import BytesIO
from typing import Any, BinaryIO, cast

import anyio.to_thread
from sqlalchemy import Connection, Row, delete, select

from aoai_magic.engine.errors import ApiError, too_large
from aoai_magic.engine.storage import skill_bundles, store
from aoai_magic.engine.storage.files import Files
from aoai_magic.engine.storage.ids import new_id, now
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import CONTAINER_PURPOSE, SKILL_VERSIONS, SKILLS
from aoai_magic.engine.storage.skill_bundles import Bundle
from aoai_magic.engine.storage.store import Store


class Skills:
    """The skills of an engine."""

    def __init__(self, store_: Store, files: Files) -> None:
        self._store = store_
        self._files = files

    async def create(self, bundle: Bundle) -> Body:
        """Store a new skill with its first version."""
        body = {
            "id": new_id("skill_"),
            "object": "skill",
            "created_at": now(),
            "name": bundle.name,
            "description": bundle.description,
            "default_version": "1",
            "latest_version": "1",
        }
        file_id = await self._keep(bundle)

        def work(connection: Connection) -> Body:
            store.add(connection, SKILLS, body)
            _add_version(connection, str(body["id"]), 1, bundle, file_id)
            return body

        return await self._store.write(work)

    async def add_version(self, id_: str, bundle: Bundle, *, default: bool) -> Body:
        """Store a further version of a skill."""
        await self.get(id_)
        file_id = await self._keep(bundle)

        def work(connection: Connection) -> Body:
            skill = _skill(connection, id_)
            number = int(skill["latest_version"]) + 1
            changes = {"latest_version": str(number)}
            version = _add_version(connection, id_, number, bundle, file_id)
            store.patch(connection, SKILLS, id_, changes | (_default(version) if default else {}))
            return version

        return await self._store.write(work)

    async def get(self, id_: str) -> Body:
        """Return a skill; raises `ApiError` when there is none of that id."""
        return await self._store.read(lambda c: _skill(c, id_))

    async def version(self, id_: str, version: str | None = None) -> Row[Any]:
        """Return what is stored of a version: a number, ``latest``, or by default the default.

        Raises
        ------
        ApiError
            When there is none.
        """
        return await self._store.read(lambda c: _version(c, id_, version))

    async def set_default(self, id_: str, version: str) -> Body:
        """Make a version the default of its skill."""

        def work(connection: Connection) -> Body:
            found = _version(connection, id_, version)
            store.patch(connection, SKILLS, id_, _default(found.body))
            return _skill(connection, id_)

        return await self._store.write(work)

    async def delete(self, id_: str) -> None:
        """Delete a skill with all its versions."""

        def work(connection: Connection) -> list[str]:
            _skill(connection, id_)
            of_it = SKILL_VERSIONS.c.skill_id == id_
            query = select(SKILL_VERSIONS.c.file_id).where(of_it)
            files = [*connection.execute(query).scalars()]
            connection.execute(delete(SKILL_VERSIONS).where(of_it))
            connection.execute(delete(SKILLS).where(SKILLS.c.id == id_))
            return files

        for file_id in await self._store.write(work):
            await self._files.delete(file_id)

    async def delete_version(self, id_: str, version: str) -> Body:
        """Delete a version that is not its skill's default; return what it was."""

        def work(connection: Connection) -> Row[Any]:
            found = _version(connection, id_, version)
            if found.body["version"] == _skill(connection, id_)["default_version"]:
                raise ApiError(
                    "The default version of a skill cannot be deleted; make another the default, "
                    "or delete the skill.",
                    param="version",
                )
            connection.execute(delete(SKILL_VERSIONS).where(SKILL_VERSIONS.c.id == found.id))
            return found

        gone = await self._store.write(work)
        await self._files.delete(gone.file_id)
        return dict(gone.body)

    async def for_container(self, asked: list[Body]) -> list[Body]:
        """Copy the skills that a request names for a container: name, description, file's id.

        Copies stay as they are, whatever becomes of the skill.

        Raises
        ------
        ApiError
            When one is not there or no bundle, or two have one name.
        """
        with ExitStack() as opened:
            bundles = [await self._bundle(one) for one in asked]
            for bundle in bundles:
                opened.enter_context(bundle.file)
            if len({bundle.name for bundle in bundles}) < len(bundles):
                raise ApiError("Two skills of a container have one name.", param="skills")
            files = [await self._keep(bundle) for bundle in bundles]
        return [
            {"name": bundle.name, "description": bundle.description, "file_id": file_id}
            for bundle, file_id in zip(bundles, files, strict=True)
        ]

    async def _bundle(self, asked: Body) -> Bundle:
        if asked["type"] == "inline":
            name, description = asked["name"], asked["description"]
            skill_bundles.check_name(name, description)
            source = BytesIO(_decoded(asked["source"]["data"]))
            read = await anyio.to_thread.run_sync(skill_bundles.read_zip, source)
            return Bundle(name, description, read.file)
        found = await self.version(asked["skill_id"], asked.get("version"))
        path = await self._files.path(found.file_id)
        return Bundle(found.body["name"], found.body["description"], path.open("rb"))

    async def _keep(self, bundle: Bundle) -> str:
        with bundle.file:
            name, limit = f"{bundle.name}.zip", skill_bundles.MOST_BYTES * 2
            source = cast("BinaryIO", bundle.file)
            body = await self._files.add(source, name, CONTAINER_PURPOSE, azure=False, limit=limit)
        return str(body["id"])


def _decoded(data: str) -> bytes:
    if len(data) > skill_bundles.LARGEST_UPLOAD * 4 // 3:
        raise too_large(skill_bundles.LARGEST_UPLOAD)
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        text = "Invalid 'skills': the data of an inline skill is not base64."
        raise ApiError(text, param="skills", code="invalid_value") from error


def _default(version: Body) -> Body:
    """Return what a skill shows of its default version."""
    keys = {"name": version["name"], "description": version["description"]}
    return {"default_version": version["version"], **keys}


def _add_version(
    connection: Connection, skill_id: str, number: int, bundle: Bundle, file_id: str
) -> Body:
    body = {
        "id": new_id("skillver_"),
        "object": "skill.version",
        "created_at": now(),
        "skill_id": skill_id,
        "version": str(number),
        "name": bundle.name,
        "description": bundle.description,
    }
    columns = {"skill_id": skill_id, "version": str(number), "file_id": file_id}
    return store.add(connection, SKILL_VERSIONS, body, **columns)


def _skill(connection: Connection, id_: str) -> Body:
    body = store.get(connection, SKILLS, id_)
    if body is None:
        raise ApiError(f"Skill with id '{id_}' not found.", status=404)
    return body


def _version(connection: Connection, id_: str, version: str | None) -> Row[Any]:
    skill = _skill(connection, id_)
    names = {None: skill["default_version"], "latest": skill["latest_version"]}
    wanted = names.get(version, version)
    where = (SKILL_VERSIONS.c.skill_id == id_, SKILL_VERSIONS.c.version == wanted)
    found = store.row(connection, SKILL_VERSIONS, *where)
    if found is None:
        raise ApiError(f"Version '{wanted}' of skill '{id_}' not found.", status=404)
    return found
