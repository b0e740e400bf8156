"""Recorder: keeps one run's steps and messages in the store and tells its listeners.

The order of events is the recorded one; nothing is announced before it is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from aoai_magic.engine.agent.cell_outputs import clean
from aoai_magic.engine.agent.event_stream import Feed
from aoai_magic.engine.storage import objects, store
from aoai_magic.engine.storage.annotations import find_citations, find_links
from aoai_magic.engine.storage.ids import new_id, now
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import MESSAGES, RUNS, STEPS
from aoai_magic.engine.storage.store import Store

_ENDS = {
    "completed": "completed_at",
    "failed": "failed_at",
    "cancelled": "cancelled_at",
    "expired": "expired_at",
}


Annotate = Callable[[str], list[Body]]


class Recorder:
    """The record of one run."""

    def __init__(self, store: Store, feed: Feed, run: Body) -> None:
        self._store = store
        self.feed = feed
        self.run = run
        self.message: MessageRecord | None = None
        self.steps: list[StepRecord] = []
        self.images: list[str] = []
        self.files: list[str] = []
        self.links: dict[str, str] = {}
        self.citations: dict[str, str] = {}
        self.reply = 0

    @property
    def pending(self) -> Body:
        """What the next message has to show, to be kept while a client is asked."""
        return {"images": self.images, "files": self.files}

    async def set_run(
        self, status: str, was: tuple[str, ...], columns: Body, **changes: Any
    ) -> bool:
        """Move the run on to ``status``, if it still is in one of ``was``."""
        changes = {"status": status, **changes}
        where = RUNS.c.status.in_(was)
        run = await self._store.write(
            lambda c: store.patch(c, RUNS, self.run["id"], changes, where, status=status, **columns)
        )
        if run is not None:
            self.run = run
            self.feed.send(f"thread.run.{status}", run)
        return run is not None

    def aside(self, id_: str, kind: str, **told: Any) -> None:
        """Tell clients that asked for it what the API has no event for; it is not stored."""
        if self.feed.asides:
            details = {"type": kind, **told}
            self.feed.send("thread.run.step.delta", step_delta(id_, details))

    async def open_step(self, type_: str, details: Body) -> StepRecord:
        """Begin a step; its details grow later."""
        step = self._new_step(type_, details)
        await self._store.write(step.insert)
        step.announce()
        return step

    def _new_step(self, type_: str, details: Body) -> StepRecord:
        body = objects.step(self.run, type_, details)
        step = StepRecord(self._store, self.feed, body, self.reply)
        self.steps.append(step)
        return step

    async def open_code(self) -> CodeRecord:
        """Begin a step that runs code."""
        step = await self.open_step("tool_calls", {"type": "tool_calls", "tool_calls": []})
        return CodeRecord(step)

    async def open_search(self) -> SearchRecord:
        """Begin a step that searches."""
        step = await self.open_step("tool_calls", {"type": "tool_calls", "tool_calls": []})
        return SearchRecord(step)

    def annotate(self, text: str) -> list[Body]:
        """Find what a text cites and links to, in its order."""
        by_id = {id_: id_ for id_ in self.links.values()}
        found = [*find_links(text, by_id | self.links), *find_citations(text, self.citations)]
        return sorted(found, key=lambda one: one["start_index"])

    async def write(self, text: str) -> None:
        """Append to the message that is being written, or begin one."""
        if self.message is None:
            await self._open_message()
        assert self.message is not None
        self.message.write(text)

    async def _open_message(self) -> None:
        attachments = [objects.attachment(id_) for id_ in self.files]
        body = objects.run_message(self.run, attachments)
        details = {
            "type": "message_creation",
            "message_creation": {"message_id": body["id"]},
        }
        step = self._new_step("message_creation", details)
        self.message = MessageRecord(self._store, self.feed, body, step)
        await self.message.open(self.images)
        self.images, self.files = [], []

    async def close_message(self, reason: str | None = None) -> None:
        """Finish the message that is being written, if there is one."""
        message, self.message = self.message, None
        if message is not None:
            await message.close(self.annotate, reason)

    async def leave_nothing(self) -> None:
        """Write a message for images and files that no text came for."""
        if self.images or self.files:
            await self._open_message()
            await self.close_message()

    async def abandon(self, status: str, error: Body | None, reason: str | None) -> None:
        """End what is unfinished because the run ends as ``status``."""
        message, self.message = self.message, None
        if message is not None:
            await message.close(self.annotate, reason)
        for step in self.steps:
            if step.body["status"] == "in_progress":
                await step.close(status, last_error=error)

    async def cut(self, reason: str | None) -> None:
        """End what is unfinished because the model was cut off: it is done, if not whole."""
        await self.close_message(reason)
        for step in self.steps:
            if step.body["status"] == "in_progress":
                await step.close("completed")


class StepRecord:
    """One step, and which of the run's model calls it came of."""

    def __init__(self, store: Store, feed: Feed, body: Body, reply: int) -> None:
        self._store = store
        self._feed = feed
        self._reply = reply
        self.body = body

    def insert(self, connection: Connection) -> None:
        """Store the step."""
        run_id, thread_id = self.body["run_id"], self.body["thread_id"]
        columns = {"run_id": run_id, "thread_id": thread_id, "reply": self._reply}
        store.add(connection, STEPS, self.body, **columns)

    def announce(self) -> None:
        """Say that the step has begun."""
        self._feed.send("thread.run.step.created", self.body)
        self._feed.send("thread.run.step.in_progress", self.body)

    def update(self, connection: Connection) -> None:
        """Store the step as it stands."""
        store.patch(connection, STEPS, self.body["id"], self.body)

    async def save(self) -> None:
        """Store the step as it stands."""
        await self._store.write(self.update)

    async def close(self, status: str, **changes: Any) -> None:
        """Finish the step."""
        self.finish(status, **changes)
        await self.save()
        self.announce_end()

    def finish(self, status: str, **changes: Any) -> None:
        """Change the step to a finished one."""
        empty = objects.usage(0, 0, 0)
        usage = self.body["usage"] or empty
        self.body.update(status=status, usage=usage, expires_at=None, **changes)
        self.body[_ENDS[status]] = now()

    def announce_end(self) -> None:
        """Say that the step is finished."""
        self._feed.send(f"thread.run.step.{self.body['status']}", self.body)

    def delta(self, call: Body) -> None:
        """Announce a change of a tool call."""
        details = {"type": "tool_calls", "tool_calls": [call]}
        self._feed.send("thread.run.step.delta", step_delta(self.body["id"], details))


def step_delta(id_: str, details: Body) -> Body:
    """Make the data of an event that a step changes."""
    return {"id": id_, "object": "thread.run.step.delta", "delta": {"step_details": details}}


class CodeRecord:
    """A step that runs code: its one tool call, growing."""

    def __init__(self, step: StepRecord) -> None:
        self.step = step
        self._input = ""
        self.call: Body = {
            "id": new_id("call_"),
            "type": "code_interpreter",
            "code_interpreter": {"input": "", "outputs": []},
        }
        self.step.body["step_details"]["tool_calls"].append(self.call)
        # Only the first delta carries the id: clients concatenate strings.
        step.delta({"index": 0, **self.call})

    def write(self, code: str) -> None:
        """Append to the code."""
        self.call["code_interpreter"]["input"] += code
        self._delta({"input": code})

    def output(self, delta: Body) -> None:
        """Announce an output; the list of them is the caller's."""
        self._delta({"outputs": [delta]})

    def _delta(self, change: Body) -> None:
        self.step.delta({"index": 0, "type": "code_interpreter", "code_interpreter": change})


class SearchRecord:
    """A step that searches: its one tool call."""

    def __init__(self, step: StepRecord) -> None:
        self.step = step
        self.call: Body = {"id": new_id("call_"), "type": "file_search", "file_search": {}}
        self.step.body["step_details"]["tool_calls"].append(self.call)
        step.delta({"index": 0, **self.call})

    async def close(self, found: Body, metadata: dict[str, str]) -> None:
        """Finish the step with what was found."""
        self.call["file_search"] = found
        # The SDK's accumulator knows what deltas told, and not what the finished step holds.
        self.step.delta({"index": 0, "type": "file_search", "file_search": found})
        self.step.body["metadata"] = metadata
        await self.step.close("completed")


class FunctionsRecord:
    """A step whose tool calls are functions of the client."""

    def __init__(self, step: StepRecord) -> None:
        self.step = step

    @property
    def calls(self) -> list[Body]:
        """The calls so far."""
        calls: list[Body] = self.step.body["step_details"]["tool_calls"]
        return calls

    def add(self, name: str) -> int:
        """Begin a call; gives its index."""
        call = {
            "id": new_id("call_"),
            "type": "function",
            "function": {"name": name, "arguments": "", "output": None},
        }
        self.calls.append(call)
        self.step.delta({"index": len(self.calls) - 1, **call})
        return len(self.calls) - 1

    def write(self, index: int, arguments: str) -> None:
        """Append to a call's arguments."""
        self.calls[index]["function"]["arguments"] += arguments
        change = {"arguments": arguments}
        self.step.delta({"index": index, "type": "function", "function": change})


class MessageRecord:
    """A message that a run writes."""

    def __init__(self, store: Store, feed: Feed, body: Body, step: StepRecord) -> None:
        self._store = store
        self._feed = feed
        self.body = body
        self.step = step
        self._pieces: list[str] = []

    async def open(self, images: list[str]) -> None:
        """Store and announce step and message, the message's images first."""
        await self._store.write(self._insert)
        self.step.announce()
        self._feed.send("thread.message.created", self.body)
        self._feed.send("thread.message.in_progress", self.body)
        for index, id_ in enumerate(images):
            part = objects.image_file(id_)
            self.body["content"].append(part)
            self._delta({"index": index, **part})

    def _insert(self, connection: Connection) -> None:
        thread_id, run_id = self.body["thread_id"], self.body["run_id"]
        self.step.insert(connection)
        store.add(connection, MESSAGES, self.body, thread_id=thread_id, run_id=run_id)

    def write(self, text: str) -> None:
        """Append to the text."""
        text = clean(text)
        first: Body = {} if self._pieces else {"annotations": []}
        self._pieces.append(text)
        self._text_delta({"value": text, **first})

    def _text_delta(self, change: Body) -> None:
        self._delta({"index": len(self.body["content"]), "type": "text", "text": change})

    def _delta(self, part: Body) -> None:
        self._feed.send(
            "thread.message.delta",
            {
                "id": self.body["id"],
                "object": "thread.message.delta",
                "delta": {"content": [part]},
            },
        )

    async def close(self, annotate: Annotate, reason: str | None) -> None:
        """Finish the message, and the step if the message is whole.

        ``annotate`` finds the annotations of the text.
        """
        if self._pieces:
            self._finish_text(annotate)
        time = now()
        ended: Body = {"status": "completed", "completed_at": time}
        if reason is not None:
            ended = {
                "status": "incomplete",
                "incomplete_at": time,
                "incomplete_details": {"reason": reason},
            }
        else:
            self.step.finish("completed")
        changes = {"content": self.body["content"], **ended}
        stored = await self._store.write(lambda c: self._save(c, changes))
        self._feed.send(f"thread.message.{ended['status']}", stored)
        if reason is None:
            self.step.announce_end()

    def _save(self, connection: Connection, changes: Body) -> Body:
        self.step.update(connection)
        stored = store.patch(connection, MESSAGES, self.body["id"], changes)
        return stored or {**self.body, **changes}

    def _finish_text(self, annotate: Annotate) -> None:
        value = "".join(self._pieces)
        annotations = annotate(value)
        if annotations:
            numbered = [{"index": i, **link} for i, link in enumerate(annotations)]
            self._text_delta({"value": "", "annotations": numbered})
        self.body["content"].append(objects.text(value, annotations))
