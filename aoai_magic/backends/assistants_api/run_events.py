"""Reader of a run: the events of the Assistants API, and what it stores, turned into ours."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from aoai_magic.backends.api_errors import sentence
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later
from aoai_magic.turn import chart, events
from aoai_magic.turn.events import Event, Usage

if TYPE_CHECKING:
    import openai

ACTIVE = ("queued", "in_progress", "requires_action", "cancelling")

_AFRESH = later(
    "The session had ended and began afresh: files are there again, "
    "variables of earlier turns are not."
)


@dataclass
class Reader:
    """Turns what is heard of one run into our events.

    Attributes
    ----------
    run
        The run's id, empty until it is known.
    ending
        How it ended, None until it has.
    calls
        The functions that it waits for.
    """

    api: openai.AsyncOpenAI
    run: str = ""
    ending: events.Finished | None = None
    calls: list[Any] = field(default_factory=list)
    _fetched: set[str] = field(default_factory=set)
    _running: set[str] = field(default_factory=set)
    _begun: set[str] = field(default_factory=set)
    _over: set[str] = field(default_factory=set)
    _used: dict[str, Usage] = field(default_factory=dict)
    _thinking: dict[str, float] = field(default_factory=dict)
    _thoughts: str = ""

    @property
    def whole(self) -> bool:
        """Whether everything that was begun was seen to its end, the run too."""
        return self.ending is not None and self._begun <= self._over

    # The stream

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
            for event in self.moved(data):
                yield event

    async def _step(self, kind: str, data: Any) -> AsyncIterator[Event]:
        if kind == "thread.run.step.delta":
            async for event in self._step_delta(data):
                yield event
        elif data.step_details.type == "tool_calls":
            self._begun.add(data.id)
            async for event in self.step(data):
                yield event
        elif data.status != "in_progress":
            for event in self._usage(data):
                yield event

    async def _message(self, kind: str, data: Any) -> AsyncIterator[Event]:
        if kind == "thread.message.delta":
            async for event in self._message_delta(data):
                yield event
            return
        self._begun.add(data.id)
        if data.status != "in_progress":
            async for event in self.message(data):
                yield event

    async def _step_delta(self, data: Any) -> AsyncIterator[Event]:
        details = data.delta.step_details
        told = _fields(details)
        if told.get("type") in ("reasoning", "waiting"):
            for event in self._told(data.id, told):
                yield event
            return
        for call in getattr(details, "tool_calls", None) or ():
            if call.type != "code_interpreter" or call.code_interpreter is None:
                continue
            part = f"{data.id}/{call.index}"
            if call.code_interpreter.input:
                yield events.CodeDelta(part, call.code_interpreter.input)
            for output in call.code_interpreter.outputs or ():
                async for event in self._output(part, output):
                    yield event

    def _told(self, id_: str, told: Mapping[str, Any]) -> Iterator[Event]:
        """Read what only our engine tells, and only to those who asked for it."""
        if told["type"] == "waiting":
            yield events.Progress(str(told["waiting"]), 0)
            return
        self._thinking.setdefault(id_, time.monotonic())
        self._thoughts += told["reasoning"]
        if told.get("done"):
            text, self._thoughts = self._thoughts, ""
            yield events.ReasoningDone(id_, text, time.monotonic() - self._thinking[id_])
        else:
            yield events.ReasoningDelta(id_, told["reasoning"])

    async def _output(self, part: str, output: Any) -> AsyncIterator[Event]:
        if part not in self._running:
            self._running.add(part)
            yield events.CodeRunning(part)
        if output.type == "logs" and output.logs:
            yield events.LogsDelta(part, output.logs)
        elif output.type == "image" and output.image and output.image.file_id:
            async for event in self._image(output.image.file_id, output):
                yield event

    async def _message_delta(self, data: Any) -> AsyncIterator[Event]:
        for block in data.delta.content or ():
            if block.type == "text" and block.text and block.text.value:
                yield events.TextDelta(f"{data.id}/{block.index}", block.text.value)
            elif block.type == "image_file" and block.image_file and block.image_file.file_id:
                async for event in self._image(block.image_file.file_id):
                    yield event

    # What is there in the end

    async def step(self, step: Any) -> AsyncIterator[Event]:
        """Yield what a step that is over means; nothing for one that is not, or was read."""
        if step.status == "in_progress" or step.id in self._over:
            return
        self._over.add(step.id)
        if step.step_details.type == "tool_calls":
            told = _metadata(step)
            for index, call in enumerate(step.step_details.tool_calls):
                if call.type == "code_interpreter":
                    part = f"{step.id}/{index}"
                    async for event in self._code_over(part, call.code_interpreter, told):
                        yield event
            if told.get("query"):
                yield events.Notice(
                    _("Searched the documents: {query}").format(query=told["query"])
                )
            if told.get("session") == "restored":
                yield events.Notice(_(_AFRESH))
        for event in self._usage(step):
            yield event

    async def _code_over(
        self, part: str, call: Any, told: Mapping[str, str]
    ) -> AsyncIterator[Event]:
        outputs = call.outputs or ()
        logs = "".join(output.logs for output in outputs if output.type == "logs")
        error = told.get("error") or (told.get("outcome") not in (None, "ok") and told["outcome"])
        seconds = float(told["seconds"]) if "seconds" in told else None
        yield events.CodeDone(part, error or None, seconds, call.input, logs)
        for output in outputs:
            if output.type == "image":
                async for event in self._image(output.image.file_id, output):
                    yield event

    async def message(self, message: Any) -> AsyncIterator[Event]:
        """Yield what a message that is over means; nothing if it was read."""
        if message.id in self._over:
            return
        self._over.add(message.id)
        for index, block in enumerate(message.content):
            if block.type == "text":
                text = await self._cited(block.text)
                yield events.TextDone(f"{message.id}/{index}", text)
            elif block.type == "image_file":
                async for event in self._image(block.image_file.file_id):
                    yield event
        for attachment in message.attachments or ():
            async for event in self._file(attachment.file_id):
                yield event

    async def _cited(self, text: Any) -> str:
        """Return a text with its citations as numbers, and the names of the sources below it."""
        value, numbers = str(text.value), dict[str, int]()
        cited = [one for one in text.annotations if one.type == "file_citation"]
        for one in cited:
            numbers.setdefault(one.file_citation.file_id, len(numbers) + 1)
        for one in sorted(cited, key=lambda one: -one.start_index):
            mark = f"[{numbers[one.file_citation.file_id]}]"
            value = value[: one.start_index] + mark + value[one.end_index :]
        lines = [f"[{number}] {await self._named(id_)}" for id_, number in numbers.items()]
        return "\n\n".join([value, "  \n".join(lines)]) if lines else value

    async def _named(self, file_id: str) -> str:
        name = (await self.api.files.retrieve(file_id)).filename
        return f"`{name.replace('`', '_')}`"

    def moved(self, run: Any) -> Iterator[Event]:
        """Take the run's state; its end is kept in `ending`."""
        self.run = run.id
        action = run.required_action if run.status == "requires_action" else None
        self.calls = list(action.submit_tool_outputs.tool_calls) if action else []
        if run.status in ACTIVE:
            return
        self.ending = _ending(run)
        if run.usage is not None:
            yield events.UsageReported(_usage(run.usage))

    def _usage(self, step: Any) -> Iterator[Event]:
        if step.usage is None or not step.usage.total_tokens or step.id in self._used:
            return
        self._used[step.id] = _usage(step.usage)
        total = Usage()
        for used in self._used.values():
            total = replace(
                total,
                input_tokens=total.input_tokens + used.input_tokens,
                output_tokens=total.output_tokens + used.output_tokens,
                cached_tokens=total.cached_tokens + used.cached_tokens,
                written_tokens=total.written_tokens + used.written_tokens,
            )
        yield events.UsageReported(total)

    # Files

    async def _image(self, file_id: str, output: Any = None) -> AsyncIterator[Event]:
        said = chart.written(getattr(output, "chart", None))
        title = chart.read(said).title
        async for name, data in self._content(file_id):
            yield events.ImageMade(file_id, name, data, events.picture_type(data), title, said)

    async def _file(self, file_id: str | None) -> AsyncIterator[Event]:
        async for name, data in self._content(file_id or ""):
            yield events.FileMade(name, data, file_id)

    async def _content(self, file_id: str) -> AsyncIterator[tuple[str, bytes]]:
        if not file_id or file_id in self._fetched:
            return
        file = await self.api.files.retrieve(file_id)
        content = await self.api.files.content(file_id)
        self._fetched.add(file_id)
        yield file.filename, content.content


def _ending(run: Any) -> events.Finished:
    """Describe how a run that is over ended, in our words."""
    if run.status == "completed":
        return events.Finished("completed")
    if run.status == "incomplete":
        reason = run.incomplete_details.reason if run.incomplete_details else _("a limit")
        return events.Finished(
            "incomplete",
            _("The answer was cut short by {reason}; ask it to go on.").format(reason=reason),
        )
    if run.status == "cancelled":
        return events.Finished("interrupted", _("The run was cancelled."))
    if run.last_error:
        return events.Finished("failed", sentence(str(run.last_error.message)))
    return events.Finished("failed", _("The run ended as {status}.").format(status=run.status))


def _usage(told: Any) -> Usage:
    details = _fields(getattr(told, "prompt_token_details", None) or {})
    cached, written = (details.get(name) or 0 for name in ("cached_tokens", "cache_write_tokens"))
    return Usage(told.prompt_tokens, told.completion_tokens, cached, written_tokens=written)


def _metadata(step: Any) -> dict[str, str]:
    """Return what our engine says of a step's end; other servers have nothing there."""
    told = getattr(step, "metadata", None)
    return told if isinstance(told, dict) else {}


def _fields(value: Any) -> dict[str, Any]:
    """Return an object's fields; an SDK that does not know its type leaves it a mapping."""
    return value if isinstance(value, dict) else dict(value or {})
