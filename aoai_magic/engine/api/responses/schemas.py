"""The request bodies of responses and containers."""

# ruff: noqa: D101 - each class is the object of that name in the published description

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints

from aoai_magic.engine.api.assistants.schemas import (
    ByShape,
    ByType,
    Instructions,
    Metadata,
    ObjectFormat,
    Temperature,
    TextFormat,
    Tokens,
    TopP,
    tagged,
)
from aoai_magic.engine.api.validation import TAG, Closed
from aoai_magic.engine.api.vector_stores import Condition, SearchRanking

Status = Literal["in_progress", "completed", "incomplete"]
_Text = Annotated[str, StringConstraints(max_length=10_485_760)]

# Content


class InputText(Closed):
    type: Literal["input_text"]
    text: _Text


class InputImage(Closed):
    type: Literal["input_image"]
    image_url: str | None = None
    file_id: str | None = None
    detail: Literal["low", "high", "auto", "original"] | None = None


class InputFile(Closed):
    type: Literal["input_file"]
    file_id: str | None = None
    file_data: str | None = None
    filename: str | None = None


class OutputText(Closed):
    type: Literal["output_text"]
    text: _Text
    annotations: list[dict[str, Any]] | None = None
    logprobs: list[Any] | None = None


class Refusal(Closed):
    type: Literal["refusal"]
    refusal: str


Part = Annotated[
    Annotated[InputText, tagged("input_text")]
    | Annotated[InputImage, tagged("input_image")]
    | Annotated[InputFile, tagged("input_file")]
    | Annotated[OutputText, tagged("output_text")]
    | Annotated[Refusal, tagged("refusal")],
    ByType,
]
Content = Annotated[
    Annotated[_Text, tagged("text")] | Annotated[list[Part], tagged("list")], ByShape
]

# Items


class Message(Closed):
    type: Literal["message"] | None = None
    id: str | None = None
    role: Literal["user", "assistant", "system", "developer"]
    content: Content
    status: Status | None = None
    phase: str | None = None


class Logs(Closed):
    type: Literal["logs"]
    logs: str


class Image(Closed):
    type: Literal["image"]
    url: str
    chart: dict[str, Any] | None = None


Output = Annotated[
    Annotated[Logs, tagged("logs")] | Annotated[Image, tagged("image")],
    ByType,
]


class CodeInterpreterCall(Closed):
    type: Literal["code_interpreter_call"]
    id: str
    code: str | None = None
    container_id: str
    outputs: list[Output] | None = None
    status: str | None = None


class FileSearchCall(Closed):
    type: Literal["file_search_call"]
    id: str
    queries: list[str]
    results: list[dict[str, Any]] | None = None
    status: str | None = None


class FunctionCall(Closed):
    type: Literal["function_call"]
    id: str | None = None
    call_id: str
    name: str
    arguments: str
    status: Status | None = None


class FunctionCallOutput(Closed):
    type: Literal["function_call_output"]
    id: str | None = None
    call_id: str
    output: Content
    status: Status | None = None


class ReasoningItem(Closed):
    type: Literal["reasoning"]
    id: str
    summary: list[dict[str, Any]]
    content: list[dict[str, Any]] | None = None
    encrypted_content: str | None = None
    status: Status | None = None


class CompactionItem(Closed):
    type: Literal["compaction"]
    id: str | None = None
    encrypted_content: Annotated[str, StringConstraints(max_length=20_971_520)]
    created_by: str | None = None


class ItemReference(Closed):
    type: Literal["item_reference"] | None = None
    id: str


def _key(value: Any, name: str) -> Any:
    """Read a key; models are objects again when dumped."""
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _kind_of(value: Any) -> str | None:
    """Return the kind of an item; a message need not say that it is one."""
    kind = _key(value, "type")
    if not kind:
        kind = "message" if _key(value, "role") else "item_reference" if _key(value, "id") else None
    return TAG + kind if isinstance(kind, str) else None


Item = Annotated[
    Annotated[Message, tagged("message")]
    | Annotated[CodeInterpreterCall, tagged("code_interpreter_call")]
    | Annotated[FileSearchCall, tagged("file_search_call")]
    | Annotated[FunctionCall, tagged("function_call")]
    | Annotated[FunctionCallOutput, tagged("function_call_output")]
    | Annotated[ReasoningItem, tagged("reasoning")]
    | Annotated[CompactionItem, tagged("compaction")]
    | Annotated[ItemReference, tagged("item_reference")],
    Discriminator(_kind_of),
]
Items = Annotated[list[Item], Field(max_length=10_000)]
Input = Annotated[Annotated[_Text, tagged("text")] | Annotated[Items, tagged("list")], ByShape]

# Tools


class NetworkPolicy(Closed):
    """Sessions have no network; an allow-list is refused rather than ignored."""

    type: Literal["disabled"]
    allowed_domains: list[str] | None = None
    domain_secrets: list[dict[str, Any]] | None = None


MemoryLimit = Literal["1g", "4g", "16g", "64g"]


class SkillReference(Closed):
    type: Literal["skill_reference"]
    skill_id: str
    version: str | None = None


class SkillSource(Closed):
    type: Literal["base64"]
    media_type: Literal["application/zip"]
    data: str


class InlineSkill(Closed):
    type: Literal["inline"]
    name: str
    description: str
    source: SkillSource


Skill = Annotated[
    Annotated[SkillReference, tagged("skill_reference")] | Annotated[InlineSkill, tagged("inline")],
    ByType,
]
SkillList = Annotated[list[Skill], Field(max_length=20)]


class UpdateSkill(Closed):
    default_version: str


class AutoContainer(Closed):
    type: Literal["auto"]
    file_ids: Annotated[list[str], Field(max_length=50)] | None = None
    memory_limit: MemoryLimit | None = None
    network_policy: NetworkPolicy | None = None
    skills: SkillList | None = None


class SessionContainer(Closed):
    """The engine's own: the session of the conversation, which is in no container."""

    type: Literal["session"]
    file_ids: list[str] | None = None


def _container_of(value: Any) -> str:
    if isinstance(value, str):
        return TAG + "text"
    return TAG + ("session" if _key(value, "type") == "session" else "auto")


Container = Annotated[
    Annotated[str, tagged("text")]
    | Annotated[AutoContainer, tagged("auto")]
    | Annotated[SessionContainer, tagged("session")],
    Discriminator(_container_of),
]


class CodeTool(Closed):
    type: Literal["code_interpreter"]
    container: Container


class FileSearchTool(Closed):
    type: Literal["file_search"]
    vector_store_ids: Annotated[list[str], Field(min_length=1, max_length=2)]
    max_num_results: Annotated[int, Field(ge=1, le=50)] | None = None
    filters: Condition | None = None
    ranking_options: SearchRanking | None = None


class FunctionTool(Closed):
    type: Literal["function"]
    name: Annotated[str, StringConstraints(max_length=128, pattern=r"^[a-zA-Z0-9_-]+$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


Tool = Annotated[
    Annotated[CodeTool, tagged("code_interpreter")]
    | Annotated[FileSearchTool, tagged("file_search")]
    | Annotated[FunctionTool, tagged("function")],
    ByType,
]


class ChosenBuiltIn(Closed):
    type: Literal["code_interpreter", "file_search"]


class ChosenFunction(Closed):
    type: Literal["function"]
    name: str


Chosen = Annotated[
    Annotated[ChosenBuiltIn, tagged("code_interpreter")]
    | Annotated[ChosenBuiltIn, tagged("file_search")]
    | Annotated[ChosenFunction, tagged("function")],
    ByType,
]


def _choice_of(value: Any) -> str:
    return TAG + ("word" if isinstance(value, str) else str(_key(value, "type")))


class AllowedTools(Closed):
    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[list[Chosen], Field(min_length=1, max_length=128)]


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], tagged("word")]
    | Annotated[ChosenBuiltIn, tagged("code_interpreter")]
    | Annotated[ChosenBuiltIn, tagged("file_search")]
    | Annotated[ChosenFunction, tagged("function")]
    | Annotated[AllowedTools, tagged("allowed_tools")],
    Discriminator(_choice_of),
]

# Responses


class ConversationParam(Closed):
    id: str


class SchemaFormat(Closed):
    type: Literal["json_schema"]
    name: Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]
    description: str | None = None
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None


class TextSettings(Closed):
    format: (
        Annotated[
            Annotated[TextFormat, tagged("text")]
            | Annotated[ObjectFormat, tagged("json_object")]
            | Annotated[SchemaFormat, tagged("json_schema")],
            ByType,
        ]
        | None
    ) = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningSettings(Closed):
    context: Literal["auto", "current_turn", "all_turns"] | None = None
    mode: str | None = None
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class StreamOptions(Closed):
    include_obfuscation: bool | None = None


class CreateResponse(Closed):
    model: str
    input: Input
    background: bool | None = None
    context_management: Any = None
    conversation: (
        Annotated[
            Annotated[str, tagged("text")] | Annotated[ConversationParam, tagged("object")],
            Discriminator(lambda value: TAG + ("text" if isinstance(value, str) else "object")),
        ]
        | None
    ) = None
    include: list[str] | None = None
    instructions: Instructions | None = None
    max_output_tokens: Tokens | None = None
    max_tool_calls: Annotated[int, Field(ge=1)] | None = None
    metadata: Metadata | None = None
    moderation: Any = None
    parallel_tool_calls: bool | None = None
    previous_response_id: str | None = None
    prompt: Any = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    reasoning: ReasoningSettings | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Temperature | None = None
    text: TextSettings | None = None
    tool_choice: ToolChoice | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    top_p: TopP | None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None


class CreateEvent(CreateResponse):
    """A message over a WebSocket."""

    type: Literal["response.create"]


class CountTokens(Closed):
    """The body of ``/responses/input_tokens``: what of a request the model would read."""

    model: str | None = None
    input: Input | None = None
    conversation: (
        Annotated[
            Annotated[str, tagged("text")] | Annotated[ConversationParam, tagged("object")],
            Discriminator(lambda value: TAG + ("text" if isinstance(value, str) else "object")),
        ]
        | None
    ) = None
    instructions: Instructions | None = None
    parallel_tool_calls: bool | None = None
    personality: str | None = None
    previous_response_id: str | None = None
    reasoning: ReasoningSettings | None = None
    text: TextSettings | None = None
    tool_choice: ToolChoice | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    truncation: Literal["auto", "disabled"] | None = None


class CompactConversation(Closed):
    """The body of ``/responses/compact``."""

    model: str
    input: Input | None = None
    instructions: Instructions | None = None
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None


# Conversations


class CreateConversation(Closed):
    items: Annotated[list[Item], Field(max_length=20)] | None = None
    metadata: Metadata | None = None


class UpdateConversation(Closed):
    metadata: Metadata


class CreateItems(Closed):
    items: Annotated[list[Item], Field(min_length=1, max_length=20)]


# Containers


class ExpiresAfter(Closed):
    anchor: Literal["last_active_at"]
    minutes: Annotated[int, Field(ge=1, le=20)]


class CreateContainer(Closed):
    name: str
    file_ids: Annotated[list[str], Field(max_length=50)] | None = None
    expires_after: ExpiresAfter | None = None
    memory_limit: MemoryLimit | None = None
    network_policy: NetworkPolicy | None = None
    skills: SkillList | None = None


class CreateContainerFile(Closed):
    file_id: str
