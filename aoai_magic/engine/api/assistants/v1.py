"""Version 1 of the Assistants API, as a view of version 2.

Files are ``file_ids`` of the assistant and of the message there, retrieval is what
became file search, and several keys do not exist yet. OpenAI's own version 1 (chosen by
header, recorded in April 2024) had gained some of them by its end; Azure's had not.
"""

# ruff: noqa: D101 - each class is the object of that name in the published description

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from aoai_magic.engine.api import validation
from aoai_magic.engine.api.assistants import schemas as v2
from aoai_magic.engine.api.assistants.schemas import ByShape, ByType, tagged
from aoai_magic.engine.api.validation import Closed
from aoai_magic.engine.errors import ApiError
from aoai_magic.engine.storage.objects import Body

_NO_RETRIEVAL = (
    "Azure OpenAI Retrieval v1 tool is not supported in favor of the more advanced v2 file_search "
    "tool. Use it with the API version 2024-05-01-preview or a later one."
)

# Request bodies


def _as_text(value: Any) -> Any:
    """Turn numbers and booleans to text as Python writes them, which version 1 did."""
    return str(value) if isinstance(value, int | float) else value


Metadata = Annotated[
    dict[v2.MetadataKey, Annotated[v2.MetadataValue, BeforeValidator(_as_text)]],
    Field(max_length=16),
]


class RetrievalTool(Closed):
    type: Literal["retrieval"]


Tool = Annotated[
    Annotated[v2.CodeTool, tagged("code_interpreter")]
    | Annotated[RetrievalTool, tagged("retrieval")]
    | Annotated[v2.FunctionTool, tagged("function")],
    ByType,
]
Tools = Annotated[list[Tool], Field(max_length=128)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=256_000)]
Content = Annotated[
    Annotated[Text, tagged("text")]
    | Annotated[Annotated[list[v2.Part], Field(min_length=1)], tagged("list")],
    ByShape,
]


class ModifyAssistant(Closed):
    model: str | None = None
    name: v2.Name | None = None
    description: v2.Description | None = None
    instructions: v2.Instructions | None = None
    tools: Tools | None = None
    file_ids: v2.FileIds | None = None
    metadata: Metadata | None = None


class CreateAssistant(ModifyAssistant):
    model: str


class ModifyMetadata(Closed):
    metadata: Metadata | None = None


class CreateMessage(Closed):
    role: Literal["user"]
    content: Content
    file_ids: Annotated[list[str], Field(max_length=10)] | None = None
    metadata: Metadata | None = None


class CreateThread(Closed):
    messages: Annotated[list[CreateMessage], Field(max_length=32)] | None = None
    metadata: Metadata | None = None


class RunSettings(Closed):
    assistant_id: str
    model: str | None = None
    instructions: v2.Instructions | None = None
    tools: Tools | None = None
    metadata: Metadata | None = None


class CreateRun(RunSettings):
    additional_instructions: v2.Instructions | None = None
    additional_messages: list[CreateMessage] | None = None


class CreateThreadAndRun(RunSettings):
    thread: CreateThread | None = None


class SubmitToolOutputs(Closed):
    tool_outputs: Annotated[list[v2.ToolOutput], Field(min_length=1)]


class Sampling(Closed):
    """What assistants and runs of the later version 1 of OpenAI, not Azure, take besides."""

    temperature: v2.Temperature | None = None
    top_p: v2.TopP | None = None
    response_format: v2.ResponseFormat | None = None


class LaterModifyAssistant(ModifyAssistant, Sampling): ...


class LaterCreateAssistant(CreateAssistant, Sampling): ...


class Streamed(Sampling):
    """What its runs take besides."""

    stream: bool | None = None
    max_prompt_tokens: v2.Tokens | None = None
    max_completion_tokens: v2.Tokens | None = None
    truncation_strategy: v2.Truncation | None = None
    tool_choice: v2.ToolChoice | None = None


class StreamedRun(CreateRun, Streamed): ...


class StreamedThreadAndRun(CreateThreadAndRun, Streamed): ...


class StreamedOutputs(SubmitToolOutputs):
    stream: bool | None = None


class CreateAssistantFile(Closed):
    file_id: str


_BODIES: dict[type[Closed], type[Closed]] = {
    v2.CreateAssistant: CreateAssistant,
    v2.ModifyAssistant: ModifyAssistant,
    v2.CreateMessage: CreateMessage,
    v2.CreateThread: CreateThread,
    v2.ModifyThread: ModifyMetadata,
    v2.ModifyMetadata: ModifyMetadata,
    v2.CreateRun: CreateRun,
    v2.CreateThreadAndRun: CreateThreadAndRun,
    v2.SubmitToolOutputs: SubmitToolOutputs,
}
_LATER: dict[type[Closed], type[Closed]] = {
    CreateAssistant: LaterCreateAssistant,
    ModifyAssistant: LaterModifyAssistant,
    CreateRun: StreamedRun,
    CreateThreadAndRun: StreamedThreadAndRun,
    SubmitToolOutputs: StreamedOutputs,
}


def given(model: type[Closed], body: Any, later: bool) -> Body:
    """Check a version 1 body and return its keys in the form of version 2.

    Parameters
    ----------
    model
        The body of version 2.
    body
        The parsed JSON.
    later
        Whether OpenAI's later version 1 is meant, which streams; Azure's did not.
    """
    own = _BODIES.get(model, model)
    if later:
        own = _LATER.get(own, own)
    elif isinstance(body, dict) and not body.get("stream", True):
        # The SDK's helpers say that they do not want what is unavailable.
        body = {key: value for key, value in body.items() if key != "stream"}
    return _upgrade(validation.check(own, body).given())


def refuse_retrieval(body: Any) -> None:
    """Refuse a tool that Azure did not have.

    Raises
    ------
    ApiError
        When the body of a request asks for it.
    """
    tools = body.get("tools") if isinstance(body, dict) else None
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict) and tool.get("type") == "retrieval":
            raise ApiError(_NO_RETRIEVAL)


def _upgrade(body: Body) -> Body:
    body = dict(body)
    if body.get("tools") is not None:
        body["tools"] = [_rename(tool, "retrieval", "file_search") for tool in body["tools"]]
    for key in ("messages", "additional_messages"):
        if body.get(key) is not None:
            body[key] = [_upgrade(message) for message in body[key]]
    if body.get("thread") is not None:
        body["thread"] = _upgrade(body["thread"])
    ids = body.pop("file_ids", None)
    if ids is None:
        return body
    if "role" in body:
        tools = [{"type": "code_interpreter"}]
        return {**body, "attachments": [{"file_id": id_, "tools": tools} for id_ in ids]}
    return {**body, "tool_resources": {"code_interpreter": {"file_ids": ids}}}


def _rename(tool: Body, old: str, new: str) -> Body:
    return {"type": new} if tool["type"] == old else tool


# Objects

_LACKING = {
    "assistant": ("reasoning_effort", "tool_resources"),
    "thread": ("tool_resources",),
    "thread.message": ("attachments",),
    "thread.run": ("tool_resources", "reasoning_effort", "parallel_tool_calls"),
}
_LATER_KEYS = {
    "assistant": ("top_p", "temperature", "response_format"),
    "thread.run": ("top_p",),
}
_STREAMED_KEYS = {
    "thread.message": ("status", "incomplete_details", "incomplete_at", "completed_at"),
}


def view(data: Any, *, later: bool, streamed: bool = False) -> Any:
    """Return an object, or a page of them, as version 1 shows it.

    Parameters
    ----------
    data
        The object of version 2.
    later
        Whether OpenAI's later version 1 is meant, which shows more keys than Azure's.
    streamed
        Whether the object is sent in an event; messages show how they ended only there.
    """
    if data.get("object") == "list":
        return {**data, "data": [view(one, later=later) for one in data["data"]]}
    kind = data.get("object", "")
    hidden = {
        *_LACKING.get(kind, ()),
        *(() if later else _LATER_KEYS.get(kind, ())),
        *(() if streamed else _STREAMED_KEYS.get(kind, ())),
    }
    shown = {key: value for key, value in data.items() if key not in hidden}
    if "tools" in shown:
        shown["tools"] = [_rename(tool, "file_search", "retrieval") for tool in shown["tools"]]
    if data.get("object") == "thread.message":
        shown["file_ids"] = [entry["file_id"] for entry in data["attachments"]]
    elif data.get("object") in ("assistant", "thread.run"):
        shown["file_ids"] = code_files(data)
    return _quoting(_retrieval(shown))


def _quoting(shown: Body) -> Body:
    """Show citations with their quote, which was empty where the service had none."""
    if shown.get("object") != "thread.message":
        return shown
    return {**shown, "content": [_quoting_part(part) for part in shown["content"]]}


def _quoting_part(part: Body) -> Body:
    if part["type"] != "text":
        return part
    annotations = [
        {**one, "file_citation": {"quote": "", **one["file_citation"]}}
        if one["type"] == "file_citation"
        else one
        for one in part["text"]["annotations"]
    ]
    return {**part, "text": {**part["text"], "annotations": annotations}}


def _retrieval(shown: Body) -> Body:
    """Show the steps of file search as retrieval."""
    details = shown.get("step_details")
    if not details or details["type"] != "tool_calls":
        return shown
    calls = [
        {"id": call["id"], "type": "retrieval", "retrieval": {}}
        if call["type"] == "file_search"
        else call
        for call in details["tool_calls"]
    ]
    return {**shown, "step_details": {**details, "tool_calls": calls}}


def code_files(data: Body) -> list[str]:
    """Return the ids of the files that an object holds for code."""
    resources = data["tool_resources"].get("code_interpreter") or {}
    return list(resources.get("file_ids", ()))


def assistant_file(assistant: Body, file_id: str) -> Body:
    """Make the object that ties a file to an assistant."""
    return {
        "id": file_id,
        "object": "assistant.file",
        "created_at": assistant["created_at"],
        "assistant_id": assistant["id"],
    }


def message_file(message: Body, file_id: str) -> Body:
    """Make the object that ties a file to a message."""
    return {
        "id": file_id,
        "object": "thread.message.file",
        "created_at": message["created_at"],
        "message_id": message["id"],
    }
