"""Runs: creating, launching, cancelling and resuming them, and cleaning up after a crash.

A run belongs to the engine that executes it; what the others do to it goes through the
database. Only a run that waits for its client belongs to nobody.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection, select

from aoai_magic.engine.agent.assistants_sink import Recorder
from aoai_magic.engine.agent.event_stream import Feed
from aoai_magic.engine.agent.loop import (
    Ending,
    RunLoop,
    Services,
    failed,
)
from aoai_magic.engine.errors import ApiError, not_found, server_error
from aoai_magic.engine.models.base import ModelError
from aoai_magic.engine.plugins import SpecError
from aoai_magic.engine.storage import objects, store
from aoai_magic.engine.storage.engine_locks import Instance
from aoai_magic.engine.storage.ids import now
from aoai_magic.engine.storage.objects import ACTIVE, EXECUTING, Body
from aoai_magic.engine.storage.schema import MESSAGES, RUNS, STEPS
from aoai_magic.sandbox.protocol import SandboxError

_LOG = logging.getLogger(__name__)
_WATCH_SECONDS = 0.25
_RECOVER_EVERY = 20
_PATIENCE = 5.0
_GONE = "The engine that executed the run has stopped; start the run again."
_STOPPED = "The engine was stopped while the run was going on; start the run again."


@dataclass
class Execution:
    """A run that this engine executes."""

    recorder: Recorder
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    over: anyio.Event = field(default_factory=anyio.Event)


class Runs:
    """The runs of an engine."""

    def __init__(self, services: Services, instance: Instance, tasks: TaskGroup) -> None:
        self._services = services
        self._instance = instance
        self._tasks = tasks
        self._executions: dict[str, Execution] = {}
        self._stopping = False
        self._orphans: set[str] = set()

    # Creating and launching

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
            owner=self._instance.id,
            context=context,
        )

    def launch(self, run: Body, context: Body, feed: Feed) -> None:
        """Start to execute a stored run; returns at once."""
        execution = Execution(Recorder(self._services.store, feed, run))
        self._executions[run["id"]] = execution
        feed.send("thread.run.created", run)
        feed.send("thread.run.queued", run)
        self._tasks.start_soon(self._execute, execution, context)

    async def _execute(self, execution: Execution, context: Body) -> None:
        recorder = execution.recorder
        loop = RunLoop(self._services, recorder, context)
        ending: Ending | None = None
        try:
            with execution.scope:
                ending = await self._converse(recorder, loop)
            with anyio.CancelScope(shield=True):
                await self._end(recorder, loop, ending or self._interrupted())
        except Exception:
            _LOG.exception("Run %s could not be ended", recorder.run["id"])
            # The SDK raises an error in a stream only where it is wrapped like this.
            recorder.feed.send("error", server_error(recorder.run["id"]).body())
        finally:
            self._executions.pop(recorder.run["id"], None)
            recorder.feed.close()
            execution.over.set()

    def _interrupted(self) -> Ending:
        if self._stopping:
            return failed(_STOPPED)
        return Ending("cancelled", {"cancelled_at": now()}, "run_cancelled")

    async def _converse(self, recorder: Recorder, loop: RunLoop) -> Ending:
        """Run the loop to its end, which an error or the run's deadline may be."""
        started = recorder.run["started_at"] or now()
        if not await recorder.set_run("in_progress", ("queued",), {}, started_at=started):
            return self._interrupted()
        with anyio.move_on_after(max(recorder.run["expires_at"] - now(), 0)):
            return await self._guarded(recorder, loop)
        return Ending("expired", {}, "run_expired")

    async def _guarded(self, recorder: Recorder, loop: RunLoop) -> Ending:
        try:
            return await loop.converse()
        except ModelError as error:
            return failed(str(error), error.code)
        except (SandboxError, SpecError) as error:
            return failed(str(error))
        except Exception:
            _LOG.exception("Run %s failed", recorder.run["id"])
            return failed("The engine had an error while executing the run; see its log.")

    async def _end(self, recorder: Recorder, loop: RunLoop, ending: Ending) -> None:
        """Finish what is unfinished, then the run, so that a completed run is complete."""
        status = ending.status
        if status in ("failed", "cancelled", "expired"):
            await recorder.abandon(status, ending.changes.get("last_error"), ending.message)
        elif status == "incomplete":
            await recorder.cut(ending.message)
        changes, columns = dict(ending.changes), {}
        if status == "requires_action":
            columns["context"] = {**loop.context, "pending": recorder.pending}
        else:
            tokens = loop.tokens
            usage = objects.usage(tokens["prompt"], tokens["completion"], tokens["cached"])
            changes |= {"usage": usage, "expires_at": None, "required_action": None}
        was = EXECUTING if status in ("cancelled", "failed", "expired") else ("in_progress",)
        if not await recorder.set_run(status, was, columns, **changes):
            # It was cancelled in the last moment, and everything in it is finished.
            end = {"cancelled_at": now(), "expires_at": None, "usage": changes.get("usage")}
            await recorder.set_run("cancelled", ("cancelling",), {}, **end)

    # What clients do to runs

    async def cancel(self, run_id: str) -> Body:
        """Ask a run to stop; gives it as ``cancelling``, or ``cancelled`` if nobody has it.

        Raises
        ------
        ApiError
            When the run is over or being cancelled already.
        """
        waiting = await self._services.store.write(lambda c: self._mark_cancelling(c, run_id))
        run, owner = waiting
        execution = self._executions.get(run_id)
        if execution is not None:
            execution.recorder.feed.send("thread.run.cancelling", run)
            execution.scope.cancel()
        elif not self._instance.alive(owner):
            await self._services.store.write(
                lambda c: _close(c, run, "cancelled", {"cancelled_at": now()})
            )
        return run

    async def abort(self, run_id: str) -> None:
        """Stop a run, if it is not over yet, and wait until it is."""
        execution = self._executions.get(run_id)
        with suppress(ApiError):
            await self.cancel(run_id)
        if execution is not None:
            with anyio.move_on_after(_PATIENCE):
                await execution.over.wait()

    def _mark_cancelling(self, connection: Connection, run_id: str) -> tuple[Body, str | None]:
        row = store.row(connection, RUNS, RUNS.c.id == run_id)
        if row is None:
            raise not_found("run", run_id)
        if row.status not in ("queued", "in_progress", "requires_action"):
            raise ApiError(f"Cannot cancel run with status '{row.status}'.")
        changes = {"status": "cancelling", "required_action": None}
        run = store.patch(connection, RUNS, run_id, changes, status="cancelling")
        assert run is not None
        return run, row.owner if row.status != "requires_action" else None

    async def submit(self, run_id: str, outputs: dict[str, str], feed: Feed) -> Body:
        """Take the outputs of a client's functions and go on with the run.

        Raises
        ------
        ApiError
            When the run does not wait for outputs, or these are not the ones it waits for.
        """
        run, context, step = await self._services.store.write(
            lambda c: self._take_outputs(c, run_id, outputs)
        )
        feed.send("thread.run.step.completed", step)
        execution = Execution(Recorder(self._services.store, feed, run))
        self._executions[run_id] = execution
        feed.send("thread.run.queued", run)
        self._tasks.start_soon(self._execute, execution, context)
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
            connection, RUNS, run_id, changes, status="queued", owner=self._instance.id
        )
        assert run is not None
        return run, dict(row.context), done

    # Time and other engines

    async def watch(self) -> None:
        """Look after runs for ever: other engines' requests, deadlines, engines gone."""
        rounds = 0
        while True:
            try:
                await self._hear_cancellations()
                if rounds % _RECOVER_EVERY == 0:
                    await self.recover()
                    await self._services.sessions.reap()
            except Exception:
                _LOG.exception("Looking after the runs failed")
            rounds += 1
            await anyio.sleep(_WATCH_SECONDS)

    async def _hear_cancellations(self) -> None:
        if not self._executions:
            return
        mine = (RUNS.c.owner == self._instance.id, RUNS.c.status == "cancelling")
        query = select(RUNS.c.id).where(*mine)
        for run_id in await self._services.store.read(lambda c: c.execute(query).scalars().all()):
            if run_id in self._executions:
                self._executions[run_id].scope.cancel()

    async def recover(self) -> None:
        """End the runs whose engine is gone and those whose client never answered."""
        query = select(RUNS).where(RUNS.c.status.in_(ACTIVE))
        orphans = set()
        for row in await self._services.store.read(lambda c: c.execute(query).all()):
            if row.status == "requires_action":
                if row.body["expires_at"] <= now():
                    await self._settle(row.body, "expired", {})
            elif row.owner != self._instance.id:
                if not self._instance.alive(row.owner):
                    await self._settle(row.body, *_abandoned(row.status))
            elif row.id in self._orphans and row.id not in self._executions:
                await self._settle(row.body, *_abandoned(row.status))
            elif row.id not in self._executions:
                # Stored, and about to be launched; if not, its end could not be stored.
                orphans.add(row.id)
        self._orphans = orphans

    async def _settle(self, run: Body, status: str, changes: Body) -> None:
        await self._services.store.write(lambda c: _close(c, run, status, changes))

    async def stop(self) -> None:
        """End every run of this engine, because the engine stops."""
        self._stopping = True
        executions = list(self._executions.values())
        for execution in executions:
            execution.scope.cancel()
        with anyio.move_on_after(_PATIENCE):
            for execution in executions:
                await execution.over.wait()


def active_run(connection: Connection, thread_id: str) -> str | None:
    """Give the id of the run that locks a thread, or None."""
    query = select(RUNS.c.id).where(RUNS.c.thread_id == thread_id, RUNS.c.status.in_(ACTIVE))
    found = connection.execute(query).scalars().first()
    return None if found is None else str(found)


def _abandoned(status: str) -> tuple[str, Body]:
    if status == "cancelling":
        return "cancelled", {"cancelled_at": now()}
    error = {"code": "server_error", "message": _GONE}
    return "failed", {"last_error": error, "failed_at": now()}


def _waiting_step(connection: Connection, run_id: str) -> Body:
    steps = store.bodies(connection, STEPS, STEPS.c.run_id == run_id)
    return next(step for step in reversed(steps) if step["status"] == "in_progress")


def _check_outputs(expected: list[str], outputs: dict[str, str]) -> None:
    if set(expected) != set(outputs):
        text = f"Expected tool outputs for call_ids {expected}, got {sorted(outputs)}"
        raise ApiError(text, param="tool_outputs")


def _close(connection: Connection, run: Body, status: str, changes: Body) -> None:
    """End a run that nobody executes, with its unfinished steps and messages."""
    usage = run["usage"] or objects.usage(0, 0, 0)
    ended = {"status": status, "expires_at": None, "required_action": None, "usage": usage}
    still = RUNS.c.status.in_(ACTIVE)
    if not store.patch(connection, RUNS, run["id"], {**ended, **changes}, still, status=status):
        return
    for step in store.bodies(connection, STEPS, STEPS.c.run_id == run["id"]):
        if step["status"] == "in_progress":
            end = {
                "status": status,
                f"{status}_at": now(),
                "expires_at": None,
                "last_error": changes.get("last_error"),
                "usage": step["usage"] or objects.usage(0, 0, 0),
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
