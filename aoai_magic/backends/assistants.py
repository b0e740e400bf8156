"""Turns through the Assistants API, version 2: our own engine or any other server of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

from .. import events
from ..errors import ServiceError
from ..events import Event, Usage
from ..meter import Metered, MeteredFile, in_thread
from .connect import Endpoint, client, own_words

if TYPE_CHECKING:
    import openai

    from ..attach.item import Attachment
    from ..attach.ledger import Ledger
    from .base import Question
    from .engine_holdings import EngineHoldings

CANCEL_SECONDS = 3.0
"""How long an interrupted turn waits for the far side to hear of it."""

ACTIVE = ("queued", "in_progress", "requires_action", "cancelling")


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
        with own_words(f"The server at {self.endpoint.url}"):
            api = client(self.endpoint)
            told = await self.status()
            files = []
            for item in question.attachments:
                sending = Metered(self._uploaded(api, item))
                async with contextlib.aclosing(sending.events()) as moves:
                    async for progress in moves:
                        yield progress
                files.append(sending.result)
            assistant = await self._assistant(api, question)
            thread = question.thread or (await api.beta.threads.create()).id
            model = question.model or str(told.get("model", ""))
            isolation = (told.get("sandbox") or {}).get("level")
            yield events.Started(thread, self.target, model, isolation)
            async for event in self._run(api, thread, assistant, _message(question, files)):
                yield event

    async def status(self) -> dict[str, Any]:
        """Give what an engine of ours says of itself; empty for another server."""
        import openai

        with own_words(f"The server at {self.endpoint.url}"):
            try:
                answer = await client(self.endpoint).get("/engine", cast_to=object)
            except openai.NotFoundError:
                return {}
        return answer if isinstance(answer, dict) else {}

    async def delete(self, file_id: str) -> None:
        """Delete an uploaded file; one that has gone already is no error."""
        import openai

        with own_words(f"The server at {self.endpoint.url}"):
            try:
                await client(self.endpoint).files.delete(file_id)
            except openai.NotFoundError:
                return

    def holdings(self) -> EngineHoldings:
        """Give what the server holds of the user's."""
        from .engine_holdings import EngineHoldings

        return EngineHoldings(self)

    async def cleanup(self) -> int:
        """Delete everything that was sent to this place; give the number of files."""
        entries = self.ledger.entries(self.store)
        for entry in entries:
            await self.delete(entry.file_id)
            self.ledger.forget(self.store, entry.file_id)
        return len(entries)

    async def _uploaded(self, api: openai.AsyncOpenAI, item: Attachment) -> str:
        """Give the item's file id; send it only if the far side has it no more."""
        known = self.ledger.lookup(self.store, item.sha256)
        if known and await _exists(api, known):
            return known
        # A variable is packed by this.
        path = await in_thread(lambda: item.path)
        with MeteredFile(path) as file:
            file.meter.begin(f"sending {item.name}", file.size)
            sending = asyncio.ensure_future(self._sent(api, item, file))
            try:
                return await asyncio.shield(sending)
            except asyncio.CancelledError:
                # What the far side has whole is recorded: nobody else could delete it.
                if file.tell() < file.size:
                    sending.cancel()
                await asyncio.wait({sending}, timeout=CANCEL_SECONDS)
                sending.cancel()
                raise

    async def _sent(self, api: openai.AsyncOpenAI, item: Attachment, file: MeteredFile) -> str:
        sent = await api.files.create(file=(item.filename, file), purpose="assistants")
        self.ledger.record(self.store, item.sha256, sent.id, item.name, item.bytes, None)
        return sent.id

    async def _assistant(self, api: openai.AsyncOpenAI, question: Question) -> str:
        key = (question.model, question.instructions)
        if key not in self._assistants:
            self._assistants[key] = await self._made(api, question)
        return self._assistants[key]

    async def _made(self, api: openai.AsyncOpenAI, question: Question) -> str:
        import openai

        try:
            made = await api.beta.assistants.create(
                model=question.model or "default",
                instructions=question.instructions or None,
                tools=[{"type": "code_interpreter"}],
                name="aoai_magic",
            )
        except openai.NotFoundError as error:
            raise ServiceError(
                f"{self.endpoint.url} does not serve the Assistants API, which OpenAI and Azure "
                "retired in August 2026; use --on azure with AZURE_OPENAI_ENDPOINT set, --on "
                "openai with OPENAI_API_KEY set, or --on local."
            ) from error
        return str(made.id)

    async def _run(
        self, api: openai.AsyncOpenAI, thread: str, assistant: str, message: dict[str, Any]
    ) -> AsyncIterator[Event]:
        reader = _Reader(api)
        # Typed for Any: the SDK's overloads differ between its major versions.
        runs: Any = api.beta.threads.runs
        stream = await runs.create(
            thread, assistant_id=assistant, additional_messages=[message], stream=True
        )
        try:
            async with stream:
                async for received in stream:
                    async for event in reader.read(received):
                        yield event
        except (GeneratorExit, asyncio.CancelledError):
            await _cancelled(api, thread, reader.run)
            raise


@dataclass
class _Reader:
    """Turns the stream of one run into our events."""

    api: openai.AsyncOpenAI
    run: str = ""
    _seen: set[str] = field(default_factory=set)
    _running: set[str] = field(default_factory=set)

    async def read(self, received: Any) -> AsyncIterator[Event]:
        """Yield what one event of the wire means for the turn."""
        kind, data = str(received.event), received.data
        if kind.startswith("thread.run.step."):
            async for event in self._step(kind, data):
                yield event
        elif kind.startswith("thread.message."):
            async for event in self._message(kind, data):
                yield event
        elif kind.startswith("thread.run."):
            self.run = data.id
            for event in self._run_moved(data):
                yield event

    async def _step(self, kind: str, data: Any) -> AsyncIterator[Event]:
        if kind == "thread.run.step.delta":
            async for event in self._step_delta(data):
                yield event
        elif kind.endswith((".completed", ".failed", ".cancelled", ".expired")):
            for event in _step_over(data):
                yield event

    async def _message(self, kind: str, data: Any) -> AsyncIterator[Event]:
        if kind == "thread.message.delta":
            async for event in self._message_delta(data):
                yield event
        elif kind.endswith((".completed", ".incomplete")):
            async for event in self._message_over(data):
                yield event

    async def _step_delta(self, data: Any) -> AsyncIterator[Event]:
        for call in getattr(data.delta.step_details, "tool_calls", None) or ():
            if call.type != "code_interpreter" or call.code_interpreter is None:
                continue
            part = f"{data.id}/{call.index}"
            if call.code_interpreter.input:
                yield events.CodeDelta(part, call.code_interpreter.input)
            for output in call.code_interpreter.outputs or ():
                async for event in self._output(part, output):
                    yield event

    async def _output(self, part: str, output: Any) -> AsyncIterator[Event]:
        if part not in self._running:
            self._running.add(part)
            yield events.CodeRunning(part)
        if output.type == "logs" and output.logs:
            yield events.LogsDelta(part, output.logs)
        elif output.type == "image" and output.image and output.image.file_id:
            async for event in self._image(output.image.file_id):
                yield event

    async def _image(self, file_id: str) -> AsyncIterator[Event]:
        if file_id in self._seen:
            return
        self._seen.add(file_id)
        file = await self.api.files.retrieve(file_id)
        content = await self.api.files.content(file_id)
        yield events.ImageMade(file_id, file.filename, content.content)

    async def _message_delta(self, data: Any) -> AsyncIterator[Event]:
        for block in data.delta.content or ():
            if block.type == "text" and block.text and block.text.value:
                yield events.TextDelta(f"{data.id}/{block.index}", block.text.value)
            elif block.type == "image_file" and block.image_file and block.image_file.file_id:
                async for event in self._image(block.image_file.file_id):
                    yield event

    async def _message_over(self, data: Any) -> AsyncIterator[Event]:
        for index, block in enumerate(data.content):
            if block.type == "text":
                yield events.TextDone(f"{data.id}/{index}", block.text.value)
            elif block.type == "image_file":
                async for event in self._image(block.image_file.file_id):
                    yield event
        for attachment in data.attachments or ():
            async for event in self._file(attachment.file_id):
                yield event

    async def _file(self, file_id: str | None) -> AsyncIterator[Event]:
        if file_id is None or file_id in self._seen:
            return
        self._seen.add(file_id)
        file = await self.api.files.retrieve(file_id)
        content = await self.api.files.content(file_id)
        yield events.FileMade(file.filename, content.content, file_id)

    def _run_moved(self, run: Any) -> Sequence[Event]:
        if run.status in ACTIVE:
            return ()
        status, error = _ending(run)
        finished = events.Finished(status, error)
        if run.usage is None:
            return (finished,)
        usage = Usage(run.usage.prompt_tokens, run.usage.completion_tokens)
        return (events.UsageReported(usage), finished)


def _ending(run: Any) -> tuple[events.Status, str | None]:
    """Say how a run that is over ended, in our words."""
    if run.status == "completed":
        return "completed", None
    if run.status == "incomplete":
        reason = run.incomplete_details.reason if run.incomplete_details else "a limit"
        return "incomplete", f"The answer was cut short by {reason}; ask it to go on."
    if run.status == "cancelled":
        return "interrupted", "The run was cancelled."
    if run.last_error:
        return "failed", str(run.last_error.message)
    return "failed", f"The run ended as {run.status}."


def _step_over(step: Any) -> Sequence[Event]:
    """Close the code parts of a step; our engine says in the metadata how they went."""
    if step.step_details.type != "tool_calls":
        return ()
    told = step.metadata or {} if isinstance(getattr(step, "metadata", None), dict | None) else {}
    error = told.get("error") or (told.get("outcome") not in (None, "ok") and told["outcome"])
    seconds = float(told["seconds"]) if "seconds" in told else None
    over: list[Event] = [
        events.CodeDone(f"{step.id}/{index}", error or None, seconds)
        for index, call in enumerate(step.step_details.tool_calls)
        if call.type == "code_interpreter"
    ]
    if told.get("session") == "restored":
        over.append(
            events.Notice(
                "The session had ended and began afresh: files are there again, "
                "variables of earlier turns are not."
            )
        )
    return over


def _message(question: Question, files: Sequence[str]) -> dict[str, Any]:
    cards = [item.card for item in question.attachments if item.card]
    parts = [{"type": "text", "text": text} for text in (question.prompt, *cards)]
    tools = [{"type": "code_interpreter"}]
    return {
        "role": "user",
        "content": parts if cards else question.prompt,
        "attachments": [{"file_id": file, "tools": tools} for file in files],
    }


async def _exists(api: openai.AsyncOpenAI, file_id: str) -> bool:
    import openai

    try:
        await api.files.retrieve(file_id)
    except openai.NotFoundError:
        return False
    return True


async def _cancelled(api: openai.AsyncOpenAI, thread: str, run: str) -> None:
    """Tell the far side to stop, whatever is going on in this task."""
    if not run:
        return
    import openai

    with anyio.move_on_after(CANCEL_SECONDS, shield=True):
        try:
            await api.beta.threads.runs.cancel(run, thread_id=thread)
        except openai.APIError:
            return  # it was over already, or is out of reach: nothing is left to stop
