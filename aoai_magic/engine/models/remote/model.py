"""A model behind a server that speaks the Responses API, the Chat Completions API, or both.

What a server refuses is learned from its own errors and kept per endpoint and model: which
of its APIs takes the model, an optional parameter that it does not know, tools, pictures or
streaming that it does not have, and how long a conversation may be.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aoai_magic.engine.models import token_estimate
from aoai_magic.engine.models.base import (
    Chunk,
    Finish,
    ModelError,
    Request,
    Text,
    ToolCall,
)
from aoai_magic.engine.models.chat.wire import ChatWire
from aoai_magic.engine.models.remote import conversation, errors, retry
from aoai_magic.engine.models.remote.embeddings import embed
from aoai_magic.engine.models.remote.first_answer import Added, FirstAnswer
from aoai_magic.engine.models.remote.learned import Learned
from aoai_magic.engine.models.remote.questions import awaits_results
from aoai_magic.engine.models.remote.wire import Wire
from aoai_magic.engine.models.responses.wire import ResponsesWire

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from aoai_magic.engine.models.remote.endpoint import Endpoint, Route

_LOG = logging.getLogger(__name__)
_LISTED = 20

PICTURES = "AOAI_MAGIC_PICTURES"
"""Environment variable: ``off`` keeps pictures from the model; it is shown them otherwise."""

_WIRES: Mapping[str, Wire] = {"chat": ChatWire(), "responses": ResponsesWire()}


CONTEXT_KEYS = ("context_length", "context_window", "max_context_length", "max_model_len", "n_ctx")
"""How servers that list the length of a model's context call it, the most telling first."""


def context_length(listed: Mapping[str, Any]) -> int | None:
    """Return the tokens of context of a model as a server lists it; None if it does not say."""
    meta = listed.get("meta")
    details = {**(meta if isinstance(meta, Mapping) else {}), **listed}
    lengths = [details.get(name) for name in (*CONTEXT_KEYS, "n_ctx_train")]
    return next((length for length in lengths if isinstance(length, int) and length > 0), None)


class RemoteModel:
    """One model of one endpoint, asked through the official SDK."""

    def __init__(self, endpoint: Endpoint, name: str) -> None:
        self.name = name
        self._endpoint = endpoint
        self._learned = Learned()
        self._clients: dict[str, AsyncOpenAI] = {}

    @property
    def sees(self) -> bool:
        """Whether the model may be shown pictures: it was not seen to refuse them."""
        off = os.environ.get(PICTURES, "").lower() in ("off", "0", "false", "no")
        return self._learned.pictures and not off

    def remember_in(self, folder: Path) -> None:
        """Use what earlier processes learned, and keep in `folder` what this one learns."""
        self._learned.load(folder, self._endpoint.origin)

    # What the doctor asks

    async def check(self) -> None:
        """Check, at no cost, whether the endpoint would answer.

        Raises
        ------
        ModelError
            If it would not; says why and what to do.
        """
        try:
            if self._endpoint.kind == "deployment":
                await self._check_deployment()
            else:
                await self._check_listed()
        except Exception as error:
            if not errors.is_fault(error):
                raise
            raise errors.describe(error, self._endpoint, started=False) from error

    async def _check_deployment(self) -> None:
        """Send what is refused for its body, which is looked at only after all else."""
        import openai

        *before, last = self._endpoint.routes
        for route in (*before, last):
            wire = _WIRES[route.api]
            body = {"model": self._endpoint.model, **wire.refused_check}
            try:
                await self._client(route).post(route.path(wire), cast_to=object, body=body)
            except openai.BadRequestError:
                return
            except openai.APIStatusError as error:
                if route is last or not errors.closed_route(error, route.api):
                    raise

    async def _check_listed(self) -> None:
        route = self._endpoint.routes[0]
        names = [model.id async for model in self._client(route).models.list()]
        wanted = self._endpoint.model
        # Ollama lists llama3:latest and takes llama3.
        if names and not {wanted, f"{wanted}:latest"} & set(names):
            shown = ", ".join(sorted(names)[:_LISTED])
            raise ModelError(
                f"There is no model {wanted!r} at {self._endpoint.url}; there are {shown}."
            )

    async def abilities(self) -> dict[str, Any]:
        """Return what answers so far have shown: the API that takes the model, and what it takes.

        ``context`` is in tokens, None where the endpoint does not list it.
        """
        learned = self._learned
        return {
            "api": self._route().api,
            "streams": learned.streams,
            "calls": learned.calls and learned.tools,
            "pictures": self.sees,
            "effort_off": learned.effort_off,
            "context": await self._context(),
        }

    async def _context(self) -> int | None:
        if self._endpoint.kind == "deployment":
            return None
        try:
            async for model in self._client(self._endpoint.routes[0]).models.list():
                if model.id in (self._endpoint.model, f"{self._endpoint.model}:latest"):
                    return context_length(model.model_extra or {})
        except Exception as error:
            if not errors.is_fault(error):
                raise
        return None

    # Asking

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return an embedding of each text; every error is a `ModelError`."""
        return await embed(self._endpoint, self._client, texts)

    async def stream(self, request: Request) -> AsyncIterator[Chunk]:
        """Yield the endpoint's answer; every error is a `ModelError` with one sentence.

        An answer that states results of data that no code has given is asked for once more, by
        the protocol that this model can follow.
        """
        if not awaits_results(request):
            async for chunk in self._asked(request):
                yield chunk
            return
        proven = self._endpoint.official or self._learned.calls
        first = FirstAnswer(request, proven=proven)
        async for chunk in self._asked(request):
            for shown in first.take(chunk):
                yield shown
        if not first.unfounded:
            return
        yield first.set_aside()
        again = first.asked_again(request, fenced=not proven)
        second = FirstAnswer(again, proven=proven, last=True)
        async for chunk in self._asked(again, fenced=not proven):
            for shown in second.take(chunk):
                if isinstance(shown, ToolCall) and not proven:
                    self._learned.tools = False  # it follows fences, and did not call
                yield Added(first.usage).to(shown)

    async def _asked(self, request: Request, *, fenced: bool = False) -> AsyncIterator[Chunk]:
        """Ask until the server answers, or cannot; ``fenced`` asks without its tool calls."""
        failures = 0
        while True:
            tools = self._learned.tools and not fenced
            learned = replace(self._learned, tools=tools, pictures=self.sees)
            attempt = _Attempt(request, learned, self._route(), failures)
            try:
                async for chunk in self._answered(attempt):
                    yield chunk
            except Exception as error:
                if isinstance(error, ModelError) or not errors.is_fault(error):
                    raise
                if self._learn(error, attempt):
                    self._learned.save()
                    request = attempt.request
                    continue
                seconds, why = self._pause(error, attempt)
            else:
                return
            failures += 1
            async for waiting in retry.wait(seconds, why):
                yield waiting

    def _route(self) -> Route:
        """Return the first of the endpoint's routes that was not seen to be closed."""
        return next(r for r in self._endpoint.routes if r.name not in self._learned.closed)

    def _client(self, route: Route) -> AsyncOpenAI:
        if route.client not in self._clients:
            self._clients[route.client] = self._endpoint.clients[route.client]()
        return self._clients[route.client]

    async def _answered(self, attempt: _Attempt) -> AsyncIterator[Chunk]:
        wire, origin = _WIRES[attempt.route.api], self._endpoint.origin
        parameters = wire.parameters(attempt.request, attempt.learned, origin)
        attempt.parameters = parameters
        reader = wire.reader(
            attempt.request, attempt.learned, origin, official=self._endpoint.official
        )
        async with aclosing(self._events(attempt, wire, parameters)) as events:
            async for event in events:
                for chunk in reader.feed(event):
                    attempt.note(chunk)
                    yield chunk
                if reader.done:
                    break
        for chunk in reader.end():
            attempt.note(chunk)
            yield chunk
        if reader.called and not self._learned.calls:
            self._learned.calls = self._learned.tools = True
            self._learned.save()
        elif reader.by_hand and not self._endpoint.official and not self._learned.calls:
            self._learned.tools = False  # it writes its code as text: so be it

    async def _events(
        self, attempt: _Attempt, wire: Wire, parameters: Mapping[str, Any]
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        """Send the request and yield the events of the answer, as plain dicts."""
        from openai import AsyncStream

        client, path = self._client(attempt.route), attempt.route.path(wire)
        body: dict[str, Any] = {"model": self._endpoint.model, **parameters}
        if not self._learned.streams:
            whole = await client.post(path, cast_to=object, body=body)
            yield wire.whole(_mapping(whole))
            return
        body["stream"] = True
        answer = await client.post(
            path, cast_to=object, body=body, stream=True, stream_cls=AsyncStream[object]
        )
        attempt.started = True
        async with answer:
            if "json" in answer.response.headers.get("content-type", ""):
                # A server that cannot stream, and does not say so either.
                whole = json.loads(await answer.response.aread())
                yield wire.whole(_mapping(whole))
                return
            async for event in answer:
                if isinstance(event, Mapping):
                    yield event

    def _pause(self, error: Exception, attempt: _Attempt) -> tuple[float, str]:
        """Return the seconds until the next try, and why; raise where there is to be none."""
        # What was said cannot be taken back; until then nobody notices a new try.
        seconds = None if attempt.said else retry.pause(error, attempt.failures)
        if seconds is None:
            raise errors.describe(error, self._endpoint, started=attempt.started) from error
        return seconds, retry.reason(error)

    # Learning

    def _learn(self, error: Exception, attempt: _Attempt) -> bool:
        """Note what the server refused; False if the error is about something else."""
        if attempt.said:
            return False
        return (
            self._learn_streaming(error)
            or self._learn_route(error, attempt)
            or self._learn_effort(error, attempt)
            or self._learn_tools(error, attempt)
            or self._learn_content(error, attempt)
            or self._learn_parameter(error, attempt)
        )

    def _learn_streaming(self, error: Exception) -> bool:
        if not self._learned.streams or not errors.refuses_streaming(error):
            return False
        self._learned.streams = False
        return True

    def _learn_route(self, error: Exception, attempt: _Attempt) -> bool:
        """Close the route that does not work, where there is another; see `Learned.closed`."""
        why = errors.closed_route(error, attempt.route.api)
        if why is None:
            return False
        closed = self._learned.closed
        closed[attempt.route.name] = why
        if any(route.name not in closed for route in self._endpoint.routes):
            return True
        without_effort = [name for name, why in closed.items() if why == "tools"]
        if not without_effort:
            closed.clear()
            return False
        del closed[without_effort[0]]
        return self._turn_effort_off(error, attempt)

    def _turn_effort_off(self, error: Exception, attempt: _Attempt) -> bool:
        """Do without reasoning where tools are refused otherwise, unless somebody asked for it."""
        asked = attempt.request.options.get("reasoning_effort", "none")
        if asked != "none" or self._learned.effort_off:
            raise ModelError(
                f"The {self._endpoint.kind} {self._endpoint.model!r} reasons and calls tools only "
                f"over the Responses API, which {self._endpoint.url} does not have; set the "
                "effort to none, or use another model."
            ) from error
        self._learned.effort_off = True
        return True

    def _learn_effort(self, error: Exception, attempt: _Attempt) -> bool:
        effort = attempt.request.options.get("reasoning_effort")
        if not errors.refuses_effort(error):
            return False
        if effort is not None:
            raise errors.effort_refusal(error, self._endpoint, effort) from error
        if self._learned.effort_off:
            return self._turn_effort_off(error, attempt)
        return False

    def _learn_tools(self, error: Exception, attempt: _Attempt) -> bool:
        if "tools" not in attempt.parameters or not errors.refuses_tools(error):
            return False
        self._learned.tools = False
        return True

    def _learn_content(self, error: Exception, attempt: _Attempt) -> bool:
        """Send less, or other content: reasoning, pictures, the conversation's beginning."""
        if errors.refuses_reasoning_items(error):
            plain = conversation.without_reasoning(attempt.request)
            attempt.request = plain or attempt.request
            return plain is not None
        if errors.is_too_long(error):
            return self._shorten(error, attempt.request.messages)
        shows = conversation.shows_pictures(attempt.request.messages)
        if shows and self._learned.pictures and errors.refuses_pictures(error):
            self._learned.pictures = False
            return True
        return False

    def _shorten(self, error: Exception, messages: Sequence[Mapping[str, Any]]) -> bool:
        """Shorten the conversation; return False if there is nothing to be left out."""
        limit = self._learned.limit
        messages = messages if limit is None else token_estimate.fit(messages, limit)
        size = sum(map(token_estimate.count, messages))
        # The count here is not the model's: it goes down until the model takes it.
        limit = min(int(size * 0.7), errors.longest(error) or size)
        if len(token_estimate.fit(messages, limit)) >= len(messages):
            return False
        self._learned.limit = limit
        return True

    def _learn_parameter(self, error: Exception, attempt: _Attempt) -> bool:
        wire, api = _WIRES[attempt.route.api], attempt.route.api
        refused: str | None = "include"
        if "include" not in attempt.parameters or not errors.refuses_encrypted_reasoning(error):
            sent = set(attempt.parameters) | {
                f"{name}.{key}"
                for name, value in attempt.parameters.items()
                if isinstance(value, Mapping)
                for key in value
            }
            refused = errors.refused_parameter(error, sent & wire.optional)
        if refused is None:
            return False
        _LOG.warning("%s does not take %s; it is left out.", self._endpoint.origin, refused)
        self._learned.refuse(api, refused)
        return True


@dataclass
class _Attempt:
    """How far one of several tries has come.

    ``said`` is whether anything of the answer was yielded, ``started`` whether the server took
    the request.
    """

    request: Request
    learned: Learned
    route: Route
    failures: int
    parameters: Mapping[str, Any] = ()  # type: ignore[assignment]
    started: bool = False
    said: bool = False
    answered: bool = False

    def note(self, chunk: Chunk) -> None:
        """Record a piece; raise where the answer is over and empty."""
        self.said = True
        self.answered = self.answered or isinstance(chunk, Text | ToolCall)
        if chunk != Finish("stop") or self.answered:
            return
        if self.request.messages[-1]["role"] == "tool":
            return  # what its code drew may say it all
        raise ModelError(errors.EMPTY)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("the server sent no JSON object")  # noqa: TRY004 - as a parser would
    return value
