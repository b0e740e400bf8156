"""The agent loop: ask the model, run its code, give it the output, until it is done.

The model repairs its own failures, within bounds. A sink writes all of it down, in the form
of the API that the client speaks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import accumulate

from aoai_magic.engine.agent import history, repair_hints
from aoai_magic.engine.agent.cell_outputs import Outputs, as_text, clean
from aoai_magic.engine.agent.chat_messages import Chat, tool_result
from aoai_magic.engine.agent.loop_guard import STUCK, Repeats
from aoai_magic.engine.agent.reply import (
    Call,
    CodeCall,
    FunctionCall,
    Reply,
    SearchCall,
    UnknownCall,
)
from aoai_magic.engine.agent.sandbox_sessions import Lease
from aoai_magic.engine.agent.sink import Ending, Sink, failed
from aoai_magic.engine.agent.task import Services, Task, closing
from aoai_magic.engine.errors import ApiError
from aoai_magic.engine.models import pictures, token_estimate
from aoai_magic.engine.models.base import FAILED, Model, ModelError, Request
from aoai_magic.engine.models.pictures import Picture
from aoai_magic.engine.search import filters
from aoai_magic.engine.search.library import Found
from aoai_magic.engine.storage.objects import Body
from aoai_magic.sandbox.protocol import Event

_DISOBEDIENCE = 3
_BROKEN = "The call's arguments were not a JSON object with the string `code`; nothing was run."
_SPENT = "No more tool calls are allowed; answer with what you have."


class AgentLoop:
    """The execution of one task."""

    def __init__(self, services: Services, sink: Sink, task: Task) -> None:
        self._services = services
        self._bounds = services.bounds
        self._sink = sink
        self._task = task
        self._toolbox = task.toolbox
        self._messages: list[Chat] = [{"role": "system", "content": task.system}, *task.messages]
        self._due = task.due
        self._disobeyed = 0
        self._failures = 0
        self._calls = 0
        self._searches = task.searches
        self._pictures = task.pictures
        self._drawn: list[Picture] = []
        self._sees = False
        self._repeats = Repeats()
        self._concludes = False

    async def run(self) -> Ending:
        """Run until the model is done, a client has to act, or a limit is reached."""
        limit = self._task.prompt_tokens
        if limit and sum(map(token_estimate.count, self._messages)) > limit:
            return Ending("incomplete", reason="prompt")
        model = await self._services.model(self._task.model)
        for _ in range(self._bounds.run_steps):
            reply = await self._ask(model)
            # What the server takes shows in its first answers.
            self._sees = getattr(model, "sees", False)
            ending = await self._cut_short(reply) or self._insist(reply)
            if ending is None and (reply.obedient or reply.calls):
                ending = await self._follow(reply)
            if ending is not None:
                return ending
        return failed(
            f"The model took {self._bounds.run_steps} steps without coming to an end; "
            "ask again more narrowly."
        )

    # Asking

    async def _ask(self, model: Model) -> Reply:
        forced = self._toolbox.forced if self._due else None
        messages = self._messages
        if self._disobeyed and forced is not None:
            messages = _reminded(messages, forced)
        request = Request(
            messages=tuple(messages),
            tools=[] if self._spent else self._toolbox.offer(),
            tool_choice="none" if self._spent else self._toolbox.choice(self._due),
            options=self._options(),
        )
        self._sink.reply += 1
        reply = Reply(self._sink, self._toolbox, forced)
        try:
            async with closing(model.stream(request)) as chunks:
                async for chunk in chunks:
                    await reply.take(chunk)
        except ModelError:
            await reply.release()
            raise
        finally:
            reply.end()
        self._sink.count(reply.usage, heard=reply.obedient or bool(reply.calls))
        return reply

    @property
    def _spent(self) -> bool:
        most = self._task.tool_calls
        return self._concludes or (most is not None and self._calls >= most)

    def _options(self) -> Body:
        if not self._task.tokens:
            return self._task.options
        left = max(self._task.tokens - self._sink.used.completion_tokens, 1)
        return {**self._task.options, "max_completion_tokens": left}

    async def _cut_short(self, reply: Reply) -> Ending | None:
        limit = self._task.tokens
        spent = reply.calls and limit and self._sink.used.completion_tokens >= limit
        if reply.finish == "content_filter":
            await reply.release()
            return Ending("incomplete", reason="content_filter")
        if reply.finish == "length" or spent:
            await reply.release()
            return Ending("incomplete", reason="length")
        return None

    def _insist(self, reply: Reply) -> Ending | None:
        """See that the model calls what the client demands; not every server forces it to."""
        self._due = self._due and not reply.obedient
        if reply.obedient:
            return None
        self._disobeyed += 1
        if self._disobeyed < _DISOBEDIENCE:
            return None
        return failed(
            f"The model did not call {_called(self._toolbox.forced)}, which tool_choice demands; "
            "use a model that can call tools, or leave tool_choice out."
        )

    # Following

    async def _follow(self, reply: Reply) -> Ending | None:
        """Do what the reply asks for; None when the model has to be asked again."""
        await self._sink.close_message()
        self._messages.append(reply.chat())
        if not reply.calls:
            await self._sink.leave_nothing()
            silent = self._concludes and not self._messages[-1]["content"]
            return failed(STUCK) if silent else Ending("completed")
        for call in reply.calls:
            if (text := await self._do(call)) is not None:
                self._messages.append(tool_result(call.id, text))
        if (fault := self._going_wrong()) is not None:
            return fault
        if any(isinstance(call, FunctionCall) for call in reply.calls):
            return Ending("requires_action")
        drawn, self._drawn = pictures.shown(self._drawn), []
        if drawn and self._sees:
            self._messages.append(drawn)
        return None

    def _going_wrong(self) -> Ending | None:
        """Return the failure of a model that repeats itself, or whose code fails again and again.

        One that has a result, and computes it again and again, is first asked for its answer.
        """
        concludes, self._concludes = self._concludes, self._repeats.stuck
        if concludes or (self._concludes and self._failures):
            return failed(STUCK)
        if self._failures >= self._bounds.failures_in_a_row:
            return failed(
                f"The model's code failed {self._failures} times in a row; "
                "say more precisely what to do, or use another model."
            )
        return None

    async def _do(self, call: Call) -> str | None:
        """Do what one call asks for; returns what the model is told, None if others answer."""
        if isinstance(call, FunctionCall):
            await call.sink.finish()
            return None
        if isinstance(call, UnknownCall):
            self._failures += 1
            return f"There is no tool called {call.name!r}."
        spent, self._calls = self._spent, self._calls + 1
        if isinstance(call, CodeCall):
            return await self._run_code(call, _SPENT if spent else None)
        assert isinstance(call, SearchCall)
        return await self._search(call, _SPENT if spent else None)

    # Searching

    async def _search(self, call: SearchCall, refusal: str | None) -> str:
        """Search the documents and finish the call; returns what the model is told."""
        search = self._task.search
        assert search is not None
        number, query = str(self._searches), clean(_query(call.arguments))
        self._searches += 1
        fits = filters.fitting(search.filters) if search.filters else None
        found: list[Found] = []
        if query and refusal is None:
            found = await self._services.library.search(
                search.stores, query, search.most, search.threshold, fits, search.weights
            )
        found = _bounded(found, self._bounds.search_output)
        call.sink.find(number, query, search, found)
        await call.sink.finish()
        item = {"_number": number, "results": [vars(one) for one in found]}
        self._sink.citations |= history.places(item)
        return refusal or history.passages(item)

    # Running code

    async def _run_code(self, call: CodeCall, refusal: str | None) -> str:
        """Run one cell and finish its call; returns what the model is told."""
        workspace, sessions = self._task.workspace, self._services.sessions
        assert workspace is not None
        outputs, notes = Outputs(), []
        await call.sink.start(outputs.parts)
        level = (await sessions.isolation()).level
        state = await sessions.state(workspace.id)
        if not call.reader.complete:
            refusal = _BROKEN
        try:
            if refusal is None:
                notes = await self._run_cell(call, outputs)
            else:
                call.sink.output(outputs.refuse(refusal))
        finally:
            call.sink.describe(outputs.metadata(state, level))
        await call.sink.finish()
        broken = outputs.outcome != "ok"
        self._failures = self._failures + 1 if broken else 0
        text = as_text(outputs.parts, self._bounds.tool_output)
        notes += self._repeats.note(call.reader.code, text)
        advice = [repair_hints.hint(outputs.error or "", self._messages), FAILED] if broken else []
        return "\n".join(filter(None, [*notes, text, *advice]))

    async def _run_cell(self, call: CodeCall, outputs: Outputs) -> list[str]:
        workspace = self._task.workspace
        assert workspace is not None
        try:
            async with workspace.lease() as lease:
                for id_, name in workspace.aliases.items():
                    # Code that names a file by its id finds it so, as at the service.
                    if id_ in call.reader.code:
                        await lease.session.alias(id_, name)
                async with closing(lease.session.run(call.reader.code)) as events:
                    async for event in events:
                        await self._take(event, call, outputs)
                found = await workspace.collect(lease)
        except ApiError as error:
            # The container was deleted, or expired, while the model was thinking.
            call.sink.output(outputs.refuse(error.message))
            return []
        self._sink.add_files(found.files)
        for sentence in found.left:
            call.sink.output(outputs.add_logs(outputs.line(sentence)))
        return _notes(lease, outputs, found.files)

    async def _take(self, event: Event, call: CodeCall, outputs: Outputs) -> None:
        for piece in outputs.take(event):
            if isinstance(piece, Picture):
                call.sink.output(outputs.add_part(await self._keep(piece)))
            elif piece:
                call.sink.output(outputs.add_logs(piece))

    async def _keep(self, picture: Picture) -> Body:
        """Store a picture; returns the output that shows it."""
        assert self._task.workspace is not None
        self._pictures += 1
        self._drawn.append(picture)
        kept = await self._task.workspace.keep(picture, self._pictures)
        return self._sink.add_picture(kept, picture)


def _notes(lease: Lease, outputs: Outputs, made: Mapping[str, Body]) -> list[str]:
    """Return the model what it has to know of a cell beside its output."""
    notes = []
    if lease.state == "restored" or outputs.lost:
        reason = f" ({outputs.lost})" if outputs.lost else ""
        notes.append(f"[The session is a fresh one: variables of earlier code are lost{reason}]")
    notes += [f"[{sentence}]" for sentence in lease.left]
    if made:
        notes.append(f"[New or changed files: {', '.join(map(repr, made))}]")
    return notes


def _called(forced: str | None) -> str:
    return f"the tool `{forced}`" if forced else "any tool"


def _reminded(messages: list[Chat], forced: str) -> list[Chat]:
    """Repeat what the client demands; in the system prompt, since servers differ in roles."""
    system, *rest = messages
    demand = f"You must call {_called(forced)} now, before you answer."
    return [{**system, "content": f"{system['content']}\n\n{demand}"}, *rest]


def _query(arguments: str) -> str:
    """Read a search's arguments, which are a JSON object by now."""
    query = json.loads(arguments).get("query")
    return query.strip() if isinstance(query, str) else ""


def _bounded(found: Iterable[Found], limit: int) -> list[Found]:
    """Return as much of what was found as the model is to be told."""
    found = list(found)
    sizes = accumulate(len(one.text) for one in found)
    return [
        one
        for n, (one, size) in enumerate(zip(found, sizes, strict=True))
        if n == 0 or size <= limit
    ]
