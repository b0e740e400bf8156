"""The sink of the Responses API: the items of one response as they grow, and their events.

The order of events is the recorded one. Every event has a number; the SDK's accumulator
fails on an item that it does not know, that changes its id or that is not finished.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import astuple
from typing import Any

from aoai_magic.engine.agent.cell_outputs import clean
from aoai_magic.engine.agent.event_stream import Feed, encode
from aoai_magic.engine.agent.sink import CallSink, Ending, Search, Sink
from aoai_magic.engine.models.base import Usage
from aoai_magic.engine.models.pictures import Picture
from aoai_magic.engine.search.library import Found
from aoai_magic.engine.storage import response_objects
from aoai_magic.engine.storage.annotations import find_citations, find_links
from aoai_magic.engine.storage.ids import now
from aoai_magic.engine.storage.objects import Body

_LATE = "The response took longer than it may; ask again more narrowly."
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class EventLog(Feed):
    """The events of one response; whoever comes later hears them from the start."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[bytes] = []
        self._closed = False

    def send(self, name: str, data: Any) -> None:
        """Keep one event, and send it to everybody who listens."""
        event = encode(name, data)
        self.events.append(event)
        self._send(event)

    def listen_after(self, number: int) -> Any:
        """Listen to the events behind the one of that number, -1 for all."""
        receive = self.listen()
        for event in self.events[number + 1 :]:
            self._listeners[-1].send_nowait(event)
        if self._closed:
            self.close()
        return receive

    def close(self) -> None:
        """Describe that the stream is over; unlike a run's, it has no last word."""
        self._closed = True
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()


class ResponsesSink(Sink):
    """The record of one response.

    Attributes
    ----------
    response
        The object without its output.
    items
        The output, with the keys that are the engine's own.
    container_id
        The container where code runs, or the conversation whose session does; None without.
    files
        The files of the container by their names in its folder.
    links
        The ids of the session's files by their names, where code runs in no container.
    keep
        Stores the response as it stands.
    """

    def __init__(
        self,
        log: EventLog,
        response: Body,
        include: Collection[str],
        keep: Callable[[], Awaitable[object]],
    ) -> None:
        super().__init__()
        self.keep = keep
        self.log = log
        self.response = response
        self.items: list[Body] = []
        self.container_id: str | None = None
        self.files: dict[str, Body] = {}
        self.links: dict[str, str] = {}
        self._include = include
        self._pictures: list[Body] = []
        self._open: list[Item] = []
        self._message: Message | None = None
        self._thought: Reasoning | None = None
        self._running: Code | None = None

    @property
    def reply_id(self) -> str:
        """The name of the model call under way, by which items belong together."""
        return f"{self.response['id']}/{self.reply}"

    # The response

    def send(self, kind: str, **data: Any) -> None:
        """Send one event."""
        number = len(self.log.events)
        self.log.send(kind, {"type": kind, "sequence_number": number, **data})

    def extend(self, kind: str, **data: Any) -> None:
        """Send an event that the API has not, to a client that asked for such."""
        if response_objects.EXTENSIONS in self._include:
            self.send(f"response.{kind}", **data)

    def shown(self) -> Body:
        """Return the response as it stands, as the client sees it."""
        return {**self.response, "output": [self._show(item) for item in self.items]}

    def _show(self, item: Body) -> Body:
        return show(item, self._include)

    def announce(self) -> None:
        """Send the event of the response's status; that it was cancelled has no event."""
        if self.response["status"] != "cancelled":
            self.send(f"response.{self.response['status']}", response=self.shown())

    def begin(self) -> None:
        """Send the events that the response was created and runs."""
        self.send("response.created", response=self.shown())
        if self.response["status"] == "queued":
            self.announce()
        self.response = {**self.response, "status": "in_progress"}
        self.announce()

    async def end(self, ending: Ending) -> None:
        """Finish the response, which is yet to be announced; unfinished items are incomplete."""
        self.end_thoughts()
        if self._message is not None:
            self._close_message("incomplete")
        for item in self._open[:]:
            item.close("incomplete")
        changes = {"usage": response_objects.usage(*astuple(self.used)), **_changes(ending)}
        self.response = {**self.response, **changes}

    def fail(self, error: Body) -> None:
        """Make the response, whose items are finished, a failed one."""
        changes = {"status": "failed", "completed_at": None, "incomplete_details": None}
        self.response = {**self.response, **changes, "error": error}

    # Its items

    def opened(self, item: Item) -> int:
        """Send the event of a new item; return its index."""
        self.items.append(item.body)
        self._open.append(item)
        index = len(self.items) - 1
        self.send("response.output_item.added", output_index=index, item=self._show(item.body))
        return index

    def done(self, item: Item) -> None:
        """Send the event of a finished item."""
        self._open.remove(item)
        shown = self._show(item.body)
        self.send("response.output_item.done", output_index=item.index, item=shown)

    # What the loop reports

    def count(self, usage: Usage, *, heard: bool) -> None:
        """Add the tokens of a model call."""
        super().count(usage, heard=heard)
        if any(astuple(usage)):
            self.extend("engine.usage", usage=response_objects.usage(*astuple(self.used)))

    def wait(self, reason: str) -> None:
        """Report that the model is asked again later."""
        self.extend("engine.waiting", reason=reason)

    def keep_reasoning(self, value: Mapping[str, Any]) -> None:
        """Keep it in the last item of its reply, where no client sees it."""
        for item in self.items[-1:]:
            if item["_reply"] == self.reply_id:
                item["_reasoning"] = value

    def think(self, text: str) -> None:
        """Report a piece of the model's thoughts, if the client asked for a summary."""
        if text and self.response["reasoning"]["summary"]:
            self._thought = self._thought or Reasoning(self)
            self._thought.write(text)

    def end_thoughts(self) -> None:
        """Finish the summary of the thoughts, if there is one."""
        thought, self._thought = self._thought, None
        if thought is not None:
            thought.close("completed")

    async def write(self, text: str) -> None:
        """Append to the message that is being written, or begin one."""
        self._message = self._message or Message(self)
        self._message.write(text)

    async def close_message(self) -> None:
        """Finish the message that is being written, if there is one, with what it cites."""
        if self._message is not None:
            self._close_message("completed")

    def _close_message(self, status: str) -> None:
        message, self._message = self._message, None
        if message is not None:
            message.annotate(self._citations(message.text))
            message.close(status)

    async def leave_nothing(self) -> None:
        """Write a message for pictures that no text came for."""
        if self._pictures:
            self._message = Message(self)
            self._close_message("completed")

    async def open_code(self) -> Code:
        """Start a call of the code interpreter."""
        assert self.container_id is not None
        return Code(self, self.container_id)

    async def open_search(self) -> FileSearch:
        """Start a call of file search."""
        return FileSearch(self)

    async def open_function(self, name: str) -> Function:
        """Start a call of a client's function."""
        return Function(self, name)

    def add_files(self, made: Mapping[str, Body]) -> None:
        """Record the files that code created or changed, with the call that did."""
        self.files |= made
        self.links |= {name: body["id"] for name, body in made.items()}
        if self._running is not None:
            self._running.body["_made"] = list(map(_named, made.items()))

    def run(self, call: Code) -> None:
        """Record the call whose code runs from now on."""
        self._running = call

    def add_picture(self, kept: Body, picture: Picture) -> Body:
        """Return the output that shows a picture; the next message cites it."""
        self._pictures.append(kept)
        stored, name = kept.get("_file") or kept["id"], kept.get("filename") or kept["id"]
        shown = {"_id": kept["id"], "_name": name}
        return {**image(stored, picture.suffix, picture.data, picture.chart), **shown}

    def _citations(self, text: str) -> list[Body]:
        """Return the annotations of a text: pictures first, then what it links to and cites."""
        pictures, self._pictures = self._pictures, []
        names = self.links or {name: body["id"] for name, body in self.files.items()}
        cited = {one["file_id"]: one["filename"] for one in self.citations.values()}
        passages = {place: one["file_id"] for place, one in self.citations.items()}
        spans = [
            *find_links(text, {id_: id_ for id_ in names.values()} | names),
            *find_citations(text, passages),
        ]
        shown = [self._cite(body["id"], body) for body in pictures]
        by_id = {body["id"]: body for body in self.files.values()}
        for span in sorted(spans, key=lambda one: one["start_index"]):
            start, end = span["start_index"], span["end_index"]
            if span["type"] == "file_path":
                id_ = span["file_path"]["file_id"]
                shown.append(self._cite(id_, by_id.get(id_), start, end))
            else:
                id_ = span["file_citation"]["file_id"]
                shown.append(response_objects.file_citation(id_, cited[id_], start))
        return shown

    def _cite(self, id_: str, file: Body | None, start: int = 0, end: int = 0) -> Body:
        """Return the annotation of a file, of which the body is known if it is a container's."""
        if file is None or "container_id" not in file:
            return response_objects.file_path(id_, start)
        return response_objects.citation(file["container_id"], file, start, end)


def _named(made: tuple[str, Body]) -> Body:
    name, body = made
    return {"id": body["id"], "filename": name, "bytes": body["bytes"]}


def _changes(ending: Ending) -> Body:
    """Return the keys that say how a response ended."""
    if ending.status in ("completed", "requires_action"):
        return {"status": "completed", "completed_at": now()}
    if ending.reason is not None:
        details = {"reason": _INCOMPLETE.get(ending.reason, ending.reason)}
        return {"status": "incomplete", "incomplete_details": details}
    if ending.status == "cancelled":
        return {"status": "cancelled"}
    return {"status": "failed", "error": ending.error or server_error(_LATE)}


def server_error(text: str) -> Body:
    """Return the error of a response."""
    return {"code": "server_error", "message": text}


def image(stored: str, suffix: str, data: bytes, chart: Mapping[str, Any]) -> Body:
    """Make the output that shows a picture; the data is in the URL, as the service has it.

    ``chart`` is more than the service says.
    """
    url = f"data:image/{suffix};base64,{base64.b64encode(data).decode()}"
    more = {"chart": dict(chart)} if chart else {}
    return {"type": "image", "url": url, **more, "_file": stored, "_suffix": suffix}


class Item(CallSink):
    """An item that is being written."""

    def __init__(self, sink: ResponsesSink, body: Body) -> None:
        self._sink = sink
        self.body: Body = {**body, "_reply": sink.reply_id}
        self.index = sink.opened(self)

    @property
    def id(self) -> str:
        """The id under which the model is answered."""
        return str(self.body.get("call_id") or self.body["id"])

    def send(self, kind: str, **data: Any) -> None:
        """Send an event of this item."""
        place = {"output_index": self.index, "item_id": self.body["id"]}
        self._sink.send(kind, **place, **data)

    async def finish(self) -> None:
        """Finish the item, which is complete."""
        self.close("completed")

    def close(self, status: str) -> None:
        """Finish the item."""
        if "status" in self.body:
            self.body["status"] = status
        self._sink.done(self)


class Message(Item):
    """A message that is being written; its one part is a text."""

    def __init__(self, sink: ResponsesSink) -> None:
        super().__init__(sink, response_objects.message())
        self._pieces: list[str] = []
        self.annotations: list[Body] = []
        part = response_objects.output_text("", [])
        self.send("response.content_part.added", content_index=0, part=part)

    @property
    def text(self) -> str:
        """What has been written."""
        return "".join(self._pieces)

    def write(self, text: str) -> None:
        """Append to the text."""
        piece = clean(text)
        self._pieces.append(piece)
        self.send("response.output_text.delta", content_index=0, delta=piece, logprobs=[])

    def annotate(self, annotations: list[Body]) -> None:
        """Cite files; to be called once, when the text is complete."""
        self.annotations = annotations
        for index, annotation in enumerate(annotations):
            self.send(
                "response.output_text.annotation.added",
                content_index=0,
                annotation_index=index,
                annotation=annotation,
            )

    def close(self, status: str) -> None:
        """Finish the text and the message."""
        part = response_objects.output_text(self.text, self.annotations)
        self.body["content"] = [part]
        self.send("response.output_text.done", content_index=0, text=self.text, logprobs=[])
        self.send("response.content_part.done", content_index=0, part=part)
        super().close(status)


class Reasoning(Item):
    """The summary of a reasoning model's thoughts."""

    def __init__(self, sink: ResponsesSink) -> None:
        super().__init__(sink, response_objects.reasoning())
        self._pieces: list[str] = []
        part = {"type": "summary_text", "text": ""}
        self.send("response.reasoning_summary_part.added", summary_index=0, part=part)

    def write(self, text: str) -> None:
        """Append to the summary."""
        piece = clean(text)
        self._pieces.append(piece)
        self.send("response.reasoning_summary_text.delta", summary_index=0, delta=piece)

    def close(self, status: str) -> None:
        """Finish the summary and the item."""
        part = {"type": "summary_text", "text": "".join(self._pieces)}
        self.body["summary"] = [part]
        text = part["text"]
        self.send("response.reasoning_summary_text.done", summary_index=0, text=text)
        self.send("response.reasoning_summary_part.done", summary_index=0, part=part)
        super().close(status)


class Code(Item):
    """A call of the code interpreter."""

    def __init__(self, sink: ResponsesSink, container_id: str) -> None:
        super().__init__(sink, response_objects.code_call(container_id))
        self._written = False
        self.send("response.code_interpreter_call.in_progress")

    def write(self, text: str) -> None:
        """Append to the code."""
        self.body["code"] += text
        self.send("response.code_interpreter_call_code.delta", delta=text)

    async def start(self, parts: list[Body]) -> None:
        """Send the event of running code; ``parts`` are the outputs that grow from now on."""
        self._finish_code()
        self.body["outputs"] = parts
        self.body["status"] = "interpreting"
        self._sink.run(self)
        await self._sink.keep()
        self.send("response.code_interpreter_call.interpreting")

    def output(self, delta: Body) -> None:
        """Report what was added to the outputs."""
        index = delta["index"]
        shown = show_output({key: value for key, value in delta.items() if key != "index"})
        place = {"item_id": self.body["id"], "output_index": self.index}
        self._sink.extend("code_interpreter_call.outputs.delta", **place, index=index, delta=shown)

    def describe(self, facts: dict[str, str]) -> None:
        """Record how code ended."""
        self.body["_facts"] = facts

    def _finish_code(self) -> None:
        if not self._written:
            self._written = True
            self.send("response.code_interpreter_call_code.done", code=self.body["code"])

    async def finish(self) -> None:
        """Finish the call and store it, with what came of it."""
        self.close("completed")
        await self._sink.keep()

    def close(self, status: str) -> None:
        """Finish the call."""
        self._finish_code()
        if status == "completed":
            self.send("response.code_interpreter_call.completed")
        super().close(status)


class FileSearch(Item):
    """A call of file search."""

    def __init__(self, sink: ResponsesSink) -> None:
        super().__init__(sink, response_objects.search_call())
        self.send("response.file_search_call.in_progress")
        self.send("response.file_search_call.searching")

    def find(self, number: str, query: str, search: Search, found: list[Found]) -> None:
        """Record what was found."""
        keys = ("file_id", "filename", "score", "text", "attributes")
        results = [{key: getattr(one, key) for key in keys} for one in found]
        places = [one.place for one in found]
        self.body.update(queries=[query], results=results, _number=number, _places=places)
        self.send("response.file_search_call.completed")


class Function(Item):
    """A call of a client's function."""

    def __init__(self, sink: ResponsesSink, name: str) -> None:
        super().__init__(sink, response_objects.function_call(name))

    def write(self, text: str) -> None:
        """Append to the arguments."""
        self.body["arguments"] += text
        self.send("response.function_call_arguments.delta", delta=text)

    def close(self, status: str) -> None:
        """Finish the arguments and the call."""
        facts = {"name": self.body["name"], "arguments": self.body["arguments"]}
        self.send("response.function_call_arguments.done", **facts)
        super().close(status)


def show(item: Body, include: Collection[str]) -> Body:
    """Return an item as the client sees it; outputs and results only if it asked for them."""
    shown = response_objects.bare(item)
    if item["type"] == "code_interpreter_call":
        extended = response_objects.EXTENSIONS in include
        bare = show_output if extended else response_objects.bare
        found = [bare(out) for out in item.get("outputs") or ()]
        shown["outputs"] = found if response_objects.OUTPUTS in include else None
        if extended:
            shown["engine"] = {**item.get("_facts", {}), "files": item.get("_made", [])}
    elif item["type"] == "file_search_call":
        if response_objects.RESULTS not in include:
            shown["results"] = None
        elif response_objects.EXTENSIONS in include:
            shown["engine"] = {"number": item.get("_number"), "places": item.get("_places")}
    elif isinstance(item.get("content"), list):
        shown["content"] = [response_objects.bare(part) for part in item["content"]]
    elif isinstance(item.get("output"), list):
        shown["output"] = [response_objects.bare(part) for part in item["output"]]
    return shown


def show_output(part: Body) -> Body:
    """Return an output of code with what only this engine says of a picture: id and name."""
    named = {"file_id": part["_id"], "filename": part["_name"]} if "_id" in part else {}
    return {**response_objects.bare(part), **named}
