"""The executor: carries out runs and responses, stops them, and cleans up after a crash.

What is under way belongs to the engine that executes it; what others do to it goes through
the database. When that engine is gone, another one ends it, or begins it anew where nothing
was said yet.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Protocol

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Row, Select, Table, select

from aoai_magic.engine.agent.loop import AgentLoop
from aoai_magic.engine.agent.sink import Ending, Sink, failed
from aoai_magic.engine.agent.task import Services, Task
from aoai_magic.engine.errors import ApiError
from aoai_magic.engine.models.base import ModelError
from aoai_magic.engine.plugins import SpecError
from aoai_magic.engine.storage.instances import Instance
from aoai_magic.sandbox.protocol import SandboxError

_LOG = logging.getLogger(__name__)
_WATCH_SECONDS = 0.25
_RECOVER_EVERY = 20
_PATIENCE = 5.0
_FAULT = "The engine had an error while answering; see its log."
_GONE = "The engine that executed it has stopped; start the run again."
_LAPSED = "The engine lost its connection to the database; start the run again."
_STOPPED = "The engine was stopped meanwhile; start the run again."
LOST = "The end could not be stored; see the engine's log."


class Execution:
    """A run or response that this engine executes; each API has its own subclass."""

    def __init__(self, id_: str, sink: Sink) -> None:
        self.id = id_
        self.sink = sink
        self.scope = anyio.CancelScope()
        self.over = anyio.Event()
        self.lapsed = False
        """Whether others may have taken this engine for gone."""

    @property
    def seconds(self) -> float:
        """How long it may take."""
        raise NotImplementedError

    def held(self) -> AbstractAsyncContextManager[Any]:
        """Keep what the execution needs from expiring."""
        return nullcontext()

    async def begin(self) -> bool:
        """Store that the execution has begun; false if it was cancelled before."""
        raise NotImplementedError

    async def task(self) -> Task:
        """Build what is to be done."""
        raise NotImplementedError

    async def end(self, ending: Ending) -> None:
        """Finish what is unfinished, store the end, and announce it."""
        raise NotImplementedError

    def lose(self) -> None:
        """Return the client that the end could not be stored."""
        raise NotImplementedError

    async def settle(self) -> None:
        """Store, as soon as that is possible, an end that could not be stored."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the stream of events."""
        raise NotImplementedError


class Records(Protocol):
    """Where what is executed is stored: the runs, or the responses."""

    @property
    def table(self) -> Table:
        """The table, with columns ``status`` and ``owner``."""

    @property
    def executing(self) -> tuple[str, ...]:
        """The statuses that need a live engine."""

    @property
    def stopping(self) -> str:
        """The status by which the executing engine is asked to stop."""

    async def take_over(self, row: Row[Any]) -> bool:
        """Execute what an engine that is gone had, if nothing was said yet; False if not."""

    async def abandon(self, row: Row[Any], ending: Ending) -> None:
        """Finish what nobody executes."""


class Executor:
    """The executions of an engine."""

    def __init__(self, services: Services, instance: Instance, tasks: TaskGroup) -> None:
        self._services = services
        self._instance = instance
        self._tasks = tasks
        self._executions: dict[str, Execution] = {}
        self._lost: dict[str, Execution] = {}
        self._orphans: set[str] = set()
        self._records: list[Records] = []
        self._chores: list[Callable[[], Awaitable[None]]] = []
        self._stopping = False

    @property
    def owner(self) -> str:
        """The name under which what this engine executes is stored."""
        return self._instance.id

    async def alive(self, owner: str | None) -> bool:
        """Return whether an engine still runs."""
        return await self._instance.alive(owner)

    def look_after(self, records: Records, *chores: Callable[[], Awaitable[None]]) -> None:
        """Recover what is stored there, and do the chores from time to time."""
        self._records.append(records)
        self._chores += chores

    def launch(self, execution: Execution) -> None:
        """Start an execution, which is stored; returns at once."""
        self._executions[execution.id] = execution
        self._tasks.start_soon(self._execute, execution)

    def get(self, id_: str) -> Execution | None:
        """Return an execution that is under way here, or whose end is yet to be stored."""
        return self._executions.get(id_) or self._lost.get(id_)

    async def _execute(self, execution: Execution) -> None:
        ending: Ending | None = None
        try:
            async with execution.held():
                with execution.scope:
                    ending = await self._timed(execution)
                with anyio.CancelScope(shield=True):
                    await execution.end(ending or self._interrupted(execution))
        except Exception:
            _LOG.exception("%s could not be ended", execution.id)
            self._lost[execution.id] = execution
            execution.lose()
        finally:
            self._executions.pop(execution.id, None)
            execution.close()
            execution.over.set()

    def _interrupted(self, execution: Execution) -> Ending:
        if execution.lapsed:
            return failed(_LAPSED)
        return failed(_STOPPED) if self._stopping else Ending("cancelled")

    async def _timed(self, execution: Execution) -> Ending:
        """Run the loop to its end, which an error or the deadline may be."""
        try:
            if not await execution.begin():
                return self._interrupted(execution)
            with anyio.move_on_after(execution.seconds):
                loop = AgentLoop(self._services, execution.sink, await execution.task())
                return await loop.run()
        except ModelError as error:
            return failed(str(error), error.code)
        except (SandboxError, SpecError, ApiError) as error:
            return failed(str(error))
        except Exception:
            _LOG.exception("%s failed", execution.id)
            return failed(_FAULT)
        return Ending("expired")

    def going(self) -> list[Execution]:
        """Return what is under way here."""
        return list(self._executions.values())

    async def stop_one(self, id_: str, patience: float = _PATIENCE) -> None:
        """Stop an execution that is under way here; wait ``patience`` seconds for its end."""
        execution = self._executions.get(id_)
        if execution is not None:
            execution.scope.cancel()
            with anyio.move_on_after(patience):
                await execution.over.wait()

    # Time and other engines

    async def watch(self) -> None:
        """Watch everything for ever: other engines' requests, deadlines, engines gone."""
        rounds = 0
        while True:
            try:
                await self._hear_cancellations()
                if rounds % _RECOVER_EVERY == 0:
                    await self.recover()
                    for chore in self._chores:
                        await chore()
            except Exception:
                _LOG.exception("Looking after runs and responses failed")
            rounds += 1
            await anyio.sleep(_WATCH_SECONDS)

    async def keep_alive(self) -> None:
        """Stay alive for ever in the eyes of other engines, where that takes doing something."""
        while self._instance.renew_seconds is not None:
            await anyio.sleep(self._instance.renew_seconds)
            try:
                if not await self._instance.renew():
                    self._lapse()
                    await self._instance.start()
            except Exception:
                _LOG.exception("The lease could not be renewed")

    def _lapse(self) -> None:
        """Stop everything: others may be ending it already."""
        _LOG.warning("The lease was lost; what was under way is stopped")
        for execution in self.going():
            execution.lapsed = True
            execution.scope.cancel()

    async def _hear_cancellations(self) -> None:
        ids = list(self._executions)
        if not ids:
            return
        for records in self._records:
            table = records.table
            asked = (table.c.id.in_(ids), table.c.status == records.stopping)
            query = select(table.c.id).where(*asked)
            for row in await self._rows(query):
                if row.id in self._executions:
                    self._executions[row.id].scope.cancel()

    async def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return await self._services.store.read(lambda c: c.execute(query).all())

    async def recover(self) -> None:
        """Finish what nobody executes: its engine is gone, or its end could not be stored."""
        orphans: set[str] = set()
        lost, found = set(self._lost), set()
        for records in self._records:
            query = select(records.table).where(records.table.c.status.in_(records.executing))
            for row in await self._rows(query):
                found.add(row.id)
                if await self._is_orphan(row, records):
                    orphans.add(row.id)
        self._orphans = orphans
        for id_ in lost - found:
            # It was not to be stored at all, or has been deleted.
            self._lost.pop(id_, None)

    async def _is_orphan(self, row: Row[Any], records: Records) -> bool:
        """Settle what can be settled; returns whether to look again in the next round."""
        if row.id in self._executions:
            return False
        if row.id in self._lost:
            await self._lost[row.id].settle()
            del self._lost[row.id]
        elif row.owner != self._instance.id:
            if not await self._instance.alive(row.owner) and not await records.take_over(row):
                await records.abandon(row, failed(_GONE))
        elif row.id in self._orphans:
            await records.abandon(row, failed(LOST))
        else:
            # Stored, and about to be launched; if not, something went wrong in between.
            return True
        return False

    async def stop(self) -> None:
        """Stop every execution, because the engine stops."""
        self._stopping = True
        executions = list(self._executions.values())
        for execution in executions:
            execution.scope.cancel()
        with anyio.move_on_after(_PATIENCE):
            for execution in executions:
                await execution.over.wait()
