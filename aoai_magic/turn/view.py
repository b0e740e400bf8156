"""The one value that every view of a turn is drawn from, and the fold that makes it.

`View` is immutable; ``fold(view, event)`` gives the next one and does nothing else,
so a live widget, the saved notebook, a terminal, a recording and the Python result
cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import Literal, TypeVar

from aoai_magic.turn import events
from aoai_magic.turn.blob import Blob
from aoai_magic.turn.events import Status, Usage

INTERRUPTED = "interrupted"
"""The error of code that the end of the turn cut off."""


@dataclass(frozen=True)
class Input:
    """What an attached file is in the notebook.

    Attributes
    ----------
    name
        The variable's name, or the path as it was given.
    is_variable
        Which of the two it is.
    kind
        Type of the variable with its library, as far as it is known: ``pandas.DataFrame``.
    expression
        How the notebook has it where it has no variable of that name.
    as_sent
        Python for what the session has under that name where that is not the variable itself:
        the rows of a lazy frame, ….
    as_read
        Python for what its file holds where that is not the variable itself: a frame whose
        index is a column, ….
    """

    name: str
    is_variable: bool
    kind: str = ""
    expression: str = ""
    as_read: str = ""
    as_sent: str = ""


@dataclass(frozen=True)
class Text:
    """Prose of the model, Markdown."""

    id: str
    text: str = ""
    done: bool = False


@dataclass(frozen=True)
class Reasoning:
    """What a reasoning model let be seen of its thoughts, Markdown; no part of the answer."""

    id: str
    text: str = ""
    seconds: float | None = None
    done: bool = False


@dataclass(frozen=True)
class Code:
    """Python that the model wrote.

    Attributes
    ----------
    state
        ``writing`` and ``running`` while open; then ``done`` or ``failed``.
    attempt
        1 for a first try; n + 1 where n tries right before it failed.
    error
        The exception in one line, where it failed.
    seconds
        How long it ran.
    """

    id: str
    code: str = ""
    state: Literal["writing", "running", "done", "failed"] = "writing"
    attempt: int = 1
    error: str | None = None
    seconds: float | None = None

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ("done", "failed")

    @property
    def failed(self) -> bool:
        """Whether it ended by an error of its own, and not because the turn was stopped."""
        return self.state == "failed" and self.error not in (None, INTERRUPTED)


@dataclass(frozen=True)
class Logs:
    """What a `Code` part printed; ``code`` is that part's id."""

    id: str
    code: str
    text: str = ""
    done: bool = False


class Content:
    """What a part or file of a turn has where it has bytes.

    Attributes
    ----------
    content
        The bytes, or where they are kept.
    """

    content: Blob | bytes

    def __post_init__(self) -> None:
        object.__setattr__(self, "content", self.blob)

    @property
    def blob(self) -> Blob:
        """The bytes as they are kept: in memory, or on disk."""
        return self.content if isinstance(self.content, Blob) else Blob(self.content)

    @property
    def data(self) -> bytes:
        """The bytes, read from disk where they are there; see `Blob.read`."""
        return self.blob.read()


@dataclass(frozen=True)
class Image(Content):
    """A picture; ``data`` are its bytes as ``media_type``, ``saved`` the path it was saved to.

    ``title`` and ``chart`` are as in `events.ImageMade`.
    """

    id: str
    name: str
    content: Blob | bytes = field(repr=False)
    media_type: str = "image/png"
    saved: str | None = None
    done: bool = True
    title: str = ""
    chart: str = field(default="", repr=False)


@dataclass(frozen=True)
class Sources:
    """The passages of documents that the text before it cites."""

    id: str
    passages: tuple[events.Passage, ...]
    done: bool = True


@dataclass(frozen=True)
class Notice:
    """One sentence for the user that is not the model's."""

    id: str
    text: str
    done: bool = True


@dataclass(frozen=True)
class File(Content):
    """A file that the code made.

    ``name`` is relative to the session's folder, ``saved`` the path that it was saved to,
    relative to the working folder.
    """

    name: str
    content: Blob | bytes = field(repr=False)
    id: str | None = None
    saved: str | None = None


Part = Text | Reasoning | Code | Logs | Image | Sources | Notice


@dataclass(frozen=True)
class View:
    """A turn as far as it has come.

    Attributes
    ----------
    parts
        In the order in which they began.
    files
        What the code left behind, the newest of each name.
    progress
        What is going on right now, while nothing is written.
    cost
        An estimate of what it cost, in US dollars; None where no price is known.
    seconds
        How long the whole turn took, once it is over.
    times
        Where that time went; None where nobody measured it.
    inputs
        Names of files in the session to what they are in the notebook, once it is over.
    cell
        The Python that ran, as one cell of the notebook, once it is over; None where none ran.
    question
        What was asked, as it was typed, once it is over.
    value
        The value of a typed answer as JSON; None where there is none, or it is a frame.
    questions
        What the model offers to be asked next.
    troubles
        What went wrong around the answer, which is whole all the same: a sentence for each.
    """

    thread: str = ""
    target: str = ""
    model: str = ""
    isolation: str | None = None
    effort: str | None = None
    context: str | None = None
    parts: tuple[Part, ...] = ()
    files: tuple[File, ...] = ()
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    progress: events.Progress | None = None
    status: Status = "running"
    error: str | None = None
    seconds: float | None = None
    times: events.Times | None = None
    inputs: Mapping[str, Input] = field(default_factory=dict)
    cell: str | None = None
    question: str = ""
    value: str | None = None
    questions: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All prose, paragraphs apart."""
        texts = (part.text.strip() for part in self.parts if isinstance(part, Text))
        return "\n\n".join(text for text in texts if text)


P = TypeVar("P", bound=Part)


def fold(view: View, event: events.Event) -> View:
    """Return the view after ``event``."""
    return _fold(event, view)


@singledispatch
def _fold(event: object, view: View) -> View:
    raise TypeError(f"{type(event).__name__} is no event of a turn")


@_fold.register
def _(event: events.Started, view: View) -> View:
    return replace(
        view,
        thread=event.thread,
        target=event.target,
        model=event.model,
        isolation=event.isolation,
        effort=event.effort or view.effort,
        context=event.context or view.context,
        progress=None,
    )


@_fold.register
def _(event: events.TextDelta, view: View) -> View:
    part = _find(view, event.part, Text) or Text(event.part)
    return _put(view, replace(part, text=part.text + event.text))


@_fold.register
def _(event: events.TextDone, view: View) -> View:
    part = _find(view, event.part, Text) or Text(event.part)
    return _put(view, replace(part, text=event.text, done=True))


@_fold.register
def _(event: events.ReasoningDelta, view: View) -> View:
    part = _find(view, event.part, Reasoning) or Reasoning(event.part)
    return _put(view, replace(part, text=part.text + event.text))


@_fold.register
def _(event: events.ReasoningDone, view: View) -> View:
    part = _find(view, event.part, Reasoning) or Reasoning(event.part)
    return _put(view, replace(part, text=event.text, seconds=event.seconds, done=True))


@_fold.register
def _(event: events.CodeDelta, view: View) -> View:
    part = _find(view, event.part, Code) or Code(event.part, attempt=_attempt(view))
    return _put(view, replace(part, code=part.code + event.text))


@_fold.register
def _(event: events.CodeRunning, view: View) -> View:
    part = _find(view, event.part, Code) or Code(event.part, attempt=_attempt(view))
    return _put(view, replace(part, state="running"))


@_fold.register
def _(event: events.LogsDelta, view: View) -> View:
    id_ = _logs_id(event.part)
    part = _find(view, id_, Logs) or Logs(id_, code=event.part)
    return _put(view, replace(part, text=part.text + event.text))


@_fold.register
def _(event: events.CodeDone, view: View) -> View:
    part = _find(view, event.part, Code) or Code(event.part, attempt=_attempt(view))
    state: Literal["done", "failed"] = "failed" if event.error else "done"
    code = part.code if event.code is None else event.code
    ended = replace(part, code=code, state=state, error=event.error, seconds=event.seconds)
    return _logs_over(_put(view, ended), event)


@_fold.register
def _(event: events.ImageMade, view: View) -> View:
    made = Image(event.part, event.name, event.data, event.media_type)
    return _put(view, replace(made, title=event.title, chart=event.chart))


@_fold.register
def _(event: events.FileMade, view: View) -> View:
    others = tuple(file for file in view.files if file.name != event.name)
    return replace(view, files=(*others, File(event.name, event.data, event.id)))


@_fold.register
def _(event: events.Cited, view: View) -> View:
    return _put(view, Sources(f"{event.part}/sources", event.passages))


@_fold.register
def _(event: events.Notice, view: View) -> View:
    return _put(view, Notice(f"notice-{len(view.parts)}", event.text))


@_fold.register
def _(event: events.Progress, view: View) -> View:
    return replace(view, progress=event)


@_fold.register
def _(event: events.UsageReported, view: View) -> View:
    return replace(view, usage=event.usage, cost=event.cost)


@_fold.register
def _(event: events.Suggested, view: View) -> View:
    return replace(view, questions=tuple(event.text.split("\n")))


@_fold.register
def _(event: events.Finished, view: View) -> View:
    parts = tuple(_closed(part) for part in view.parts)
    return replace(
        view,
        parts=parts,
        status=event.status,
        error=event.error,
        seconds=event.seconds,
        times=event.times,
        progress=None,
    )


def _logs_over(view: View, event: events.CodeDone) -> View:
    logs = _find(view, _logs_id(event.part), Logs)
    if logs is None and not event.logs:
        return view
    logs = logs or Logs(_logs_id(event.part), code=event.part)
    text = logs.text if event.logs is None else event.logs
    return _put(view, replace(logs, text=text, done=True))


def _find(view: View, id_: str, kind: type[P]) -> P | None:
    # From the end: the part that an event is about is nearly always the last.
    for part in reversed(view.parts):
        if part.id == id_ and isinstance(part, kind):
            return part
    return None


def _put(view: View, part: Part) -> View:
    """Replace the part of that id, or append it."""
    for place in range(len(view.parts) - 1, -1, -1):
        if view.parts[place].id == part.id:
            parts = (*view.parts[:place], part, *view.parts[place + 1 :])
            return replace(view, parts=parts, progress=None)
    return replace(view, parts=(*view.parts, part), progress=None)


def _attempt(view: View) -> int:
    """Count the tries that failed right before, and this one."""
    for part in reversed(view.parts):
        if isinstance(part, Code):
            return part.attempt + 1 if part.state == "failed" else 1
    return 1


def _logs_id(code: str) -> str:
    return f"{code}/logs"


def _closed(part: Part) -> Part:
    """Close a part that the turn's end left open."""
    if part.done:
        return part
    if isinstance(part, Code):
        return replace(part, state="failed", error=part.error or INTERRUPTED)
    if isinstance(part, Text | Reasoning | Logs):
        return replace(part, done=True)
    return part
