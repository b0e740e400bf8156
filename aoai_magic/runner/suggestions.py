"""Next questions that a model offers with its answer, taken out of the answer's text.

A model that wants to offer some ends its answer with one line, `LABEL` and the questions. The
line is held back while it is written. One that is not as it should be stays in the answer:
nothing of the text is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from aoai_magic.shared.next_questions import LABEL
from aoai_magic.turn.events import Event, Finished, Suggested, TextDelta, TextDone

MOST, LONGEST = 3, 150
_LABELS = (LABEL, f"**{LABEL}**")
# What would do more in a prompt than be read: expressions, attachments, magics, hidden text.
_ACTIVE = re.compile(r"\{\{|@|^[%!?]|[\x00-\x1f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def split(text: str) -> tuple[str, tuple[str, ...]]:
    """Return an answer without the line that offers questions, and the questions."""
    body, _, line = text.rstrip().rpartition("\n")
    label = next((one for one in reversed(_LABELS) if line.startswith(one)), None)
    if label is None or not body.strip():
        return text, ()
    questions = tuple(one.strip() for one in line.removeprefix(label).split("|"))
    sound = len(questions) <= MOST and all(map(_is_sound, questions))
    return (body.rstrip(), questions) if sound else (text, ())


def _is_sound(question: str) -> bool:
    return 0 < len(question) <= LONGEST and not _ACTIVE.search(question)


class Suggestions:
    """Takes the questions out of a turn's events and yields them as one of their own."""

    def __init__(self) -> None:
        self._held: dict[str, str] = {}
        self._within_line: dict[str, bool] = {}
        self._questions: tuple[str, ...] = ()

    def take(self, event: Event) -> Iterator[Event]:
        """Yield what the event shows by now."""
        if isinstance(event, TextDelta):
            if text := self._shown(event):
                yield replace(event, text=text)
        elif isinstance(event, TextDone):
            self._held.pop(event.part, None)
            yield replace(event, text=self._without(event.text))
        elif isinstance(event, Finished):
            yield from self._released()
            if self._questions:
                yield Suggested("\n".join(self._questions))
            yield event
        else:
            yield event

    def _without(self, text: str) -> str:
        body, questions = split(text)
        self._questions = questions or self._questions
        return body

    def _shown(self, event: TextDelta) -> str:
        """Return what may be shown: all but a last line that may become one of questions."""
        text = self._held.pop(event.part, "") + event.text
        head, newline, line = text.rstrip("\n").rpartition("\n")
        within = self._within_line.get(event.part, True) and not newline
        may_be = any(one.startswith(line) or line.startswith(one) for one in _LABELS)
        if may_be and not within:
            shown = head + newline
            self._held[event.part] = text[len(shown) :]
        else:
            shown = text
        if shown:
            self._within_line[event.part] = not shown.endswith("\n")
        return shown

    def _released(self) -> Iterator[Event]:
        """Yield what was held of texts that were cut off, where it offers nothing."""
        for part, text in self._held.items():
            if self._without(f"-\n{text}") != "-":
                yield TextDelta(part, text)
        self._held = {}
