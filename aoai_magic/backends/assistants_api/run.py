"""One run of the Assistants API: followed by its stream, and without that by asking."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import anyio

from aoai_magic.backends.assistants_api.run_events import Reader
from aoai_magic.backends.base import CANCEL_SECONDS
from aoai_magic.backends.retry import (
    CONNECT_SECONDS,
    SILENCE_SECONDS,
    TRIES,
    is_broken,
    patiently,
    persistently,
)
from aoai_magic.backends.sdk import quiet_deprecations
from aoai_magic.backends.tool_calls import called
from aoai_magic.errors import ServiceError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later
from aoai_magic.turn import events
from aoai_magic.turn.events import Event

if TYPE_CHECKING:
    import openai

    from aoai_magic.attach.function_tools import Function

POLL_SECONDS = 0.5
STOPPING_SECONDS = 30.0
"""How long a run that was stopped may take to end, and with it to free its thread."""

FREED_POLL_SECONDS = 0.1

WORKING = ("queued", "in_progress", "requires_action")
"""Of a run that nobody has stopped."""

_HELD = "already has an active run"

_MARK = "aoai_magic_turn"
"""Metadata of a run by which it is found when the answer to its creation was lost."""

_TOLD = {"Aoai-Magic-Events": "reasoning, waiting"}
"""Asks our engine for what the API has no events for; other servers do not look at it."""

_LOST = later("the connection was lost; waiting for the end of the answer")


class Run:
    """A run that is yet to be created.

    Parameters
    ----------
    asked
        Arguments of its creation.
    functions
        What the model may call here.
    """

    def __init__(
        self,
        api: openai.AsyncOpenAI,
        thread: str,
        asked: dict[str, Any],
        functions: Sequence[Function] = (),
    ) -> None:
        self._api = api
        self._thread = thread
        self._asked = asked
        self._functions = {function.name: function for function in functions}
        self._mark = uuid.uuid4().hex
        self._tried = False
        self._stream: Any = None
        self._reader = Reader(api)

    @property
    def has_begun(self) -> bool:
        """Whether the server has it."""
        return bool(self._reader.run)

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield the turn's events; a stream that breaks off does not change their sum."""
        for _try in range(TRIES):
            async for event in patiently(self._begin):
                yield event
            async for event in self._streamed():
                yield event
            if self._reader.run:
                break
        else:
            raise ServiceError(_("The run could not be begun, since its stream breaks; ask again."))
        while self._reader.calls:
            async for event in self._answered():
                yield event
            async for event in self._streamed():
                yield event
        async for event in self._completed():
            yield event
        assert self._reader.ending is not None
        yield self._reader.ending

    async def cancel(self) -> None:
        """Return the server to stop, whatever is going on in this task."""
        import openai

        if not self._reader.run:
            return
        quiet_deprecations()
        with anyio.move_on_after(CANCEL_SECONDS, shield=True):
            try:
                await self._api.beta.threads.runs.cancel(self._reader.run, thread_id=self._thread)
            except openai.APIError:
                return  # it was over already, or is out of reach: nothing is left to stop

    @property
    def _runs(self) -> Any:
        """Typed for Any, since the SDK's overloads differ between its major versions."""
        import openai

        quiet_deprecations()
        # Who waits here tells so: the SDK would sleep without a word, and for ever.
        patience = openai.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        return self._api.with_options(max_retries=0, timeout=patience).beta.threads.runs

    async def _begin(self) -> None:
        """Create the run; if it is there, since only the answer was lost, take that one."""
        if self._tried and await self._is_there():
            return
        self._tried = True
        end = anyio.current_time() + STOPPING_SECONDS
        while not await self._has_begun(wait=anyio.current_time() < end):  # noqa: ASYNC110
            await anyio.sleep(FREED_POLL_SECONDS)

    async def _has_begun(self, *, wait: bool) -> bool:
        """Create the run; say no where another is about to free the thread, if told to wait."""
        import openai

        try:
            self._stream = await self._runs.create(
                self._thread,
                **self._asked,
                metadata={_MARK: self._mark},
                stream=True,
                extra_headers=_TOLD,
            )
        except openai.BadRequestError as error:
            if not wait or not await self._is_being_freed(error):
                raise
            return False
        return True

    async def _is_being_freed(self, error: openai.BadRequestError) -> bool:
        """Return whether the thread was held by a run that was stopped, and ends or has ended.

        Such a run is ``cancelling`` for a moment, in which no other can begin (Assistants API,
        both versions): whoever asks right after a stop would be refused.
        """
        if _HELD not in error.message:
            return False
        newest = await self._runs.list(self._thread, limit=1)
        return all(run.status not in WORKING for run in newest.data)

    async def _is_there(self) -> bool:
        page = await self._runs.list(self._thread, limit=5)
        mine = [run.id for run in page.data if (run.metadata or {}).get(_MARK) == self._mark]
        self._reader.run = mine[0] if mine else ""
        return bool(mine)

    async def _answered(self) -> AsyncIterator[Event]:
        """Call the functions that the model asks for, one after the other, and go on."""
        outputs: list[str] = []
        calls, self._reader.calls = self._reader.calls, []
        try:
            for call in calls:
                function = call.function
                wanted = called(self._functions, function.name, function.arguments, outputs)
                async for event in wanted:
                    yield event
        except ServiceError:
            await self.cancel()
            raise
        answers = zip(calls, outputs, strict=True)
        self._stream = await self._runs.submit_tool_outputs(
            self._reader.run,
            thread_id=self._thread,
            tool_outputs=[{"tool_call_id": call.id, "output": told} for call, told in answers],
            stream=True,
            extra_headers=_TOLD,
        )

    async def _streamed(self) -> AsyncIterator[Event]:
        stream, self._stream = self._stream, None
        if stream is None:
            return
        try:
            async with stream:
                async for received in stream:
                    async for event in self._reader.read(received):
                        yield event
        except Exception as error:
            if not is_broken(error):
                raise

    async def _completed(self) -> AsyncIterator[Event]:
        """Make up for what the stream left out, asking until the run is over."""
        while not self._reader.whole:
            async for event in persistently(self._looked):
                yield event
            if self._reader.calls:
                async for event in self._answered():
                    yield event
                async for event in self._streamed():
                    yield event
                continue
            if self._reader.ending is not None:
                return
            yield events.Progress(_(_LOST), 0)
            await anyio.sleep(POLL_SECONDS)

    async def _looked(self) -> AsyncGenerator[Event, None]:
        """Read everything of the run that is over and was not read yet."""
        # The run first: what its end promises is there by the time the rest is asked for.
        run = await self._runs.retrieve(self._reader.run, thread_id=self._thread)
        messages = {message.id: message async for message in self._messages()}
        async for step in self._runs.steps.list(
            run.id, thread_id=self._thread, order="asc", limit=100
        ):
            created = getattr(step.step_details, "message_creation", None)
            if created is not None and created.message_id in messages:
                message = messages[created.message_id]
                if message.status != "in_progress":
                    async for event in self._reader.message(message):
                        yield event
            async for event in self._reader.step(step):
                yield event
        for event in self._reader.moved(run):
            yield event

    def _messages(self) -> Any:
        messages: Any = self._api.beta.threads.messages
        return messages.list(self._thread, run_id=self._reader.run, order="asc", limit=100)
