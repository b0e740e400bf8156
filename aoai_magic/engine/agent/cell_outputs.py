"""Outputs: what a cell printed, showed and raised, in the form that a step keeps it.

A step's outputs are texts and images in the order they came. Text grows in true
increments under one index, an image takes the next, so that clients that concatenate
what they are sent end with exactly what is stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from aoai_magic.engine.models.pictures import Picture
from aoai_magic.engine.storage.objects import Body
from aoai_magic.sandbox.protocol import (
    CHART,
    Display,
    Done,
    Ended,
    Error,
    Event,
    Limit,
    Stream,
)

Outcome = Literal["ok", "error", "limit", "ended", "interrupted"]

_TEXT_TYPES = ("text/plain", "text/markdown", "text/latex")
_LONGEST_ERROR = 512
_LONGEST_TITLE = 200
_SPECS = "application/vnd.vegalite."
_LARGEST_CHART = 2 << 20  # characters


@dataclass
class Outputs:
    """The outputs of one cell, growing as its events arrive."""

    parts: list[Body] = field(default_factory=list)
    outcome: Outcome = "interrupted"
    error: str | None = None
    seconds: float = 0.0
    lost: str | None = None
    _held: dict[str, Display] = field(default_factory=dict)
    _first: bool = True
    _end: Ended | None = None

    def take(self, event: Event) -> list[str | Picture]:
        """Read one event; gives the texts and pictures that it adds.

        An end that comes first may be that of an earlier session, which is only to be
        told (``lost``); it was this cell's if the cell then is over and not well.
        """
        first, self._first = self._first, False
        if first and isinstance(event, Ended):
            self._end = event
            return []
        end, self._end = self._end, None
        if end is not None:
            if isinstance(event, Done) and not event.ok:
                return [*self._read(end), *self._read(event)]
            self.lost = clean(end.message)
        return self._read(event)

    def _read(self, event: Event) -> list[str | Picture]:
        if isinstance(event, Stream):
            return [clean(event.text)]
        if isinstance(event, Display):
            return self._display(event)
        if isinstance(event, Error):
            return self._fail("error", f"{event.name}: {event.value}", event.traceback)
        if isinstance(event, Limit):
            return self._fail("limit", event.message, event.message)
        if isinstance(event, Ended):
            return self._fail("ended", event.message, event.message)
        return self._done(event)

    def _display(self, event: Display) -> list[str | Picture]:
        if event.id is None:
            return self._show(event)
        # What may still be updated is shown once, as it stands when the cell is over.
        self._held[event.id] = event
        return []

    def _show(self, event: Display) -> list[str | Picture]:
        picture = _picture(event.data)
        if picture is not None:
            return [picture]
        text = next((event.data[kind] for kind in _TEXT_TYPES if kind in event.data), "")
        if not isinstance(text, str) or not text:
            text = f"[Displayed: {', '.join(event.data)}]"
        return [self.line(text)]

    def _fail(self, outcome: Outcome, error: str, text: str) -> list[str | Picture]:
        if self.error is None or outcome != "error":
            self.outcome, self.error = outcome, clean(error)[:_LONGEST_ERROR]
        return [self.line(text)]

    def _done(self, event: Done) -> list[str | Picture]:
        self.seconds = event.seconds
        if event.ok and self.error is None:
            self.outcome = "ok"
        return [piece for held in self._held.values() for piece in self._show(held)]

    def refuse(self, text: str) -> Body:
        """Describe why the cell was not run; gives the delta."""
        self.outcome, self.error = "error", text
        return self.add_logs(self.line(text))

    def line(self, text: str) -> str:
        """Make ``text`` stand on lines of its own behind what is there."""
        last = self.parts[-1].get("logs", "") if self.parts else ""
        start = "\n" if last and not last.endswith("\n") else ""
        return start + clean(text).rstrip("\n") + "\n"

    def add_logs(self, text: str) -> Body:
        """Append text; gives the delta."""
        if self.parts and self.parts[-1]["type"] == "logs":
            self.parts[-1]["logs"] += text
        else:
            self.parts.append({"type": "logs", "logs": text})
        return {"index": len(self.parts) - 1, "type": "logs", "logs": text}

    def add_part(self, part: Body) -> Body:
        """Append an output that is no text; gives the delta."""
        self.parts.append(part)
        return {"index": len(self.parts) - 1, **part}

    def metadata(self, session: str, isolation: str) -> dict[str, str]:
        """Return the metadata of the step."""
        error = {} if self.error is None else {"error": self.error}
        return {
            "outcome": self.outcome,
            **error,
            "seconds": f"{self.seconds:.3f}",
            "session": session,
            "isolation": isolation,
        }


def _picture(data: Mapping[str, str | bytes]) -> Picture | None:
    for suffix in ("png", "jpeg", "gif", "webp"):
        value = data.get(f"image/{suffix}")
        if isinstance(value, bytes):
            return Picture(suffix, value, _chart(data))
    return None


def _chart(data: Mapping[str, str | bytes]) -> Body:
    """Return what a display says of the chart that its picture shows; nothing of nonsense."""
    chart = _read(data.get(CHART))
    drawn = next((mime for mime in data if mime.startswith(_SPECS)), "")
    if spec := _read(data.get(drawn)):
        chart |= {"type": clean(drawn), "spec": spec}
    return chart


def _read(text: str | bytes | None) -> Body:
    if not isinstance(text, str) or len(text) > _LARGEST_CHART:
        return {}
    try:
        value = json.loads(clean(text))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def clean(text: str) -> str:
    """Make text that can be stored and sent: lone surrogates and NUL become ``�``."""
    return text.encode(errors="surrogatepass").decode(errors="replace").replace("\0", "\ufffd")


def as_text(parts: list[Body], limit: int) -> str:
    """Return a model what the outputs were, in at most about ``limit`` characters."""
    pieces = [
        part["logs"] if part["type"] == "logs" else f"[{_shown(part.get('chart'))}]\n"
        for part in parts
    ]
    return shorten("".join(pieces), limit) or "(no output)"


def _shown(chart: Body | None) -> str:
    """Describe a picture to a model, which may not see it."""
    title = chart.get("title") if chart else ""
    named = f" with the title {str(title)[:_LONGEST_TITLE]!r}" if title else ""
    if chart and "spec" in chart:
        return f"An interactive chart{named} was shown to the user."
    return f"An image{named} was shown to the user."


def shorten(text: str, limit: int) -> str:
    """Cut the middle out of a text that is too long, and say so."""
    if len(text) <= limit:
        return text
    half = limit // 2
    cut = len(text) - 2 * half
    return f"{text[:half]}\n[… {cut} characters left out …]\n{text[-half:]}"
