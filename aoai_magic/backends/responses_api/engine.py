"""Turns at an engine of ours, through the Responses API and its extensions."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from aoai_magic._version import CONTRACT, __version__
from aoai_magic.attach.attachment import Attachment
from aoai_magic.attach.files import attach_document
from aoai_magic.backends.responses_api.engine_uploads import Uploads
from aoai_magic.backends.responses_api.exchange import (
    OUTPUTS,
    RESULTS,
    Exchange,
    blind_notice,
    choice_of,
    message_of,
    search_tool,
    tool_of,
)
from aoai_magic.backends.sdk import Endpoint, client, translate_sdk_errors
from aoai_magic.errors import ServiceError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later
from aoai_magic.shared.network import hide_credentials
from aoai_magic.state.database import storable
from aoai_magic.turn import events
from aoai_magic.turn.events import Event

if TYPE_CHECKING:
    from aoai_magic.attach.attachment import Attachment
    from aoai_magic.backends.base import Question
    from aoai_magic.backends.responses_api.engine_holdings import EngineHoldings
    from aoai_magic.state.uploads import UploadLog

EXTENSIONS = "engine_extensions"
STORE = "vector_store_id"
"""Metadata of a conversation that names the vector store of its documents."""

_SOURCE = "source"
"""Attribute of a file in a store: which document it is, whatever its content."""

_WITHIN = "within"
"""Attribute of a file in a store: the argument by which it was found, a folder or a pattern."""

_BATCH = 2_000
"""Files of one batch; the API takes no more."""

_READING_SECONDS = 0.3

_LEAST_OUTPUT = 16
"""Tokens; the API refuses a smaller limit."""

_DELETED = later("The server no longer has this thread; this question starts a new one.")

_COPIED = later(
    "This thread was started through the Assistants API and goes on as a copy, without its "
    "variables."
)

_LOST = later(
    "The thread's documents have expired or were deleted; name them by --search again to have "
    "them searched."
)

_UNISOLATED = later(
    "Code of the model runs with all the rights of this account, since the sandbox is set to "
    "local:unisolated; set it to local to have it isolated."
)


def no_engine(url: str) -> str:
    """Return the sentence for a server that is no engine."""
    return _(
        "{url} is not an aoai-magic server; use --on azure with AZURE_OPENAI_ENDPOINT set, "
        "--on openai with OPENAI_API_KEY set, or --on local."
    ).format(url=url)


@dataclass
class EngineBackend:
    """An engine.

    Attributes
    ----------
    endpoint
        Where it is.
    target
        How the user named it.
    upload_log
        What it holds of ours already.
    store
        The upload_log's name of the place where its files are kept.
    """

    endpoint: Endpoint
    target: str
    upload_log: UploadLog = field(compare=False)
    store: str

    async def turn(self, question: Question) -> AsyncIterator[Event]:
        """Yield the events of one turn; see `base.Backend`."""
        with self.words():
            async with contextlib.aclosing(_Turn(self, question).events()) as turn:
                async for event in turn:
                    yield event

    def words(self) -> contextlib.AbstractContextManager[None]:
        """Turn the SDK's exceptions into sentences that name the server."""
        return translate_sdk_errors(_("The server at {url}").format(url=self.endpoint.url))

    async def status(self) -> dict[str, Any]:
        """Return what the engine says of itself; empty for a server that is none.

        Raises
        ------
        ServiceError
            It cannot be asked, or is of a version that does not understand this one.
        """
        import openai

        with self.words():
            try:
                answer = await client(self.endpoint).get("/engine", cast_to=object)
            except openai.NotFoundError:
                return {}
        status = answer if isinstance(answer, dict) and "version" in answer else {}
        if status and status.get("contract") != CONTRACT:
            raise ServiceError(self._mismatch(status))
        return status

    def _mismatch(self, status: dict[str, Any]) -> str:
        contract = status.get("contract")
        if self.target == "local":  # the same packages, replaced while this kernel ran
            text = _(
                "The local engine is aoai_magic {theirs}, this kernel {ours}; restart the kernel."
            )
        elif isinstance(contract, int) and contract > CONTRACT:
            text = _(
                "The engine at {url} is aoai_magic {theirs}, which {ours} here cannot use; run "
                "pip install -U aoai-magic here and restart the kernel."
            )
        else:
            text = _(
                "The engine at {url} is aoai_magic {theirs}, which {ours} here cannot use; run "
                "pip install -U 'aoai-magic[local]' where the engine runs and restart it."
            )
        theirs = status.get("version", "?")
        return text.format(url=self.endpoint.url, theirs=theirs, ours=__version__)

    async def check(self, model: str) -> str:
        """Ask whether a model would answer; gives why not, else nothing."""
        return str((await self._ask_of(spec=model)).get("error") or "")

    async def abilities(self, model: str) -> dict[str, Any]:
        """Return what the engine learned of a model by its answers."""
        return (await self._ask_of(spec=model, abilities="true")).get("abilities") or {}

    async def _ask_of(self, **params: str) -> dict[str, Any]:
        with self.words():
            api: Any = client(self.endpoint)
            found = await api.get("/engine/model", cast_to=object, options={"params": params})
        return dict(found)

    async def delete(self, file_id: str) -> None:
        """Delete an uploaded file; one that has gone already is no error."""
        import openai

        with self.words(), contextlib.suppress(openai.NotFoundError):
            await client(self.endpoint).files.delete(file_id)

    def holdings(self) -> EngineHoldings:
        """Return what the engine holds of the user's."""
        from aoai_magic.backends.responses_api.engine_holdings import EngineHoldings

        return EngineHoldings(self)

    async def cleanup(self) -> int:
        """Delete everything that was sent to this place; give the number of files."""
        entries = await asyncio.to_thread(self.upload_log.entries, self.store)
        for entry in entries:
            await self.delete(entry.file_id)
            await asyncio.to_thread(self.upload_log.forget, self.store, entry.file_id)
        return len(entries)


class _Turn(Exchange):
    """One turn, in a conversation and its session."""

    _about_files = "Code finds the files in /mnt/data."

    def __init__(self, backend: EngineBackend, question: Question) -> None:
        super().__init__(client(backend.endpoint), question, (OUTPUTS, RESULTS, EXTENSIONS))
        self._backend = backend
        self._returned: list[Attachment] = []
        self._uploads = Uploads(client(backend.endpoint), backend.upload_log, backend.store)
        self._thread = ""
        self._documents = ""
        self._is_lost = False
        # By this the engine knows a request again whose answer was lost.
        self._key = ""

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield the events."""
        asked, status = self._question, await self._backend.status()
        if not status:
            raise ServiceError(no_engine(self._backend.endpoint.url))
        for item in (*asked.attachments, *asked.documents):
            async for progress in self._uploads.send(item):
                yield progress
        is_known = await self._open()
        isolation = (status.get("sandbox") or {}).get("level")
        model = hide_credentials(asked.model or str(status.get("model", "")))
        yield events.Started(self._thread, self._backend.target, model, isolation)
        for notice in self._notices(isolation == "none", is_known):
            yield events.Notice(notice)
        async for progress in self._reading():
            yield progress
        try:
            async with contextlib.aclosing(self._conversed()) as answer:
                async for event in answer:
                    yield event
        except (GeneratorExit, asyncio.CancelledError, ServiceError):
            await self._cancel()
            raise
        async for event in self._end():
            yield event

    def _notices(self, is_unisolated: bool, is_known: bool) -> Iterator[str]:
        """Yield what the user should know before the answer."""
        if is_unisolated:
            yield _(_UNISOLATED)
        if self._question.thread and self._question.thread != self._thread:
            yield _(_COPIED if is_known else _DELETED)
        if self._is_lost:
            yield _(_LOST)

    async def _end(self) -> AsyncIterator[Event]:
        for id_, name in self._reader.made.items():
            content = await self._api.files.content(id_)
            yield events.FileMade(name, content.content, id_)
        if self._question.documents:
            async for notice in self._unsearchable():
                yield notice
        # What a model takes shows in its answer alone.
        if self._question.pictures and not await self._sees():
            yield events.Notice(blind_notice(self._question))
        yield events.UsageReported(self._reader.usage)
        yield self._reader.ending or events.Finished("incomplete", _("The answer was cut off."))

    async def _sees(self) -> bool:
        return bool((await self._backend.abilities(self._question.model)).get("pictures"))

    # The thread

    async def _open(self) -> bool:
        """Find or make the conversation, with its documents; returns whether it was there."""
        found = await self._found()
        held = (found or {}).get("metadata", {}).get(STORE, "")
        self._documents = await self._searched(await self._existing(held))
        metadata = {STORE: self._documents} if self._documents or held else {}
        if found is None:
            self._thread = (await self._post("/conversations", {"metadata": metadata}))["id"]
            return False
        self._thread = found["id"]
        if self._documents != held:
            metadata = {**found["metadata"], **metadata}
            await self._post(f"/conversations/{self._thread}", {"metadata": metadata})
        return True

    async def _found(self) -> dict[str, Any] | None:
        """Return the thread's conversation; None for a new one, or one that was deleted."""
        import openai

        thread = self._question.thread
        if thread is None:
            return None
        try:
            if thread.startswith("thread_"):
                # One of the Assistants API, as earlier versions spoke it, goes on as a copy.
                return await self._post("/engine/threads", {"source": thread})
            found: Any = await self._api.get(f"/conversations/{thread}", cast_to=object)
        except openai.NotFoundError:
            return None
        return dict(found)

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: Any = await self._api.post(path, body=body, cast_to=object)
        return dict(answer)

    # Documents

    async def _existing(self, store: str) -> str:
        """Return the thread's vector store; empty where it has none, or that is gone."""
        import openai

        with contextlib.suppress(openai.NotFoundError):
            if store and (await self._api.vector_stores.retrieve(store)).status != "expired":
                return store
        self._is_lost = bool(store) and not self._question.documents
        return ""

    async def _searched(self, held: str) -> str:
        """Return the vector store in which the turns of the thread search, empty for none."""
        new = {self._uploads.ids[item.sha256]: item for item in self._question.documents}
        if not new:
            return held
        held = held or (await self._api.vector_stores.create(name="aoai_magic")).id
        files = self._api.vector_stores.files.list(held, limit=100)
        there = {file.id: file.attributes or {} async for file in files}
        names = {id_: _named(item) for id_, item in new.items()}
        known = {pair for named in names.values() for pair in named.items()}
        for id_, attributes in there.items():
            # An older version, and what has left its folder, would still be found.
            if id_ not in new and not known.isdisjoint(attributes.items()):
                await self._api.vector_stores.files.delete(id_, vector_store_id=held)
            elif id_ in new and attributes != names[id_]:
                # It is found by another folder now, with which it would leave.
                await self._api.vector_stores.files.update(
                    id_, vector_store_id=held, attributes=dict(names[id_])
                )
        added = [
            {"file_id": id_, "attributes": named}
            for id_, named in names.items()
            if id_ not in there
        ]
        for start in range(0, len(added), _BATCH):
            # The oldest SDK knows no files with attributes in a batch.
            path, body = f"/vector_stores/{held}/file_batches", {"files": added[start:][:_BATCH]}
            options = cast("Any", {"headers": {"OpenAI-Beta": "assistants=v2"}})
            await self._api.post(path, body=body, options=options, cast_to=object)
        return held

    async def _reading(self) -> AsyncIterator[Event]:
        """Wait until the documents are read; yields progress."""
        while self._question.documents:
            store = await self._api.vector_stores.retrieve(self._documents)
            counts = store.file_counts
            if not counts.in_progress:
                return
            done = counts.total - counts.in_progress
            yield events.Progress(_("reading the documents"), done, counts.total)
            await asyncio.sleep(_READING_SECONDS)

    async def _unsearchable(self) -> AsyncIterator[Event]:
        """Report which of the thread's documents cannot be searched, and why."""
        files = self._api.vector_stores.files.list(self._documents, filter="failed")
        async for held in files:
            name = (await self._api.files.retrieve(held.id)).filename
            reason = held.last_error.message if held.last_error else held.status
            text = _("{name} was not searched. {reason}").format(name=name, reason=reason)
            yield events.Notice(text)

    # Asking

    def _request(self) -> dict[str, Any]:
        asked = self._question
        items = self._returned if self._outputs else asked.attachments
        given = [self._uploads.ids[item.sha256] for item in items]
        body: dict[str, Any] = {
            "model": asked.model or "default",
            "input": self._outputs or [self._message()],
            "stream": True,
            "conversation": self._thread,
            "instructions": asked.instructions or None,
            "tools": [
                {
                    "type": "code_interpreter",
                    "container": {"type": "session", "file_ids": given},
                },
                *search_tool(self._documents),
                *map(tool_of, asked.functions),
            ],
            "include": list(self._include),
            "background": True,
            "reasoning": {"summary": "auto", **({"effort": asked.effort} if asked.effort else {})},
        }
        if asked.tool_choice is not None and not self._outputs:
            body["tool_choice"] = choice_of(asked.tool_choice)
        if asked.max_output is not None:
            body["max_output_tokens"] = max(asked.max_output, _LEAST_OUTPUT)
        return body

    async def _create(self) -> None:
        """Open the stream; a request that is made again is known by its key."""
        self._key = self._key or uuid.uuid4().hex
        options = cast("Any", {"headers": {"Idempotency-Key": self._key}})
        self._stream = _Plain(
            await self._impatient.post(
                "/responses", body=self._request(), options=options, **_streamed()
            )
        )

    async def _reopen(self) -> None:
        params = {"stream": "true", "starting_after": self._reader.number}
        path, options = f"/responses/{self._reader.response}", cast("Any", {"params": params})
        answer = await self._impatient.get(path, options=options, **_streamed())
        self._stream = _Plain(answer)

    async def _called(self) -> AsyncGenerator[Event, None]:
        async for event in super()._called():
            yield event
        self._key = ""
        self._returned = []
        with TemporaryDirectory(prefix="aoai-magic-") as folder:
            for number, (name, data) in enumerate(self._files):
                path = Path(folder) / str(number)
                await asyncio.to_thread(path.write_bytes, data)
                self._returned.append(attach_document(path, name))
                async for event in self._uploads.send(self._returned[-1]):
                    yield event

    def _message(self) -> dict[str, Any]:
        cards = [item.card for item in self._question.attachments if item.card]
        return message_of(self._question, cards)


def _named(item: Attachment) -> dict[str, str]:
    """Return attributes that name a document and where it was found, without its path."""
    names = {_SOURCE: item.source, _WITHIN: item.within}
    return {key: sha256(storable(name).encode()).hexdigest() for key, name in names.items()}


def _streamed() -> Any:
    import openai

    return {"cast_to": object, "stream": True, "stream_cls": openai.AsyncStream[object]}


class _Plain:
    """A stream whose events stay the JSON that they are.

    The SDK's objects of a response take as long to make as all the rest of a short turn, and
    its older versions cannot make some of them.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aenter__(self) -> AsyncIterator[Any]:
        await self._stream.__aenter__()
        return self._events()

    async def __aexit__(self, *raised: Any) -> None:
        await self._stream.__aexit__(*raised)

    async def _events(self) -> AsyncIterator[Any]:
        async for event in self._stream:
            yield _told(event)


class _Json(dict[str, Any]):
    """A JSON object whose keys are attributes, as an object of the SDK has them."""

    def __getattr__(self, name: str) -> Any:
        try:
            return _told(self[name])
        except KeyError as error:
            raise AttributeError(name) from error


def _told(value: Any) -> Any:
    if isinstance(value, list):
        return list(map(_told, value))
    return _Json(value) if isinstance(value, dict) else value
