"""Reply: one answer of the model, taken apart into a message and steps as it arrives."""

from __future__ import annotations

from dataclasses import dataclass, field

from aoai_magic.engine.agent.assistants_sink import (
    CodeRecord,
    FunctionsRecord,
    Recorder,
    SearchRecord,
)
from aoai_magic.engine.agent.cell_outputs import clean
from aoai_magic.engine.agent.partial_code import CodeReader
from aoai_magic.engine.agent.thread_history import Chat, tool_call
from aoai_magic.engine.agent.tools import Toolbox
from aoai_magic.engine.models.base import (
    FILE_SEARCH_TOOL,
    PYTHON_TOOL,
    Chunk,
    Finish,
    Reasoning,
    Text,
    ToolCall,
    Usage,
    Waiting,
)
from aoai_magic.engine.storage.ids import new_id


@dataclass
class CodeCall:
    """A call of the python tool."""

    record: CodeRecord
    reader: CodeReader = field(default_factory=CodeReader)
    arguments: str = ""


@dataclass
class SearchCall:
    """A call of file search."""

    record: SearchRecord
    arguments: str = ""


@dataclass
class FunctionCall:
    """A call of a client's function, with its index in the step."""

    record: FunctionsRecord
    index: int


@dataclass
class UnknownCall:
    """A call of a tool that was not offered."""

    name: str


Call = CodeCall | SearchCall | FunctionCall | UnknownCall


class Reply:
    """What the model answers, so far.

    ``forced`` is the tool that it has to call (``""`` for any): until it does, its text is
    held back, to be dropped if it never does.
    """

    def __init__(self, recorder: Recorder, toolbox: Toolbox, forced: str | None = None) -> None:
        self._recorder = recorder
        self._toolbox = toolbox
        self._calls: dict[int, Call] = {}
        self._functions: FunctionsRecord | None = None
        self._text: list[str] = []
        self._forced = forced
        self._names: set[str] = set()
        self._thoughts = new_id("rs_")
        self._thinking = False
        self.usage = Usage()
        self.finish = "stop"

    @property
    def calls(self) -> list[Call]:
        """The tool calls, in the model's order."""
        return [self._calls[index] for index in sorted(self._calls)]

    @property
    def functions(self) -> FunctionsRecord | None:
        """The step of the calls that the client has to answer."""
        return self._functions

    async def take(self, chunk: Chunk) -> None:
        """Read one piece."""
        if isinstance(chunk, Reasoning):
            self._think(chunk.text)
        elif isinstance(chunk, Waiting):
            self._recorder.aside(self._thoughts, "waiting", waiting=str(chunk))
        elif isinstance(chunk, Text):
            if chunk.text:
                self.end_thoughts()
                self._text.append(chunk.text)
                if self.obedient:
                    await self._recorder.write(chunk.text)
        elif isinstance(chunk, ToolCall):
            await self._take_call(chunk)
        elif isinstance(chunk, Usage):
            self.usage = chunk
        elif isinstance(chunk, Finish):
            self.finish = chunk.reason

    @property
    def obedient(self) -> bool:
        """Whether the tool that had to be called was called."""
        if self._forced is None:
            return True
        return self._forced in self._names if self._forced else bool(self._names)

    async def _obey(self, name: str) -> None:
        """Note a call; the text that was held back till then is let go."""
        held = not self.obedient
        self._names.add(name)
        if held and self.obedient and self._text:
            await self._recorder.write("".join(self._text))

    def _think(self, text: str) -> None:
        self._thinking = True
        self._recorder.aside(self._thoughts, "reasoning", reasoning=clean(text), done=False)

    def end_thoughts(self) -> None:
        """Say that the model has thought, if it did."""
        if self._thinking:
            self._thinking = False
            self._recorder.aside(self._thoughts, "reasoning", reasoning="", done=True)
            self._thoughts = new_id("rs_")

    async def _take_call(self, piece: ToolCall) -> None:
        call = self._calls.get(piece.index)
        if call is None:
            self.end_thoughts()
            if self._toolbox.offers(piece.name or ""):
                await self._obey(piece.name or "")
            # Text before a tool call is a message of its own.
            await self._recorder.close_message()
            call = await self._begin(piece.name or "")
            self._calls[piece.index] = call
        if isinstance(call, CodeCall):
            call.arguments += piece.arguments
            if added := clean(call.reader.take(piece.arguments)):
                call.record.write(added)
        elif isinstance(call, SearchCall):
            call.arguments += piece.arguments
        elif isinstance(call, FunctionCall) and piece.arguments:
            call.record.write(call.index, clean(piece.arguments))

    async def _begin(self, name: str) -> Call:
        if name == PYTHON_TOOL and self._toolbox.python:
            return CodeCall(await self._recorder.open_code())
        if name == FILE_SEARCH_TOOL and self._toolbox.search:
            return SearchCall(await self._recorder.open_search())
        function = self._toolbox.function(name)
        if function is None:
            return UnknownCall(clean(name))
        if self._functions is None:
            details = {"type": "tool_calls", "tool_calls": []}
            self._functions = FunctionsRecord(await self._recorder.open_step("tool_calls", details))
        return FunctionCall(self._functions, self._functions.add(function))

    def chat(self) -> Chat:
        """Give the reply as a chat message; ids of its calls are those of the steps."""
        message: Chat = {"role": "assistant", "content": clean("".join(self._text)) or None}
        calls = [_chat_call(index, call) for index, call in enumerate(self.calls)]
        return {**message, "tool_calls": calls} if calls else message


def call_id(index: int, call: Call) -> str:
    """Give the id under which a call is answered."""
    if isinstance(call, CodeCall | SearchCall):
        return str(call.record.call["id"])
    if isinstance(call, FunctionCall):
        return str(call.record.calls[call.index]["id"])
    return f"call_unknown{index}"


def _chat_call(index: int, call: Call) -> Chat:
    id_ = call_id(index, call)
    if isinstance(call, CodeCall):
        return tool_call(id_, PYTHON_TOOL, call.arguments)
    if isinstance(call, SearchCall):
        return tool_call(id_, FILE_SEARCH_TOOL, call.arguments)
    if isinstance(call, FunctionCall):
        function = call.record.calls[call.index]["function"]
        return tool_call(id_, function["name"], function["arguments"])
    return tool_call(id_, call.name or "unknown", "{}")
