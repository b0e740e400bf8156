"""The run loop: ask the model, run its code, tell it what came out, until it is done.

The model repairs its own failures, within bounds; every attempt is a step of its own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from itertools import accumulate
from typing import Any

import anyio
import anyio.to_thread
from sqlalchemy import Connection

from aoai_magic import frame_codec
from aoai_magic.engine.agent import handed_over, thread_history
from aoai_magic.engine.agent.assistants_sink import CodeRecord, Recorder
from aoai_magic.engine.agent.cell_outputs import Outputs, as_text, clean
from aoai_magic.engine.agent.loop_guard import STUCK, Repeats
from aoai_magic.engine.agent.reply import (
    CodeCall,
    Reply,
    SearchCall,
    UnknownCall,
    call_id,
)
from aoai_magic.engine.agent.sandbox_sessions import Lease, Sessions
from aoai_magic.engine.agent.system_prompt import Listed, system_prompt
from aoai_magic.engine.agent.thread_history import Chat, History, Thread
from aoai_magic.engine.agent.tools import Toolbox
from aoai_magic.engine.config import Bounds
from aoai_magic.engine.models import pictures, token_estimate
from aoai_magic.engine.models.base import Model, Request
from aoai_magic.engine.models.pictures import Picture
from aoai_magic.engine.search import vector_stores
from aoai_magic.engine.search.library import Found, Library
from aoai_magic.engine.storage import objects, store
from aoai_magic.engine.storage.file_names import place
from aoai_magic.engine.storage.files import Files, find
from aoai_magic.engine.storage.ids import now
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import THREADS, VECTOR_STORES
from aoai_magic.engine.storage.store import Store
from aoai_magic.sandbox.protocol import Event

_RANKER = "default_2024_08_21"
_MOST_FOUND = 20
_MOST_NAMED = 101
_LONGEST_METADATA = 512
_OPTIONS = ("temperature", "top_p")
_DISOBEDIENCE = 3
_BROKEN = "The call's arguments were not a JSON object with the string `code`; nothing was run."


@dataclass(frozen=True)
class Services:
    """What runs need of the engine."""

    store: Store
    files: Files
    sessions: Sessions
    library: Library
    bounds: Bounds
    model: Callable[[Body], Awaitable[Model]]


@dataclass(frozen=True)
class Ending:
    """How a run stops: its status and the keys that go with it.

    ``message`` is why the message that was being written is incomplete, if it is.
    """

    status: str
    changes: Body = field(default_factory=dict)
    message: str | None = None


def failed(text: str, code: str = "server_error") -> Ending:
    """End a run with an error; ``text`` is one sentence."""
    error = {"code": code, "message": clean(text)}
    return Ending("failed", {"last_error": error, "failed_at": now()}, "run_failed")


def incomplete(reason: str) -> Ending:
    """End a run that used up its tokens; ``reason`` is the run's."""
    return Ending("incomplete", {"incomplete_details": {"reason": reason}}, "max_tokens")


class RunLoop:
    """The execution of one run."""

    def __init__(self, services: Services, recorder: Recorder, context: Body) -> None:
        self._services = services
        self._recorder = recorder
        self.context = context
        self._azure = bool(context.get("azure"))
        self._additional = context.get("additional_instructions")
        self._toolbox = Toolbox(recorder.run)
        self._given: dict[str, Body] = {}
        self._attached: frozenset[str] = frozenset()
        self._failures = 0
        self._pictures = 0
        self._due = True
        self._disobeyed = 0
        self._searches = 0
        self._sees = False
        self._drawn: list[Picture] = []
        self._repeats = Repeats()
        self.tokens = {"prompt": 0, "completion": 0, "cached": 0}

    @property
    def _run(self) -> Body:
        return self._recorder.run

    async def converse(self) -> Ending:
        """Go on until the model is done, a client has to act, or a bound is struck."""
        messages = await self._prepare()
        limit = self._run["max_prompt_tokens"]
        if limit and sum(map(token_estimate.count, messages)) > limit:
            return incomplete("max_prompt_tokens")
        model = await self._services.model(self._run)
        self._sees = getattr(model, "sees", False)
        for _ in range(self._services.bounds.run_steps):
            reply = await self._ask(model, messages)
            ending = self._cut_short(reply) or self._insist(reply)
            if ending is None and (reply.obedient or reply.calls):
                ending = await self._follow(reply, messages)
            if ending is not None:
                return ending
        return failed(
            f"The run took {self._services.bounds.run_steps} steps without coming to an end; "
            "ask again more narrowly."
        )

    def _cut_short(self, reply: Reply) -> Ending | None:
        if reply.finish == "length":
            return incomplete("max_completion_tokens")
        if reply.finish == "content_filter":
            text = "The model's content filter stopped the answer; put the question differently."
            ending = failed(text, "invalid_prompt")
            return Ending("failed", ending.changes, "content_filter")
        limit = self._run["max_completion_tokens"]
        if reply.calls and limit and self.tokens["completion"] >= limit:
            return incomplete("max_completion_tokens")
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

    async def _follow(self, reply: Reply, messages: list[Chat]) -> Ending | None:
        """Do what the reply asks for; None when the model has to be asked again."""
        await self._recorder.close_message()
        messages.append(reply.chat())
        if not reply.calls:
            await self._recorder.leave_nothing()
            return Ending("completed", {"completed_at": now()})
        await self._run_calls(reply, messages)
        if self._repeats.stuck:
            return failed(STUCK)
        if self._failures >= self._services.bounds.failures_in_a_row:
            return failed(
                f"The model's code failed {self._failures} times in a row; "
                "say more precisely what to do, or use another model."
            )
        return await self._require_action(reply)

    async def _run_calls(self, reply: Reply, messages: list[Chat]) -> None:
        for index, call in enumerate(reply.calls):
            id_ = call_id(index, call)
            if isinstance(call, CodeCall):
                messages.append(thread_history.tool_result(id_, await self._run_code(call)))
            elif isinstance(call, SearchCall):
                messages.append(thread_history.tool_result(id_, await self._search(call)))
            elif isinstance(call, UnknownCall):
                self._failures += 1
                text = f"There is no tool called {call.name!r}."
                messages.append(thread_history.tool_result(id_, text))
        drawn, self._drawn = pictures.shown(self._drawn), []
        # The results of a client's functions are still to come, and go before all else.
        if drawn and self._sees and reply.functions is None:
            messages.append(drawn)

    async def _require_action(self, reply: Reply) -> Ending | None:
        if reply.functions is None:
            return None
        await reply.functions.step.save()
        calls = [
            {**call, "function": {k: call["function"][k] for k in ("name", "arguments")}}
            for call in reply.functions.calls
        ]
        action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
        return Ending("requires_action", {"required_action": action})

    # Before the first question

    async def _prepare(self) -> list[Chat]:
        """Gather the thread's files and write down all that the model is told."""
        store_ = self._services.store
        thread = await thread_history.load(store_, self._run["thread_id"])
        steps = [step for steps in thread.steps.values() for step in steps]
        self._pictures = sum(map(_count_images, steps))
        self._remember_searches(steps)
        self._resume([step for step in steps if step["run_id"] == self._run["id"]])
        system = await self._system(thread)
        told = History(thread, self._run, self._services.bounds, self._services.files.path)
        return [{"role": "system", "content": system}, *await told.messages()]

    def _remember_searches(self, steps: list[Body]) -> None:
        """Note what earlier searches of the thread found, which may be cited again."""
        for step in steps:
            for call in step["step_details"].get("tool_calls", ()):
                if call["type"] == "file_search":
                    self._searches += 1
                    number = step["metadata"].get("search", "")
                    self._recorder.citations |= thread_history.places(number, call)

    def _resume(self, steps: list[Body]) -> None:
        """Take up the count where a run stopped to ask its client."""
        self._due = not steps
        self._recorder.reply = max((step["reply"] for step in steps), default=0)
        pending = self.context.get("pending", {})
        self._recorder.images = list(pending.get("images", ()))
        self._recorder.files = list(pending.get("files", ()))
        for usage in filter(None, (step["usage"] for step in steps)):
            self.tokens["prompt"] += usage["prompt_tokens"]
            self.tokens["completion"] += usage["completion_tokens"]

    async def _system(self, thread: Thread) -> str:
        instructions = [self._run["instructions"], self._additional]
        documents = await self._documents() if self._toolbox.search else None
        if not self._toolbox.python:
            return system_prompt(instructions, False, "new", [], documents)
        await self._services.sessions.isolation()
        thread_id = self._run["thread_id"]
        self._given = await self._find_given([body for _, body in thread.messages])
        new = handed_over.new_files(thread)
        self._attached = frozenset(n for n, body in self._given.items() if body["id"] in new)
        known = await self._services.sessions.known(thread_id)
        files = handed_over.current_files(self._given, known, self._attached)
        self._recorder.links = files
        state = await self._services.sessions.state(thread_id)
        changed = {
            name
            for name in self._attached
            if handed_over.is_replaced(self._given[name], known.get(name))
        }
        used = handed_over.words_of_code(thread) if state == "live" else set()
        listed = await self._list(files, changed, used)
        return system_prompt(instructions, True, state, listed, documents)

    async def _documents(self) -> list[str]:
        """Name the documents that can be searched."""
        stores = await self._stores()
        return await self._services.store.read(
            lambda c: vector_stores.names(c, stores, _MOST_NAMED)
        )

    async def _stores(self) -> list[str]:
        """Give the ids of the vector stores of run and thread that there are."""
        thread_id = self._run["thread_id"]

        def work(connection: Connection) -> list[str]:
            thread = store.get(connection, THREADS, thread_id) or {}
            ids = dict.fromkeys([*_store_ids(self._run), *_store_ids(thread)])
            found = [id_ for id_ in ids if store.get(connection, VECTOR_STORES, id_)]
            if self.context.get("v1"):
                named = [*_resources(self._run), *_resources(thread)]
                found.append(vector_stores.hidden(connection, thread_id, named))
            return found

        return await self._services.store.write(work)

    async def _find_given(self, messages: list[Body]) -> dict[str, Body]:
        """Find the files of assistant, thread and messages, and name them."""
        thread_id = self._run["thread_id"]
        thread = await self._services.store.read(lambda c: store.get(c, THREADS, thread_id))
        attached = [
            handed_over.attached_files(message) for message in messages if message["role"] == "user"
        ]
        brought = {id_ for ids in attached for id_ in ids}
        standing = [*_resources(self._run), *_resources(thread or {})]
        ids = [*standing, *brought]
        found = await self._services.store.read(lambda c: find(c, ids)) if ids else {}
        own = dict.fromkeys(id_ for id_ in standing if id_ in found and id_ not in brought)
        return place(
            [found[id_] for id_ in own],
            [[found[id_] for id_ in ids if id_ in found] for ids in attached],
        )

    async def _list(
        self, files: dict[str, str], changed: Collection[str], used: Collection[str]
    ) -> list[Listed]:
        """Describe the session's files.

        ``changed`` names those of which code had another version, ``used`` all names that
        code may have assigned.
        """
        bodies = await self._services.files.many(list(files.values()))
        listed = []
        for name, id_ in files.items():
            if id_ not in bodies:
                continue
            manifest = await self._manifest(name, id_)
            replaced = name in changed
            if manifest is not None and name in self._attached:
                replaced = manifest.name in used
            listed.append(Listed(name, bodies[id_]["bytes"], manifest, replaced))
        return listed

    async def _manifest(self, name: str, id_: str) -> frame_codec.Manifest | None:
        """Read as what variable the session loads a file, if the notebook side packed it."""
        if not name.endswith((".arrow", ".parquet")):
            return None
        path = self._services.files.path(id_)
        return await anyio.to_thread.run_sync(frame_codec.peek, path)

    # Asking

    async def _ask(self, model: Model, messages: list[Chat]) -> Reply:
        forced = self._toolbox.forced if self._due else None
        if self._disobeyed and forced is not None:
            messages = _reminded(messages, forced)
        request = Request(
            messages=tuple(messages),
            tools=self._toolbox.offer(),
            tool_choice=self._toolbox.choice(self._due),
            options=self._options(),
        )
        self._recorder.reply += 1
        reply = Reply(self._recorder, self._toolbox, forced)
        async with closing(model.stream(request)) as chunks:
            async for chunk in chunks:
                await reply.take(chunk)
        reply.end_thoughts()
        self._count(reply)
        return reply

    def _options(self) -> Body:
        run = self._run
        # Reasoning models refuse even the defaults of these two.
        options: Body = {key: run[key] for key in _OPTIONS if run[key] not in (None, 1)}
        if run["response_format"] not in (None, "auto"):
            options["response_format"] = run["response_format"]
        if run["reasoning_effort"] is not None:
            options["reasoning_effort"] = run["reasoning_effort"]
        if run["max_completion_tokens"]:
            left = run["max_completion_tokens"] - self.tokens["completion"]
            options["max_completion_tokens"] = max(left, 1)
        if run["parallel_tool_calls"] is False and self._run["tools"]:
            options["parallel_tool_calls"] = False
        return options

    def _count(self, reply: Reply) -> None:
        """Add up the tokens of a reply; they are its last step's."""
        used = reply.usage
        self.tokens["prompt"] += used.prompt_tokens
        self.tokens["completion"] += used.completion_tokens
        self.tokens["cached"] += used.cached_tokens
        if self._recorder.steps and (reply.obedient or reply.calls):
            usage = objects.usage(used.prompt_tokens, used.completion_tokens, used.cached_tokens)
            self._recorder.steps[-1].body["usage"] = usage

    # Searching

    async def _search(self, call: SearchCall) -> str:
        """Search the documents and finish the step; gives what the model is told."""
        number, query = str(self._searches), _query(call.arguments)
        self._searches += 1
        settings = _search_settings(self._run)
        found = []
        if query:
            found = await self._services.library.search(
                await self._stores(), query, settings["most"], settings["score_threshold"]
            )
        results = _results(found, self._services.bounds.search_output)
        ranking = {key: settings[key] for key in ("ranker", "score_threshold")}
        await call.record.close(
            {"ranking_options": ranking, "results": results},
            {"search": number, "query": clean(query)[:_LONGEST_METADATA]},
        )
        self._recorder.citations |= thread_history.places(number, call.record.call)
        return thread_history.passages(number, call.record.call)

    # Running code

    async def _run_code(self, call: CodeCall) -> str:
        """Run one cell and finish its step; gives what the model is told."""
        record, outputs = call.record, Outputs()
        record.call["code_interpreter"]["outputs"] = outputs.parts
        await record.step.save()
        level = (await self._services.sessions.isolation()).level
        state = await self._services.sessions.state(self._run["thread_id"])
        try:
            notes = await self._run_cell(call, outputs)
        finally:
            record.step.body["metadata"] = outputs.metadata(state, level)
        await record.step.close("completed")
        self._failures = 0 if outputs.outcome == "ok" else self._failures + 1
        text = as_text(outputs.parts, self._services.bounds.tool_output)
        notes += self._repeats.note(call.reader.code, text)
        return "\n".join([*notes, text])

    async def _run_cell(self, call: CodeCall, outputs: Outputs) -> list[str]:
        if not call.reader.complete:
            call.record.output(outputs.refuse(_BROKEN))
            return []
        sessions = self._services.sessions
        async with sessions.lease(self._run["thread_id"], self._given, self._attached) as lease:
            self._attached = frozenset()  # later code of this run goes on from there
            await self._alias(lease, call.reader.code)
            async with closing(lease.session.run(call.reader.code)) as events:
                await self._follow_cell(events, call.record, outputs)
            most = self._services.bounds.files_per_cell
            found = await sessions.collect(lease, self._azure, most)
        for name, body in found.files.items():
            self._recorder.links[name] = body["id"]
            self._recorder.files.append(body["id"])
        for sentence in found.left:
            call.record.output(outputs.add_logs(outputs.line(sentence)))
        return cell_notes(lease, outputs, found.files)

    async def _alias(self, lease: Lease, code: str) -> None:
        """Let code that names a file by its id find it so, as at the service."""
        for name, id_ in self._recorder.links.items():
            if id_ in code:
                await lease.session.alias(id_, name)

    async def _follow_cell(
        self, events: AsyncIterator[Event], record: CodeRecord, outputs: Outputs
    ) -> None:
        async for event in events:
            for piece in outputs.take(event):
                if isinstance(piece, Picture):
                    record.output(outputs.add_image(await self._keep(piece)))
                elif piece:
                    record.output(outputs.add_logs(piece))

    async def _keep(self, picture: Picture) -> str:
        """Store a picture as a file; the next message of the run shows it."""
        self._pictures += 1
        self._drawn.append(picture)
        name = f"chart-{self._pictures}.{picture.suffix}"
        limit = self._services.bounds.upload
        body = await self._services.files.add(
            BytesIO(picture.data), name, "assistants_output", azure=self._azure, limit=limit
        )
        self._recorder.images.append(body["id"])
        return str(body["id"])


@asynccontextmanager
async def closing(iterator: AsyncIterator[Any]) -> AsyncIterator[AsyncIterator[Any]]:
    """Close an iterator in any case, also when the run is being cancelled meanwhile."""
    try:
        yield iterator
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            with anyio.CancelScope(shield=True):
                await close()


def cell_notes(lease: Lease, outputs: Outputs, made: Mapping[str, Body]) -> list[str]:
    """Tell the model what it has to know of a cell beside its output."""
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
    """Read a search's arguments; some models send the bare query instead of JSON."""
    try:
        given = json.loads(arguments)
    except ValueError:
        return arguments.strip()
    query = given.get("query") if isinstance(given, dict) else given
    return query.strip() if isinstance(query, str) else ""


def _search_settings(run: Body) -> Body:
    """Read how the run's search tool is set; the service finds 20 passages by default."""
    tool = next(tool for tool in run["tools"] if tool["type"] == "file_search")
    given = tool.get("file_search") or {}
    ranking = {"ranker": "auto", "score_threshold": 0.0, **(given.get("ranking_options") or {})}
    ranker = _RANKER if ranking["ranker"] == "auto" else ranking["ranker"]
    return {**ranking, "ranker": ranker, "most": given.get("max_num_results") or _MOST_FOUND}


def _results(found: list[Found], limit: int) -> list[Body]:
    """Write what was found, as much of it as the model is to be told."""
    sizes = accumulate(len(one.text) for one in found)
    return [
        {
            "file_id": one.file_id,
            "file_name": one.filename,
            "score": one.score,
            "content": [{"type": "text", "text": one.text}],
        }
        for number, (one, size) in enumerate(zip(found, sizes, strict=True))
        if number == 0 or size <= limit
    ]


def _store_ids(body: Body) -> list[str]:
    search = (body.get("tool_resources") or {}).get("file_search") or {}
    ids: list[str] = search.get("vector_store_ids") or []
    return ids


def _resources(body: Body) -> list[str]:
    resources = body.get("tool_resources") or {}
    ids: list[str] = (resources.get("code_interpreter") or {}).get("file_ids") or []
    return ids


def _count_images(step: Body) -> int:
    calls = step["step_details"].get("tool_calls", ())
    outputs = [out for call in calls for out in call.get("code_interpreter", {}).get("outputs", ())]
    return sum(output["type"] == "image" for output in outputs)
