"""A model behind an endpoint that speaks the Chat Completions API.

What a server refuses is learnt from its own errors and kept for the model's life: an
optional parameter that it does not know is left out, a server that can call no tools at
all gets the fenced-code protocol, one that takes no pictures gets none, and of a
conversation that is too long the oldest part is left out.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from aoai_magic.engine.models import token_estimate
from aoai_magic.engine.models.base import (
    PYTHON_TOOL,
    REASONING_ITEMS,
    Chunk,
    Finish,
    ModelError,
    Reasoning,
    Request,
    Text,
    ToolCall,
    Usage,
)
from aoai_magic.engine.models.chat import errors, fenced_code, retry
from aoai_magic.engine.models.chat.inline_tool_calls import SpokenReader
from aoai_magic.engine.models.chat.repetition import Repetition
from aoai_magic.engine.models.chat.tool_call_deltas import Calls

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from aoai_magic.engine.models.chat.endpoint import Endpoint

_LISTED = 20
_NEEDED = frozenset({"messages", "tools"})
_RENAMED = {"max_completion_tokens": "max_tokens"}
"""Parameters that older servers know under another name."""


PICTURES = "AOAI_MAGIC_PICTURES"
"""Environment variable: ``off`` keeps charts from the model; it is shown them otherwise."""

_NO_PICTURE = "[An image that cannot be shown to you.]"


class ChatModel:
    """One model of one endpoint, asked through the official SDK."""

    def __init__(self, endpoint: Endpoint, name: str) -> None:
        self.name = name
        self._endpoint = endpoint
        self._refused: set[str] = set()
        self._tools = True
        self._calls = endpoint.official
        self._limit: int | None = None
        self._pictures = True

    @property
    def sees(self) -> bool:
        """Whether the model may be shown pictures: it was not seen to refuse them."""
        off = os.environ.get(PICTURES, "").lower() in ("off", "0", "false", "no")
        return self._pictures and not off

    @cached_property
    def _client(self) -> AsyncOpenAI:
        return self._endpoint.connect()

    async def check(self) -> None:
        """Try, at no cost, whether the endpoint would answer.

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
            raise errors.describe(error, self._endpoint, begun=False) from error

    async def _check_deployment(self) -> None:
        """Send what is refused for its body, which is looked at only after all else."""
        import openai

        try:
            await self._client.chat.completions.create(model=self._endpoint.model, messages=[])
        except openai.BadRequestError:
            return

    async def _check_listed(self) -> None:
        names = [model.id async for model in self._client.models.list()]
        wanted = self._endpoint.model
        # Ollama lists llama3:latest and takes llama3.
        if names and not {wanted, f"{wanted}:latest"} & set(names):
            shown = ", ".join(sorted(names)[:_LISTED])
            raise ModelError(
                f"There is no model {wanted!r} at {self._endpoint.url}; there are {shown}."
            )

    async def stream(self, request: Request) -> AsyncIterator[Chunk]:
        """Yield the endpoint's answer; every error is a `ModelError` with one sentence."""
        for number in itertools.count():
            attempt = _Attempt(number)
            try:
                async for chunk in self._answered(request, attempt):
                    yield chunk
            except Exception as error:
                seconds, why = self._pause(error, attempt)
            else:
                return
            async for waiting in retry.wait(seconds, why):
                yield waiting

    async def _answered(self, request: Request, attempt: _Attempt) -> AsyncIterator[Chunk]:
        answer, reader = await self._ask(request)
        attempt.begun = True
        async with answer:
            async for raw in answer:
                for chunk in reader.feed(raw.model_dump(exclude_unset=True, warnings=False)):
                    attempt.said = True
                    yield chunk
                if reader.done:
                    break
        for chunk in reader.end():
            yield chunk
        self._calls = self._calls or reader.called

    def _pause(self, error: Exception, attempt: _Attempt) -> tuple[float, str]:
        """Give the seconds until the next try, and why; raise where there is to be none."""
        if isinstance(error, ModelError) or not errors.is_fault(error):
            raise error
        # What was said cannot be taken back; until then nobody notices a new try.
        seconds = None if attempt.said else retry.pause(error, attempt.number)
        if seconds is None:
            raise errors.describe(error, self._endpoint, begun=attempt.begun) from error
        return seconds, retry.reason(error)

    async def _ask(self, request: Request) -> tuple[Any, _Reader]:
        """Send the request, without what the server refuses."""
        while True:
            parameters = self._parameters(request)
            try:
                answer = await self._client.chat.completions.create(
                    model=self._endpoint.model, stream=True, **parameters
                )
            except Exception as error:
                if not self._learn(error, parameters):
                    raise
            else:
                return answer, self._reader(request)

    def _reader(self, request: Request) -> _Reader:
        python = _offers_python(request)
        # A model that was never seen to call a tool may write its code as an answer.
        fence = fenced_code.FenceReader() if python and not (self._tools and self._calls) else None
        names = {tool["function"]["name"] for tool in request.tools}
        plain = request.tool_choice == "none" or "response_format" in request.options
        spoken = None if self._endpoint.official else SpokenReader(() if plain else names)
        return _Reader(fence, spoken)

    def _learn(self, error: Exception, parameters: Mapping[str, Any]) -> bool:
        """Note what the server refused; False if the error is about something else."""
        if "tools" in parameters and errors.refuses_tools(error):
            self._tools = False
            return True
        if errors.is_too_long(error):
            return self._shorten(error, parameters["messages"])
        if self._pictures and errors.refuses_pictures(error) and _shows(parameters["messages"]):
            self._pictures = False
            return True
        optional = set(parameters) - _NEEDED
        refused = errors.refused_parameter(error, optional)
        if refused is not None:
            self._refused.add(refused)
        return refused is not None

    def _shorten(self, error: Exception, messages: Sequence[Mapping[str, Any]]) -> bool:
        """Take less of the conversation; False if there is nothing to be left out."""
        size = sum(map(token_estimate.count, messages))
        # The count here is not the model's: it goes down until the model takes it.
        limit = min(int(size * 0.7), errors.longest(error) or size)
        shorter = token_estimate.fit(messages, limit)
        if len(shorter) >= len(messages):
            return False
        self._limit = limit
        return True

    def _parameters(self, request: Request) -> dict[str, Any]:
        wanted: dict[str, Any] = {**request.options, "stream_options": {"include_usage": True}}
        if request.tools and self._tools:
            wanted |= {"tools": list(request.tools), "tool_choice": request.tool_choice}
        elif "parallel_tool_calls" in wanted:
            del wanted["parallel_tool_calls"]
        for old, new in _RENAMED.items():
            if old in self._refused and old in wanted:
                wanted[new] = wanted[old]
        messages = [_flattened(message, self._pictures) for message in request.messages]
        if self._limit is not None:
            messages = [dict(message) for message in token_estimate.fit(messages, self._limit)]
        if _offers_python(request) and not self._tools:
            messages = fenced_code.with_fences(messages)
        kept = {name: value for name, value in wanted.items() if name not in self._refused}
        return {"messages": messages, **kept}


@dataclass
class _Attempt:
    """How far one of several tries has come."""

    number: int
    begun: bool = False
    said: bool = False


class _Reader:
    """Reads the server's chunks, as plain dicts, into ours."""

    def __init__(self, fence: fenced_code.FenceReader | None, spoken: SpokenReader | None) -> None:
        self._fence = fence
        self._spoken = spoken
        self._repetition = Repetition()
        self._calls = Calls()
        self._usage: Usage | None = None
        self._finish: str | None = None
        self._anything = False

    @property
    def done(self) -> bool:
        """Whether nothing of what follows matters."""
        return self._fence is not None and self._fence.done

    @property
    def called(self) -> bool:
        """Whether the server made calls of tools, as it should."""
        return bool(self._calls)

    def feed(self, raw: Mapping[str, Any]) -> Iterator[Chunk]:
        # Some servers repeat a growing usage in every chunk: the last one counts.
        self._usage = _usage(raw.get("usage")) or self._usage
        for choice in (raw.get("choices") or ())[:1]:
            self._finish = choice.get("finish_reason") or self._finish
            yield from self._delta(choice.get("delta") or {})

    def _delta(self, delta: Mapping[str, Any]) -> Iterator[Chunk]:
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thought, str):
            self._anything = True
            yield Reasoning(thought)
        text = delta.get("content") or delta.get("refusal")
        if isinstance(text, str) and text:
            self._anything = True
            self._repetition.feed(text)
            for piece in self._spoken.feed(text) if self._spoken else [Text(text)]:
                yield from self._fenced(piece)
        yield from self._calls.feed(delta.get("tool_calls") or ())

    def _fenced(self, piece: Text | Reasoning | ToolCall) -> Iterator[Chunk]:
        if self._fence and isinstance(piece, Text):
            yield from self._fence.feed(piece.text)
        else:
            yield piece

    def end(self) -> Iterator[Chunk]:
        if not (self._anything or self._calls or self._finish):
            raise ModelError("The model's answer was empty; try again.")
        for piece in self._spoken.end() if self._spoken and not self.done else ():
            yield from self._fenced(piece)
        if self._fence:
            yield from self._fence.end()
        yield from self._calls.end()
        if self._usage:
            yield self._usage
        yield Finish(self._reason())

    def _reason(self) -> str:
        if self._finish in {"length", "content_filter"}:
            return self._finish
        # Servers end an answer with calls by "stop", "function_call" or nothing at all.
        readers = (self._fence, self._spoken)
        called = self.called or any(reader is not None and reader.called for reader in readers)
        return "tool_calls" if called else "stop"


def _offers_python(request: Request) -> bool:
    names = (tool["function"]["name"] for tool in request.tools)
    return request.tool_choice != "none" and PYTHON_TOOL in names


def _shows(messages: Sequence[Mapping[str, Any]]) -> bool:
    return any(not isinstance(message.get("content") or "", str) for message in messages)


def _flattened(message: Mapping[str, Any], pictures: bool) -> dict[str, Any]:
    """Join a content of text parts alone: not every server takes a list."""
    message = {key: value for key, value in message.items() if key != REASONING_ITEMS}
    content = message.get("content")
    if isinstance(content, str) or not isinstance(content, Sequence):
        return message
    if not pictures:
        blank = {"type": "text", "text": _NO_PICTURE}
        content = [part if part.get("type") == "text" else blank for part in content]
    if any(part.get("type") != "text" for part in content):
        return dict(message)
    return {**message, "content": "\n\n".join(part["text"] for part in content)}


def _usage(raw: Mapping[str, Any] | None) -> Usage | None:
    if not raw:
        return None
    details = raw.get("prompt_tokens_details") or {}
    return Usage(
        prompt_tokens=raw.get("prompt_tokens") or 0,
        completion_tokens=raw.get("completion_tokens") or 0,
        cached_tokens=details.get("cached_tokens") or 0,
    )
