"""What a server of the Assistants API holds of the user's; sessions are our engine's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from aoai_magic.backends.holdings import RemoteFile, RemoteSession, RemoteThread
from aoai_magic.backends.sdk import client, own_words
from aoai_magic.errors import ServiceError
from aoai_magic.locale import gettext as _

if TYPE_CHECKING:
    import openai

    from aoai_magic.backends.assistants_api.backend import Assistants

_MOST_FILES = 100


class EngineHoldings:
    """The holdings of one server; see `holdings.Holdings`."""

    def __init__(self, backend: Assistants) -> None:
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
                told["thread_id"],
                told.get("memory_bytes"),
                told.get("expires_at"),
                bool(told.get("busy")),
            )
            for told in await self._listed("/engine/sessions")
            if told.get("alive")
        ]

    async def threads(self) -> list[RemoteThread]:
        """List the newest threads of an engine of ours."""
        return [
            RemoteThread(told["id"], told["title"], told["created_at"])
            for told in await self._listed("/engine/threads")
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
        """Delete a file, and strike it out of the ledger."""
        await self._backend.delete(file_id)
        forget = self._backend.ledger.forget
        await to_thread.run_sync(forget, self._backend.store, file_id)

    async def end_session(self, session_id: str) -> None:
        """End a session of an engine of ours."""
        async with self._api() as api, _gone_already():
            await api.delete(f"/engine/sessions/{session_id}", cast_to=object)

    async def delete_thread(self, thread: str) -> None:
        """Delete a thread; its session goes with it."""
        async with self._api() as api, _gone_already():
            await api.beta.threads.delete(thread)

    async def fork(self, thread: str, parts: Sequence[str]) -> str:
        """Copy a thread's messages as far as those that hold ``parts``.

        The API copies no runs: what code did is told as text in the answer that followed.
        """
        ids = {part.partition("/")[0] for part in parts}
        async with self._api() as api:
            messages = await self._until(api, thread, ids)
            told: list[Any] = []
            runs: set[str] = set()
            for message in messages:
                run = message.run_id if message.role == "assistant" else None
                code = await _code(api, thread, run) if run and run not in runs else ""
                runs.add(run or "")
                told.append(_copy(message, code))
            return str((await api.beta.threads.create(messages=told)).id)

    async def _until(self, api: openai.AsyncOpenAI, thread: str, ids: set[str]) -> list[Any]:
        pages = api.beta.threads.messages.list(thread, order="asc", limit=100)
        messages = [message async for message in pages]
        last = max((at for at, one in enumerate(messages) if one.id in ids), default=None)
        if last is None:
            raise ServiceError(
                _(
                    "That answer is no longer in its thread, so that it cannot be forked; fork a "
                    "later one, or begin a new thread."
                )
            )
        return messages[: last + 1]

    async def _listed(self, path: str) -> list[Any]:
        """Get a list that only an engine of ours has; another server has none."""
        import openai

        async with self._api() as api:
            try:
                told: Any = await api.get(path, cast_to=object)
            except openai.NotFoundError:
                return []
        return list(told.get("data") or ())

    @asynccontextmanager
    async def _api(self) -> AsyncIterator[openai.AsyncOpenAI]:
        url = self._backend.endpoint
        with own_words(_("The server at {url}").format(url=url.url)):
            yield client(url)


@asynccontextmanager
async def _gone_already() -> AsyncIterator[None]:
    import openai

    try:
        yield
    except openai.NotFoundError:
        return


async def _code(api: openai.AsyncOpenAI, thread: str, run: str) -> str:
    """Return the Python that a run ran, with what it printed."""
    steps = api.beta.threads.runs.steps.list(run, thread_id=thread, order="asc", limit=100)
    details = [step.step_details async for step in steps]
    calls = [call for one in details for call in getattr(one, "tool_calls", None) or ()]
    return "\n\n".join(
        _told(call.code_interpreter) for call in calls if call.type == "code_interpreter"
    )


def _told(ran: Any) -> str:
    printed = "".join(output.logs for output in ran.outputs if output.type == "logs")
    result = f"\nIt printed:\n\n```\n{printed.rstrip()}\n```" if printed.strip() else ""
    return f"I ran this Python:\n\n```python\n{ran.input.rstrip()}\n```{result}"


def _copy(message: Any, code: str) -> dict[str, Any]:
    content = [_part(part) for part in message.content]
    if code:
        content = [{"type": "text", "text": code}, *content]
    attachments = [one.to_dict() for one in message.attachments or ()]
    return {
        "role": message.role,
        "content": content or ".",
        **({"attachments": attachments} if attachments else {}),
    }


def _part(part: Any) -> dict[str, Any]:
    if part.type == "text":
        return {"type": "text", "text": part.text.value}
    return dict(part.to_dict())
