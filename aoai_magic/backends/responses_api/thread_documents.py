"""The documents of a thread at a service: a vector store that is filled, compared, made again.

What was sent is known from the state database by hash, so that only what changed is sent. A
store that has expired, or that somebody deleted, is made again of the files that are still
there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from aoai_magic.backends.api_errors import sentence
from aoai_magic.backends.base import CANCEL_SECONDS
from aoai_magic.backends.retry import retry_call
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later
from aoai_magic.state.database import storable
from aoai_magic.state.search_stores import SearchStores, StoredDocument
from aoai_magic.turn import events
from aoai_magic.turn.events import Event

if TYPE_CHECKING:
    import openai

    from aoai_magic.attach.attachment import Attachment
    from aoai_magic.state.uploads import UploadLog

EXPIRES_AFTER: Any = {"anchor": "last_active_at", "days": 7}
"""When a service deletes a store: it is paid for by the day."""

_AT_ONCE = 4
"""Documents that are sent at once."""

_BATCH = 500
"""Files of one batch; services have taken no more."""

_POLL_SECONDS = 1.0
_UNUSABLE = (400, 413, 415, 422)
"""Refusals of one file, which the others survive."""

_LASTING = ("unsupported_file", "invalid_file")
"""Codes of what is wrong with a file, rather than with the service at this time."""

_LOST = later("{name} is no longer at the service and was not searched; name it by --search again.")
_REMADE = later("The documents' store had expired or was deleted; it was made again.")

UNSENT = "unsent"
"""The store, in the database, of files that were sent and are not in any yet."""


class ThreadDocuments:
    """The documents of one thread, for the time of a turn.

    Parameters
    ----------
    known, upload_log, service
        What is recorded of the service's stores and files, and its name in the upload log.

    Attributes
    ----------
    id
        The store's id; empty where the thread has none.
    """

    def __init__(
        self,
        api: openai.AsyncOpenAI,
        known: SearchStores,
        upload_log: UploadLog,
        service: str,
        id_: str,
    ) -> None:
        self._api = api
        self._known = known
        self._upload_log = upload_log
        self._service = service
        self._is_there = False
        self._count = 0
        self._sent: dict[str, StoredDocument] = {}
        self._settled: set[str] = set()
        self._batch: Any = None
        self._failed: list[tuple[str, str]] = []
        self.id = id_

    async def prepare(self, documents: Sequence[Attachment]) -> AsyncGenerator[Event, None]:
        """Bring the store up to date; yields progress, and a notice for each that is left out."""
        if not self.id and not documents:
            return
        async for event in retry_call(self._look):
            yield event
        for name in await self._forget_lost(documents):
            yield events.Notice(_(_LOST).format(name=name))
        old, held = self.id, await to_thread.run_sync(self._known.documents, self.id)
        stale = _stale(held, documents)
        kept = [one for one in held if one not in stale]
        if is_gone := not self._is_there:
            async for event in self._remake(kept, {item.sha256 for item in documents}):
                yield event
        async for event in self._add(documents):
            yield event
        await self._remove(old, stale)
        if is_gone and old:
            await self._drop(old)
        for notice in await to_thread.run_sync(self._unsearched, documents):
            yield notice

    def _unsearched(self, documents: Sequence[Attachment]) -> list[Event]:
        """Report which of the documents cannot be searched, and why."""
        digests = {item.sha256 for item in documents}
        refused = [
            (one.name, one.error)
            for one in self._known.documents(self.id)
            if one.error and one.digest in digests
        ]
        text = _("{name} was not searched. {reason}")
        return [
            events.Notice(text.format(name=name, reason=sentence(reason)))
            for name, reason in (*refused, *self._failed)
        ]

    # The store

    async def _look(self) -> None:
        """Find out whether the store is there."""
        import openai

        with contextlib.suppress(openai.NotFoundError):
            if self.id:
                found = await self._api.vector_stores.retrieve(self.id)
                self._is_there = found.status != "expired"
                self._count = found.file_counts.total

    async def _forget_lost(self, documents: Sequence[Attachment]) -> list[str]:
        """Forget what somebody took out of the store; return what is not sent again now."""
        held = await to_thread.run_sync(self._known.documents, self.id)
        usable = [one for one in held if not one.error]
        if not self._is_there or self._count == len(usable):
            return []
        files = self._api.vector_stores.files.list(self.id, limit=100)
        there = {file.id async for file in files}
        lost = [one for one in usable if one.file_id not in there]
        for one in lost:
            await to_thread.run_sync(self._known.remove, self.id, one.file_id)
        digests = {item.sha256 for item in documents}
        return [one.name for one in lost if one.digest not in digests]

    async def _remake(
        self, kept: Sequence[StoredDocument], named: Collection[str]
    ) -> AsyncGenerator[Event, None]:
        """Make the store, of the files that are kept and still at the service.

        Those that are not are named, but for those of the hashes ``named``, which are sent again.
        """
        if self.id:
            yield events.Notice(_(_REMADE))
        async for event in retry_call(self._make):
            yield event
        there = []
        for one in kept:
            if one.error or await self._is_file(one.file_id):
                there.append(one)
                continue
            await to_thread.run_sync(self._upload_log.forget, self._service, one.file_id)
            if one.digest not in named:
                yield events.Notice(_(_LOST).format(name=one.name))
        async for event in self._attach(there):
            yield event

    async def _drop(self, store: str) -> None:
        """Forget a store that is gone; one that expired is still listed by the service."""
        import openai

        with contextlib.suppress(openai.NotFoundError, openai.BadRequestError):
            await self._api.vector_stores.delete(store)
        await to_thread.run_sync(self._known.drop, store)

    async def _make(self) -> None:
        made = await self._api.vector_stores.create(name="aoai_magic", expires_after=EXPIRES_AFTER)
        await to_thread.run_sync(self._known.add, made.id)
        self.id = made.id

    async def _is_file(self, id_: str) -> bool:
        import openai

        try:
            await self._api.files.retrieve(id_)
        except openai.NotFoundError:
            return False
        return True

    # Sending

    async def _add(self, documents: Sequence[Attachment]) -> AsyncGenerator[Event, None]:
        """Send and add the documents that the store has not as they are."""
        held = await to_thread.run_sync(self._known.documents, self.id)
        places = {item.sha256: item.within for item in documents}
        for one in held:
            # It may be found by another folder now, with which it would leave.
            found = replace(one, within=places.get(one.digest, one.within))
            if found != one:
                await to_thread.run_sync(self._known.put, self.id, found)
        digests = {one.digest for one in held}
        new = [item for item in documents if item.sha256 not in digests]
        for start in range(0, len(new), _AT_ONCE):
            yield events.Progress(_("sending the documents"), start, len(new))
            group = partial(self._send, new[start:][:_AT_ONCE])
            async for event in retry_call(group):
                yield event
        async for event in self._attach(list(self._sent.values())):
            yield event

    async def _send(self, items: Sequence[Attachment]) -> None:
        """Send a few documents, those of which a try before has not made an end."""
        left = [item for item in items if item.sha256 not in self._settled]
        for outcome in await asyncio.gather(*map(self._kept, left), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _kept(self, item: Attachment) -> None:
        """Send a document, unless the service has its file; one that was sent is recorded.

        Also where the turn is cancelled meanwhile: nobody else could delete it.
        """
        sending = asyncio.ensure_future(self._upload(item))
        try:
            await asyncio.shield(sending)
        except OSError as error:  # it was there when it was hashed
            text = _("It cannot be read ({reason}).").format(reason=error.strerror or error)
            self._failed.append((item.name, text))
        except asyncio.CancelledError:
            await asyncio.wait({sending}, timeout=CANCEL_SECONDS)
            sending.cancel()
            raise
        self._settled.add(item.sha256)

    async def _upload(self, item: Attachment) -> None:
        import openai

        facts = (item.sha256, item.source, item.within, item.name, item.bytes)
        known = await to_thread.run_sync(self._known.find, item.sha256)
        if known and await self._is_file(known):
            self._sent[item.sha256] = StoredDocument(known, *facts)
            return
        try:
            with await to_thread.run_sync(item.path.open, "rb") as file:
                sent = await self._api.files.create(
                    file=(_filename(item), file), purpose="assistants"
                )
        except openai.APIStatusError as error:
            if error.status_code not in _UNUSABLE:
                raise
            self._sent[item.sha256] = StoredDocument("", *facts)
            await self._refuse(self._sent.pop(item.sha256), error.code, _reason(error))
            return
        self._sent[item.sha256] = StoredDocument(sent.id, *facts)
        await to_thread.run_sync(self._known.put, UNSENT, self._sent[item.sha256])
        record = partial(self._upload_log.record, self._service, item.sha256, sent.id, item.name)
        await to_thread.run_sync(record, item.bytes)

    # Adding

    async def _attach(self, documents: Sequence[StoredDocument]) -> AsyncGenerator[Event, None]:
        """Add files to the store and wait until the service has read them."""
        usable = [one for one in documents if not one.error]
        for one in documents:
            if one.error:
                await to_thread.run_sync(self._known.put, self.id, one)
        for start in range(0, len(usable), _BATCH):
            some = usable[start:][:_BATCH]
            try:
                async for event in retry_call(partial(self._add_batch, some)):
                    yield event
            except Exception as error:
                if not _is_unusable(error):
                    raise
                # One of them spoils the whole batch: each is added alone.
                async for event in self._add_alone(some, start, len(usable)):
                    yield event
            else:
                async for event in self._read(some, start, len(usable)):
                    yield event

    async def _add_batch(self, documents: Sequence[StoredDocument]) -> None:
        ids = [one.file_id for one in documents]
        self._batch = await self._api.vector_stores.file_batches.create(self.id, file_ids=ids)

    async def _add_alone(
        self, documents: Sequence[StoredDocument], before: int, total: int
    ) -> AsyncGenerator[Event, None]:
        for count, one in enumerate(documents, before):
            yield events.Progress(_("reading the documents"), count, total)
            try:
                async for event in retry_call(partial(self._add_batch, [one])):
                    yield event
            except Exception as error:
                if not _is_unusable(error):
                    raise
                await self._refuse(one, getattr(error, "code", ""), _reason(error))
            else:
                async for event in self._read([one], count, total):
                    yield event

    async def _read(
        self, documents: Sequence[StoredDocument], before: int, total: int
    ) -> AsyncGenerator[Event, None]:
        """Wait until a batch is read; yields progress."""
        while self._batch.status == "in_progress":
            done = self._batch.file_counts.total - self._batch.file_counts.in_progress
            yield events.Progress(_("reading the documents"), before + done, total)
            await anyio.sleep(_POLL_SECONDS)
            async for event in retry_call(self._poll):
                yield event
        failed = await self._broken() if self._batch.file_counts.completed < len(documents) else {}
        for one in documents:
            if one.file_id in failed:
                await self._refuse(one, *failed[one.file_id])
            else:
                await to_thread.run_sync(self._known.put, self.id, one)
                await to_thread.run_sync(self._known.remove, UNSENT, one.file_id)

    async def _poll(self) -> None:
        self._batch = await self._api.vector_stores.file_batches.retrieve(
            self._batch.id, vector_store_id=self.id
        )

    async def _broken(self) -> dict[str, tuple[str, str]]:
        """Return codes and sentences why files of the batch cannot be searched, by their ids."""
        files = self._api.vector_stores.file_batches.list_files(
            self._batch.id, vector_store_id=self.id, limit=100
        )
        return {
            file.id: (file.last_error.code, file.last_error.message)
            if file.last_error
            else ("", file.status)
            async for file in files
            if file.status != "completed"
        }

    async def _refuse(self, document: StoredDocument, code: str | None, reason: str) -> None:
        """Note why a document cannot be searched; one that never will be is not sent again."""
        if document.file_id:
            await self._delete_file(document.file_id, [self.id, UNSENT])
        if code in _LASTING:
            refused = replace(document, file_id=f"refused-{document.digest}", error=reason)
            await to_thread.run_sync(self._known.put, self.id, refused)
        else:
            self._failed.append((document.name, reason))

    # Removing

    async def _remove(self, store: str, documents: Iterable[StoredDocument]) -> None:
        """Delete what is searched no more."""
        for one in documents:
            if one.error:
                await to_thread.run_sync(self._known.remove, store, one.file_id)
            else:
                await self._delete_file(one.file_id, [store])

    async def _delete_file(self, file_id: str, stores: Sequence[str]) -> None:
        """Remove a file from stores, and delete it unless another one holds it."""
        import openai

        if self.id in stores:
            with contextlib.suppress(openai.NotFoundError):
                await self._api.vector_stores.files.delete(file_id, vector_store_id=self.id)
        for store in stores:
            await to_thread.run_sync(self._known.remove, store, file_id)
        if not await to_thread.run_sync(self._known.holders, file_id):
            with contextlib.suppress(openai.NotFoundError):
                await self._api.files.delete(file_id)
            await to_thread.run_sync(self._upload_log.forget, self._service, file_id)

    async def delete(self) -> None:
        """Delete the store, and its files unless another one holds them."""
        import openai

        with contextlib.suppress(openai.NotFoundError):
            await self._api.vector_stores.delete(self.id)
        documents = await to_thread.run_sync(self._known.documents, self.id)
        await to_thread.run_sync(self._known.drop, self.id)
        for one in documents:
            if not one.error:
                await self._delete_file(one.file_id, [])
        self.id = ""

    async def copy(self) -> str:
        """Make another store of the same files; return its id, empty where there is none."""
        documents = await to_thread.run_sync(self._known.documents, self.id)
        if not documents:
            return ""
        await self._make()
        async for _event in self._attach(documents):
            pass
        return self.id


def _stale(held: Sequence[StoredDocument], documents: Sequence[Attachment]) -> list[StoredDocument]:
    """Return older versions of the documents, and what has left the folders that they are from."""
    digests = {item.sha256 for item in documents}
    sources = {storable(item.source) for item in documents}
    folders = {storable(item.within) for item in documents}
    return [
        one
        for one in held
        if one.digest not in digests and (one.source in sources or one.within in folders)
    ]


def _filename(item: Attachment) -> str:
    """Return the name under which a document is sent; services take no JSON lines."""
    return f"{item.filename.removesuffix('.jsonl')}.txt" if item.expression else item.filename


def _is_unusable(error: Exception) -> bool:
    return getattr(error, "status_code", None) in _UNUSABLE


def _reason(error: Any) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    return " ".join(str(body.get("message") or error.message).split())
