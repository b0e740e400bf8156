"""Turns through the Assistants API, version 2: our own engine or any other server of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from aoai_magic.backends.assistants_api.run import Run
from aoai_magic.backends.base import CANCEL_SECONDS
from aoai_magic.backends.sdk import Endpoint, client, own_words
from aoai_magic.errors import ServiceError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later
from aoai_magic.shared.network import hide_credentials
from aoai_magic.turn import events
from aoai_magic.turn.events import Event
from aoai_magic.turn.progress import Metered, MeteredFile, in_thread

if TYPE_CHECKING:
    import openai

    from aoai_magic.attach.attachment import Attachment
    from aoai_magic.backends.assistants_api.resources import EngineHoldings
    from aoai_magic.backends.base import Question
    from aoai_magic.state.uploads import Ledger

_CODE: dict[str, Any] = {"type": "code_interpreter"}
_SEARCH: dict[str, Any] = {"type": "file_search"}
_LEAST_OUTPUT = 256
"""Tokens; the API refuses a smaller limit."""


_DELETED = later("The server no longer has this thread; a new one begins with this question.")

_UNISOLATED = later(
    "Code of the model runs with all the rights of this account, since the sandbox is set to "
    "local:unisolated; set it to local to have it isolated."
)


@dataclass
class Assistants:
    """A server of the Assistants API.

    Attributes
    ----------
    endpoint
        Where it is.
    target
        How the user named it.
    ledger
        What it holds of ours already.
    store
        The ledger's name of the place where its files are kept.
    """

    endpoint: Endpoint
    target: str
    ledger: Ledger = field(compare=False)
    store: str
    _assistants: dict[tuple[str, str], str] = field(default_factory=dict, compare=False)

    async def turn(self, question: Question) -> AsyncIterator[Event]:
        """Yield the events of one turn; see `base.Backend`."""
        with own_words(_("The server at {url}").format(url=self.endpoint.url)):
            api = client(self.endpoint)
            told = await self.status()
            files: dict[str, str] = {}
            for item in (*question.attachments, *question.documents):
                sending = Metered(self._uploaded(api, item))
                async with contextlib.aclosing(sending.events()) as moves:
                    async for progress in moves:
                        yield progress
                files[item.sha256] = sending.result
            known = await _existing(api, question.thread)
            with _served(self.endpoint.url):
                thread = known.id if known else (await api.beta.threads.create()).id
            model = hide_credentials(question.model or str(told.get("model", "")))
            isolation = (told.get("sandbox") or {}).get("level")
            yield events.Started(thread, self.target, model, isolation)
            if isolation == "none":
                yield events.Notice(_(_UNISOLATED))
            if question.thread and not known:
                yield events.Notice(_(_DELETED))
            searching = bool(question.documents or _store_ids(known))
            answered = self._answered(api, thread, question, files, searching)
            async with contextlib.aclosing(answered) as turn:
                async for event in turn:
                    if isinstance(event, events.Finished) and question.documents:
                        for notice in await _unsearchable(api, thread):
                            yield notice
                    yield event

    async def status(self) -> dict[str, Any]:
        """Return what an engine of ours says of itself; empty for another server."""
        import openai

        with own_words(_("The server at {url}").format(url=self.endpoint.url)):
            try:
                answer = await client(self.endpoint).get("/engine", cast_to=object)
            except openai.NotFoundError:
                return {}
        return answer if isinstance(answer, dict) else {}

    async def check(self, model: str) -> str:
        """Ask an engine of ours whether a model would answer; gives why not, else nothing."""
        with own_words(_("The server at {url}").format(url=self.endpoint.url)):
            api: Any = client(self.endpoint)
            told = await api.get(
                "/engine/model", cast_to=object, options={"params": {"spec": model}}
            )
        return str(told.get("error") or "")

    async def abilities(self, model: str) -> dict[str, Any]:
        """Return what an engine of ours learned of a model by its answers; empty for others."""
        import openai

        with own_words(_("The server at {url}").format(url=self.endpoint.url)):
            api: Any = client(self.endpoint)
            options = {"params": {"spec": model, "abilities": "true"}}
            try:
                told = await api.get("/engine/model", cast_to=object, options=options)
            except openai.NotFoundError:
                return {}
        return told.get("abilities") or {} if isinstance(told, dict) else {}

    async def delete(self, file_id: str) -> None:
        """Delete an uploaded file; one that has gone already is no error."""
        import openai

        with own_words(_("The server at {url}").format(url=self.endpoint.url)):
            try:
                await client(self.endpoint).files.delete(file_id)
            except openai.NotFoundError:
                return

    def holdings(self) -> EngineHoldings:
        """Return what the server holds of the user's."""
        from aoai_magic.backends.assistants_api.resources import EngineHoldings

        return EngineHoldings(self)

    async def cleanup(self) -> int:
        """Delete everything that was sent to this place; give the number of files."""
        entries = await asyncio.to_thread(self.ledger.entries, self.store)
        for entry in entries:
            await self.delete(entry.file_id)
            await asyncio.to_thread(self.ledger.forget, self.store, entry.file_id)
        return len(entries)

    async def _uploaded(self, api: openai.AsyncOpenAI, item: Attachment) -> str:
        """Return the item's file id; send it only if the server has it no more."""
        known = await in_thread(lambda: self.ledger.lookup(self.store, item.sha256))
        if known and await _exists(api, known):
            # It is in use, so that it does not go as an old one.
            await in_thread(lambda: self.ledger.touch(self.store, known))
            return known
        # A variable is packed by this.
        path = await in_thread(lambda: item.path)
        with MeteredFile(path) as file:
            file.meter.begin(_("sending {name}").format(name=item.name), file.size)
            sending = asyncio.ensure_future(self._sent(api, item, file))
            try:
                return await asyncio.shield(sending)
            except asyncio.CancelledError:
                # What the server has whole is recorded: nobody else could delete it.
                if file.tell() < file.size:
                    sending.cancel()
                await asyncio.wait({sending}, timeout=CANCEL_SECONDS)
                sending.cancel()
                raise

    async def _sent(self, api: openai.AsyncOpenAI, item: Attachment, file: MeteredFile) -> str:
        sent = await api.files.create(file=(item.filename, file), purpose="assistants")
        record = partial(self.ledger.record, self.store, item.sha256, sent.id, item.name)
        await asyncio.to_thread(record, item.bytes)
        return sent.id

    async def _assistant(self, api: openai.AsyncOpenAI, question: Question) -> str:
        key = (question.model, question.instructions)
        if key not in self._assistants:
            self._assistants[key] = await self._made(api, question)
        return self._assistants[key]

    async def _made(self, api: openai.AsyncOpenAI, question: Question) -> str:
        with _served(self.endpoint.url):
            made = await api.beta.assistants.create(
                model=question.model or "default",
                instructions=question.instructions or None,
                tools=[{"type": "code_interpreter"}],
                name="aoai_magic",
            )
        return str(made.id)

    async def _answered(
        self,
        api: openai.AsyncOpenAI,
        thread: str,
        question: Question,
        files: Mapping[str, str],
        searching: bool,
    ) -> AsyncGenerator[Event, None]:
        """Yield the run's events; where somebody has deleted the assistant, with a new one."""
        import openai

        for is_last in (False, True):
            asked = _asked(question, await self._assistant(api, question), files, searching)
            run = Run(api, thread, asked, question.functions)
            try:
                async with contextlib.aclosing(_followed(run)) as turn:
                    async for event in turn:
                        yield event
            except openai.NotFoundError:
                if is_last or run.has_begun:
                    raise
                self._assistants.clear()
            else:
                return


async def _followed(run: Run) -> AsyncGenerator[Event, None]:
    try:
        async with contextlib.aclosing(run.events()) as turn:
            async for event in turn:
                yield event
    except (GeneratorExit, asyncio.CancelledError):
        await run.cancel()
        raise


@contextlib.contextmanager
def _served(url: str) -> Iterator[None]:
    """Describe of a server that does not know the API's paths that it does not serve the API."""
    import openai

    try:
        yield
    except openai.NotFoundError as error:
        raise ServiceError(
            _(
                "{url} does not serve the Assistants API, which OpenAI and Azure retired in "
                "August 2026; use --on azure with AZURE_OPENAI_ENDPOINT set, --on openai "
                "with OPENAI_API_KEY set, or --on local."
            ).format(url=url)
        ) from error


async def _existing(api: openai.AsyncOpenAI, thread: str | None) -> Any:
    """Return the thread as the server has it; None for a new one, or one that was deleted."""
    import openai

    if thread is None:
        return None
    try:
        return await api.beta.threads.retrieve(thread)
    except openai.NotFoundError:
        return None


def _asked(
    question: Question, assistant: str, files: Mapping[str, str], searching: bool
) -> dict[str, Any]:
    """Return the arguments of the run; ``files`` are the ids of what was sent, by hash."""
    tools: list[dict[str, Any]] = [_CODE, *([_SEARCH] if searching else [])]
    asked: dict[str, Any] = {
        "assistant_id": assistant,
        "additional_messages": [_message(question, files)],
        "tools": [*tools, *(function.tool for function in question.functions)],
    }
    if question.tool_choice is not None:
        asked["tool_choice"] = question.tool_choice
    if question.effort:
        asked["reasoning_effort"] = question.effort
    if question.max_output is not None:
        asked["max_completion_tokens"] = max(question.max_output, _LEAST_OUTPUT)
    return asked


def _store_ids(thread: Any) -> list[str]:
    """Return the ids of the vector stores in which the turns of a thread search."""
    resources = getattr(thread, "tool_resources", None)
    search = resources.file_search if resources else None
    return list(search.vector_store_ids or ()) if search else []


async def _unsearchable(api: openai.AsyncOpenAI, thread: str) -> list[events.Notice]:
    """Return which of the thread's documents cannot be searched, and why."""
    notices = []
    for id_ in _store_ids(await api.beta.threads.retrieve(thread)):
        async for held in api.vector_stores.files.list(id_, filter="failed"):
            name = (await api.files.retrieve(held.id)).filename
            reason = held.last_error.message if held.last_error else held.status
            notices.append(
                events.Notice(
                    _("{name} was not searched. {reason}").format(name=name, reason=reason)
                )
            )
    return notices


def _message(question: Question, files: Mapping[str, str]) -> dict[str, Any]:
    cards = [item.card for item in question.attachments if item.card]
    parts = [{"type": "text", "text": text} for text in (question.prompt, *cards)]
    given = [(item, _CODE) for item in question.attachments]
    given += [(item, _SEARCH) for item in question.documents]
    return {
        "role": "user",
        "content": parts if cards else question.prompt,
        "attachments": [{"file_id": files[item.sha256], "tools": [tool]} for item, tool in given],
    }


async def _exists(api: openai.AsyncOpenAI, file_id: str) -> bool:
    import openai

    try:
        await api.files.retrieve(file_id)
    except openai.NotFoundError:
        return False
    return True
