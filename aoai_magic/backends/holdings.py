"""What a server holds of the user's, and what can be done with it, apart from turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from openai.types import VectorStore


@dataclass(frozen=True)
class RemoteFile:
    """A file that code on the server made; times are in seconds since 1970, None if unknown."""

    id: str
    name: str
    bytes: int
    expires: float | None = None
    created: float | None = None


@dataclass(frozen=True)
class RemoteStore:
    """A vector store: documents that are searched.

    Attributes
    ----------
    bytes
        What is paid for, where a service keeps it.
    created, expires
        Seconds since 1970; ``expires`` is None where it stays.
    """

    id: str
    documents: int
    bytes: int
    created: float
    expires: float | None


def remote_store(store: VectorStore) -> RemoteStore:
    """Return what is shown of a vector store of the SDK."""
    total = store.file_counts.total
    return RemoteStore(store.id, total, store.usage_bytes or 0, store.created_at, store.expires_at)


@dataclass(frozen=True)
class RemoteSession:
    """A live Python session.

    Attributes
    ----------
    id
        As `Holdings.session` gives it of a thread.
    memory
        Bytes that it holds, None where nobody can tell.
    expires
        When it ends if nobody uses it, in seconds since 1970; None where nobody can tell.
    busy
        Whether code runs in it.
    """

    id: str
    memory: int | None = None
    expires: float | None = None
    busy: bool = False


@dataclass(frozen=True)
class RemoteThread:
    """A thread, with the beginning of its first message; ``created`` in seconds since 1970."""

    id: str
    title: str
    created: float


class Holdings(Protocol):
    """What a server holds; all methods raise `ServiceError` where it refuses."""

    async def files(self) -> list[RemoteFile]:
        """List the files that code made there, newest first; the upload log has those sent."""
        ...

    async def sessions(self) -> list[RemoteSession]:
        """List the sessions that are alive."""
        ...

    async def stores(self) -> list[RemoteStore]:
        """List the vector stores that are searched."""
        ...

    async def threads(self) -> list[RemoteThread]:
        """List the newest threads, none where the server keeps no list."""
        ...

    def session(self, thread: str) -> str:
        """Return the id of a thread's session."""
        ...

    async def content(self, file_id: str) -> tuple[str, bytes]:
        """Return the name that a file has there, and its bytes."""
        ...

    async def delete_file(self, file_id: str) -> None:
        """Delete a file; one that has gone already is no error."""
        ...

    async def delete_store(self, store_id: str) -> None:
        """Delete a vector store; one that has gone already is no error."""
        ...

    async def end_session(self, session_id: str) -> None:
        """End a session: variables are lost, files are kept."""
        ...

    async def delete_thread(self, thread: str) -> None:
        """Delete a thread with its session; one that has gone already is no error."""
        ...

    async def fork(self, thread: str, parts: Sequence[str]) -> str:
        """Copy a thread, with its files and without its variables; give the copy's id.

        ``parts`` are the ids of the turn's parts, after which the copy ends.
        """
        ...
