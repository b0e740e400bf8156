"""The first answer about data: one that states results that no code has given is held back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from aoai_magic.engine.models.base import (
    PYTHON_TOOL,
    Chunk,
    Finish,
    Reasoning,
    ReasoningItems,
    Request,
    Text,
    ToolCall,
    Usage,
)
from aoai_magic.engine.models.remote.bare_code import code_of_answer
from aoai_magic.engine.models.remote.questions import AGAIN, is_follow_up
from aoai_magic.engine.models.remote.tool_call_deltas import fresh_id

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*(?:`|\Z)", re.DOTALL)
_OPEN_END = re.compile(r"\d[\d,.]*\Z")
_SMALL = 12
"""Numbers up to here are counted in passing, not results."""

_AGAIN = AGAIN + " {how} to compute it from the data first; then answer."
_TOOL = "Call the tool `python`"
_FENCE = "Write one ```python block, and nothing after it,"


class FirstAnswer:
    """Passes an answer on, but for text that states what only code can have found.

    That is a number that stands nowhere in the conversation; of a model that was never seen
    to call a tool it is any statement in answer to a first question. The ``last`` answer stands,
    whatever it says.

    Attributes
    ----------
    unfounded
        Whether the answer is over and states results; its `Finish` is held back then.
    usage
        What the answer took.
    """

    def __init__(self, request: Request, *, proven: bool, last: bool = False) -> None:
        self._proven = proven
        self._last = last
        self._believed = proven or is_follow_up(request)
        self._known = [_value(found) for found in _NUMBER.findall(_texts(request))]
        self._said: list[str] = []
        self._held = ""
        self._holding = not self._believed
        self._called = False
        self._items: ReasoningItems | None = None
        self.unfounded = False
        self.usage = Usage()

    def take(self, chunk: Chunk) -> Iterator[Chunk]:
        """Yield what can be shown."""
        if isinstance(chunk, Text):
            yield from self._write(chunk.text)
        elif isinstance(chunk, ToolCall):
            self._called = True
            yield from self._release()
            yield chunk
        elif isinstance(chunk, Finish):
            yield from self._end(chunk)
        elif isinstance(chunk, Usage):
            self.usage = chunk
        elif isinstance(chunk, ReasoningItems):
            self._items = chunk  # of an answer that is asked for again, nobody keeps them
        else:
            yield chunk

    def _write(self, text: str) -> Iterator[Chunk]:
        self._said.append(text)
        self._held += text
        if self._called:
            yield from self._release()
        elif not self._holding:
            open_end = _OPEN_END.search(self._held)
            ready = self._held[: open_end.start()] if open_end else self._held
            said = "".join(self._said)
            said = said[: len(said) - len(self._held) + len(ready)]
            if _NUMBER.search(ready) and self._states_numbers(said):
                self._holding = True
            elif ready:
                self._held = self._held[len(ready) :]
                yield Text(ready)

    def _end(self, finish: Finish) -> Iterator[Chunk]:
        text = "".join(self._said).strip()
        if not self._proven and not self._called and (found := code_of_answer(text)):
            yield from self._run(*found)
            finish = Finish("tool_calls")
        stated = self._states_numbers(text) if self._believed else not text.endswith(("?", "？"))
        stated = stated and not self._last
        self.unfounded = bool(text) and stated and not self._called and finish.reason == "stop"
        if self.unfounded:
            return
        yield from self._release()
        if self._items:
            yield self._items
        yield self.usage
        yield finish

    def _run(self, code: str, words: str) -> Iterator[Chunk]:
        """Make a call of an answer that is nothing but code."""
        self._called, self._held = True, ""
        if words:
            yield Reasoning(f"{words}\n\n")
        arguments = json.dumps({"code": code}, ensure_ascii=False)
        yield ToolCall(0, id=fresh_id(), name=PYTHON_TOOL, arguments=arguments)

    def _release(self) -> Iterator[Chunk]:
        held, self._held, self._holding = self._held, "", False
        if held:
            yield Text(held)

    def _states_numbers(self, text: str) -> bool:
        return any(self._is_new(number) for number in _NUMBER.findall(_CODE.sub("", text)))

    def _is_new(self, number: str) -> bool:
        value, (_, _, digits) = _value(number), number.partition(".")
        if value <= _SMALL and not digits:
            return False
        # A known number may be told with fewer digits.
        margin = 0.5 * 10 ** -len(digits)
        return not any(abs(value - known) <= margin + 1e-9 for known in self._known)

    def set_aside(self) -> Reasoning:
        """Return what was held back as a thought: it is no answer, and it is not lost."""
        return Reasoning(f"{self._held.strip()}\n\n")

    def asked_again(self, request: Request, *, fenced: bool) -> Request:
        """Return the request that asks for code."""
        words = _AGAIN.format(how=_FENCE if fenced else _TOOL)
        said = {"role": "assistant", "content": "".join(self._said)}
        messages = [*request.messages, said, {"role": "user", "content": words}]
        return Request(messages, request.tools, request.tool_choice, request.options)


@dataclass(frozen=True)
class Added:
    """Adds what was used before to what an answer took."""

    before: Usage

    def to(self, chunk: Chunk) -> Chunk:
        """Return the chunk, with both where it tells what was used."""
        if not isinstance(chunk, Usage):
            return chunk
        return Usage(
            chunk.prompt_tokens + self.before.prompt_tokens,
            chunk.completion_tokens + self.before.completion_tokens,
            chunk.cached_tokens + self.before.cached_tokens,
            chunk.reasoning_tokens + self.before.reasoning_tokens,
            chunk.written_tokens + self.before.written_tokens,
        )


def _texts(request: Request) -> str:
    contents = [message.get("content") or "" for message in request.messages]
    return "\n".join(
        content if isinstance(content, str) else "\n".join(p.get("text") or "" for p in content)
        for content in contents
    )


def _value(number: str) -> float:
    return float(number.replace(",", ""))
