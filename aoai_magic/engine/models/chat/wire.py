"""Requests and answers of the Chat Completions API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aoai_magic.engine.models.base import (
    REASONING_ITEMS,
    Chunk,
    Finish,
    ModelError,
    Reasoning,
    Request,
    Usage,
)
from aoai_magic.engine.models.remote.answer_text import AnswerText
from aoai_magic.engine.models.remote.conversation import sent_messages
from aoai_magic.engine.models.remote.errors import EMPTY, UnfinishedError
from aoai_magic.engine.models.remote.learned import Learned
from aoai_magic.engine.models.remote.tool_call_deltas import Calls
from aoai_magic.engine.models.remote.wire import written_tokens

_RENAMED = {"max_completion_tokens": "max_tokens"}
"""Parameters that older servers know under another name."""


class ChatWire:
    """The Chat Completions API."""

    path = "/chat/completions"
    bound = "max_tokens"
    optional = frozenset(
        {
            "stream_options",
            "parallel_tool_calls",
            "temperature",
            "top_p",
            "tool_choice",
            "max_completion_tokens",
        }
    )
    refused_check: Mapping[str, Any] = {"messages": []}

    def parameters(self, request: Request, learned: Learned, origin: str) -> dict[str, Any]:
        """Return the body of a request, without model and stream."""
        wanted: dict[str, Any] = dict(request.options)
        if learned.streams:
            wanted["stream_options"] = {"include_usage": True}
        if request.tools and learned.tools:
            wanted |= {"tools": list(request.tools), "tool_choice": request.tool_choice}
            if learned.effort_off:
                wanted.setdefault("reasoning_effort", "none")
        else:
            wanted.pop("parallel_tool_calls", None)
        for old, new in _RENAMED.items():
            if learned.refuses("chat", old) and old in wanted:
                wanted[new] = wanted[old]
        messages = [
            {key: value for key, value in message.items() if key != REASONING_ITEMS}
            for message in sent_messages(request, learned)
        ]
        kept = {name: v for name, v in wanted.items() if not learned.refuses("chat", name)}
        return {"messages": messages, **kept}

    def reader(
        self, request: Request, learned: Learned, origin: str, *, official: bool
    ) -> ChatReader:
        """Return a reader of the answer."""
        return ChatReader(AnswerText(request, learned, official=official))

    def whole(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an answer that was not streamed as the one event of a stream."""
        choices = [
            {"delta": choice.get("message") or {}, "finish_reason": choice.get("finish_reason")}
            for choice in body.get("choices") or ()
        ]
        return {"choices": choices, "usage": body.get("usage")}


class ChatReader:
    """Reads the server's chunks, as plain dicts, into ours."""

    def __init__(self, text: AnswerText) -> None:
        self._text = text
        self._calls = Calls()
        self._usage: Usage | None = None
        self._finish: str | None = None
        self._anything = False

    @property
    def done(self) -> bool:
        """Whether nothing of what follows matters."""
        return self._text.done

    @property
    def called(self) -> bool:
        """Whether the server made calls of tools, as it should."""
        return bool(self._calls)

    @property
    def by_hand(self) -> bool:
        """Whether the model wrote a call as text, in a form of its own."""
        return self._text.by_hand

    def feed(self, event: Mapping[str, Any]) -> Iterator[Chunk]:
        """Yield what a chunk says."""
        # Some servers repeat a growing usage in every chunk: the last one counts.
        self._usage = _usage(event.get("usage")) or self._usage
        for choice in (event.get("choices") or ())[:1]:
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
            yield from self._text.feed(text)
        yield from self._calls.feed(delta.get("tool_calls") or ())

    def end(self) -> Iterator[Chunk]:
        """Yield what was held back, and `Finish`; raise where the answer is not whole."""
        if not (self._anything or self._calls or self._finish):
            raise ModelError(EMPTY)
        if self._finish is None and not self._calls.complete:
            raise UnfinishedError("it ended in the middle of a call")
        yield from self._text.end()
        yield from self._calls.end()
        if self._usage:
            yield self._usage
        yield Finish(self._reason())

    def _reason(self) -> str:
        if self._finish in {"length", "content_filter"}:
            return self._finish
        # Servers end an answer with calls by "stop", "function_call" or nothing at all.
        return "tool_calls" if self.called or self._text.called else "stop"


def _usage(raw: Mapping[str, Any] | None) -> Usage | None:
    if not raw:
        return None
    read = raw.get("prompt_tokens_details") or {}
    written = raw.get("completion_tokens_details") or {}
    prompt, cached = raw.get("prompt_tokens") or 0, read.get("cached_tokens") or 0
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=raw.get("completion_tokens") or 0,
        cached_tokens=cached,
        reasoning_tokens=written.get("reasoning_tokens") or 0,
        written_tokens=written_tokens(raw, read, max(prompt - cached, 0)),
    )
