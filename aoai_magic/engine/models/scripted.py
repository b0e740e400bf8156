"""A model that follows a script, for tests and demonstrations.

The script is a YAML file. It holds ``turns``; a turn is the list of replies that the
model gives to one user message, one reply per call of the model::

    turns:
      - - code: print(6 * 7)                 # calls the python tool, is called again
        - text: The answer is 42.            # and ends the turn
      - when: "(?i)weather"                  # a turn for user messages that match
        replies:
          - text: I only do arithmetic.

A turn with ``when`` (a regular expression, searched in the text of the last user
message) answers every message that it matches, the first such turn first. The other
turns answer the remaining user messages in order, the first message by the first turn.

A reply has any of

``text``, ``reasoning``
    The answer, and the summary of a reasoning model's thoughts, which comes first.
``code``
    A call of the python tool with this code.
``tool``
    A call of any tool: ``{name, arguments}``; arguments given as text are sent as they
    stand, which also scripts malformed ones.
``calls``
    Several calls in parallel, each a mapping with ``code`` or ``tool``.
``delay``, ``pace``
    Seconds before the first piece, and between pieces (default 0).
``chunk``
    Characters per piece of text or arguments (default: all in one).
``usage``
    ``{prompt_tokens, completion_tokens, cached_tokens}``; none is reported by default.
``error``
    ``{message, code}``: the model fails after what else the reply holds was streamed.
``finish``
    The reason to stop (default ``tool_calls`` after a call, else ``stop``).

Which reply comes next follows from the messages of the request alone, so one script
serves any number of threads at once.
"""

from __future__ import annotations

import itertools
import json
import re
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from aoai_magic.engine.models import pictures
from aoai_magic.engine.models.base import (
    PYTHON_TOOL,
    Chunk,
    Finish,
    ModelError,
    Reasoning,
    Request,
    Text,
    ToolCall,
    Usage,
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Tool(_Strict):
    name: str
    arguments: dict[str, Any] | str = Field(default_factory=dict)

    @property
    def text(self) -> str:
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(self.arguments, ensure_ascii=False)


class _Call(_Strict):
    code: str | None = None
    tool: _Tool | None = None

    def tools(self) -> Iterator[_Tool]:
        if self.code is not None:
            yield _Tool(name=PYTHON_TOOL, arguments={"code": self.code})
        if self.tool is not None:
            yield self.tool


class _Usage(_Strict):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


class _Failure(_Strict):
    message: str
    code: str = "server_error"


class _Reply(_Call):
    text: str | None = None
    reasoning: str | None = None
    calls: list[_Call] = Field(default_factory=list)
    delay: float = 0
    pace: float = 0
    chunk: int | None = Field(default=None, ge=1)
    usage: _Usage | None = None
    error: _Failure | None = None
    finish: str | None = None

    def pieces(self) -> Iterator[Chunk]:
        """Yield the deltas of the reply, without usage and finish."""
        for part in _cut(self.reasoning or "", self.chunk):
            yield Reasoning(part)
        for part in _cut(self.text or "", self.chunk):
            yield Text(part)
        for index, tool in enumerate(self.all_tools()):
            yield ToolCall(index, id=f"call_{uuid.uuid4().hex[:24]}", name=tool.name)
            for part in _cut(tool.text, self.chunk):
                yield ToolCall(index, arguments=part)

    def all_tools(self) -> list[_Tool]:
        nested = itertools.chain.from_iterable(call.tools() for call in self.calls)
        return [*self.tools(), *nested]

    @property
    def finish_reason(self) -> str:
        return self.finish or ("tool_calls" if self.all_tools() else "stop")


class _Turn(_Strict):
    replies: list[_Reply] = Field(min_length=1)
    when: re.Pattern[str] | None = None


class _Script(_Strict):
    turns: list[_Turn]

    @field_validator("turns", mode="before")
    @classmethod
    def _plain_lists(cls, turns: Any) -> Any:
        """Let a turn without ``when`` be written as its list of replies."""
        if not isinstance(turns, list):
            return turns
        return [{"replies": turn} if isinstance(turn, list) else turn for turn in turns]


class ScriptedModel:
    """The model of one script; see the module's text for the format."""

    def __init__(self, script: _Script, name: str) -> None:
        self._script = script
        self.name = name

    async def stream(self, request: Request) -> AsyncIterator[Chunk]:
        """Yield the reply that the script has for this point of the conversation."""
        reply = self._reply(request.messages)
        await anyio.sleep(reply.delay)
        for number, piece in enumerate(reply.pieces()):
            if number and reply.pace:
                await anyio.sleep(reply.pace)
            yield piece
        if reply.usage:
            yield Usage(**reply.usage.model_dump())
        if reply.error:
            raise ModelError(reply.error.message, reply.error.code)
        yield Finish(reply.finish_reason)

    def _reply(self, messages: Sequence[Mapping[str, Any]]) -> _Reply:
        messages = [one for one in messages if not pictures.are(one)]  # not the user's
        turn = self._turn(_prompts(messages))
        done = _replies_given(messages)
        if done >= len(turn.replies):
            raise ModelError(
                f"The script {self.name} has no reply {done + 1} in this turn; "
                "end a turn with a reply that calls no tool."
            )
        return turn.replies[done]

    def _turn(self, prompts: list[str]) -> _Turn:
        prompts = prompts or [""]  # version 1 may ask on an empty thread
        if chosen := self._matching(prompts[-1]):
            return chosen
        in_order = [turn for turn in self._script.turns if turn.when is None]
        number = sum(1 for prompt in prompts if not self._matching(prompt))
        if number == 0 or number > len(in_order):
            raise ModelError(
                f"The script {self.name} has no turn for user message {len(prompts)}; "
                "add one, or give a turn a `when` that matches it."
            )
        return in_order[number - 1]

    def _matching(self, prompt: str) -> _Turn | None:
        return next((t for t in self._script.turns if t.when and t.when.search(prompt)), None)


def open_model(argument: str) -> ScriptedModel:
    """Open the script at the path `argument`; raise `ModelError` if it can't be read."""
    path = Path(argument).expanduser()
    try:
        script = _Script.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ModelError(
            f"The script {argument!r} cannot be read ({reason}); give the model as "
            "`scripted:FILE` with the path of a YAML file."
        ) from error
    except (yaml.YAMLError, ValidationError, UnicodeDecodeError) as error:
        raise ModelError(f"The script {path.name} is not valid: {_first_fault(error)}.") from error
    return ScriptedModel(script, name=f"scripted:{path.name}")


def _first_fault(error: Exception) -> str:
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"]) or "the file"
        return f"{place}: {fault['msg']}"
    return " ".join(str(error).split())


def _prompts(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the text of each turn's prompt; adjacent user messages are one prompt."""
    groups = itertools.groupby(messages, key=lambda message: message["role"])
    return ["\n".join(map(_text, group)) for role, group in groups if role == "user"]


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content if part.get("type") == "text")


def _replies_given(messages: Sequence[Mapping[str, Any]]) -> int:
    """Count the replies of the turn under way: those since the last one that ended a turn."""
    count = 0
    for role, group in itertools.groupby(messages, key=lambda message: message["role"]):
        if role == "user":
            count = 0
        elif role == "assistant":
            called = any(message.get("tool_calls") for message in group)
            count = count + 1 if called else 0
    return count


def _cut(text: str, size: int | None) -> Iterator[str]:
    step = size or max(len(text), 1)
    return (text[start : start + step] for start in range(0, len(text), step))
