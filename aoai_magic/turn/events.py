"""What can happen in a turn: the few events into which every backend turns its stream.

``part`` names the part of the turn that an event belongs to; a backend chooses the
names, each unique within the turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

Status = Literal["running", "completed", "incomplete", "failed", "interrupted"]


@dataclass(frozen=True)
class Usage:
    """What a turn took.

    Attributes
    ----------
    cached_tokens
        The part of ``input_tokens`` that the service had read before.
    written_tokens
        The part of ``input_tokens`` that the service wrote to its cache, where it says so.
    container_minutes
        Minutes of a service's container that the turn began, in whole billing periods.
    estimated
        Whether the tokens were counted here, because the server did not tell.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    container_minutes: int = 0
    estimated: bool = False
    written_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        """Return what both took; estimated if one of them is."""
        pairs = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        estimated = any(pairs.pop("estimated"))
        return Usage(**{name: sum(pair) for name, pair in pairs.items()}, estimated=estimated)


@dataclass(frozen=True)
class Times:
    """Where a turn's time went, in seconds; together less than the whole turn took.

    Attributes
    ----------
    start
        The local engine's start, as far as the turn waited for it.
    upload
        Reading, packing and sending the data.
    waiting
        From each request until the model's first word.
    writing
        Until the model had written all of its words.
    code
        While code ran.
    """

    start: float = 0.0
    upload: float = 0.0
    waiting: float = 0.0
    writing: float = 0.0
    code: float = 0.0


@dataclass(frozen=True)
class Started:
    """The server has taken the turn.

    ``isolation`` is the level at which code will run, where the target knows it; ``effort``
    how much the model was asked to reason, where somebody set it; ``context`` what was sent
    besides question and data, such as a project's ``assistant.md``.
    """

    thread: str
    target: str
    model: str
    isolation: str | None = None
    effort: str | None = None
    context: str | None = None


@dataclass(frozen=True)
class TextDelta:
    """More of an answer's text."""

    part: str
    text: str


@dataclass(frozen=True)
class TextDone:
    """An answer's text is complete, and this is all of it."""

    part: str
    text: str


@dataclass(frozen=True)
class ReasoningDelta:
    """More of what a reasoning model lets be seen of its thoughts."""

    part: str
    text: str


@dataclass(frozen=True)
class ReasoningDone:
    """The thoughts of that part are over, and this is all of them."""

    part: str
    text: str
    seconds: float | None = None


@dataclass(frozen=True)
class CodeDelta:
    """More of the Python that the model writes."""

    part: str
    text: str


@dataclass(frozen=True)
class CodeRunning:
    """The Python is complete and runs now."""

    part: str


@dataclass(frozen=True)
class LogsDelta:
    """More of what the Python of that part printed."""

    part: str
    text: str


@dataclass(frozen=True)
class CodeDone:
    """The Python of that part is over.

    Attributes
    ----------
    error
        Its exception in one line, if it failed.
    code, logs
        All of the code, and all that it printed, where the server says so at the end;
        they replace what came in pieces, of which some may be lost.
    """

    part: str
    error: str | None = None
    seconds: float | None = None
    code: str | None = None
    logs: str | None = None


@dataclass(frozen=True)
class ImageMade:
    """A picture made by the code.

    Attributes
    ----------
    name
        Unique within the turn.
    title
        What stands above the chart, where it is one and its server says so.
    chart
        What else its server says of the chart, as `turn.chart.written` wrote it.
    """

    part: str
    name: str
    data: bytes = field(repr=False)
    media_type: str = "image/png"
    title: str = ""
    chart: str = field(default="", repr=False)


@dataclass(frozen=True)
class FileMade:
    """A file made by the code."""

    name: str
    data: bytes = field(repr=False)
    id: str | None = None


@dataclass(frozen=True)
class Passage:
    """A passage of a document that an answer cites.

    Attributes
    ----------
    number
        By which the answer cites it.
    file
        The document's name.
    place
        Where in the document, such as ``page 2``; empty where nobody says.
    text
        The passage; empty where it is not known.
    """

    number: int
    file: str
    place: str = ""
    text: str = ""


@dataclass(frozen=True)
class Cited:
    """What the text of a part cites, in the order of its numbers."""

    part: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True)
class Notice:
    """One sentence that the user should read, e.g. that a session began afresh."""

    text: str


@dataclass(frozen=True)
class Progress:
    """How far something has come that takes a while (bytes sent, rows read)."""

    what: str
    done: int
    total: int | None = None


@dataclass(frozen=True)
class UsageReported:
    """What the turn took so far; replaces what was reported before.

    ``cost`` is an estimate in US dollars, None where no price is known.
    """

    usage: Usage
    cost: float | None = None


@dataclass(frozen=True)
class Suggested:
    """Questions that the model offers to be asked next, one a line."""

    text: str


@dataclass(frozen=True)
class Finished:
    """The turn is over; always the last event.

    ``error`` is one sentence; ``seconds`` is the time that the whole turn took, ``times`` where
    it went.
    """

    status: Status
    error: str | None = None
    seconds: float | None = None
    times: Times | None = None


_STARTS = {b"\xff\xd8": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}


def picture_type(data: bytes) -> str:
    """Return the media type of a picture by its first bytes; ``image/png`` where none is known."""
    for start, kind in _STARTS.items():
        if data.startswith(start):
            return f"image/{kind}"
    return "image/png"


Event = (
    Started
    | TextDelta
    | TextDone
    | ReasoningDelta
    | ReasoningDone
    | CodeDelta
    | CodeRunning
    | LogsDelta
    | CodeDone
    | ImageMade
    | FileMade
    | Cited
    | Notice
    | Progress
    | UsageReported
    | Suggested
    | Finished
)
