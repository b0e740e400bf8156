"""What an engine of ours holds of the user's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from aoai_magic.backends.holdings import (
    RemoteFile,
    RemoteSession,
    RemoteStore,
    RemoteThread,
    remote_store,
)
from aoai_magic.backends.sdk import client
from aoai_magic.errors import ServiceError
from aoai_magic.locale import gettext as _

if TYPE_CHECKING:
    import openai

    from aoai_magic.backends.responses_api.engine import EngineBackend

_MOST_FILES = 100


class EngineHoldings:
    """The holdings of one engine; see `holdings.Holdings`."""

    def __init__(self, backend: EngineBackend) -> None:
        self._backend = backend

    async def files(self) -> list[RemoteFile]:
        """List the files that code made there, the newest first."""
        async with self._api() as api:
            page = await api.files.list(
                purpose="assistants_output", order="desc", limit=_MOST_FILES
            )
        return [
            RemoteFile(
                file.id,
                file.filename,
                file.bytes,
                getattr(file, "expires_at", None),
                file.created_at,
            )
            for file in page.data
        ]

    async def sessions(self) -> list[RemoteSession]:
        """List the sessions of an engine of ours."""
        return [
            RemoteSession(
                item["thread_id"],
                item.get("memory_bytes"),
                item.get("expires_at"),
                bool(item.get("busy")),
            )
            for item in await self._listed("/engine/sessions")
            if item.get("alive")
        ]

    async def stores(self) -> list[RemoteStore]:
        """List the newest vector stores."""
        async with self._api() as api:
            page = await api.vector_stores.list(order="desc", limit=_MOST_FILES)
        return [remote_store(store) for store in page.data]

    async def delete_store(self, store_id: str) -> None:
        """Delete a vector store; its files stay files."""
        async with self._api() as api, _gone_already():
            await api.vector_stores.delete(store_id)

    async def threads(self) -> list[RemoteThread]:
        """List the newest threads of an engine of ours."""
        return [
            RemoteThread(item["id"], item["title"], item["created_at"])
            for item in await self._listed("/engine/threads")
        ]

    def session(self, thread: str) -> str:
        """Return the id of a thread's session, which is the thread's."""
        return thread

    async def content(self, file_id: str) -> tuple[str, bytes]:
        """Return the name that a file has there, and its bytes."""
        async with self._api() as api:
            file = await api.files.retrieve(file_id)
            return file.filename, (await api.files.content(file_id)).content

    async def delete_file(self, file_id: str) -> None:
        """Delete a file, and remove it from the upload log."""
        await self._backend.delete(file_id)
        forget = self._backend.upload_log.forget
        await to_thread.run_sync(forget, self._backend.store, file_id)

    async def end_session(self, session_id: str) -> None:
        """End a session of an engine of ours."""
        async with self._api() as api, _gone_already():
            await api.delete(f"/engine/sessions/{session_id}", cast_to=object)

    async def delete_thread(self, thread: str) -> None:
        """Delete a thread; its session goes with it."""
        async with self._api() as api, _gone_already():
            await api.delete(f"/engine/threads/{thread}", cast_to=object)

    async def fork(self, thread: str, parts: Sequence[str]) -> str:
        """Copy a thread as far as the items that hold ``parts``."""
        import openai

        until = [part.partition("/")[0] for part in parts]
        async with self._api() as api:
            try:
                made: Any = await api.post(
                    "/engine/threads", body={"source": thread, "until": until}, cast_to=object
                )
            except openai.NotFoundError as error:
                raise ServiceError(
                    _(
                        "That answer is no longer in its thread and cannot be forked; fork a "
                        "later one, or start a new thread."
                    )
                ) from error
        return str(made["id"])

    async def _listed(self, path: str) -> list[Any]:
        """Get a list that only an engine of ours has; another server has none."""
        import openai

        async with self._api() as api:
            try:
                page: Any = await api.get(path, cast_to=object)
            except openai.NotFoundError:
                return []
        return list(page.get("data") or ())

    @asynccontextmanager
    async def _api(self) -> AsyncIterator[openai.AsyncOpenAI]:
        with self._backend.words():
            yield client(self._backend.endpoint)


@asynccontextmanager
async def _gone_already() -> AsyncIterator[None]:
    import openai

    try:
        yield
    except openai.NotFoundError:
        return
