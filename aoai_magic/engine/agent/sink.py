"""Sink: what the agent loop reports while it works; each API writes it down in its own form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, Literal

from aoai_magic.engine.agent.cell_outputs import clean
from aoai_magic.engine.models.base import Usage
from aoai_magic.engine.models.pictures import Picture
from aoai_magic.engine.search.fusion import Weights
from aoai_magic.engine.search.library import Found
from aoai_magic.engine.storage.objects import Body

Status = Literal["completed", "requires_action", "incomplete", "failed", "cancelled", "expired"]
Reason = Literal["length", "prompt", "content_filter"]


@dataclass(frozen=True)
class Ending:
    """How the loop ends.

    Attributes
    ----------
    status
        ``requires_action`` when the client has to run its functions.
    error
        The ``code`` and ``message`` of a failure.
    reason
        Why the answer is incomplete: the answer's length, the prompt's, or a filter.
    """

    status: Status
    error: Body | None = None
    reason: Reason | None = None


def failed(text: str, code: str = "server_error") -> Ending:
    """Return the ending of a failure; ``text`` is one sentence."""
    return Ending("failed", {"code": code, "message": clean(text)})


@dataclass(frozen=True)
class Search:
    """How documents are searched: the stores, and the settings of the client's tool."""

    stores: list[str]
    ranker: str
    threshold: float
    most: int
    filters: Body | None = None
    weights: Weights | None = None


class CallSink:
    """A tool call that is being written; an API leaves out what it has no place for."""

    @property
    def id(self) -> str:
        """The id under which the call is answered."""
        raise NotImplementedError

    def write(self, text: str) -> None:
        """Append to the code, or to the arguments of a client's function."""

    async def start(self, parts: list[Body]) -> None:
        """Report that code is complete and runs now; ``parts`` are its growing outputs."""

    def output(self, delta: Body) -> None:
        """Report what was added to the outputs."""

    def describe(self, facts: dict[str, str]) -> None:
        """Record how code ended, also when it was interrupted."""

    def find(self, number: str, query: str, search: Search, found: list[Found]) -> None:
        """Report what a search found, the ``number``th of its conversation."""

    async def finish(self) -> None:
        """Finish the call."""


class Sink:
    """Where one run or response is written down.

    Attributes
    ----------
    used
        The tokens of all model calls so far.
    reply
        The number of the model call under way.
    citations
        File ids and names of the passages that were found, by how a text cites them.
    """

    def __init__(self) -> None:
        self.used = Usage()
        self.reply = 0
        self.citations: dict[str, Body] = {}

    def count(self, usage: Usage, *, heard: bool) -> None:
        """Add the tokens of a model call; ``heard`` is false for an answer that was dropped."""
        pairs = zip(astuple(self.used), astuple(usage), strict=True)
        self.used = Usage(*(one + other for one, other in pairs))

    def keep_reasoning(self, value: Mapping[str, Any]) -> None:
        """Store what only the model's service can read, with the reply that it came of."""
        raise NotImplementedError

    def think(self, text: str) -> None:
        """Report a piece of the model's thoughts."""

    def end_thoughts(self) -> None:
        """Report that the model has thought, if it did."""

    def wait(self, reason: str) -> None:
        """Report that the model is asked again later."""

    async def write(self, text: str) -> None:
        """Append to the message that is being written, or begin one."""
        raise NotImplementedError

    async def close_message(self) -> None:
        """Finish the message that is being written, if there is one, with what it cites."""
        raise NotImplementedError

    async def leave_nothing(self) -> None:
        """Write a message for pictures and files that no text came for."""
        raise NotImplementedError

    async def open_code(self) -> CallSink:
        """Start a call that runs code."""
        raise NotImplementedError

    async def open_search(self) -> CallSink:
        """Start a call that searches documents."""
        raise NotImplementedError

    async def open_function(self, name: str) -> CallSink:
        """Start a call of a client's function."""
        raise NotImplementedError

    def add_files(self, made: Mapping[str, Body]) -> None:
        """Record the files that code created or changed, by name."""
        raise NotImplementedError

    def add_picture(self, kept: Body, picture: Picture) -> Body:
        """Return the output that shows a picture; the next message shows it too."""
        raise NotImplementedError
