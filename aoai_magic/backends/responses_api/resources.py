"""What a service of the Responses API holds of the user's: containers and their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from aoai_magic.backends.holdings import (
    RemoteFile,
    RemoteSession,
    RemoteStore,
    RemoteThread,
    remote_store,
)
from aoai_magic.backends.responses_api.backend import Thread
from aoai_magic.backends.responses_api.containers import LIFE_SECONDS, Container, is_expired
from aoai_magic.backends.sdk import client, translate_sdk_errors
from aoai_magic.errors import ServiceError
from aoai_magic.locale import gettext as _

if TYPE_CHECKING:
    from aoai_magic.backends.responses_api.backend import Responses


class ContainerHoldings:
    """The holdings of one service; see `holdings.Holdings`."""

    def __init__(self, backend: Responses) -> None:
        self._backend = backend
        self._copies = backend.copies

    async def files(self) -> list[RemoteFile]:
        """List what the code of the containers made, as far as we have it."""
        found = await to_thread.run_sync(lambda: list(self._made()))
        return sorted(found, key=lambda file: -(file.expires or 0))

    def _made(self) -> Iterator[RemoteFile]:
        for container in self._copies.containers():
            ends = self._copies.used(container) + LIFE_SECONDS
            for kept in self._copies.entries(container):
                if not kept.sent:
                    size = self._copies.size(container, kept)
                    yield RemoteFile(kept.id, kept.name, size, ends)

    async def sessions(self) -> list[RemoteSession]:
        """List our containers that are running."""
        found = []
        for container in await to_thread.run_sync(self._copies.containers):
            with self._gone_already():
                answer: Any = await client(self._backend.service).containers.retrieve(container)
                if answer.status == "running":
                    found.append(RemoteSession(container, None, _expires(answer)))
        return found

    async def threads(self) -> list[RemoteThread]:
        """Return none: a service keeps no list of responses."""
        return []

    def session(self, thread: str) -> str:
        """Return the id of a thread's container."""
        return Thread.parse(thread).container

    async def content(self, file_id: str) -> tuple[str, bytes]:
        """Return the name that a file has there, and the bytes of our copy."""
        held = await to_thread.run_sync(self._copies.holder, file_id)
        if held is None or not self._copies.blob(*held).is_file():
            raise ServiceError(_("That file is no longer kept; ask for it again."))
        return held[1].name, await to_thread.run_sync(self._copies.blob(*held).read_bytes)

    async def delete_file(self, file_id: str) -> None:
        """Delete a file there, and our copy of it."""
        held = await to_thread.run_sync(self._copies.holder, file_id)
        if held is not None:
            container, kept = held
            with self._gone_already():
                files = client(self._backend.service).containers.files
                await files.delete(file_id, container_id=container)
            await to_thread.run_sync(self._copies.delete_file, container, kept)
        elif not file_id.startswith("cfile"):
            # A document: what made it is no container, whose files go with it.
            await self._delete_document(file_id)
        forget = self._backend.upload_log.forget
        await to_thread.run_sync(forget, self._backend.service.url, file_id)

    async def _delete_document(self, file_id: str) -> None:
        stores = self._backend.stores
        with self._gone_already():
            await client(self._backend.service).files.delete(file_id)
        for store in await to_thread.run_sync(stores.holders, file_id):
            await to_thread.run_sync(stores.remove, store, file_id)

    async def stores(self) -> list[RemoteStore]:
        """List the vector stores that we made and that are there."""
        known = await to_thread.run_sync(self._backend.stores.stores)
        found = []
        for one in known:
            with self._gone_already():
                stores = client(self._backend.service).vector_stores
                found.append(remote_store(await stores.retrieve(one.id)))
        return found

    async def delete_store(self, store_id: str) -> None:
        """Delete a vector store that we made, and the documents that no other one holds."""
        known = await to_thread.run_sync(self._backend.stores.stores)
        if store_id not in [one.id for one in known]:
            return  # a notebook that somebody else wrote may name any
        with self._gone_already():
            await self._backend.documents(store_id).delete()

    async def end_session(self, session_id: str) -> None:
        """Delete a container; it is rebuilt with our copies of its files when it is needed."""
        with self._gone_already():
            await client(self._backend.service).containers.delete(session_id)

    async def delete_thread(self, thread: str) -> None:
        """Delete a thread's last response, its container and our copies, and its documents."""
        parts = Thread.parse(thread)
        if parts.response:
            with self._gone_already():
                await client(self._backend.service).responses.delete(parts.response)
        if parts.container:
            await self.end_session(parts.container)
            await to_thread.run_sync(self._copies.drop, parts.container)
        if parts.store:
            await self.delete_store(parts.store)

    async def fork(self, thread: str, parts: Sequence[str]) -> str:
        """Return the turn's response with a container and a vector store of its own."""
        source, backend = Thread.parse(thread), self._backend
        documents = backend.documents(source.store)
        copied = Container(
            client(backend.service),
            self._copies,
            backend.upload_log,
            backend.service.url,
            source.container,
        )
        with translate_sdk_errors(_("The service at {url}").format(url=backend.service.url)):
            if source.container:
                await copied.copy()
            store = await documents.copy()
        return str(Thread(source.response, copied.id, store))

    @contextmanager
    def _gone_already(self) -> Iterator[None]:
        import openai

        with translate_sdk_errors(_("The service at {url}").format(url=self._backend.service.url)):
            try:
                yield
            except openai.APIStatusError as error:
                if error.status_code != 404 and not is_expired(error):
                    raise


def _expires(answer: Any) -> float | None:
    last, after = getattr(answer, "last_active_at", None), getattr(answer, "expires_after", None)
    minutes = getattr(after, "minutes", None)
    return last + 60 * minutes if last and minutes else None
