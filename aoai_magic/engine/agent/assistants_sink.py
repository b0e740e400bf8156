"""The sink of the Assistants API: a run's steps and messages, stored and announced.

The order of events is the recorded one; nothing is announced before it is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from aoai_magic.engine.agent.cell_outputs import clean
from aoai_magic.engine.agent.event_stream import Feed
from aoai_magic.engine.agent.sink import CallSink, Ending, Search, Sink
from aoai_magic.engine.models.base import Usage
from aoai_magic.engine.models.pictures import Picture
from aoai_magic.engine.search.library import Found
from aoai_magic.engine.storage import objects, store
from aoai_magic.engine.storage.annotations import find_citations, find_links
from aoai_magic.engine.storage.ids import new_id, now
from aoai_magic.engine.storage.objects import EXECUTING, Body
from aoai_magic.engine.storage.schema import MESSAGES, RUNS, STEPS
from aoai_magic.engine.storage.store import Store

_LONGEST_METADATA = 512
_ENDS = {
    "completed": "completed_at",
    "failed": "failed_at",
    "cancelled": "cancelled_at",
    "expired": "expired_at",
}
_FILTERED = {
    "code": "invalid_prompt",
    "message": "The model's content filter stopped the answer; put the question differently.",
}
_INCOMPLETE = {"length": "max_completion_tokens", "prompt": "max_prompt_tokens"}

Annotate = Callable[[str], list[Body]]


class AssistantsSink(Sink):
    """The record of one run.

    Attributes
    ----------
    links
        File ids by the names of the session's files.
    """

    def __init__(self, store: Store, feed: Feed, run: Body, context: Body) -> None:
        super().__init__()
        self._store = store
        self.feed = feed
        self.run = run
        self._context = context
        self.links: dict[str, str] = {}
        pending = context.get("pending", {})
        self._images: list[str] = list(pending.get("images", ()))
        self._files: list[str] = list(pending.get("files", ()))
        self._message: MessageRecord | None = None
        self._steps: list[StepRecord] = []
        self._messages: list[MessageRecord] = []
        self._functions: FunctionsRecord | None = None

    # The run

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

    async def end(self, ending: Ending) -> None:
        """Finish what is unfinished, then the run, so that a completed run is complete."""
        used = self.used
        usage = _usage(used)
        over = {"usage": usage, "expires_at": None, "required_action": None}
        if ending.status == "requires_action":
            done = await self._require_action()
        elif ending.status == "completed":
            done = await self.set_run("completed", ("in_progress",), {}, completed_at=now(), **over)
        elif ending.reason in _INCOMPLETE:
            await self._cut()
            details = {"reason": _INCOMPLETE[ending.reason]}
            done = await self.set_run(
                "incomplete", ("in_progress",), {}, incomplete_details=details, **over
            )
        else:
            done = await self._abandon(ending, over)
        if not done:
            # It was cancelled in the last moment, and everything in it is finished.
            await self.set_run("cancelled", ("cancelling",), {}, cancelled_at=now(), **over)

    async def _require_action(self) -> bool:
        assert self._functions is not None
        await self._functions.step.save()
        calls = [
            {**call, "function": {k: call["function"][k] for k in ("name", "arguments")}}
            for call in self._functions.calls
        ]
        action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
        # What the next message has to show is kept while the client is asked.
        pending = {"images": self._images, "files": self._files}
        columns = {"context": {**self._context, "pending": pending}}
        return await self.set_run(
            "requires_action", ("in_progress",), columns, required_action=action
        )

    async def _abandon(self, ending: Ending, over: Body) -> bool:
        """End what is unfinished because the run fails, is cancelled or expires."""
        filtered = ending.reason == "content_filter"
        status, error = ("failed", _FILTERED) if filtered else (ending.status, ending.error)
        await self._close_message("content_filter" if filtered else f"run_{status}")
        for step in self._steps:
            if step.body["status"] == "in_progress":
                await step.close(status, last_error=error)
        changes = dict(over)
        if status == "failed":
            changes["last_error"] = error
            await self._store.write(self.rewrite)
        if status != "expired":
            changes[f"{status}_at"] = now()
        return await self.set_run(status, EXECUTING, {}, **changes)

    def rewrite(self, connection: Connection) -> None:
        """Store once more all that was said and done, of which some may not be stored."""
        for step in self._steps:
            step.update(connection)
        for message in self._messages:
            message.save(connection)

    async def _cut(self) -> None:
        """End what is unfinished because the model was cut off: it is done, if not whole."""
        await self._close_message("max_tokens")
        for step in self._steps:
            if step.body["status"] == "in_progress":
                await step.close("completed")

    # What the loop reports

    def count(self, usage: Usage, *, heard: bool) -> None:
        """Add the tokens of a model call; they are its last step's."""
        super().count(usage, heard=heard)
        if self._steps and heard:
            self._steps[-1].body["usage"] = _usage(usage)

    def keep_reasoning(self, value: Mapping[str, Any]) -> None:
        """Store it with the last step of its reply."""
        for step in self._steps[-1:]:
            if step.reply == self.reply:
                step.reasoning = value

    def add_files(self, made: Mapping[str, Body]) -> None:
        """Record the files that code created or changed; the next message has them attached."""
        self.links |= {name: body["id"] for name, body in made.items()}
        self._files += [body["id"] for body in made.values()]

    def add_picture(self, kept: Body, picture: Picture) -> Body:
        """Return the output that shows a picture; the next message shows it too."""
        self._images.append(kept["id"])
        more = {"chart": dict(picture.chart)} if picture.chart else {}
        return objects.image_file(kept["id"], "image") | more

    async def _open_calls(self) -> StepRecord:
        """Begin a step of tool calls, which are added later."""
        step = self._new_step("tool_calls", {"type": "tool_calls", "tool_calls": []})
        await self._store.write(step.insert)
        step.announce()
        return step

    def _new_step(self, type_: str, details: Body) -> StepRecord:
        body = objects.step(self.run, type_, details)
        step = StepRecord(self._store, self.feed, body, self.reply)
        self._steps.append(step)
        return step

    async def open_code(self) -> CodeRecord:
        """Start a step that runs code."""
        return CodeRecord(await self._open_calls())

    async def open_search(self) -> SearchRecord:
        """Start a step that searches."""
        return SearchRecord(await self._open_calls())

    async def open_function(self, name: str) -> FunctionRecord:
        """Start a call of a client's function; all calls of a reply are one step."""
        if self._functions is None:
            self._functions = FunctionsRecord(await self._open_calls())
        return self._functions.add(name)

    async def write(self, text: str) -> None:
        """Append to the message that is being written, or begin one."""
        message = self._message or await self._open_message()
        message.write(text)

    async def _open_message(self) -> MessageRecord:
        attachments = [objects.attachment(id_) for id_ in self._files]
        body = objects.run_message(self.run, attachments)
        details = {
            "type": "message_creation",
            "message_creation": {"message_id": body["id"]},
        }
        step = self._new_step("message_creation", details)
        self._message = MessageRecord(self._store, self.feed, body, step)
        self._messages.append(self._message)
        await self._message.open(self._images)
        self._images, self._files = [], []
        return self._message

    async def close_message(self) -> None:
        """Finish the message that is being written, if there is one."""
        await self._close_message(None)

    async def _close_message(self, reason: str | None) -> None:
        message, self._message = self._message, None
        if message is not None:
            await message.close(self._annotate, reason)

    def _annotate(self, text: str) -> list[Body]:
        """Find what a text cites and links to, in its order."""
        by_id = {id_: id_ for id_ in self.links.values()}
        passages = {place: one["file_id"] for place, one in self.citations.items()}
        found = [*find_links(text, by_id | self.links), *find_citations(text, passages)]
        return sorted(found, key=lambda one: one["start_index"])

    async def leave_nothing(self) -> None:
        """Write a message for images and files that no text came for."""
        if self._images or self._files:
            await self._open_message()
            await self.close_message()


class StepRecord:
    """One step, and which of the run's model calls it came of."""

    def __init__(self, store: Store, feed: Feed, body: Body, reply: int) -> None:
        self._store = store
        self._feed = feed
        self.reply = reply
        self.reasoning: Mapping[str, Any] | None = None
        self.body = body

    def insert(self, connection: Connection) -> None:
        """Store the step."""
        run_id, thread_id = self.body["run_id"], self.body["thread_id"]
        columns = {"run_id": run_id, "thread_id": thread_id, "reply": self.reply}
        store.add(connection, STEPS, self.body, **columns)

    def announce(self) -> None:
        """Describe that the step has begun."""
        self._feed.send("thread.run.step.created", self.body)
        self._feed.send("thread.run.step.in_progress", self.body)

    def update(self, connection: Connection) -> None:
        """Store the step as it stands."""
        columns = {} if self.reasoning is None else {"reasoning": self.reasoning}
        store.patch(connection, STEPS, self.body["id"], self.body, **columns)

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
        """Describe that the step is finished."""
        self._feed.send(f"thread.run.step.{self.body['status']}", self.body)

    def delta(self, call: Body) -> None:
        """Send the event of a change of a tool call."""
        details = {"type": "tool_calls", "tool_calls": [call]}
        self._feed.send("thread.run.step.delta", step_delta(self.body["id"], details))


def _usage(used: Usage) -> Body:
    tokens = (used.prompt_tokens, used.completion_tokens, used.cached_tokens)
    return objects.usage(*tokens, used.written_tokens)


def step_delta(id_: str, details: Body) -> Body:
    """Make the data of an event that a step changes."""
    return {"id": id_, "object": "thread.run.step.delta", "delta": {"step_details": details}}


class CallRecord(CallSink):
    """A step with one tool call, which grows."""

    def __init__(self, step: StepRecord, kind: str, begun: Body) -> None:
        self.step = step
        self._kind = kind
        self._call: Body = {"id": new_id("call_"), "type": kind, kind: begun}
        self.step.body["step_details"]["tool_calls"].append(self._call)
        # Only the first delta carries the id: clients concatenate strings.
        step.delta({"index": 0, **self._call})

    @property
    def id(self) -> str:
        """The id of the call."""
        return str(self._call["id"])

    async def finish(self) -> None:
        """Finish the step."""
        await self.step.close("completed")

    def _delta(self, change: Body) -> None:
        self.step.delta({"index": 0, "type": self._kind, self._kind: change})


class CodeRecord(CallRecord):
    """A step that runs code."""

    def __init__(self, step: StepRecord) -> None:
        super().__init__(step, "code_interpreter", {"input": "", "outputs": []})

    def write(self, text: str) -> None:
        """Append to the code."""
        self._call["code_interpreter"]["input"] += text
        self._delta({"input": text})

    async def start(self, parts: list[Body]) -> None:
        """Store the code; ``parts`` are the outputs that grow from now on."""
        self._call["code_interpreter"]["outputs"] = parts
        await self.step.save()

    def output(self, delta: Body) -> None:
        """Send the event of an output; the list of them is the caller's."""
        self._delta({"outputs": [delta]})

    def describe(self, facts: dict[str, str]) -> None:
        """Record how the code ended."""
        self.step.body["metadata"] = facts


class SearchRecord(CallRecord):
    """A step that searches."""

    def __init__(self, step: StepRecord) -> None:
        super().__init__(step, "file_search", {})

    def find(self, number: str, query: str, search: Search, found: list[Found]) -> None:
        """Send the event of what was found."""
        ranking = {"ranker": search.ranker, "score_threshold": search.threshold}
        results = {"ranking_options": ranking, "results": [_result(one) for one in found]}
        self._call["file_search"] = results
        # The SDK's accumulator knows what deltas told, and not what the finished step holds.
        self._delta(results)
        self.step.body["metadata"] = {"search": number, "query": query[:_LONGEST_METADATA]}


def _result(found: Found) -> Body:
    return {
        "file_id": found.file_id,
        "file_name": found.filename,
        "score": found.score,
        "content": [{"type": "text", "text": found.text}],
    }


class FunctionsRecord:
    """A step whose tool calls are functions of the client."""

    def __init__(self, step: StepRecord) -> None:
        self.step = step

    @property
    def calls(self) -> list[Body]:
        """The calls so far."""
        calls: list[Body] = self.step.body["step_details"]["tool_calls"]
        return calls

    def add(self, name: str) -> FunctionRecord:
        """Start a call."""
        call = {
            "id": new_id("call_"),
            "type": "function",
            "function": {"name": name, "arguments": "", "output": None},
        }
        self.calls.append(call)
        self.step.delta({"index": len(self.calls) - 1, **call})
        return FunctionRecord(self.step, call, len(self.calls) - 1)


class FunctionRecord(CallSink):
    """One call of a client's function; its step ends when the client has answered."""

    def __init__(self, step: StepRecord, call: Body, index: int) -> None:
        self._step = step
        self._call = call
        self._index = index

    @property
    def id(self) -> str:
        """The id of the call."""
        return str(self._call["id"])

    def write(self, text: str) -> None:
        """Append to the arguments."""
        self._call["function"]["arguments"] += text
        change = {"arguments": text}
        self._step.delta({"index": self._index, "type": "function", "function": change})


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
        self.body.update(ended)
        stored = await self._store.write(self.save)
        self._feed.send(f"thread.message.{ended['status']}", stored)
        if reason is None:
            self.step.announce_end()

    def save(self, connection: Connection) -> Body:
        """Store message and step as they stand; what clients noted on the message is kept."""
        self.step.update(connection)
        changes = {key: value for key, value in self.body.items() if key != "metadata"}
        return store.patch(connection, MESSAGES, self.body["id"], changes) or self.body

    def _finish_text(self, annotate: Annotate) -> None:
        value = "".join(self._pieces)
        annotations = annotate(value)
        if annotations:
            numbered = [{"index": i, **link} for i, link in enumerate(annotations)]
            self._text_delta({"value": "", "annotations": numbered})
        self.body["content"].append(objects.text(value, annotations))
