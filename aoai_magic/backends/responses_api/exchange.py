"""Exchange: a question put to the Responses API, and its answer followed to the end.

What differs between a service and our own engine (where code runs, how a thread goes on, what
is sent besides) is for the subclasses.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio

from aoai_magic.backends.base import CANCEL_SECONDS
from aoai_magic.backends.responses_api.response_events import Reader
from aoai_magic.backends.retry import (
    CONNECT_SECONDS,
    SILENCE_SECONDS,
    TRIES,
    is_broken,
    is_silent,
    retry_call,
    waited,
)
from aoai_magic.backends.tool_calls import called, output_of
from aoai_magic.errors import ServiceError
from aoai_magic.locale import gettext as _
from aoai_magic.turn import events
from aoai_magic.turn.events import Event

if TYPE_CHECKING:
    import openai

    from aoai_magic.attach.function_tools import Function, Returned
    from aoai_magic.backends.base import Question

POLL_SECONDS = 1.0
OUTPUTS = "code_interpreter_call.outputs"
RESULTS = "file_search_call.results"

_GOING = ("queued", "in_progress")


class Exchange(ABC):
    """The question and answer of one turn.

    Parameters
    ----------
    include
        What the API is to show besides.
    """

    def __init__(
        self, api: openai.AsyncOpenAI, question: Question, include: tuple[str, ...]
    ) -> None:
        # Whoever waits here tells so: the SDK would sleep without a word.
        self._api = api.with_options(max_retries=0)
        self._question = question
        self._include = include
        self._reader = Reader()
        self._stream: Any = None
        self._functions = {function.name: function for function in question.functions}
        self._outputs: list[Any] = []
        self._files: list[tuple[str, bytes]] = []  # that functions returned
        self._asking = ""

    _about_files = "The user has the files; code cannot read them."
    """What the model is told of files that functions returned."""

    @abstractmethod
    def _request(self) -> dict[str, Any]:
        """Return the arguments of the request that is made next."""

    async def _create(self) -> None:
        """Open the stream."""
        self._stream = await self._responses.create(**self._request())

    async def _recovered(self, error: openai.APIStatusError) -> bool:
        """Return whether something was done, so that a refused request can be made again."""
        return False

    def _begun(self) -> Iterator[Event]:
        """Yield what there is to say once the turn was taken."""
        yield from ()

    @property
    def _has_begun(self) -> bool:
        return bool(self._reader.response)

    # Asking

    async def _conversed(self) -> AsyncGenerator[Event, None]:
        """Ask, and go on as long as the model asks for functions of the notebook."""
        async with contextlib.aclosing(self._answered()) as answer:
            async for event in answer:
                yield event
        while self._reader.calls:
            async for event in self._called():
                yield event
            async with contextlib.aclosing(self._asked()) as answer:
                async for event in answer:
                    yield event

    async def _called(self) -> AsyncGenerator[Event, None]:
        """Call what the model asks for; the next request tells what came of it."""
        outputs: list[Returned] = []
        for name, arguments, _id in self._reader.calls:
            async for event in called(self._functions, name, arguments, outputs):
                yield event
        self._outputs = [
            {
                "type": "function_call_output",
                "call_id": id_,
                "output": output_of(one, self._about_files),
            }
            for (_name, _arguments, id_), one in zip(self._reader.calls, outputs, strict=True)
        ]
        self._files = [file for one in outputs for file in one.files]
        # The thread stays where it is until all is answered: nothing builds upon open calls.
        self._asking = self._reader.response
        self._reader.go_on()

    async def _answered(self) -> AsyncGenerator[Event, None]:
        """Ask, and once more when the container turns out to be gone."""
        import openai

        for last in (False, True):
            try:
                async with contextlib.aclosing(self._asked()) as answer:
                    async for event in answer:
                        yield event
            except openai.APIStatusError as error:
                if last or self._has_begun or not await self._recovered(error):
                    raise
            else:
                return

    async def _asked(self) -> AsyncGenerator[Event, None]:
        async for event in retry_call(self._create):
            yield event
        async with contextlib.aclosing(self._received()) as stream:
            async for received in stream:
                if isinstance(received, events.Progress):
                    yield received
                    continue
                for event in (*self._begun(), *self._reader.read(received)):
                    yield event

    @property
    def _impatient(self) -> openai.AsyncOpenAI:
        """A client for streams: one may die without a word, and is then opened again."""
        import openai

        patience = openai.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        return self._api.with_options(timeout=patience)

    @property
    def _responses(self) -> Any:
        """Typed for Any, since the SDK's overloads differ between its major versions."""
        return self._impatient.responses

    # Following

    async def _received(self) -> AsyncGenerator[Any, None]:
        """Yield the events of the stream; where it breaks off, go on from there."""
        lost = 0
        while not self._reader.over:
            try:
                async with self._stream as stream:
                    async for received in stream:
                        lost = 0
                        self._reader.note(received)
                        yield received
                if not self._reader.over:
                    lost += 1
            except Exception as error:
                if not is_broken(error) or lost >= TRIES:
                    raise
                # Silence is no loss: code may run for long, and opening again tells. Where
                # nothing has begun yet, none runs.
                lost += not (is_silent(error) and self._reader.response)
            if not self._reader.over:
                async for progress in self._resumed(lost):
                    yield progress

    async def _resumed(self, lost: int) -> AsyncGenerator[Event, None]:
        """Open the stream again, the later the more often it was lost.

        A response whose id was lost with its first event ended with its connection: it is
        asked for anew.
        """
        if lost >= TRIES:
            raise ServiceError(_("The answer was cut off and could not be resumed; try again."))
        if lost > 1:
            async for progress in waited(ConnectionError(), lost):
                yield progress
        if not self._reader.response:
            again = self._create
        else:
            # One that was cancelled ends with no word of it: its status has to be asked for.
            again = self._resume if lost < 2 else self._poll
        async for event in retry_call(again):
            yield event

    async def _resume(self) -> None:
        """Open the stream behind the last event, or one that waits for the end."""
        import openai

        try:
            await self._reopen()
        except (openai.BadRequestError, openai.NotFoundError):
            await self._poll()

    async def _reopen(self) -> None:
        self._stream = await self._responses.retrieve(
            self._reader.response,
            include=list(self._include),
            stream=True,
            starting_after=self._reader.number,
        )

    async def _poll(self) -> None:
        """Open a stream that waits for the end."""
        self._stream = _Polled(self._responses, self._reader.response, self._include)

    async def _cancel(self) -> None:
        """Return the server to stop, whatever is going on in this task."""
        import openai

        with anyio.move_on_after(CANCEL_SECONDS, shield=True):
            try:
                if self._reader.response and not self._reader.over:
                    path = f"/responses/{self._reader.response}/cancel"
                    await self._api.post(path, cast_to=object)
            except openai.APIError:
                return  # it was over, or ended with its connection: nothing is left to stop


class _Polled:
    """The end of a response as a stream of one event, by asking until it is there."""

    def __init__(self, responses: Any, id_: str, include: tuple[str, ...]) -> None:
        self._responses = responses
        self._id = id_
        self._include = list(include)

    async def __aenter__(self) -> AsyncIterator[Any]:
        return self._events()

    async def __aexit__(self, *_: object) -> None:
        pass

    async def _events(self) -> AsyncIterator[Any]:
        while True:
            response = await self._responses.retrieve(self._id, include=self._include)
            if response.status not in _GOING:
                yield _Ended(f"response.{response.status}", response)
                return
            await anyio.sleep(POLL_SECONDS)


@dataclass(frozen=True)
class _Ended:
    """The event that a response is over."""

    type: str
    response: Any


def message_of(question: Question, texts: Iterable[str]) -> dict[str, Any]:
    """Make the user's message: the prompt, what is said of the data, and the pictures."""
    parts = [{"type": "input_text", "text": text} for text in (question.prompt, *texts)]
    return {"role": "user", "content": [*parts, *(one.part for one in question.pictures)]}


def blind_notice(question: Question) -> str:
    """Return the sentence for a model that takes no pictures."""
    names = ", ".join(picture.name for picture in question.pictures)
    text = _("The model takes no pictures: it was not shown {names}, which its code can read.")
    return text.format(names=names)


def tool_of(function: Function) -> dict[str, Any]:
    """Offer a function in this API's form, which is flat."""
    # Strict schemas forbid defaults, which functions of a notebook have.
    return {"type": "function", "strict": False, **function.tool["function"]}


def search_tool(store: str) -> list[dict[str, Any]]:
    """Offer the search of a vector store; none where that is empty."""
    return [{"type": "file_search", "vector_store_ids": [store]}] if store else []


def choice_of(choice: str | dict[str, Any]) -> str | dict[str, Any]:
    """Return a choice of a function in this API's form, which is flat."""
    if isinstance(choice, dict) and "function" in choice:
        return {"type": "function", "name": choice["function"]["name"]}
    return choice
