"""The request bodies of version 2, with the limits that the service sets."""

# ruff: noqa: D101 - each class is the object of that name in the published description

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator

from aoai_magic.engine.api.validation import TAG, Closed, Sparse

MetadataKey = Annotated[str, StringConstraints(max_length=64)]
MetadataValue = Annotated[str, StringConstraints(max_length=512)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)]
Name = Annotated[str, StringConstraints(max_length=256)]
Description = Annotated[str, StringConstraints(max_length=512)]
Instructions = Annotated[str, StringConstraints(max_length=256_000)]
Words = Annotated[str, StringConstraints(max_length=256_000)]
Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(ge=0, le=1)]
Tokens = Annotated[int, Field(ge=16)]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
FileIds = Annotated[list[str], Field(max_length=20)]


def _type_of(value: Any) -> str | None:
    """Return the kind of an object by its ``type``; models are objects again when dumped."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return TAG + kind if isinstance(kind, str) else None


def tagged(name: str) -> Tag:
    """Make the tag of a kind."""
    return Tag(TAG + name)


ByType = Discriminator(_type_of)


def _shape_of(value: Any) -> str:
    """Return a text from a list; anything else is held against the text's type."""
    return TAG + ("list" if isinstance(value, list) else "text")


ByShape = Discriminator(_shape_of)


def _option_of(value: Any) -> str:
    """Return a word from an object."""
    return TAG + "word" if isinstance(value, str) else _type_of(value) or TAG + "word"


ByOption = Discriminator(_option_of)


# Tools


class Function(Sparse):
    name: Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class CodeTool(Closed):
    type: Literal["code_interpreter"]


class RankingOptions(Closed):
    ranker: Literal["auto", "default_2024_08_21"] = "auto"
    score_threshold: Annotated[float, Field(ge=0, le=1)]


class SearchSettings(Sparse):
    max_num_results: Annotated[int, Field(ge=1, le=50)] | None = None
    ranking_options: RankingOptions | None = None


class SearchTool(Sparse):
    type: Literal["file_search"]
    file_search: SearchSettings | None = None


class FunctionTool(Closed):
    type: Literal["function"]
    function: Function


Tool = Annotated[
    Annotated[CodeTool, tagged("code_interpreter")]
    | Annotated[SearchTool, tagged("file_search")]
    | Annotated[FunctionTool, tagged("function")],
    ByType,
]
AttachmentTool = Annotated[
    Annotated[CodeTool, tagged("code_interpreter")] | Annotated[SearchTool, tagged("file_search")],
    ByType,
]


class NamedFunction(Closed):
    name: str


class ChosenFunction(Closed):
    type: Literal["function"]
    function: NamedFunction


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], tagged("word")]
    | Annotated[CodeTool, tagged("code_interpreter")]
    | Annotated[SearchTool, tagged("file_search")]
    | Annotated[ChosenFunction, tagged("function")],
    ByOption,
]


# Tool resources


class CodeResources(Closed):
    file_ids: FileIds = Field(default_factory=list)


class StaticChunking(Closed):
    max_chunk_size_tokens: Annotated[int, Field(ge=100, le=4096)]
    chunk_overlap_tokens: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _goes_on(self) -> StaticChunking:
        if 2 * self.chunk_overlap_tokens > self.max_chunk_size_tokens:
            raise ValueError(
                "'chunk_overlap_tokens' must be less than or equal to half of "
                "'max_chunk_size_tokens'."
            )
        return self


class AutoStrategy(Closed):
    type: Literal["auto"]


class StaticStrategy(Closed):
    type: Literal["static"]
    static: StaticChunking


ChunkingStrategy = Annotated[
    Annotated[AutoStrategy, tagged("auto")] | Annotated[StaticStrategy, tagged("static")], ByType
]


class NewStore(Closed):
    file_ids: Annotated[list[str], Field(max_length=10_000)] = Field(default_factory=list)
    chunking_strategy: ChunkingStrategy | None = None
    metadata: Metadata | None = None


class SearchResources(Sparse):
    vector_store_ids: Annotated[list[str], Field(max_length=1)] | None = None
    vector_stores: Annotated[list[NewStore], Field(max_length=1)] | None = None


class ToolResources(Closed):
    code_interpreter: CodeResources | None = None
    file_search: SearchResources | None = None


# Response format


class JsonSchema(Sparse):
    name: Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]
    description: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class TextFormat(Closed):
    type: Literal["text"]


class ObjectFormat(Closed):
    type: Literal["json_object"]


class SchemaFormat(Closed):
    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = Annotated[
    Annotated[Literal["auto"], tagged("word")]
    | Annotated[TextFormat, tagged("text")]
    | Annotated[ObjectFormat, tagged("json_object")]
    | Annotated[SchemaFormat, tagged("json_schema")],
    ByOption,
]


# Messages


class TextPart(Closed):
    type: Literal["text"]
    text: Words


class ImageFile(Closed):
    file_id: str
    detail: Literal["auto", "low", "high"] = "auto"


class ImageFilePart(Closed):
    type: Literal["image_file"]
    image_file: ImageFile


class ImageUrl(Closed):
    url: Annotated[str, StringConstraints(min_length=1)]
    detail: Literal["auto", "low", "high"] = "auto"


class ImageUrlPart(Closed):
    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[
    Annotated[TextPart, tagged("text")]
    | Annotated[ImageFilePart, tagged("image_file")]
    | Annotated[ImageUrlPart, tagged("image_url")],
    ByType,
]
NonEmpty = Annotated[Words, StringConstraints(min_length=1)]
Content = Annotated[
    Annotated[NonEmpty, tagged("text")]
    | Annotated[Annotated[list[Part], Field(min_length=1)], tagged("list")],
    ByShape,
]


class Attachment(Closed):
    file_id: str
    tools: list[AttachmentTool]


class CreateMessage(Closed):
    role: Literal["user", "assistant"]
    content: Content
    attachments: list[Attachment] | None = None
    metadata: Metadata | None = None


class ModifyMetadata(Closed):
    metadata: Metadata | None = None


# Assistants and threads


class ModifyAssistant(Closed):
    model: str | None = None
    name: Name | None = None
    description: Description | None = None
    instructions: Instructions | None = None
    reasoning_effort: Effort | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_resources: ToolResources | None = None
    metadata: Metadata | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    response_format: ResponseFormat | None = None


class CreateAssistant(ModifyAssistant):
    model: str


Messages = Annotated[list[CreateMessage], Field(max_length=10_000)]
"""The service names no bound; this one keeps a request from holding up all others."""


class CreateThread(Closed):
    messages: Messages | None = None
    tool_resources: ToolResources | None = None
    metadata: Metadata | None = None


class ModifyThread(Closed):
    tool_resources: ToolResources | None = None
    metadata: Metadata | None = None


# Runs


class Truncation(Closed):
    type: Literal["auto", "last_messages"]
    last_messages: Annotated[int, Field(ge=1)] | None = None


class RunSettings(Closed):
    assistant_id: str
    model: str | None = None
    instructions: Instructions | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    metadata: Metadata | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    stream: bool | None = None
    max_prompt_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    truncation_strategy: Truncation | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None


class CreateRun(RunSettings):
    additional_instructions: Instructions | None = None
    additional_messages: Messages | None = None
    reasoning_effort: Effort | None = None


class CreateThreadAndRun(RunSettings):
    thread: CreateThread | None = None
    tool_resources: ToolResources | None = None


class ToolOutput(Closed):
    tool_call_id: str
    output: Annotated[str, StringConstraints(max_length=512_000)] = ""


class SubmitToolOutputs(Closed):
    tool_outputs: Annotated[list[ToolOutput], Field(min_length=1)]
    stream: bool | None = None
