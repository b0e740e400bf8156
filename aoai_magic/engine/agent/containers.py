"""Containers: a sandbox session each, with files, until nobody has used it for a while.

A container that has expired is not brought back: its variables and files are gone, and
only its object stays, to say so.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, BinaryIO

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Row, delete, select

from aoai_magic.engine.agent.handed_over import StoredFile, is_replaced
from aoai_magic.engine.agent.sandbox_sessions import Collected, Lease, Sessions
from aoai_magic.engine.config import EngineConfig
from aoai_magic.engine.errors import ApiError
from aoai_magic.engine.storage import response_objects, skill_bundles, store
from aoai_magic.engine.storage.file_names import place, safe_name
from aoai_magic.engine.storage.files import Files
from aoai_magic.engine.storage.ids import new_id, now
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import (
    CONTAINER_FILES,
    CONTAINER_PURPOSE,
    CONTAINERS,
    FILES,
    SESSION_FILES,
)
from aoai_magic.engine.storage.skills import Skills
from aoai_magic.engine.storage.store import Store
from aoai_magic.sandbox.limits import most_memory
from aoai_magic.sandbox.protocol import MOUNT, Setup

_LOG = logging.getLogger(__name__)

SKILLS_MOUNT = "/mnt/skills"
"""Where code finds the skills of its container, each in a folder of its name."""

_SKILLS = f"""\
The user has given you skills: folders with instructions, scripts and data in {SKILLS_MOUNT}/NAME,
for reading only. When a request fits one, print its SKILL.md first and follow it; unlike other
files, it is an instruction of the user."""

_NS = 1_000_000_000


def expired() -> ApiError:
    """Refuse what needs a container that has expired; the service's own words."""
    return ApiError("Container is expired.")


class Containers:
    """The containers of an engine."""

    def __init__(
        self,
        store_: Store,
        files: Files,
        sessions: Sessions,
        config: EngineConfig,
    ) -> None:
        self._limits = config.limits
        self._unpacked = config.data_dir / "skills"
        self.skills = Skills(store_, files)
        self._store = store_
        self._files = files
        self._sessions = sessions
        self._bounds = config.bounds
        self._locks: dict[str, anyio.Lock] = {}
        self._held: Counter[str] = Counter()

    # Containers

    async def create(
        self,
        name: str,
        given: Mapping[str, Body],
        *,
        minutes: int | None = None,
        memory: str | None = None,
        skills: list[Body] | None = None,
    ) -> Body:
        """Make a container that holds copies of the ``given`` file objects, by name.

        It expires when nobody has used it for ``minutes``, never later than the engine's
        own bound. Without ``memory`` its session may hold what every other may.

        Raises
        ------
        ApiError
            When it asks for more memory than there is, or for a skill that is not there.
        """
        if memory is not None:
            self._check_memory(memory)
        expires = minutes and {"anchor": "last_active_at", "minutes": minutes}
        body = response_objects.container(name, expires_after=expires, memory_limit=memory)
        body["_skills"] = await self.skills.for_container(skills or [])
        idle = min((minutes or 20) * 60, self._bounds.container_idle)
        await self._store.write(
            lambda c: store.add(
                c,
                CONTAINERS,
                body,
                status="running",
                used_at=time.time_ns(),
                idle_ns=int(idle * _NS),
            )
        )
        await self.copy(body["id"], list(given.values()))
        return body

    def _check_memory(self, asked: str) -> None:
        most = most_memory(self._limits)
        if _bytes(asked) > most:
            raise ApiError(
                f"Invalid 'memory_limit': '{asked}' is more than a container of this engine may "
                f"have ({most / (1 << 30):.1f}g).",
                param="memory_limit",
                code="invalid_value",
            )

    async def _setup(self, container: Body) -> Setup:
        """Return what the container's session is to have, and lay out its skills."""
        memory = container.get("memory_limit")
        folders = {}
        for skill in container.get("_skills", ()):
            folder = self._unpacked / container["id"] / skill["name"]
            if not folder.exists():
                bundle = await self._files.path(skill["file_id"])
                await anyio.to_thread.run_sync(skill_bundles.unpack, bundle, folder)
            folders[f"{SKILLS_MOUNT}/{skill['name']}"] = folder
        return Setup(memory=_bytes(memory) if memory else None, folders=folders)

    async def skill_notes(self, id_: str | None) -> str:
        """Describe to the model the skills of a container; empty where there are none."""
        body = await self.find(id_) if id_ else None
        skills = (body or {}).get("_skills", ())
        lines = [f"- {one['name']}: {one['description']}" for one in skills]
        return "\n".join([_SKILLS, *lines]) if lines else ""

    async def get(self, id_: str) -> Body:
        """Return a container as it is now.

        Raises
        ------
        ApiError
            When there is none of that id.
        """
        body = await self.find(id_)
        if body is None:
            raise ApiError(f"Container with id '{id_}' not found.", status=404)
        return body

    async def find(self, id_: str) -> Body | None:
        """Return a container as it is now, or None if there is none of that id."""
        row = await self._store.read(lambda c: store.row(c, CONTAINERS, CONTAINERS.c.id == id_))
        if row is None:
            return None
        over = time.time_ns() > row.used_at + row.idle_ns
        return {**row.body, "status": "expired"} if over and not self._busy(id_) else row.body

    async def running(self, id_: str) -> Body:
        """Return a container that can be used, and count this as a use.

        Raises
        ------
        ApiError
            When there is none of that id, or it has expired.
        """
        body = await self.get(id_)
        if body["status"] != "running":
            raise expired()
        await self.touch(id_)
        return body

    async def touch(self, id_: str) -> None:
        """Count a use: from now on the container lives for its whole time again."""
        changes = {"last_active_at": now()}
        used = time.time_ns()
        await self._store.write(lambda c: store.patch(c, CONTAINERS, id_, changes, used_at=used))

    async def delete(self, id_: str) -> None:
        """Stop a container and delete it with all its files."""
        await self._empty(id_)
        await self._store.write(
            lambda c: c.execute(delete(CONTAINERS).where(CONTAINERS.c.id == id_))
        )

    async def expire(self) -> None:
        """Empty the containers whose time is over."""
        for id_ in [] if self._store.sqlite else [*{*self._locks, *self._held}]:
            if self._busy(id_):
                await self.touch(id_)  # other engines do not see that it is at work
        over = (
            CONTAINERS.c.status == "running",
            CONTAINERS.c.used_at + CONTAINERS.c.idle_ns < time.time_ns(),
        )
        query = select(CONTAINERS.c.id).where(*over)
        for id_ in await self._store.read(lambda c: c.execute(query).scalars().all()):
            if not self._busy(id_):
                await self._expire(id_)

    async def _expire(self, id_: str) -> None:
        changes = {"status": "expired"}
        await self._store.write(
            lambda c: store.patch(c, CONTAINERS, id_, changes, status="expired")
        )
        await self._empty(id_)

    @asynccontextmanager
    async def held(self, id_: str | None) -> AsyncIterator[None]:
        """Keep a container from expiring for as long as a response may need it."""
        if id_ is None:
            yield
            return
        self._held[id_] += 1
        try:
            yield
        finally:
            self._held[id_] -= 1
            try:
                with anyio.CancelScope(shield=True):
                    await self.touch(id_)
            except Exception:
                # The response is over and must not be lost; the container expires earlier.
                _LOG.exception("The use of %s could not be noted", id_)

    def _busy(self, id_: str) -> bool:
        lock = self._locks.get(id_)
        return self._held[id_] > 0 or (lock is not None and lock.locked())

    async def _empty(self, id_: str) -> None:
        await self._sessions.discard(id_)
        for row in await self._rows(id_):
            await self._files.delete(row.file_id)
        for skill in (await self.find(id_) or {}).get("_skills", ()):
            await self._files.delete(skill["file_id"])
        await anyio.to_thread.run_sync(shutil.rmtree, self._unpacked / id_, True)
        of_it = CONTAINER_FILES.c.container_id == id_
        await self._store.write(lambda c: c.execute(delete(CONTAINER_FILES).where(of_it)))
        self._locks.pop(id_, None)

    # Their files

    async def _rows(self, id_: str) -> Sequence[Row[Any]]:
        query = select(CONTAINER_FILES).where(CONTAINER_FILES.c.container_id == id_)
        ordered = query.order_by(CONTAINER_FILES.c.at, CONTAINER_FILES.c.seq)
        return await self._store.read(lambda c: c.execute(ordered).all())

    async def names(self, id_: str) -> dict[str, Body]:
        """Return the container's files by their names in its folder."""
        return {row.name: row.body for row in await self._rows(id_)}

    async def listed(self, id_: str, attached: Collection[str]) -> list[StoredFile]:
        """List the container's files; ``attached`` names those of the current turn."""
        known = await self._sessions.known(id_)
        return [
            StoredFile(
                row.name,
                row.body["bytes"],
                await self._files.path(row.file_id),
                row.name in attached and is_replaced(row.file_id, known.get(row.name)),
            )
            for row in await self._rows(id_)
        ]

    async def copy(
        self, id_: str, bodies: Sequence[Body], beside: Collection[str] = ()
    ) -> dict[str, str]:
        """Copy stored files into a container; return their names there by id.

        Each takes its own name from whatever file had it before; among themselves, and
        ``beside`` other names of the same request, files of one name are numbered. What the
        container holds unchanged stays as it is.
        """
        rows = await self._rows(id_)
        ids = {body["id"] for body in bodies}
        held = {row.body.get("_copy_of"): row.name for row in rows}
        names = {file_id: name for file_id, name in held.items() if file_id in ids}
        taken = [_named(name) for name in {*names.values(), *beside}]
        older = [_named(row.name) for row in rows if row.name not in names.values()]
        new = [body for body in bodies if body["id"] not in names]
        for name, body in place(taken, [older, new]).items():
            if body in new:
                with (await self._files.path(body["id"])).open("rb") as source:
                    await self.upload(id_, source, name, copy_of=body["id"])
                names[body["id"]] = name
        return names

    async def upload(self, id_: str, source: BinaryIO, name: str, **extra: str) -> Body:
        """Store a client's file under its name in the container, over one of that name.

        Raises
        ------
        TooLarge
            When there are more bytes than an upload may have.
        """
        file = await self._files.add(
            source,
            safe_name(name),
            CONTAINER_PURPOSE,
            azure=False,
            limit=self._bounds.upload,
        )
        body = response_objects.container_file(id_, file["filename"], file["bytes"], "user")
        body |= {f"_{key}": value for key, value in extra.items()}
        await self._replace(body, file["filename"], file["id"])
        return body

    async def _replace(self, body: Body, name: str, file_id: str) -> None:
        """Make a file the one of its name; the bytes of the one before go.

        One that was written again with the same content has the same bytes still.
        """
        for old in await self._store.write(lambda c: _put(c, body, name, file_id)):
            if old != file_id:
                await self._files.delete(old)

    async def file(self, id_: str, file_id: str) -> tuple[Body, str]:
        """Return a file of a container and the id of the stored file that holds its bytes.

        Raises
        ------
        ApiError
            When the container has none of that id, or has expired.
        """
        await self.running(id_)
        where = (CONTAINER_FILES.c.id == file_id, CONTAINER_FILES.c.container_id == id_)
        row = await self._store.read(lambda c: store.row(c, CONTAINER_FILES, *where))
        if row is None:
            raise ApiError(f"File {file_id} not found on container {id_}.", status=404)
        return dict(row.body), str(row.file_id)

    async def remove(self, id_: str, file_id: str) -> None:
        """Delete a file from a container, also from its session's folder."""
        body, stored = await self.file(id_, file_id)
        name = body["path"].removeprefix(f"{MOUNT}/")
        async with self.lease(id_) as lease:
            code = f"__import__('pathlib').Path({body['path']!r}).unlink(missing_ok=True)"
            async for _ in lease.session.run(code):
                pass
        await self._store.write(lambda c: _drop(c, id_, file_id, name))
        await self._files.delete(stored)

    # Running code

    @asynccontextmanager
    async def lease(self, id_: str, attached: Collection[str] = ()) -> AsyncIterator[Lease]:
        """Hold the container's session for one cell; others wait.

        Files ``attached`` in the current turn are put as they were given.

        Raises
        ------
        ApiError
            When the container has expired.
        """
        async with self._locks.setdefault(id_, anyio.Lock()):
            setup = await self._setup(await self.running(id_))
            rows = await self._rows(id_)
            given = {row.name: {"id": row.file_id} for row in rows if row.body["source"] == "user"}
            async with self._sessions.lease(id_, given, attached, setup) as lease:
                yield lease
            await self.touch(id_)

    async def collect(self, lease: Lease, azure: bool) -> Collected:
        """Add what a cell created or changed to the container."""
        found = await self._sessions.collect(lease, azure, self._bounds.files_per_cell)
        files = found.files.items()
        kept = {name: await self._keep(lease.thread_id, name, file) for name, file in files}
        return Collected(kept, found.left)

    async def _keep(self, id_: str, name: str, file: Body) -> Body:
        body = response_objects.container_file(id_, name, file["bytes"], "assistant")

        hidden = {"purpose": CONTAINER_PURPOSE}
        await self._store.write(
            lambda c: store.patch(c, FILES, file["id"], hidden, purpose=CONTAINER_PURPOSE)
        )
        await self._replace(body, name, file["id"])
        return body

    async def add_picture(self, id_: str, source: BinaryIO, suffix: str) -> tuple[Body, str]:
        """Keep a picture that code showed; gives its container file and the stored file's id."""
        cfile = new_id("cfile_")
        name = f"{cfile}.{suffix}"
        limit = self._bounds.upload
        file = await self._files.add(source, name, CONTAINER_PURPOSE, azure=False, limit=limit)
        body = response_objects.container_file(id_, name, file["bytes"], "assistant", cfile)
        await self._store.write(lambda c: _put(c, body, name, file["id"]))
        return body, str(file["id"])


def _bytes(memory: str) -> int:
    return int(memory.removesuffix("g")) << 30


def _named(name: str) -> Body:
    """Stand for a file of which only the name matters."""
    return {"id": name, "filename": name}


def _put(connection: Connection, body: Body, name: str, file_id: str) -> Sequence[str]:
    """Make a file the one of its name; gives the stored files that it replaces."""
    id_ = body["container_id"]
    same = (CONTAINER_FILES.c.container_id == id_, CONTAINER_FILES.c.name == name)
    old = connection.execute(select(CONTAINER_FILES.c.file_id).where(*same)).scalars().all()
    connection.execute(delete(CONTAINER_FILES).where(*same))
    columns = {"container_id": id_, "name": name, "file_id": file_id}
    store.add(connection, CONTAINER_FILES, body, **columns)
    return old


def _drop(connection: Connection, id_: str, file_id: str, name: str) -> None:
    connection.execute(delete(CONTAINER_FILES).where(CONTAINER_FILES.c.id == file_id))
    where = (SESSION_FILES.c.thread_id == id_, SESSION_FILES.c.name == name)
    connection.execute(delete(SESSION_FILES).where(*where))
