"""Writer: the items of one response, as they grow, and the events that tell of them.

The order of events is the recorded one. Every event has a number; the SDK's accumulator
fails on an item that it does not know, that changes its id or that is not finished.
"""

from __future__ import annotations

from typing import Any

from aoai_magic.engine.agent.cell_outputs import clean
from aoai_magic.engine.agent.event_stream import Feed, encode
from aoai_magic.engine.storage import response_objects
from aoai_magic.engine.storage.ids import now
from aoai_magic.engine.storage.objects import Body


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
        """Say that the stream is over; unlike a run's, it has no last word."""
        self._closed = True
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()


class Writer:
    """The record of one response.

    Attributes
    ----------
    response
        The object without its output.
    items
        The output, with the keys that are the engine's own.
    """

    def __init__(self, log: EventLog, response: Body, *, outputs: bool) -> None:
        self.log = log
        self.response = response
        self.items: list[Body] = []
        self._open: list[Item] = []
        self._outputs = outputs

    def send(self, kind: str, **data: Any) -> None:
        """Send one event."""
        number = len(self.log.events)
        self.log.send(kind, {"type": kind, "sequence_number": number, **data})

    def shown(self) -> Body:
        """Give the response as it stands, as the client sees it."""
        return {**self.response, "output": [self.show(item) for item in self.items]}

    def show(self, item: Body) -> Body:
        """Give an item as the client sees it."""
        return show(item, outputs=self._outputs)

    def announce(self) -> None:
        """Tell the response's status; that it was cancelled has no event."""
        if self.response["status"] != "cancelled":
            self.send(f"response.{self.response['status']}", response=self.shown())

    def begin(self) -> None:
        """Announce the response."""
        self.send("response.created", response=self.shown())
        if self.response["status"] == "queued":
            self.announce()
        self.response = {**self.response, "status": "in_progress"}
        self.announce()

    def add(self, item: Body) -> int:
        """Announce a new item; gives its index."""
        self.items.append(item)
        index = len(self.items) - 1
        self.send("response.output_item.added", output_index=index, item=self.show(item))
        return index

    def opened(self, item: Item) -> None:
        """Remember an item that has to be finished however the response ends."""
        self._open.append(item)

    def done(self, item: Item) -> None:
        """Announce that an item is finished."""
        self._open.remove(item)
        self.send("response.output_item.done", output_index=item.index, item=self.show(item.body))

    def abandon(self) -> None:
        """Finish what is unfinished because the response ends before it is complete."""
        for item in self._open[:]:
            item.close("incomplete")

    def end(self, status: str, **changes: Any) -> None:
        """End the response, which is yet to be announced."""
        completed = {"completed_at": now()} if status == "completed" else {}
        self.abandon()
        self.response = {**self.response, "status": status, **completed, **changes}


class Item:
    """An item that is being written."""

    def __init__(self, writer: Writer, body: Body, reply: str) -> None:
        self.writer = writer
        self.body = {**body, "_reply": reply}
        self.index = writer.add(self.body)
        writer.opened(self)

    def send(self, kind: str, **data: Any) -> None:
        """Send an event of this item."""
        place = {"output_index": self.index, "item_id": self.body["id"]}
        self.writer.send(kind, **place, **data)

    def close(self, status: str) -> None:
        """Finish the item."""
        if "status" in self.body:
            self.body["status"] = status
        self.writer.done(self)


class Message(Item):
    """A message that is being written; its one part is a text."""

    def __init__(self, writer: Writer, reply: str) -> None:
        super().__init__(writer, response_objects.message(), reply)
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

    def __init__(self, writer: Writer, reply: str) -> None:
        super().__init__(writer, response_objects.reasoning(), reply)
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

    def __init__(self, writer: Writer, reply: str, container_id: str) -> None:
        super().__init__(writer, response_objects.code_call(container_id), reply)
        self._written = False
        self.send("response.code_interpreter_call.in_progress")

    def write(self, code: str) -> None:
        """Append to the code."""
        self.body["code"] += code
        self.send("response.code_interpreter_call_code.delta", delta=code)

    def interpret(self) -> None:
        """Say that the code is complete and runs now."""
        self._finish_code()
        self.body["status"] = "interpreting"
        self.send("response.code_interpreter_call.interpreting")

    def _finish_code(self) -> None:
        if not self._written:
            self._written = True
            self.send("response.code_interpreter_call_code.done", code=self.body["code"])

    def close(self, status: str) -> None:
        """Finish the call."""
        self._finish_code()
        if status == "completed":
            self.send("response.code_interpreter_call.completed")
        super().close(status)


class Function(Item):
    """A call of a client's function."""

    def __init__(self, writer: Writer, reply: str, name: str) -> None:
        super().__init__(writer, response_objects.function_call(name), reply)

    def write(self, arguments: str) -> None:
        """Append to the arguments."""
        self.body["arguments"] += arguments
        self.send("response.function_call_arguments.delta", delta=arguments)

    def close(self, status: str) -> None:
        """Finish the arguments and the call."""
        facts = {"name": self.body["name"], "arguments": self.body["arguments"]}
        self.send("response.function_call_arguments.done", **facts)
        super().close(status)


def show(item: Body, *, outputs: bool) -> Body:
    """Give an item as the client sees it; a call's outputs only if it asked for them."""
    shown = response_objects.bare(item)
    if item["type"] == "code_interpreter_call":
        found = item.get("outputs")
        shown["outputs"] = [response_objects.bare(out) for out in found or ()] if outputs else None
    elif isinstance(item.get("content"), list):
        shown["content"] = [response_objects.bare(part) for part in item["content"]]
    return shown
