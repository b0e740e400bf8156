"""Reply: one answer of the model, taken apart into text and calls as it arrives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aoai_magic.engine.agent.cell_outputs import clean
from aoai_magic.engine.agent.chat_messages import Chat, tool_call
from aoai_magic.engine.agent.partial_code import CodeReader
from aoai_magic.engine.agent.sink import CallSink, Sink
from aoai_magic.engine.agent.tools import Toolbox
from aoai_magic.engine.models.base import (
    FILE_SEARCH_TOOL,
    REASONING_ITEMS,
    Chunk,
    Finish,
    Reasoning,
    ReasoningItems,
    Text,
    ToolCall,
    Usage,
    Waiting,
)
from aoai_magic.engine.storage.ids import new_id


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return None


@dataclass
class Call:
    """A call of a tool, by the name that the model sees."""

    name: str
    id: str
    arguments: str = ""

    def take(self, piece: str) -> None:
        """Append to the arguments."""

    def end(self) -> None:
        """Record that the arguments are complete."""


class UnknownCall(Call):
    """A call of a tool that was not offered; nobody can read its arguments."""


class KnownCall(Call):
    """A call of a tool that was offered, and where it is written down."""

    def __init__(self, name: str, sink: CallSink) -> None:
        super().__init__(name, sink.id)
        self.sink = sink

    def take(self, piece: str) -> None:
        """Append to the arguments."""
        self.arguments += piece


class CodeCall(KnownCall):
    """A call of the python tool."""

    def __init__(self, name: str, sink: CallSink) -> None:
        super().__init__(name, sink)
        self.reader = CodeReader()

    def take(self, piece: str) -> None:
        """Append to the arguments, and to the code that stands in them."""
        super().take(piece)
        self._write(self.reader.take(piece))

    def end(self) -> None:
        """Write what the reader held back until the code was complete."""
        self._write(self.reader.end())
        if not isinstance(_parsed(self.arguments), dict):
            # Servers refuse a conversation with arguments that they cannot read.
            self.arguments = json.dumps({"code": self.reader.code})

    def _write(self, code: str) -> None:
        if code:
            self.sink.write(clean(code))


class SearchCall(KnownCall):
    """A call of file search."""

    def end(self) -> None:
        """Make JSON of a bare query, as some models send it."""
        given = _parsed(self.arguments)
        if not isinstance(given, dict):
            query = given if isinstance(given, str) else self.arguments
            self.arguments = json.dumps({"query": query}, ensure_ascii=False)


class FunctionCall(KnownCall):
    """A call of a client's function."""

    def take(self, piece: str) -> None:
        """Append to the arguments."""
        super().take(piece)
        if piece:
            self.sink.write(clean(piece))


class Reply:
    """What the model answers, so far.

    ``forced`` is the tool that it has to call (``""`` for any): until it calls a tool, its
    text is held back, to be dropped if it never does.
    """

    def __init__(self, sink: Sink, toolbox: Toolbox, forced: str | None = None) -> None:
        self._sink = sink
        self._toolbox = toolbox
        self._calls: dict[int, Call] = {}
        self._text: list[str] = []
        self._held: list[str] = []
        self._forced = forced
        self._names: set[str] = set()
        self._reasoning: Mapping[str, Any] | None = None
        self.usage = Usage()
        self.finish = "stop"

    @property
    def calls(self) -> list[Call]:
        """The tool calls, in the model's order."""
        return [self._calls[index] for index in sorted(self._calls)]

    @property
    def obedient(self) -> bool:
        """Whether the tool that had to be called was called."""
        if self._forced is None:
            return True
        return self._forced in self._names if self._forced else bool(self._names)

    async def take(self, chunk: Chunk) -> None:
        """Read one piece."""
        if isinstance(chunk, Reasoning):
            self._sink.think(clean(chunk.text))
        elif isinstance(chunk, ReasoningItems):
            self._reasoning = chunk.value
            self._sink.keep_reasoning(chunk.value)
        elif isinstance(chunk, Waiting):
            self._sink.wait(str(chunk))
        elif isinstance(chunk, Text):
            await self._write(chunk.text)
        elif isinstance(chunk, ToolCall):
            await self._take_call(chunk)
        elif isinstance(chunk, Usage):
            self.usage = chunk
        elif isinstance(chunk, Finish):
            self.finish = chunk.reason

    async def _write(self, text: str) -> None:
        if not text:
            return
        self._sink.end_thoughts()
        self._text.append(text)
        self._held.append(text)
        if self.obedient or self._calls:
            await self.release()

    async def release(self) -> None:
        """Write the text that was held back."""
        text, self._held = "".join(self._held), []
        if text:
            await self._sink.write(text)

    async def _take_call(self, piece: ToolCall) -> None:
        call = self._calls.get(piece.index)
        if call is None:
            self._sink.end_thoughts()
            # Text before a tool call is a message of its own.
            await self.release()
            await self._sink.close_message()
            call = self._calls[piece.index] = await self._begin(piece.name or "")
        call.take(piece.arguments)

    async def _begin(self, name: str) -> Call:
        if not self._toolbox.offers(name):
            return UnknownCall(clean(name), new_id("call_"))
        self._names.add(name)
        function = self._toolbox.function(name)
        if function is not None:
            return FunctionCall(name, await self._sink.open_function(function))
        if name == FILE_SEARCH_TOOL:
            return SearchCall(name, await self._sink.open_search())
        return CodeCall(name, await self._sink.open_code())

    def end(self) -> None:
        """Record that the answer is complete."""
        self._sink.end_thoughts()
        for call in self.calls:
            call.end()

    def chat(self) -> Chat:
        """Return the reply as a chat message."""
        message: Chat = {"role": "assistant", "content": clean("".join(self._text)) or None}
        if self._reasoning is not None:
            message[REASONING_ITEMS] = self._reasoning
        calls = [
            tool_call(call.id, call.name or "unknown", clean(call.arguments) or "{}")
            for call in self.calls
        ]
        return {**message, "tool_calls": calls} if calls else message
