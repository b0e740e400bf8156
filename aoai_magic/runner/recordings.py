"""Turns kept in files and played again with no network, no key and no engine.

A recording is a JSON file, one for each question: what the answer depends on, and the
events of the turn, its files and pictures among them. A question is known again by its
text, its data, its options and the questions before it in its thread; by which model and
where it was answered makes no difference unless the cell itself says so.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aoai_magic.config.settings import RECORDINGS_MODES
from aoai_magic.errors import AssistantError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later, ngettext
from aoai_magic.shared.network import without_credentials
from aoai_magic.shared.private_files import write_whole
from aoai_magic.turn import events
from aoai_magic.turn.event_json import read, written
from aoai_magic.turn.events import Event
from aoai_magic.turn.view import View

VERSION = 1
"""Changes when a reader of the old form would misunderstand the new one."""

_AUTO, RECORD, REPLAY = RECORDINGS_MODES

HOW = later("record it with AOAI_MAGIC_RECORDINGS_MODE=record where the model is available")

_GROWING = (events.TextDelta, events.ReasoningDelta, events.CodeDelta, events.LogsDelta)
_NAME_CHARS = 40
_KEY_CHARS = 12

Question = Mapping[str, Any]
"""What an answer depends on, as JSON: ``prompt``, ``after`` (the key of the question before
in the thread), and by their names ``data``, ``documents`` and ``functions`` with hashes of
their contents and ``options`` with their values."""

_NOUNS = {
    "data": later("the data {name}"),
    "documents": later("the document {name}"),
    "functions": later("the function {name}"),
    "options": "{name}",
}


def key_of(question: Question) -> str:
    """Return the name of a question: equal questions have equal ones."""
    text = json.dumps(question, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_CHARS]


def hash_of(value: Any) -> str:
    """Hash a JSON value."""
    return key_of({"value": value})


@dataclass
class Tape:
    """The recording of one turn: played if it is there, else made.

    Attributes
    ----------
    folder
        Where recordings are.
    mode
        One of `RECORDINGS_MODES`.
    key
        That of the question, once it is known.
    played
        Whether the turn comes from a recording.
    """

    folder: Path
    mode: str
    key: str = ""
    played: bool = False
    _question: Question = field(default_factory=dict)
    _events: list[Event] = field(default_factory=list)

    def find(self, question: Question, *, only: bool = False) -> bool:
        """Find the question's recording; return whether it is to be played.

        With ``only`` nothing but a recording will do, since the server does not know of
        the thread's earlier turns, which were played.

        Raises
        ------
        AssistantError
            If it has to be there and is not, or cannot be read.
        """
        self._question, self.key = question, key_of(question)
        if self.mode == RECORD:
            return False
        if self.path.is_file():
            self._events = _read(self.path)[1]
            self.played = True
        elif self.mode == REPLAY or only:
            raise AssistantError(self._why_missing())
        return self.played

    @property
    def path(self) -> Path:
        """The recording's file."""
        # Only for who looks into the folder; the key alone would do.
        words = re.sub(r"\W+", "-", self._question["prompt"]).strip("-").lower()
        return self.folder / f"{words[:_NAME_CHARS].strip('-') or 'turn'}-{self.key}.json"

    def play(self) -> Iterator[Event]:
        """Yield the events of the recording."""
        yield from self._events

    def __call__(self, event: Event) -> Event:
        """Keep an event of a turn that is recorded; see `follow.Observer`."""
        if self._question and not self.played:
            self._events.append(event)
        return event

    def keep(self, view: View) -> None:
        """Write the recording of a turn that is over; one without a whole answer has none.

        Raises
        ------
        AssistantError
            If it cannot be written.
        """
        happened, self._events = self._events, []  # they hold the bytes of files
        if self.played or view.status != "completed":
            return
        last = events.Finished(view.status, seconds=view.seconds, times=view.times)
        turn = [*_merged(happened), last]
        document = {
            "version": VERSION,
            "question": self._question,
            "events": [written(event) for event in turn],
        }
        text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, text.encode("utf-8", "surrogatepass"))
        except OSError as error:
            raise AssistantError(
                _(
                    "The turn could not be recorded in {folder} ({reason}); set "
                    "AOAI_MAGIC_RECORDINGS to a folder of yours. _assistant holds the turn."
                ).format(folder=self.folder, reason=error.strerror)
            ) from error

    def _why_missing(self) -> str:
        """Describe which recording comes nearest, and what of its question has changed."""
        near = min(self._others(), key=lambda other: len(other[1]), default=None)
        if near is None:
            if self.mode == REPLAY:
                text = _("{folder} holds no recording of this question; {how}.")
            else:
                text = _(
                    "{folder} holds no recording of this question, and the thread's earlier turns "
                    "were played; {how}."
                )
            return text.format(folder=self.folder, how=_(HOW))
        path, changes = near
        return ngettext(
            "The recording {name} is out of date: {changes} has changed since; {how}.",
            "The recording {name} is out of date: {changes} have changed since; {how}.",
            len(changes),
        ).format(name=path.name, changes=_listed(changes), how=_(HOW))

    def _others(self) -> Iterator[tuple[Path, list[str]]]:
        """Yield recordings of the same prompt, or at the same place, and what differs."""
        for path in sorted(self.folder.glob("*.json")):
            try:
                question = _read(path)[0]
                changes = list(_changes(question, self._question))
            except (AssistantError, AttributeError, TypeError):
                continue
            same = [question.get(name) == self._question[name] for name in ("prompt", "after")]
            if same[0] or (same[1] and self._question["after"]):
                yield path, changes


def _changes(old: Question, new: Question) -> Iterator[str]:
    if old.get("prompt") != new["prompt"]:
        yield _("the question")
    for name, noun in _NOUNS.items():
        before, now = old.get(name) or {}, new[name]
        for one in sorted({*before, *now}):
            if before.get(one) != now.get(one):
                yield _(noun).format(name=one)
    if old.get("after") != new["after"]:
        yield _("what was asked before in the thread")


def _listed(names: list[str]) -> str:
    return _(" and ").join(filter(None, [_(", ").join(names[:-1]), names[-1]]))


def _merged(stream: Iterable[Event]) -> list[Event]:
    """Join pieces of the same text, and leave out what is of the moment alone."""
    kept: list[Event] = []
    for event in stream:
        last = kept[-1] if kept else None
        if isinstance(event, _GROWING) and type(last) is type(event) and last.part == event.part:
            kept[-1] = replace(event, text=last.text + event.text)
        elif isinstance(event, events.Started):
            kept.append(replace(event, target=without_credentials(event.target)))
        elif not isinstance(event, events.Progress | events.Finished):
            kept.append(event)
    return kept


def _read(path: Path) -> tuple[dict[str, Any], list[Event]]:
    """Return question and events of a recording; raise `AssistantError` if it is none."""
    try:
        document = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
        _check_version(document["version"])
        return dict(document["question"]), [read(one) for one in document["events"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AssistantError(
            _("{path} is not a readable recording ({error}); {how}.").format(
                path=path, error=error, how=_(HOW)
            )
        ) from error


def _check_version(version: object) -> None:
    if version != VERSION:
        text = _("its version is {version!r}, and this package reads {known}")
        raise ValueError(text.format(version=version, known=VERSION))
