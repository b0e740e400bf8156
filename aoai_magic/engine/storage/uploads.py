"""Uploads: files that are sent in parts and become stored files when they are complete.

https://platform.openai.com/docs/api-reference/uploads: an upload lives for an hour, a part
holds at most 64 MB, and the parts are joined in the order that the completion names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import anyio.to_thread
from sqlalchemy import Connection, delete, select

from aoai_magic.engine.errors import ApiError
from aoai_magic.engine.storage import store
from aoai_magic.engine.storage.blobs import Blobs
from aoai_magic.engine.storage.files import Files
from aoai_magic.engine.storage.ids import new_id, now
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import UPLOAD_PARTS, UPLOADS
from aoai_magic.engine.storage.store import Store

LIFE_SECONDS = 3600
PART_BYTES = 64 << 20
_CHUNK = 1 << 20


class Uploads:
    """The uploads of an engine."""

    def __init__(self, store: Store, files: Files, blobs: Blobs) -> None:
        self._store = store
        self._files = files
        self._blobs = blobs

    async def create(self, given: Body) -> Body:
        """Start an upload; those that have expired are deleted on the way."""
        await self._discard_expired()
        created = now()
        body: Body = {
            "id": new_id("upload_"),
            "object": "upload",
            "created_at": created,
            "filename": given["filename"],
            "bytes": given["bytes"],
            "purpose": given["purpose"],
            "mime_type": given["mime_type"],
            "status": "pending",
            "expires_at": created + LIFE_SECONDS,
            "file": None,
        }
        context = {"seconds": (given.get("expires_after") or {}).get("seconds")}
        return await self._store.write(lambda c: store.add(c, UPLOADS, body, context=context))

    async def add_part(self, upload_id: str, source: BinaryIO) -> Body:
        """Store a part.

        Raises
        ------
        ApiError
            When the upload is not pending, or would hold more bytes than it was announced with.
        TooLarge
            When the part is larger than a part may be.
        """
        upload = await self._store.read(lambda c: pending(c, upload_id))
        body: Body = {
            "id": new_id("part_"),
            "object": "upload.part",
            "created_at": now(),
            "upload_id": upload_id,
        }
        size = await anyio.to_thread.run_sync(self._blobs.add, body["id"], source, PART_BYTES)
        try:
            return await self._store.write(lambda c: _insert_part(c, upload, body, size))
        except BaseException:
            self._blobs.discard(body["id"])
            raise

    async def complete(self, upload_id: str, part_ids: Sequence[str], md5: str | None) -> Body:
        """Join the parts to a stored file, and delete them.

        Raises
        ------
        ApiError
            When a part is not one of the upload, or the bytes are not those announced.
        """
        upload, context = await self._store.read(lambda c: _with_context(c, upload_id))
        sizes = await self._store.read(lambda c: _sizes(c, upload_id))
        _check_parts(upload, part_ids, sizes)
        joined = _Joined(self._blobs, part_ids)
        file = await self._files.add(
            joined,  # type: ignore[arg-type]  # only `read` is called
            upload["filename"],
            upload["purpose"],
            azure=False,
            limit=upload["bytes"],
            seconds=context["seconds"],
        )
        if md5 and md5.lower() != joined.md5.hexdigest():
            await self._files.delete(file["id"])
            raise ApiError("The MD5 checksum of the upload does not match 'md5'.", param="md5")
        return await self._end(upload_id, {"status": "completed", "file": file})

    async def cancel(self, upload_id: str) -> Body:
        """Return an upload up; its parts are deleted."""
        await self._store.read(lambda c: pending(c, upload_id))
        return await self._end(upload_id, {"status": "cancelled"})

    async def _end(self, upload_id: str, changes: Body) -> Body:
        def work(connection: Connection) -> tuple[Body, list[str]]:
            pending(connection, upload_id)  # nobody else may have ended it meanwhile
            body = store.patch(connection, UPLOADS, upload_id, changes)
            return body or {}, _take_parts(connection, [upload_id])

        body, parts = await self._store.write(work)
        await anyio.to_thread.run_sync(self._discard, parts)
        return body

    async def _discard_expired(self) -> None:
        def work(connection: Connection) -> list[str]:
            ids = [body["id"] for body in store.bodies(connection, UPLOADS) if _is_over(body)]
            parts = _take_parts(connection, ids)
            connection.execute(delete(UPLOADS).where(UPLOADS.c.id.in_(ids)))
            return parts

        await anyio.to_thread.run_sync(self._discard, await self._store.write(work))

    def _discard(self, ids: Sequence[str]) -> None:
        for id_ in ids:
            self._blobs.discard(id_)


class _Joined:
    """The parts as one stream, whose checksum is taken on the way."""

    def __init__(self, blobs: Blobs, part_ids: Sequence[str]) -> None:
        self.md5 = hashlib.md5(usedforsecurity=False)
        self._pieces = self._read_all(blobs, part_ids)

    def read(self, _size: int) -> bytes:
        return next(self._pieces, b"")

    def _read_all(self, blobs: Blobs, part_ids: Sequence[str]) -> Iterator[bytes]:
        for id_ in part_ids:
            with blobs.open(id_) as part:
                while piece := part.read(_CHUNK):
                    self.md5.update(piece)
                    yield piece


def pending(connection: Connection, upload_id: str) -> Body:
    """Return an upload that takes parts.

    Raises
    ------
    ApiError
        When there is none of that id, or it has ended or expired.
    """
    return _with_context(connection, upload_id)[0]


def _with_context(connection: Connection, upload_id: str) -> tuple[Body, Body]:
    row = store.row(connection, UPLOADS, UPLOADS.c.id == upload_id)
    if row is None:
        raise ApiError(f"No such Upload object: {upload_id}", status=404)
    status = "expired" if _is_over(row.body) else row.body["status"]
    if status != "pending":
        raise ApiError(f"Upload {upload_id} is {status}; begin a new one.")
    return dict(row.body), dict(row.context)


def _is_over(body: Body) -> bool:
    return bool(body["expires_at"] <= now())


def _sizes(connection: Connection, upload_id: str) -> dict[str, int]:
    query = select(UPLOAD_PARTS.c.id, UPLOAD_PARTS.c.bytes)
    rows = connection.execute(query.where(UPLOAD_PARTS.c.upload_id == upload_id))
    return {row.id: row.bytes for row in rows}


def _insert_part(connection: Connection, upload: Body, body: Body, size: int) -> Body:
    pending(connection, upload["id"])
    if sum(_sizes(connection, upload["id"]).values()) + size > upload["bytes"]:
        raise ApiError(f"The parts hold more than the {upload['bytes']} bytes announced.")
    return store.add(connection, UPLOAD_PARTS, body, upload_id=upload["id"], bytes=size)


def _take_parts(connection: Connection, upload_ids: Sequence[str]) -> list[str]:
    """Delete the rows of uploads' parts; returns the parts' ids."""
    of_them = UPLOAD_PARTS.c.upload_id.in_(upload_ids)
    ids = list(connection.execute(select(UPLOAD_PARTS.c.id).where(of_them)).scalars())
    connection.execute(delete(UPLOAD_PARTS).where(of_them))
    return ids


def _check_parts(upload: Body, part_ids: Sequence[str], sizes: dict[str, int]) -> None:
    for index, id_ in enumerate(part_ids):
        if id_ not in sizes or id_ in part_ids[:index]:
            raise ApiError(f"Invalid part: {id_}.", param=f"part_ids[{index}]")
    total = sum(sizes[id_] for id_ in part_ids)
    if total != upload["bytes"]:
        raise ApiError(
            f"The parts hold {total} bytes, but the upload was announced with {upload['bytes']}."
        )
