"""The endpoints of runs and their steps."""

from __future__ import annotations

from sqlalchemy import Connection
from starlette.responses import Response

from aoai_magic.engine.agent.runs import active_run
from aoai_magic.engine.agent.tools import missing_tool
from aoai_magic.engine.api import pagination, references
from aoai_magic.engine.api.assistants import assistants, threads
from aoai_magic.engine.api.assistants.schemas import (
    CreateRun,
    CreateThreadAndRun,
    ModifyMetadata,
    SubmitToolOutputs,
)
from aoai_magic.engine.api.request_context import (
    POLL_AFTER,
    Call,
    reply,
    stream,
)
from aoai_magic.engine.errors import ApiError, invalid_id, not_found
from aoai_magic.engine.search import vector_stores
from aoai_magic.engine.storage import objects, store
from aoai_magic.engine.storage.objects import ACTIVE, Body
from aoai_magic.engine.storage.schema import MESSAGES, RUNS, STEPS

_NOT_OF_RUN = (
    "assistant_id",
    "stream",
    "thread",
    "additional_messages",
    "additional_instructions",
)
_NOTHING = "Run creation requires a Thread with a user message or an assistant with instructions."


def load(connection: Connection, thread_id: str, id_: str) -> Body:
    """Return a run of a thread.

    Raises
    ------
    ApiError
        When there is no such thread or run.
    """
    threads.load(connection, thread_id)
    body = store.get(connection, RUNS, id_)
    if body is None or body["thread_id"] != thread_id:
        raise not_found("run", id_)
    return body


def _assistant(connection: Connection, given: Body) -> Body:
    id_ = given["assistant_id"]
    if not id_.startswith("asst"):
        raise invalid_id("assistant_id", id_, "asst")
    return assistants.load(connection, id_)


def _new_run(call: Call, thread: Body, assistant: Body, given: Body) -> Body:
    settings = {key: value for key, value in given.items() if key not in _NOT_OF_RUN}
    run = objects.run(thread["id"], assistant, call.engine.config.bounds.run_seconds, **settings)
    run["truncation_strategy"] = {"last_messages": None, **run["truncation_strategy"]}
    run["instructions"] = run["instructions"] or ""
    return run


def _context(call: Call, given: Body) -> Body:
    """Return what has to be known of a run beside its object."""
    return {
        "azure": call.classic,
        "v1": call.version == "v1",
        "additional_instructions": given.get("additional_instructions"),
    }


def _check_choice(run: Body) -> None:
    """Check that what the run forces is a tool that it has."""
    choice = missing_tool(run)
    if choice is not None:
        name = choice["function"]["name"] if choice["type"] == "function" else choice["type"]
        raise ApiError(
            f"Invalid value for 'tool_choice': the tool '{name}' is not one of the run's tools.",
            param="tool_choice",
            code="invalid_value",
        )


def _check_runnable(call: Call, connection: Connection, thread: Body, run: Body) -> None:
    _check_choice(run)
    if call.version == "v1":
        return  # recorded: version 1 answers an empty thread, version 2 refuses it
    query = MESSAGES.c.thread_id == thread["id"]
    has_message = connection.execute(MESSAGES.select().where(query).limit(1)).first()
    if has_message is None and not run["instructions"]:
        raise ApiError(_NOTHING, code="invalid_thread")


async def create(call: Call) -> Response:
    """Create a run; the answer is the queued run, or the stream of its events."""
    thread_id = call.path("thread_id", "thread")
    given = await call.given(CreateRun)
    context = _context(call, given)

    def work(connection: Connection) -> Body:
        thread = threads.load(connection, thread_id)
        assistant = _assistant(connection, given)
        active = active_run(connection, thread_id)
        if active is not None:
            raise ApiError(f"Thread {thread_id} already has an active run {active}.")
        extra = given.get("additional_messages") or []
        threads.check(connection, {"messages": extra}, "additional_")
        thread = threads.add_messages(connection, thread, extra)[0]
        run = _new_run(call, thread, assistant, given)
        _check_runnable(call, connection, thread, run)
        call.engine.runs.insert(connection, run, context)
        return run

    return _start(call, await call.write(work), context, bool(given.get("stream")))


async def create_with_thread(call: Call) -> Response:
    """Create a thread and a run on it."""
    given = await call.given(CreateThreadAndRun)
    context = _context(call, given)

    def work(connection: Connection) -> tuple[Body, Body]:
        assistant = _assistant(connection, given)
        threads.check(connection, given.get("thread") or {}, "thread.")
        references.check_files(
            connection, list(references.in_resources(given.get("tool_resources")))
        )
        thread = threads.insert(connection, given.get("thread") or {})
        run = _new_run(call, thread, assistant, given)
        if given.get("tool_resources"):
            resources = vector_stores.resolve(connection, given["tool_resources"])
            run["tool_resources"] = objects.tool_resources(resources, run["tools"])
        _check_runnable(call, connection, thread, run)
        call.engine.runs.insert(connection, run, context)
        return thread, run

    thread, run = await call.write(work)
    return _start(call, run, context, bool(given.get("stream")), thread)


def _start(
    call: Call, run: Body, context: Body, streamed: bool, thread: Body | None = None
) -> Response:
    feed = call.feed()
    if not streamed:
        call.engine.runs.launch(run, context, feed)
        return call.answer(run)
    answer = stream(feed)
    if thread is not None:
        feed.send("thread.created", thread)
    call.engine.runs.launch(run, context, feed)
    return answer()


def _ids(call: Call) -> tuple[str, str]:
    return call.path("thread_id", "thread"), call.path("run_id", "run")


async def list_(call: Call) -> Response:
    """List the runs of a thread."""
    id_ = call.path("thread_id", "thread")
    await call.read(lambda c: threads.load(c, id_))
    return call.answer(await pagination.listing(call, RUNS, "run", RUNS.c.thread_id == id_))


async def retrieve(call: Call) -> Response:
    """Return a run; the header tells pollers when to ask again."""
    ids = _ids(call)
    return reply(call.view(await call.read(lambda c: load(c, *ids))), POLL_AFTER)


async def modify(call: Call) -> Response:
    """Change the metadata of a run that is over."""
    ids = _ids(call)
    given = await call.given(ModifyMetadata)

    def work(connection: Connection) -> Body:
        body = load(connection, *ids)
        if body["status"] in ACTIVE and body["status"] != "requires_action":
            raise ApiError(f"Cannot update run with status '{body['status']}'.")
        metadata = given.get("metadata") or body["metadata"]
        return store.patch(connection, RUNS, ids[1], {"metadata": metadata}) or body

    return call.answer(await call.write(work))


async def cancel(call: Call) -> Response:
    """Stop a run."""
    ids = _ids(call)
    await call.read(lambda c: load(c, *ids))
    return call.answer(await call.engine.runs.cancel(ids[1]))


async def submit(call: Call) -> Response:
    """Accept the outputs of the client's functions."""
    ids = _ids(call)
    given = await call.given(SubmitToolOutputs)
    await call.read(lambda c: load(c, *ids))
    answered = [one["tool_call_id"] for one in given["tool_outputs"]]
    if len(answered) > len(set(answered)):
        raise ApiError(f"Duplicate call_ids submitted: {answered}", param="tool_outputs")
    outputs = {one["tool_call_id"]: one.get("output", "") for one in given["tool_outputs"]}
    feed = call.feed()
    if not given.get("stream"):
        return call.answer(await call.engine.runs.submit(ids[1], outputs, feed))
    answer = stream(feed)
    await call.engine.runs.submit(ids[1], outputs, feed)
    return answer()


async def list_steps(call: Call) -> Response:
    """List the steps of a run."""
    ids = _ids(call)
    await call.read(lambda c: load(c, *ids))
    return call.answer(await pagination.listing(call, STEPS, "run step", STEPS.c.run_id == ids[1]))


async def retrieve_step(call: Call) -> Response:
    """Return a step."""
    ids, step_id = _ids(call), call.path("step_id", "step")

    def work(connection: Connection) -> Body:
        load(connection, *ids)
        body = store.get(connection, STEPS, step_id)
        if body is None or body["run_id"] != ids[1]:
            raise not_found("run step", step_id)
        return body

    return call.answer(await call.read(work))
