"""Reader: the events of the Responses API, turned into ours."""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from aoai_magic.backends.api_errors import filtered, sentence
from aoai_magic.backends.responses_api.citations import Citations
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later
from aoai_magic.turn import chart, events
from aoai_magic.turn.events import Event, Usage

_AFRESH = later(
    "The session had ended and was restarted: files are restored, variables of earlier turns are "
    "not."
)


class Reader:
    """Turns the events of one response into ours.

    Attributes
    ----------
    response
        Its id, empty until it is known.
    number
        The number of the last event.
    cited
        Ids and names of the files of a container that the answer cites.
    made
        Ids and names of the files that code made, where the server lists them.
    shown
        Hashes of the pictures that were shown.
    notices
        What the user is told when the answer begins.
    usage
        Tokens of this response and those before it, once they are known.
    calls
        The functions that the model asks for: names, arguments, ids of the calls.
    ending
        How it ended, None until it has.
    """

    def __init__(self) -> None:
        self.response = ""
        self.number = -1
        self.cited: dict[str, str] = {}
        self.made: dict[str, str] = {}
        self.shown: set[str] = set()
        self.notices: list[str] = []
        self.usage = Usage()
        self.calls: list[tuple[str, str, str]] = []
        self.ending: events.Finished | None = None
        self._began: dict[str, float] = {}
        self._written: set[str] = set()
        self._live: set[str] = set()
        self._paragraph: dict[str, int] = {}
        self._citations = Citations()
        self._done: set[str] = set()

    @property
    def over(self) -> bool:
        """Whether the response has ended."""
        return self.ending is not None

    def go_on(self) -> None:
        """Get ready for the response that answers this one's calls."""
        self.response, self.number, self.ending, self.calls = "", -1, None, []

    def note(self, received: Any) -> None:
        """Remember where the stream is."""
        number = getattr(received, "sequence_number", None)
        self.number = self.number if number is None else number
        response = getattr(received, "response", None)
        if response is not None:
            self.response = response.id

    def read(self, received: Any) -> Iterator[Event]:
        """Yield what one event of the wire means for the turn."""
        handler = _HANDLERS.get(received.type)
        if handler is not None:
            yield from handler(self, received)

    # Text

    def text_delta(self, received: Any) -> Iterator[Event]:
        """Read more of the answer, or of a refusal."""
        yield events.TextDelta(_text_part(received.item_id, received.content_index), received.delta)

    # Thoughts

    def thought_delta(self, received: Any) -> Iterator[Event]:
        """Read more of the thoughts, or of their summary, a paragraph for each part of it."""
        id_, index = received.item_id, getattr(received, "summary_index", 0)
        self._began.setdefault(id_, time.monotonic())
        apart = "\n\n" if index > self._paragraph.get(id_, index) else ""
        self._paragraph[id_] = index
        yield events.ReasoningDelta(id_, apart + received.delta)

    def _thoughts(self, item: Any) -> Iterator[Event]:
        parts = item.summary or getattr(item, "content", None) or ()
        text = "\n\n".join(part["text"] for part in map(_fields, parts) if part.get("text"))
        if text:
            yield events.ReasoningDone(item.id, text, self._seconds(item.id))

    def _seconds(self, item_id: str) -> float | None:
        began = self._began.get(item_id)
        return None if began is None else time.monotonic() - began

    # Code

    def code_delta(self, received: Any) -> Iterator[Event]:
        """Read more of the code."""
        self._written.add(received.item_id)
        yield events.CodeDelta(received.item_id, received.delta)

    def code_done(self, received: Any) -> Iterator[Event]:
        """Handle the complete code; some models send it in one piece."""
        if received.item_id not in self._written and received.code:
            self._written.add(received.item_id)
            yield events.CodeDelta(received.item_id, received.code)

    def interpreting(self, received: Any) -> Iterator[Event]:
        """See the code run."""
        self._began[received.item_id] = time.monotonic()
        yield events.CodeRunning(received.item_id)

    def outputs_delta(self, received: Any) -> Iterator[Event]:
        """Read what running code printed or showed; our engine says so at once."""
        part, output = received.item_id, _fields(received.delta)
        self._live.add(part)
        if output["type"] == "logs":
            yield events.LogsDelta(part, output["logs"])
        else:
            yield from self._image(part, output)

    # Items

    def item_done(self, received: Any) -> Iterator[Event]:
        """Handle a complete item."""
        yield from self._item(received.item)

    def _item(self, item: Any) -> Iterator[Event]:
        if item.id in self._done:
            return
        self._done.add(item.id)
        if item.type == "message":
            yield from self._message(item)
        elif item.type == "code_interpreter_call":
            yield from self._call(item)
        elif item.type == "reasoning":
            yield from self._thoughts(item)
        elif item.type == "file_search_call":
            results = list(map(_fields, getattr(item, "results", None) or ()))
            self._citations.add(results, _fields(getattr(item, "engine", None) or {}))
            for query in filter(None, item.queries):
                yield events.Notice(_("Searched the documents: {query}").format(query=query))
        elif item.type == "function_call":
            self.calls.append((item.name, item.arguments, item.call_id))

    def _message(self, item: Any) -> Iterator[Event]:
        for index, part in enumerate(item.content):
            refused = part.type == "refusal"
            annotations = list(map(_fields, getattr(part, "annotations", None) or ()))
            said = part.refusal if refused else part.text
            text, sources = self._citations.resolve(said, annotations)
            if text:
                yield events.TextDone(_text_part(item.id, index), text)
            if sources:
                yield events.Cited(_text_part(item.id, index), sources)
            if refused:
                yield events.Notice(_("The model refused to answer; put the question differently."))
            for cited in annotations:
                if cited["type"] == "container_file_citation":
                    self.cited[cited["file_id"]] = cited.get("filename") or cited["file_id"]

    def _call(self, item: Any) -> Iterator[Event]:
        if item.id not in self._written and item.code:
            yield events.CodeDelta(item.id, item.code)
        if item.id not in self._began:
            yield events.CodeRunning(item.id)
        logs = ""
        for output in map(_fields, item.outputs or ()):
            if output["type"] == "logs" and output["logs"]:
                logs += output["logs"]
                if item.id not in self._live:
                    yield events.LogsDelta(item.id, output["logs"])
            elif output["type"] == "image":
                yield from self._image(item.id, output)
        yield from self._over(item, logs)

    def _over(self, item: Any, logs: str) -> Iterator[Event]:
        """Report how code ended; our engine reports more than a service."""
        facts = _fields(getattr(item, "engine", None) or {})
        seconds, error = self._seconds(item.id), raised(logs)
        if "outcome" in facts:
            seconds = float(facts["seconds"])
            error = None if facts["outcome"] == "ok" else facts.get("error") or facts["outcome"]
        elif item.status != "completed":
            error = _("the call is {status}").format(status=item.status)
        # What came in pieces, of which some may be lost, is replaced by all of it.
        whole = logs if item.id in self._live else None
        yield events.CodeDone(item.id, error, seconds, item.code, whole)
        self.made |= {file["id"]: file["filename"] for file in facts.get("files") or ()}
        if facts.get("session") == "restored":
            yield events.Notice(_(_AFRESH))

    def _image(self, part: str, output: Mapping[str, Any]) -> Iterator[Event]:
        """Show a picture whose data came along; any other is fetched from the container."""
        data = _decoded(output.get("url") or "")
        key = output.get("file_id") or sha256(data or b"").hexdigest()
        if data is None or key in self.shown:
            return
        self.shown.add(key)
        kind = events.picture_type(data)
        name = output.get("filename") or f"chart-{len(self.shown)}.{kind.removeprefix('image/')}"
        said = chart.written(output.get("chart"))
        title = chart.read(said).title
        id_ = output.get("file_id") or f"{part}/{name}"
        yield events.ImageMade(id_, name, data, kind, title, said)

    # What only our engine tells

    def waiting(self, received: Any) -> Iterator[Event]:
        """See that the model is asked again later."""
        yield events.Progress(str(received.reason), 0)

    def used(self, received: Any) -> Iterator[Event]:
        """Count the tokens so far."""
        yield events.UsageReported(_sum(self.usage, _usage(received.usage)))

    # The end

    def ended(self, received: Any) -> Iterator[Event]:
        """End the response; what was missed on the way is made up for."""
        response = received.response
        for item in response.output or ():
            yield from self._item(item)
        if response.usage is not None:
            self.usage = _sum(self.usage, _usage(response.usage))
        self.ending = _ending(response)

    def error(self, received: Any) -> Iterator[Event]:
        """End because the service gave up in the middle."""
        self.ending = events.Finished("failed", sentence(received.message))
        yield from ()


_HANDLERS = {
    "response.output_text.delta": Reader.text_delta,
    "response.refusal.delta": Reader.text_delta,
    "response.reasoning_summary_text.delta": Reader.thought_delta,
    "response.reasoning_text.delta": Reader.thought_delta,
    "response.code_interpreter_call_code.delta": Reader.code_delta,
    "response.code_interpreter_call_code.done": Reader.code_done,
    "response.code_interpreter_call.interpreting": Reader.interpreting,
    "response.code_interpreter_call.outputs.delta": Reader.outputs_delta,
    "response.engine.usage": Reader.used,
    "response.engine.waiting": Reader.waiting,
    "response.output_item.done": Reader.item_done,
    "response.completed": Reader.ended,
    "response.incomplete": Reader.ended,
    "response.failed": Reader.ended,
    "response.cancelled": Reader.ended,
    "error": Reader.error,
}


def _fields(value: Any) -> dict[str, Any]:
    """Return an object's fields; an SDK that does not know its type leaves it a mapping."""
    return value if isinstance(value, dict) else dict(value)


def _text_part(item_id: str, index: int) -> str:
    return f"{item_id}/{index}"


def _decoded(url: str) -> bytes | None:
    head, _, data = url.partition(";base64,")
    if not head.startswith("data:image/"):
        return None
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        return None


_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Warning)\b.*$", re.M)


def raised(logs: str) -> str | None:
    """Return the last line of the traceback that a cell's output ends with, if it does."""
    if "Traceback (most recent call last)" not in logs:
        return None
    found = _EXCEPTION.findall(logs.rpartition("Traceback (most recent call last)")[2])
    return str(found[-1]) if found else _("the code raised an exception")


def _usage(usage: Any) -> Usage:
    fields = _fields(usage)
    details = _fields(fields.get("input_tokens_details") or {})
    cached, written = details.get("cached_tokens") or 0, details.get("cache_write_tokens") or 0
    return Usage(fields["input_tokens"], fields["output_tokens"], cached, written_tokens=written)


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        one.cached_tokens + other.cached_tokens,
        written_tokens=one.written_tokens + other.written_tokens,
    )


def _ending(response: Any) -> events.Finished:
    """Describe how a response ended, in our words."""
    if response.status == "completed":
        return events.Finished("completed")
    if response.status == "cancelled":
        return events.Finished("interrupted", _("The response was cancelled."))
    if response.status == "incomplete":
        reason = getattr(response.incomplete_details, "reason", None) or _("a limit")
        if reason == "content_filter":
            return events.Finished("incomplete", filtered(response))
        return events.Finished(
            "incomplete",
            _("The answer is incomplete ({reason}). Ask the model to continue.").format(
                reason=reason
            ),
        )
    if response.error and response.error.code == "content_filter":
        return events.Finished("failed", filtered(response))
    reason = (
        response.error.message
        if response.error
        else _("The response is {status}.").format(status=response.status)
    )
    return events.Finished("failed", sentence(reason))
