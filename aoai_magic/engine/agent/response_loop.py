"""The response loop: ask the model, run its code in the container, tell it what came out."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from aoai_magic.engine.agent.cell_outputs import Outputs, as_text, clean
from aoai_magic.engine.agent.containers import Containers
from aoai_magic.engine.agent.loop import Services, cell_notes, closing
from aoai_magic.engine.agent.loop_guard import STUCK, Repeats
from aoai_magic.engine.agent.partial_code import CodeReader
from aoai_magic.engine.agent.responses_sink import (
    Code,
    Function,
    Message,
    Reasoning,
    Writer,
)
from aoai_magic.engine.agent.system_prompt import Listed, system_prompt
from aoai_magic.engine.agent.thread_history import Chat, tool_call, tool_result
from aoai_magic.engine.agent.tools import Toolbox
from aoai_magic.engine.errors import ApiError
from aoai_magic.engine.models import base, pictures
from aoai_magic.engine.models.base import PYTHON_TOOL, Chunk, ToolCall
from aoai_magic.engine.models.pictures import Picture
from aoai_magic.engine.storage import response_objects
from aoai_magic.engine.storage.annotations import find_links
from aoai_magic.engine.storage.objects import Body

_BROKEN = "The call's arguments were not a JSON object with the string `code`; nothing was run."


@dataclass(frozen=True)
class End:
    """How a response ends: its status and the keys that go with it."""

    status: str
    changes: Body = field(default_factory=dict)


def failed(text: str, code: str = "server_error") -> End:
    """End a response with an error; ``text`` is one sentence."""
    return End("failed", {"error": {"code": code, "message": clean(text)}})


def incomplete(reason: str) -> End:
    """End a response that was cut off: ``max_output_tokens`` or ``content_filter``."""
    return End("incomplete", {"incomplete_details": {"reason": reason}})


@dataclass
class PythonCall:
    """A call of the python tool."""

    item: Code
    reader: CodeReader = field(default_factory=CodeReader)
    arguments: str = ""


@dataclass
class UnknownCall:
    """A call of a tool that was not offered."""

    name: str
    id: str


Call = PythonCall | Function | UnknownCall


class Answer:
    """One reply of the model, taken apart into items as it arrives."""

    def __init__(self, loop: ResponseLoop, number: int) -> None:
        self._loop = loop
        self._reply = f"{loop.writer.response['id']}/{number}"
        self._calls: dict[int, Call] = {}
        self._reasoning: Reasoning | None = None
        self._text: list[str] = []
        self.message: Message | None = None
        self.usage = base.Usage()
        self.finish = "stop"

    @property
    def calls(self) -> list[Call]:
        """The tool calls, in the model's order."""
        return [self._calls[index] for index in sorted(self._calls)]

    def take(self, chunk: Chunk) -> None:
        """Read one piece."""
        if isinstance(chunk, base.Text):
            self._write(chunk.text)
        elif isinstance(chunk, base.Reasoning):
            self._think(chunk.text)
        elif isinstance(chunk, ToolCall):
            self._take_call(chunk)
        elif isinstance(chunk, base.Usage):
            self.usage = chunk
        elif isinstance(chunk, base.Finish):
            self.finish = chunk.reason

    def _write(self, text: str) -> None:
        if not text:
            return
        self._end_reasoning()
        if self.message is None:
            self.message = Message(self._loop.writer, self._reply)
        self._text.append(text)
        self.message.write(text)

    def _think(self, text: str) -> None:
        if not text or not self._loop.writer.response["reasoning"]["summary"]:
            return
        if self._reasoning is None:
            self._reasoning = Reasoning(self._loop.writer, self._reply)
        self._reasoning.write(text)

    def _end_reasoning(self) -> None:
        thought, self._reasoning = self._reasoning, None
        if thought is not None:
            thought.close("completed")

    def _take_call(self, piece: ToolCall) -> None:
        call = self._calls.get(piece.index)
        if call is None:
            # Text before a tool call is a message of its own.
            self.close_message()
            call = self._calls[piece.index] = self._begin(piece.name or "")
        if isinstance(call, PythonCall):
            call.arguments += piece.arguments
            if added := clean(call.reader.take(piece.arguments)):
                call.item.write(added)
        elif isinstance(call, Function) and piece.arguments:
            call.write(clean(piece.arguments))

    def _begin(self, name: str) -> Call:
        writer, container = self._loop.writer, self._loop.container_id
        if name == PYTHON_TOOL and container is not None:
            return PythonCall(Code(writer, self._reply, container))
        function = self._loop.toolbox.function(name)
        if function is None:
            return UnknownCall(clean(name), f"call_unknown{len(self._calls)}")
        return Function(writer, self._reply, function)

    def close_message(self, status: str = "completed") -> None:
        """Finish the text that is being written, if there is one, with what it cites."""
        self._end_reasoning()
        message, self.message = self.message, None
        if message is not None:
            message.annotate(self._loop.citations(message.text))
            message.close(status)

    def leave_nothing(self) -> None:
        """Write a message for pictures that no text came for."""
        if self._loop.pictures:
            self.message = Message(self._loop.writer, self._reply)
            self.close_message()

    def chat(self) -> Chat:
        """Give the reply as a chat message."""
        said: Chat = {"role": "assistant", "content": clean("".join(self._text)) or None}
        calls = [_chat_call(call) for call in self.calls]
        return {**said, "tool_calls": calls} if calls else said


class ResponseLoop:
    """The execution of one response.

    Parameters
    ----------
    writer
        Its record.
    told
        What came before, in the chat form, the client's new input at the end.
    container_id
        Where code runs, None without the code interpreter.
    """

    def __init__(
        self,
        services: Services,
        containers: Containers,
        writer: Writer,
        told: list[Chat],
        container_id: str | None,
        azure: bool,
    ) -> None:
        self._services = services
        self._containers = containers
        self.writer = writer
        self._told = told
        self.container_id = container_id
        self._azure = azure
        self.toolbox = Toolbox(as_run(writer.response))
        self.pictures: list[Body] = []
        self._files: dict[str, Body] = {}
        self._failures = 0
        self._cells = 0
        self._sees = False
        self._drawn: list[Picture] = []
        self._repeats = Repeats()
        self.tokens = {"prompt": 0, "completion": 0, "cached": 0}

    async def converse(self) -> End:
        """Go on until the model is done, its client has to act, or a bound is struck."""
        messages = [{"role": "system", "content": await self._system()}, *self._told]
        model = await self._services.model(self.writer.response)
        self._sees = getattr(model, "sees", False)
        bounds = self._services.bounds
        for number in range(bounds.run_steps):
            answer = await self._ask(model, messages, number)
            end = self._cut_short(answer) or await self._follow(answer, messages)
            if end is not None:
                return end
            if self._failures >= bounds.failures_in_a_row:
                return failed(
                    f"The model's code failed {self._failures} times in a row; say more "
                    "precisely what to do, or use another model."
                )
        return failed(
            f"The response took {bounds.run_steps} steps without coming to an end; ask again "
            "more narrowly."
        )

    async def _system(self) -> str:
        instructions = [self.writer.response["instructions"]]
        if self.container_id is None:
            return system_prompt(instructions, False, "new", [])
        await self._services.sessions.isolation()
        state = await self._services.sessions.state(self.container_id)
        self._files = await self._containers.names(self.container_id)
        listed = [Listed(name, body["bytes"]) for name, body in self._files.items()]
        return system_prompt(instructions, True, state, listed)

    # Asking

    async def _ask(self, model: base.Model, messages: list[Chat], number: int) -> Answer:
        request = base.Request(
            messages=tuple(messages),
            tools=self.toolbox.offer(),
            tool_choice=self._choice(first=number == 0),
            options=self._options(),
        )
        answer = Answer(self, number)
        async with closing(model.stream(request)) as chunks:
            async for chunk in chunks:
                answer.take(chunk)
        self.tokens["prompt"] += answer.usage.prompt_tokens
        self.tokens["completion"] += answer.usage.completion_tokens
        self.tokens["cached"] += answer.usage.cached_tokens
        return answer

    def _choice(self, *, first: bool) -> str | Body:
        most = self.writer.response["max_tool_calls"]
        if most is not None and self._cells >= most:
            return "none"
        return self.toolbox.choice(first)

    def _options(self) -> Body:
        asked = self.writer.response
        # Reasoning models refuse even the defaults of these two.
        names = ("temperature", "top_p")
        options: Body = {key: asked[key] for key in names if asked[key] not in (None, 1)}
        if (form := _response_format(asked["text"]["format"])) is not None:
            options["response_format"] = form
        if asked["reasoning"]["effort"] is not None:
            options["reasoning_effort"] = asked["reasoning"]["effort"]
        if asked["max_output_tokens"]:
            left = asked["max_output_tokens"] - self.tokens["completion"]
            options["max_completion_tokens"] = max(left, 1)
        if asked["parallel_tool_calls"] is False and asked["tools"]:
            options["parallel_tool_calls"] = False
        return options

    # Following

    def _cut_short(self, answer: Answer) -> End | None:
        limit = self.writer.response["max_output_tokens"]
        spent = bool(answer.calls and limit and self.tokens["completion"] >= limit)
        if answer.finish == "length" or spent:
            answer.close_message("incomplete")
            return incomplete("max_output_tokens")
        if answer.finish == "content_filter":
            answer.close_message("incomplete")
            return incomplete("content_filter")
        return None

    async def _follow(self, answer: Answer, messages: list[Chat]) -> End | None:
        """Do what the answer asks for; None when the model has to be asked again."""
        answer.close_message()
        messages.append(answer.chat())
        for call in answer.calls:
            await self._do(call, messages)
        drawn, self._drawn = pictures.shown(self._drawn), []
        if drawn and self._sees:
            messages.append(drawn)
        if any(isinstance(call, Function) for call in answer.calls):
            return End("completed")
        if answer.calls:
            return failed(STUCK) if self._repeats.stuck else None
        answer.leave_nothing()
        return End("completed")

    async def _do(self, call: Call, messages: list[Chat]) -> None:
        if isinstance(call, Function):
            call.close("completed")
        elif isinstance(call, PythonCall):
            messages.append(tool_result(call.item.body["id"], await self._run(call)))
        else:
            self._failures += 1
            messages.append(tool_result(call.id, f"There is no tool called {call.name!r}."))

    async def _run(self, call: PythonCall) -> str:
        """Run one cell and finish its item; gives what the model is told."""
        outputs, notes = Outputs(), []
        call.item.interpret()
        self._cells += 1
        call.item.body["outputs"] = outputs.parts
        if call.reader.complete:
            notes = await self._run_cell(call, outputs)
        else:
            outputs.refuse(_BROKEN)
        call.item.close("completed")
        self._failures = 0 if outputs.outcome == "ok" else self._failures + 1
        text = as_text(outputs.parts, self._services.bounds.tool_output)
        notes += self._repeats.note(call.reader.code, text)
        return "\n".join([*notes, text])

    async def _run_cell(self, call: PythonCall, outputs: Outputs) -> list[str]:
        assert self.container_id is not None
        try:
            async with self._containers.lease(self.container_id) as lease:
                async with closing(lease.session.run(call.reader.code)) as events:
                    async for event in events:
                        await self._take(outputs.take(event), outputs)
                found = await self._containers.collect(lease, self._azure)
        except ApiError as error:
            # The container was deleted, or expired, while the model was thinking.
            outputs.refuse(error.message)
            return []
        self._files |= found.files
        for sentence in found.left:
            outputs.add_logs(outputs.line(sentence))
        return cell_notes(lease, outputs, found.files)

    async def _take(self, pieces: list[str | Picture], outputs: Outputs) -> None:
        for piece in pieces:
            if isinstance(piece, Picture):
                outputs.parts.append(await self._picture(piece))
            elif piece:
                outputs.add_logs(piece)

    async def _picture(self, picture: Picture) -> Body:
        """Keep a picture in the container; the response's next message cites it."""
        assert self.container_id is not None
        self._drawn.append(picture)
        source = BytesIO(picture.data)
        body, stored = await self._containers.add_picture(self.container_id, source, picture.suffix)
        self.pictures.append(body)
        return image(stored, picture.suffix, picture.data)

    def citations(self, text: str) -> list[Body]:
        """Give the annotations of a text: pictures first, then the files it links to."""
        if self.container_id is None:
            return []
        pictures, self.pictures = self.pictures, []
        by_id = {body["id"]: body for body in self._files.values()}
        links = find_links(text, {name: body["id"] for name, body in self._files.items()})
        return [response_objects.citation(self.container_id, body) for body in pictures] + [
            response_objects.citation(
                self.container_id,
                by_id[link["file_path"]["file_id"]],
                link["start_index"],
                link["end_index"],
            )
            for link in links
        ]


def image(stored: str, suffix: str, data: bytes) -> Body:
    """Make the output that shows a picture; the data is in the URL, as the service has it."""
    url = f"data:image/{suffix};base64,{base64.b64encode(data).decode()}"
    return {"type": "image", "url": url, "_file": stored, "_suffix": suffix}


def as_run(response: Mapping[str, Any]) -> Body:
    """Give tools and tool choice in the form that a run has them."""
    tools = []
    for tool in response["tools"]:
        if tool["type"] == "function":
            keys = ("name", "description", "parameters", "strict")
            function = {key: tool[key] for key in keys if tool.get(key) is not None}
            tools.append({"type": "function", "function": function})
        else:
            tools.append({"type": tool["type"]})
    choice = response["tool_choice"]
    if isinstance(choice, dict) and choice["type"] == "function":
        choice = {"type": "function", "function": {"name": choice["name"]}}
    return {"tools": tools, "tool_choice": choice, "tool_resources": {}}


def _response_format(form: Mapping[str, Any]) -> Body | None:
    if form["type"] == "text":
        return None
    if form["type"] != "json_schema":
        return dict(form)
    schema = {key: value for key, value in form.items() if key != "type" and value is not None}
    return {"type": "json_schema", "json_schema": schema}


def _chat_call(call: Call) -> Chat:
    if isinstance(call, PythonCall):
        return tool_call(call.item.body["id"], PYTHON_TOOL, call.arguments)
    if isinstance(call, Function):
        return tool_call(call.body["call_id"], call.body["name"], call.body["arguments"])
    return tool_call(call.id, call.name or "unknown", "{}")
