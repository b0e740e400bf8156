"""Runs: storing, launching, cancelling and resuming them.

Only a run that waits for its client belongs to no engine.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select

from aoai_magic.engine.agent.assistants_sink import AssistantsSink
from aoai_magic.engine.agent.event_stream import Feed
from aoai_magic.engine.agent.executor import LOST, Execution, Executor
from aoai_magic.engine.agent.sink import Ending, failed
from aoai_magic.engine.agent.task import Services, Task
from aoai_magic.engine.agent.thread_input import ThreadInput
from aoai_magic.engine.errors import ApiError, not_found, server_error
from aoai_magic.engine.storage import objects, store
from aoai_magic.engine.storage.ids import now
from aoai_magic.engine.storage.objects import ACTIVE, EXECUTING, Body
from aoai_magic.engine.storage.schema import MESSAGES, RUNS, STEPS


class RunExecution(Execution):
    """A run that this engine executes."""

    def __init__(self, services: Services, run: Body, context: Body, feed: Feed) -> None:
        self._record = AssistantsSink(services.store, feed, run, context)
        super().__init__(run["id"], self._record)
        self._services = services
        self._context = context
        self.feed = feed

    @property
    def seconds(self) -> float:
        """How long the run may take."""
        return float(max(self._record.run["expires_at"] - now(), 0))

    async def begin(self) -> bool:
        """Store that the run has begun; false if it was cancelled before."""
        started = self._record.run["started_at"] or now()
        return await self._record.set_run("in_progress", ("queued",), {}, started_at=started)

    async def task(self) -> Task:
        """Build what is to be done."""
        return await ThreadInput(self._services, self._record, self._context).task()

    async def end(self, ending: Ending) -> None:
        """Finish steps and messages, store the end, and announce it."""
        await self._record.end(ending)

    def lose(self) -> None:
        """Return the client that the end could not be stored."""
        # The SDK raises an error in a stream only where it is wrapped like this.
        self.feed.send("error", server_error(self.id).body())

    async def settle(self) -> None:
        """Store a failure in the place of the end, and all that was said and done."""

        def work(connection: Connection) -> None:
            self._record.rewrite(connection)
            _close(connection, self._record.run, failed(LOST))

        await self._services.store.write(work)

    def close(self) -> None:
        """Close the stream of events."""
        self.feed.close()


class Runs:
    """The runs of an engine."""

    table = RUNS
    executing = EXECUTING
    stopping = "cancelling"

    def __init__(self, services: Services, executor: Executor) -> None:
        self._services = services
        self._store = services.store
        self._executor = executor
        executor.look_after(self, self._expire, services.sessions.reap)

    def insert(self, connection: Connection, run: Body, context: Body) -> None:
        """Store a queued run; its thread must have no active one.

        Raises
        ------
        ApiError
            When the thread is locked by another run.
        """
        active = active_run(connection, run["thread_id"])
        if active is not None:
            thread_id = run["thread_id"]
            raise ApiError(f"Thread {thread_id} already has an active run {active}.")
        store.add(
            connection,
            RUNS,
            run,
            thread_id=run["thread_id"],
            status=run["status"],
            owner=self._executor.owner,
            context=context,
        )

    def launch(self, run: Body, context: Body, feed: Feed) -> None:
        """Start to execute a stored run; returns at once."""
        feed.send("thread.run.created", run)
        self._launch(run, context, feed)

    def _launch(self, run: Body, context: Body, feed: Feed) -> None:
        feed.send("thread.run.queued", run)
        self._executor.launch(RunExecution(self._services, run, context, feed))

    # What clients do to runs

    async def cancel(self, run_id: str) -> Body:
        """Ask a run to stop; gives it as ``cancelling``, or ``cancelled`` if nobody has it.

        Raises
        ------
        ApiError
            When the run is over or being cancelled already.
        """
        run, owner = await self._store.write(lambda c: _mark_cancelling(c, run_id))
        execution = self._executor.get(run_id)
        if isinstance(execution, RunExecution):
            execution.feed.send("thread.run.cancelling", run)
            execution.scope.cancel()
        elif not await self._executor.alive(owner):
            await self._store.write(lambda c: _close(c, run, Ending("cancelled")))
        return run

    async def abort(self, run_id: str) -> None:
        """Stop a run, if it is not over yet, and wait until it is."""
        with suppress(ApiError):
            await self.cancel(run_id)
        await self._executor.stop_one(run_id)

    async def submit(self, run_id: str, outputs: dict[str, str], feed: Feed) -> Body:
        """Accept the outputs of a client's functions and resume the run.

        Raises
        ------
        ApiError
            When the run does not wait for outputs, or these are not the ones it waits for.
        """
        run, context, step = await self._store.write(
            lambda c: self._take_outputs(c, run_id, outputs)
        )
        feed.send("thread.run.step.completed", step)
        self._launch(run, context, feed)
        return run

    def _take_outputs(
        self, connection: Connection, run_id: str, outputs: dict[str, str]
    ) -> tuple[Body, Body, Body]:
        row = store.row(connection, RUNS, RUNS.c.id == run_id)
        if row is None:
            raise not_found("run", run_id)
        if row.status != "requires_action":
            raise ApiError(f'Runs in status "{row.status}" do not accept tool outputs.')
        step = _waiting_step(connection, run_id)
        calls = step["step_details"]["tool_calls"]
        _check_outputs([call["id"] for call in calls], outputs)
        for call in calls:
            call["function"]["output"] = outputs[call["id"]]
        usage = step["usage"] or objects.usage(0, 0, 0)
        done = {**step, "status": "completed", "completed_at": now(), "usage": usage}
        store.patch(connection, STEPS, step["id"], {**done, "expires_at": None})
        changes = {"status": "queued", "required_action": None}
        run = store.patch(
            connection, RUNS, run_id, changes, status="queued", owner=self._executor.owner
        )
        assert run is not None
        return run, dict(row.context), done

    # Recovery

    async def take_over(self, row: Row[Any]) -> bool:
        """Execute a run of an engine that is gone, if it has done nothing yet; only once."""
        run = await self._store.write(lambda c: _queue_again(c, row, self._executor.owner))
        if run is not None:
            self._launch(run, row.context, Feed())
        return run is not None

    async def abandon(self, row: Row[Any], ending: Ending) -> None:
        """Finish a run that nobody executes."""
        ending = Ending("cancelled") if row.status == "cancelling" else ending
        await self._store.write(lambda c: _close(c, row.body, ending))

    async def _expire(self) -> None:
        """End the runs whose client never answered."""
        query = select(RUNS.c.body).where(RUNS.c.status == "requires_action")
        for run in await self._store.read(lambda c: c.execute(query).scalars().all()):
            if run["expires_at"] <= now():
                await self._store.write(partial(_close, run=run, ending=Ending("expired")))


def active_run(connection: Connection, thread_id: str) -> str | None:
    """Return the id of the run that locks a thread, or None."""
    query = select(RUNS.c.id).where(RUNS.c.thread_id == thread_id, RUNS.c.status.in_(ACTIVE))
    found = connection.execute(query).scalars().first()
    return None if found is None else str(found)


def _mark_cancelling(connection: Connection, run_id: str) -> tuple[Body, str | None]:
    row = store.row(connection, RUNS, RUNS.c.id == run_id)
    if row is None:
        raise not_found("run", run_id)
    if row.status not in ("queued", "in_progress", "requires_action"):
        raise ApiError(f"Cannot cancel run with status '{row.status}'.")
    changes = {"status": "cancelling", "required_action": None}
    run = store.patch(connection, RUNS, run_id, changes, status="cancelling")
    assert run is not None
    return run, row.owner if row.status != "requires_action" else None


def _queue_again(connection: Connection, row: Row[Any], owner: str) -> Body | None:
    """Queue a run without steps for another engine; None where it has some, or had its chance."""
    steps = select(STEPS.c.id).where(STEPS.c.run_id == row.id).limit(1)
    if row.context.get("taken_over") or connection.execute(steps).first() is not None:
        return None
    still = (RUNS.c.owner == row.owner, RUNS.c.status.in_(("queued", "in_progress")))
    columns = {"owner": owner, "context": {**row.context, "taken_over": True}}
    return store.patch(
        connection, RUNS, row.id, {"status": "queued"}, *still, status="queued", **columns
    )


def _waiting_step(connection: Connection, run_id: str) -> Body:
    steps = store.bodies(connection, STEPS, STEPS.c.run_id == run_id)
    return next(step for step in reversed(steps) if step["status"] == "in_progress")


def _check_outputs(expected: list[str], outputs: dict[str, str]) -> None:
    if set(expected) != set(outputs):
        text = f"Expected tool outputs for call_ids {expected}, got {sorted(outputs)}"
        raise ApiError(text, param="tool_outputs")


def _close(connection: Connection, run: Body, ending: Ending) -> None:
    """End a run that nobody executes, with its unfinished steps and messages."""
    status, empty = ending.status, objects.usage(0, 0, 0)
    ended: Body = {"status": status, "expires_at": None, "required_action": None}
    ended["usage"] = run["usage"] or empty
    if status != "expired":
        ended[f"{status}_at"] = now()
    if ending.error is not None:
        ended["last_error"] = ending.error
    still = RUNS.c.status.in_(ACTIVE)
    if not store.patch(connection, RUNS, run["id"], ended, still, status=status):
        return
    for step in store.bodies(connection, STEPS, STEPS.c.run_id == run["id"]):
        if step["status"] == "in_progress":
            end = {
                "status": status,
                f"{status}_at": now(),
                "expires_at": None,
                "last_error": ending.error,
                "usage": step["usage"] or empty,
            }
            store.patch(connection, STEPS, step["id"], end)
    for message in store.bodies(connection, MESSAGES, MESSAGES.c.run_id == run["id"]):
        if message["status"] == "in_progress":
            cut = {
                "status": "incomplete",
                "incomplete_at": now(),
                "incomplete_details": {"reason": f"run_{status}"},
            }
            store.patch(connection, MESSAGES, message["id"], cut)
