"""Files: file objects together with their bytes."""

from __future__ import annotations

import filecmp
from pathlib import Path
from typing import BinaryIO

import anyio.to_thread
from sqlalchemy import Connection, delete, select

from aoai_magic.engine.storage import objects, store
from aoai_magic.engine.storage.blobs import Blobs
from aoai_magic.engine.storage.ids import new_file_id, now
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import FILES
from aoai_magic.engine.storage.store import Store


class Files:
    """The stored files of an engine."""

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs

    async def add(
        self,
        source: BinaryIO,
        filename: str,
        purpose: str,
        *,
        azure: bool,
        limit: int,
        seconds: int | None = None,
    ) -> Body:
        """Store the bytes first and the object after, so that no object lacks its bytes.

        Raises
        ------
        TooLarge
            When there are more than ``limit`` bytes; nothing is stored then.
        """
        id_ = new_file_id(azure)
        size = await anyio.to_thread.run_sync(self._blobs.add, id_, source, limit)
        expires = None if seconds is None else now() + seconds
        body = objects.file(id_, purpose, filename, size, expires)
        return await self._store.write(lambda c: store.add(c, FILES, body, purpose=purpose))

    async def get(self, id: str) -> Body | None:  # noqa: A002
        """Return the file object, or None if there is none or it has expired."""
        return (await self.many([id])).get(id)

    async def many(self, ids: list[str]) -> dict[str, Body]:
        """Return those of the file objects that exist."""
        return await self._store.read(lambda c: find(c, ids)) if ids else {}

    async def path(self, id: str) -> Path:  # noqa: A002
        """Return where the bytes of a file are on this machine, once they are."""
        return await self._blobs.path(id)

    async def delete(self, id: str) -> bool:  # noqa: A002
        """Delete the object, then its bytes; tell whether there was one."""
        gone = await self._store.write(
            lambda c: c.execute(delete(FILES).where(FILES.c.id == id)).rowcount
        )
        await anyio.to_thread.run_sync(self._blobs.discard, id)
        return bool(gone)

    async def same(self, id: str, size: int, source: BinaryIO) -> bool:  # noqa: A002
        """Return whether ``source``, of ``size`` bytes, holds just what the file holds."""
        body = await self.get(id)
        if body is None or body["bytes"] != size:
            return False
        return await anyio.to_thread.run_sync(_same, await self.path(id), source)


def find(connection: Connection, ids: list[str]) -> dict[str, Body]:
    """Return those of the file objects that exist and have not expired."""
    query = select(FILES.c.body).where(FILES.c.id.in_(ids))
    found = [dict(body) for body in connection.execute(query).scalars()]
    return {body["id"]: body for body in found if not _has_expired(body)}


def _has_expired(body: Body) -> bool:
    # Engines before 0.1 stored no `expires_at` with files that stay.
    expires = body.get("expires_at")
    return expires is not None and expires <= now()


def _same(path: Path, source: BinaryIO) -> bool:
    with path.open("rb") as stored:
        while True:
            left, right = stored.read(filecmp.BUFSIZE), source.read(filecmp.BUFSIZE)
            if left != right:
                return False
            if not left:
                return True
