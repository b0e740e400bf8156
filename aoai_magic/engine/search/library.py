"""Library: the files of the vector stores, made searchable one after the other, and searched.

Files are put into a store at once, as ``in_progress``, and taken in behind the request's
back. What has been taken in when an engine is killed is kept, the rest is begun again.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Row, select, update

from aoai_magic.engine.search import vector_stores
from aoai_magic.engine.search.embedding import Embedding, EmbeddingError
from aoai_magic.engine.search.fusion import Weights
from aoai_magic.engine.search.index import Hit, Index, Indexed
from aoai_magic.engine.search.passages import Passage, cut
from aoai_magic.engine.search.reading import Reader, Unreadable
from aoai_magic.engine.search.shared_index import SharedIndex
from aoai_magic.engine.search.vectors import Matrix
from aoai_magic.engine.storage import files, store
from aoai_magic.engine.storage.files import Files
from aoai_magic.engine.storage.ids import now
from aoai_magic.engine.storage.instances import Instance
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import VECTOR_STORE_FILES as TABLE
from aoai_magic.engine.storage.schema import VECTOR_STORES
from aoai_magic.engine.storage.store import Store

_LOG = logging.getLogger(__name__)

_AT_ONCE, _CHARACTERS_AT_ONCE = 64, 4_000_000
_LOOK_SECONDS = 5.0
_SETTLING_SECONDS = 60.0
_PAUSE = 0.05
_TAKING_IN = "taking in files for search"
_FAULT = "The engine had an error while reading the file; see its log."

Filter = Callable[[Body], bool]


@dataclass(frozen=True)
class Found:
    """A passage that fits a query, with what is known of its file."""

    file_id: str
    filename: str
    attributes: Body
    text: str
    score: float
    place: str


@dataclass(frozen=True)
class _Taken:
    """What came of reading one file: its passages, or what is wrong with it.

    With passages, ``error`` tells what of the file could not be read.
    """

    row: Row[Any]
    filename: str
    passages: Sequence[Passage] = ()
    error: Body | None = None

    def noting(self, note: str) -> _Taken:
        """Return the file with a note."""
        return replace(self, error={"code": "server_error", "message": note})

    @property
    def is_good(self) -> bool:
        """Whether the file can be searched."""
        return bool(self.passages)


class Library:
    """The vector stores of an engine, as they are searched.

    Attributes
    ----------
    reader
        What reads files.
    embedding
        What turns texts into vectors, None where words alone are compared.
    """

    def __init__(
        self,
        store: Store,
        files: Files,
        folder: Path,
        instance: Instance,
        embedding: Embedding | None = None,
    ) -> None:
        self.embedding = embedding
        self._store = store
        self._files = files
        self._folder = folder
        self.reader = Reader()
        self._instance = instance
        self._woken = anyio.Event()
        # What an index holds and what is noted of it must not be changed by two at once.
        self._changing = anyio.Lock()

    def _index(self, store_id: str) -> Index | SharedIndex:
        if self._store.sqlite:
            return Index(self._folder / f"{store_id}.sqlite")
        return SharedIndex(self._store, store_id)

    # Taking in

    def wake(self) -> None:
        """Describe that there may be files to take in."""
        self._woken.set()

    def close(self) -> None:
        """Stop reading."""
        self.reader.close()

    async def watch(self) -> None:
        """Index files for ever, those of engines that are gone too."""
        while True:
            self._woken = anyio.Event()
            try:
                while await self._take_in_some():
                    pass
            except Exception:
                _LOG.exception("Taking in files for search failed")
            with anyio.move_on_after(_LOOK_SECONDS):
                await self._woken.wait()

    async def _take_in_some(self) -> bool:
        """Index a few files of one store; return whether there were any."""
        rows = await self._store.read(_waiting)
        if not rows or not await self._instance.claim(_TAKING_IN):
            return False
        found = await self._files.many([row.id for row in rows])
        taken, size = [], 0
        for row in rows:
            await self._instance.claim(_TAKING_IN)
            one = await self._read(row, found.get(row.id))
            taken.append(one)
            size += sum(len(passage.text) for passage in one.passages)
            if size > _CHARACTERS_AT_ONCE:
                break
        await self._keep(rows[0].vector_store_id, taken)
        await self._instance.release(_TAKING_IN)
        return True

    async def _read(self, row: Row[Any], file: Body | None) -> _Taken:
        if file is None:
            error = {"code": "invalid_file", "message": "The file has been deleted."}
            return _Taken(row, "", error=error)
        name = file["filename"]
        try:
            document = await self.reader.read(await self._files.path(row.id), name)
        except Unreadable as error:
            return _Taken(row, name, error={"code": error.code, "message": str(error)})
        except Exception:
            _LOG.exception("The file %s could not be read for search", row.id)
            return _Taken(row, name, error={"code": "server_error", "message": _FAULT})
        strategy = row.body["chunking_strategy"]["static"]
        passages = await anyio.to_thread.run_sync(lambda: list(cut(document, strategy)))
        note = {"code": "invalid_file", "message": document.note} if document.note else None
        return _Taken(row, name, passages, note)

    async def _keep(self, store_id: str, taken: Sequence[_Taken]) -> None:
        """Index what was read, then say so; what was taken out meanwhile goes again."""
        index = self._index(store_id)
        taken, good = await self._with_vectors(taken)
        async with self._changing:
            await self._renew(store_id)
            await self._put(index, store_id, taken, good)

    async def _put(
        self,
        index: Index | SharedIndex,
        store_id: str,
        taken: Sequence[_Taken],
        good: dict[str, Indexed],
    ) -> None:
        try:
            await anyio.to_thread.run_sync(index.put, good)
        except sqlite3.DatabaseError:
            await self._begin_again(store_id)
            raise
        gone = await self._store.write(lambda c: [o.row.id for o in taken if not _settle(c, o)])
        for file_id in set(gone) & good.keys():
            await anyio.to_thread.run_sync(index.remove, file_id)

    async def _with_vectors(
        self, taken: Sequence[_Taken]
    ) -> tuple[Sequence[_Taken], dict[str, Indexed]]:
        """Return what is indexed of files, and the files, which note where there are no vectors."""
        good = [one for one in taken if one.is_good]
        model, vectors, note = self._model, None, ""
        if self.embedding is not None and good:
            try:
                texts = [passage.text for one in good for passage in one.passages]
                vectors = await self.embedding.vectors(texts)
            except EmbeddingError as error:
                note = f"The file is searched by words alone. {error}"
        indexed, start = {}, 0
        for one in good:
            end = start + len(one.passages)
            rows = None if vectors is None else vectors[start:end]
            indexed[one.row.id], start = Indexed(one.filename, one.passages, model, rows), end
        return [one.noting(note) if note and one.is_good else one for one in taken], indexed

    @property
    def _model(self) -> str:
        return self.embedding.name if self.embedding is not None else ""

    async def settle(self, store_ids: Sequence[str]) -> None:
        """Wait until the stores' files are taken in, but no longer than a minute."""
        for id_ in store_ids:
            await self._renew(id_)
        self.wake()
        waiting = (TABLE.c.vector_store_id.in_(store_ids), TABLE.c.status == "in_progress")
        query = select(TABLE.c.id).where(*waiting).limit(1)
        with anyio.move_on_after(_SETTLING_SECONDS):
            while await self._store.read(lambda c: c.execute(query).first()):  # noqa: ASYNC110
                # Another engine may be at it.
                await anyio.sleep(_PAUSE)

    async def _renew(self, store_id: str) -> None:
        """Begin again with files whose index is missing, of another format or another model."""
        index = self._index(store_id)
        if not await anyio.to_thread.run_sync(lambda: index.usable):
            # What is there is replaced by the first passages.
            await self._store.write(lambda c: vector_stores.requeue(c, store_id))
        elif others := await anyio.to_thread.run_sync(index.outdated, self._model):
            await self._store.write(lambda c: vector_stores.requeue(c, store_id, others))

    async def _begin_again(self, store_id: str) -> None:
        """Begin again with a store whose index is broken."""
        await self.drop(store_id)
        await self._store.write(lambda c: vector_stores.requeue(c, store_id))

    # Searching

    async def search(
        self,
        store_ids: Sequence[str],
        query: str,
        most: int,
        threshold: float = 0.0,
        fits: Filter | None = None,
        weights: Weights | None = None,
    ) -> list[Found]:
        """Find the passages that fit a query best, in stores that exist.

        ``fits`` tells by a file's attributes whether it is to be searched.
        """
        await self.settle(store_ids)
        vector = await self._vector(query, weights)
        found: list[Found] = []
        for store_id in store_ids:
            found += await self._search(store_id, query, most, fits, vector, weights)
        best = sorted(found, key=lambda one: -one.score)
        return [one for one in best if one.score >= threshold][:most]

    async def _vector(self, query: str, weights: Weights | None) -> Matrix | None:
        """Return what a query means; None where words alone are compared."""
        if self.embedding is None or not query.strip() or (weights and not weights.meaning):
            return None
        try:
            return (await self.embedding.vectors([query]))[0]  # type: ignore[no-any-return]
        except EmbeddingError:
            return None

    async def _search(
        self,
        store_id: str,
        query: str,
        most: int,
        fits: Filter | None,
        vector: Matrix | None,
        weights: Weights | None,
    ) -> list[Found]:
        allowed = None
        if fits is not None:
            allowed = await self._store.read(lambda c: _fitting(c, store_id, fits))
        index = self._index(store_id)
        find = partial(index.search, query, most, allowed, vector, weights)
        try:
            hits = await anyio.to_thread.run_sync(find)
        except sqlite3.DatabaseError:
            _LOG.exception("The index of %s is broken and is made anew", store_id)
            async with self._changing:
                await self._begin_again(store_id)
            await self.settle([store_id])
            hits = await anyio.to_thread.run_sync(find)
        used = {"last_active_at": now()}
        await self._store.write(lambda c: store.patch(c, VECTOR_STORES, store_id, used))
        if vector is not None:
            await self._make_up_for(index, store_id)
        return await self._store.read(lambda c: list(_known(c, store_id, hits)))

    async def _make_up_for(self, index: Index | SharedIndex, store_id: str) -> None:
        """Queue the files for which the model failed, now that it answers again."""
        lacking = await anyio.to_thread.run_sync(index.lacking, self._model)
        if lacking:
            await self._store.write(lambda c: vector_stores.requeue(c, store_id, lacking))
            self.wake()

    async def text(self, store_id: str, file_id: str) -> str:
        """Return the text of a file in a store, once it is taken in."""
        await self.settle([store_id])
        return await anyio.to_thread.run_sync(self._index(store_id).text, file_id)

    # Taking out

    async def remove(self, store_id: str, file_id: str) -> None:
        """Forget a file that was taken out of a store."""
        await anyio.to_thread.run_sync(self._index(store_id).remove, file_id)

    async def drop(self, store_id: str) -> None:
        """Forget a store."""
        await anyio.to_thread.run_sync(self._index(store_id).drop)


def _waiting(connection: Connection) -> Sequence[Row[Any]]:
    """Return the files to take in next, all of one store."""
    oldest = select(TABLE).where(TABLE.c.status == "in_progress").order_by(TABLE.c.seq).limit(1)
    first = connection.execute(oldest).first()
    if first is None:
        return []
    same = (TABLE.c.vector_store_id == first.vector_store_id, TABLE.c.status == "in_progress")
    query = select(TABLE).where(*same).order_by(TABLE.c.seq).limit(_AT_ONCE)
    return connection.execute(query).all()


def _settle(connection: Connection, taken: _Taken) -> bool:
    """Note what came of a file; False if it was taken out, or is to be taken in anew."""
    status = "completed" if taken.is_good else "failed"
    size = taken.row.bytes if taken.is_good else 0
    changes = {"status": status, "last_error": taken.error, "usage_bytes": size}
    still = (TABLE.c.seq == taken.row.seq, TABLE.c.status == "in_progress")
    values = {"body": {**taken.row.body, **changes}, "status": status}
    if connection.execute(update(TABLE).where(*still).values(values)).rowcount:
        return True
    # Another engine was at the same file, and was faster.
    done = select(TABLE.c.id).where(TABLE.c.seq == taken.row.seq, TABLE.c.status == "completed")
    return connection.execute(done).first() is not None


def _fitting(connection: Connection, store_id: str, fits: Filter) -> Collection[str]:
    query = select(TABLE.c.id, TABLE.c.body).where(TABLE.c.vector_store_id == store_id)
    return [row.id for row in connection.execute(query) if fits(row.body["attributes"])]


def _known(connection: Connection, store_id: str, hits: Sequence[Hit]) -> Iterator[Found]:
    """Add what is known of the files; hits of files that are gone meanwhile are left out."""
    ids = [hit.file_id for hit in hits]
    query = select(TABLE.c.id, TABLE.c.body)
    held = connection.execute(query.where(TABLE.c.vector_store_id == store_id, TABLE.c.id.in_(ids)))
    attributes = {row.id: row.body["attributes"] for row in held}
    bodies = files.find(connection, ids)
    for hit in hits:
        if hit.file_id in attributes and hit.file_id in bodies:
            name = bodies[hit.file_id]["filename"]
            yield Found(hit.file_id, name, attributes[hit.file_id], hit.text, hit.score, hit.place)
