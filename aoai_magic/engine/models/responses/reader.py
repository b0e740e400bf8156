"""Answers of the Responses API: its events, as plain dicts, become ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aoai_magic.engine.models.base import (
    Chunk,
    Finish,
    Reasoning,
    ReasoningItems,
    ToolCall,
    Usage,
)
from aoai_magic.engine.models.remote.answer_text import AnswerText
from aoai_magic.engine.models.remote.errors import StreamFailureError, UnfinishedError
from aoai_magic.engine.models.remote.wire import written_tokens
from aoai_magic.engine.models.responses.input_items import Outline

Event = Mapping[str, Any]

_REASONS = {"max_output_tokens": "length", "max_tokens": "length"}
_ENDS = ("response.completed", "response.incomplete", "response.failed")


class ResponseReader:
    """Reads one response.

    What was not streamed (some servers send the finished items alone) is taken from the
    finished items, and what they lack from the response at the end.
    """

    def __init__(self, text: AnswerText, origin: str) -> None:
        self._text = text
        self._outline = Outline(origin)
        self._written: dict[int, int] = {}
        self._thought: set[int] = set()
        self._calls: dict[int, int] = {}
        self._arguments: dict[int, str] = {}
        self._finished: set[int] = set()
        self._usage: Usage | None = None
        self._finish: str | None = None

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

    def feed(self, event: Event) -> Iterator[Chunk]:
        """Yield what an event says."""
        kind = event.get("type")
        place = int(event.get("output_index") or 0)
        if kind in ("response.output_text.delta", "response.refusal.delta"):
            yield from self._write(place, str(event.get("delta") or ""))
        elif kind == "response.function_call_arguments.delta":
            yield from self._argue(place, str(event.get("delta") or ""))
        elif kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
            yield from self._think(place, str(event.get("delta") or ""))
        elif kind == "response.reasoning_summary_part.added" and event.get("summary_index"):
            yield from self._think(place, "\n\n")
        elif kind == "response.output_item.added":
            yield from self._begin(place, event.get("item") or {})
        elif kind == "response.output_item.done":
            yield from self._end_item(place, event.get("item") or {})
        elif kind in _ENDS:
            yield from self._end_response(event.get("response") or {})
        elif kind == "error":
            raise _failure(event.get("error") or event)

    def _write(self, place: int, text: str) -> Iterator[Chunk]:
        if text:
            self._written[place] = self._written.get(place, 0) + len(text)
            yield from self._text.feed(text)

    def _think(self, place: int, text: str) -> Iterator[Chunk]:
        if text:
            self._thought.add(place)
            yield Reasoning(text)

    def _begin(self, place: int, item: Event) -> Iterator[Chunk]:
        if item.get("type") == "function_call" and place not in self._calls:
            self._calls[place] = len(self._calls)
            self._arguments[place] = ""
            id_ = item.get("call_id") or item.get("id")
            yield ToolCall(self._calls[place], id=id_, name=item.get("name"))

    def _argue(self, place: int, arguments: str) -> Iterator[Chunk]:
        if place not in self._calls:
            raise StreamFailureError("the server sent arguments of a call that it had not begun")
        if arguments:
            self._arguments[place] += arguments
            yield ToolCall(self._calls[place], arguments=arguments)

    def _end_item(self, place: int, item: Event) -> Iterator[Chunk]:
        if place in self._finished:
            return
        self._finished.add(place)
        kind = item.get("type")
        if kind == "message":
            text = "".join(map(_said, item.get("content") or ()))
            if place not in self._written:
                yield from self._write(place, text)
            self._outline.add_message(item, self._written.get(place, 0))
        elif kind == "function_call":
            yield from self._begin(place, item)
            if not self._arguments[place]:
                yield from self._argue(place, str(item.get("arguments") or "{}"))
            self._outline.add_call()
        elif kind == "reasoning":
            if place not in self._thought:
                parts = item.get("summary") or item.get("content") or ()
                yield from self._think(place, "\n\n".join(map(_said, parts)))
            self._outline.add_reasoning(item)

    def _end_response(self, response: Event) -> Iterator[Chunk]:
        self._usage = _usage(response.get("usage"))
        status = response.get("status") or "completed"
        if status == "failed":
            raise _failure(response.get("error") or {})
        for place, item in enumerate(response.get("output") or ()):
            yield from self._end_item(place, item)
        reason = str((response.get("incomplete_details") or {}).get("reason") or "stop")
        self._finish = "stop"
        if status == "incomplete":
            self._finish = _REASONS.get(reason, "content_filter")

    def end(self) -> Iterator[Chunk]:
        """Yield what was held back, and `Finish`; raise where the answer is not whole."""
        if self._finish is None and not self.done:
            raise UnfinishedError("the stream ended before the answer did")
        yield from self._text.end()
        if value := self._outline.value:
            yield ReasoningItems(value)
        if self._usage:
            yield self._usage
        yield Finish(self._reason())

    def _reason(self) -> str:
        if self._finish in ("length", "content_filter"):
            return self._finish
        return "tool_calls" if self.called or self._text.called else "stop"


def _said(part: Event) -> str:
    return str(part.get("text") or part.get("refusal") or "")


def _failure(error: Event) -> StreamFailureError:
    message = str(error.get("message") or "the server did not say why")
    return StreamFailureError(message, error.get("code") or error.get("type"))


def _usage(raw: Event | None) -> Usage | None:
    if not raw:
        return None
    read = raw.get("input_tokens_details") or {}
    written = raw.get("output_tokens_details") or {}
    prompt, cached = raw.get("input_tokens") or 0, read.get("cached_tokens") or 0
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=raw.get("output_tokens") or 0,
        cached_tokens=cached,
        reasoning_tokens=written.get("reasoning_tokens") or 0,
        written_tokens=written_tokens(raw, read, max(prompt - cached, 0)),
    )
