"""What a model is to the engine: one method that streams.

Messages and tools are in the form of the Chat Completions API, the field's common
tongue, so that a model behind any compatible server needs no translation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

PYTHON_TOOL = "python"
"""Name of the function tool that runs code; its one argument is ``{"code": str}``."""

HOW_TO_CALL = f"You have a Python session; call the tool `{PYTHON_TOOL}` to run code in it."
"""Sentence of the system prompt that a model is not told which can call no tools."""

FAILED = "[The code failed, and has given no result yet: fix it and run it again.]"
"""Line of a tool's output by which a model is told that its code has to be repaired."""

FILE_SEARCH_TOOL = "file_search"
"""Name of the function tool that searches vector stores; ``{"query": str}``."""

REASONING_ITEMS = "reasoning_items"
"""Key of an assistant message: the `ReasoningItems.value` that came with that answer."""


@dataclass(frozen=True)
class Request:
    """One call of a model.

    Attributes
    ----------
    messages
        Chat messages, oldest first: ``{"role", "content", "tool_calls"?, "tool_call_id"?}``.
        An assistant's message has ``reasoning_items`` as well where `ReasoningItems` came
        with it; a model that does not know them leaves them out.
        A user message's ``content`` is a string or a list of parts; where the notebook
        attached data, the first text part is the prompt as typed and later text parts
        describe the data.
    tools
        Function tools, ``{"type": "function", "function": {"name", "description", "parameters"}}``.
    tool_choice
        ``"auto"``, ``"none"``, ``"required"`` or ``{"type": "function", "function": {"name": …}}``.
    options
        Further parameters of the Chat Completions API that were set (``temperature``,
        ``top_p``, ``response_format``, ``max_completion_tokens``, ``parallel_tool_calls``,
        ``reasoning_effort``). An effort is taken or refused by `ModelError`, never ignored.
    """

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: str | Mapping[str, Any] = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def runs_python(self) -> bool:
        """Whether the model may run code."""
        names = (tool["function"]["name"] for tool in self.tools)
        return self.tool_choice != "none" and PYTHON_TOOL in names


@dataclass(frozen=True)
class Text:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True)
class Reasoning:
    """A piece of a reasoning model's summary of its thoughts."""

    text: str


@dataclass(frozen=True)
class ReasoningItems:
    """Reasoning that only the model's service can read, to be sent back with the answer.

    Who keeps the conversation puts ``value`` (JSON) into the assistant's message under
    `REASONING_ITEMS`, stores it with the message, and sends both back together, inside a run
    and in later runs of the thread. It comes at most once in an answer, before `Finish`.
    """

    value: Mapping[str, Any]


@dataclass(frozen=True)
class Waiting:
    """The model is not there for now and is asked again in so many seconds.

    ``reason`` says why in a few words.
    """

    seconds: float
    reason: str

    def __str__(self) -> str:
        return f"{self.reason}; trying again in {self.seconds:.0f} s"


@dataclass(frozen=True)
class ToolCall:
    """A piece of a tool call.

    ``id`` and ``name`` stand in the first piece of each ``index``; ``arguments`` is
    JSON text to be appended to what came before.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True)
class Usage:
    """Tokens of one call.

    ``cached_tokens``, which were read from a cache, and ``written_tokens``, which were written to
    one, are part of ``prompt_tokens``, ``reasoning_tokens`` of ``completion_tokens``.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    written_tokens: int = 0


@dataclass(frozen=True)
class Finish:
    """Why the model stopped: ``stop``, ``tool_calls``, ``length`` or ``content_filter``."""

    reason: str


Chunk = Text | Reasoning | ReasoningItems | Waiting | ToolCall | Usage | Finish


class ModelError(Exception):
    """A model failed; the text is one sentence for the user.

    Attributes
    ----------
    code
        The run's ``last_error.code``: ``server_error``, ``rate_limit_exceeded`` or
        ``invalid_prompt``.
    """

    def __init__(self, message: str, code: str = "server_error") -> None:
        super().__init__(message)
        self.code = code


class Model(Protocol):
    """A model; an entry point of the group ``aoai_magic.models.v1`` opens one.

    The entry point is a callable that takes what follows the colon of the model
    SPEC (``""`` if nothing does) and returns a model.
    """

    name: str
    """How ``%assistant status`` names it, e.g. ``offline`` or ``azure:DEPLOYMENT``.

    A model that looks at pictures has an attribute ``sees`` that is true as well; it is
    shown what its code drew.
    """

    def stream(self, request: Request) -> AsyncIterator[Chunk]:
        """Yield the answer in pieces, ending with `Finish`; raise `ModelError`."""
        ...
