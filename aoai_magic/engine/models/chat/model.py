"""A model behind an endpoint that speaks the Chat Completions API.

What a server refuses is learnt from its own errors and kept for the model's life: an
optional parameter that it does not know is left out, and a server that can call no
tools at all gets the fenced-code protocol.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..base import PYTHON_TOOL, Chunk, Finish, ModelError, Reasoning, Request, Text, Usage
from . import faults, fences
from .calls import Calls

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from .endpoint import Endpoint

_NEEDED = frozenset({"messages", "tools"})
_RENAMED = {"max_completion_tokens": "max_tokens"}
"""Parameters that older servers know under another name."""


class ChatModel:
    """One model of one endpoint, asked through the official SDK."""

    def __init__(self, endpoint: Endpoint, name: str) -> None:
        self.name = name
        self._endpoint = endpoint
        self._refused: set[str] = set()
        self._tools = True

    @cached_property
    def _client(self) -> AsyncOpenAI:
        return self._endpoint.connect()

    async def stream(self, request: Request) -> AsyncIterator[Chunk]:
        """Yield the endpoint's answer; every error is a `ModelError` with one sentence."""
        begun = False
        try:
            answer, reader = await self._ask(request)
            begun = True
            async with answer:
                async for raw in answer:
                    for chunk in reader.feed(raw.model_dump(exclude_unset=True, warnings=False)):
                        yield chunk
                    if reader.done:
                        break
            for chunk in reader.end():
                yield chunk
        except ModelError:
            raise
        except Exception as error:
            if not faults.is_fault(error):
                raise
            raise faults.describe(error, self._endpoint, begun=begun) from error

    async def _ask(self, request: Request) -> tuple[Any, _Reader]:
        """Send the request, without what the server refuses."""
        while True:
            parameters = self._parameters(request)
            fenced = _offers_python(request) and not self._tools
            try:
                answer = await self._client.chat.completions.create(
                    model=self._endpoint.model, stream=True, **parameters
                )
            except Exception as error:
                if not self._learn(error, parameters):
                    raise
            else:
                return answer, _Reader(fences.FenceReader() if fenced else None)

    def _learn(self, error: Exception, parameters: Mapping[str, Any]) -> bool:
        """Note what the server refused; False if the error is about something else."""
        if "tools" in parameters and faults.refuses_tools(error):
            self._tools = False
            return True
        optional = set(parameters) - _NEEDED
        refused = faults.refused_parameter(error, optional)
        if refused is not None:
            self._refused.add(refused)
        return refused is not None

    def _parameters(self, request: Request) -> dict[str, Any]:
        wanted: dict[str, Any] = {**request.options, "stream_options": {"include_usage": True}}
        if request.tools and self._tools:
            wanted |= {"tools": list(request.tools), "tool_choice": request.tool_choice}
        elif "parallel_tool_calls" in wanted:
            del wanted["parallel_tool_calls"]
        for old, new in _RENAMED.items():
            if old in self._refused and old in wanted:
                wanted[new] = wanted[old]
        messages = [_flattened(message) for message in request.messages]
        if _offers_python(request) and not self._tools:
            messages = fences.with_fences(messages)
        kept = {name: value for name, value in wanted.items() if name not in self._refused}
        return {"messages": messages, **kept}


class _Reader:
    """Reads the server's chunks, as plain dicts, into ours."""

    def __init__(self, fence: fences.FenceReader | None) -> None:
        self._fence = fence
        self._calls = Calls()
        self._usage: Usage | None = None
        self._finish: str | None = None
        self._anything = False

    @property
    def done(self) -> bool:
        """Whether nothing of what follows matters."""
        return self._fence is not None and self._fence.done

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
            yield from self._fence.feed(text) if self._fence else [Text(text)]
        yield from self._calls.feed(delta.get("tool_calls") or ())

    def end(self) -> Iterator[Chunk]:
        if not (self._anything or self._calls or self._finish):
            raise ModelError("The model's answer was empty; try again.")
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
        called = bool(self._calls) or (self._fence is not None and self._fence.called)
        return "tool_calls" if called else "stop"


def _offers_python(request: Request) -> bool:
    names = (tool["function"]["name"] for tool in request.tools)
    return request.tool_choice != "none" and PYTHON_TOOL in names


def _flattened(message: Mapping[str, Any]) -> dict[str, Any]:
    """Join a content of text parts alone: not every server takes a list."""
    content = message.get("content")
    if isinstance(content, str) or not isinstance(content, Sequence):
        return dict(message)
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
