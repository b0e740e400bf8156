"""Executions: creating, following, cancelling responses, and cleaning up after a crash."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from sqlalchemy import delete, select

from aoai_magic.engine.agent import response_history
from aoai_magic.engine.agent import response_loop as loop
from aoai_magic.engine.agent.containers import Containers
from aoai_magic.engine.agent.loop import Services
from aoai_magic.engine.agent.response_input import Gathering, Told
from aoai_magic.engine.agent.response_loop import End, ResponseLoop, failed
from aoai_magic.engine.agent.responses_sink import EventLog, Writer, show
from aoai_magic.engine.errors import ApiError
from aoai_magic.engine.models.base import ModelError
from aoai_magic.engine.plugins import SpecError
from aoai_magic.engine.storage import conversations, response_objects, store
from aoai_magic.engine.storage.engine_locks import Instance
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import RESPONSES
from aoai_magic.sandbox.protocol import SandboxError

_LOG = logging.getLogger(__name__)
_WATCH_SECONDS = 0.25
_RECOVER_EVERY = 20
_PATIENCE = 5.0
_GONE = "The engine that executed the response has stopped; ask again."
_LATE = "The response took longer than it may; ask again more narrowly."


def not_found(id_: str) -> ApiError:
    """Say that no response has that id."""
    return ApiError(f"Response with id '{id_}' not found.", status=404)


@dataclass
class Execution:
    """A response that this engine executes.

    ``told`` is what its model is told, ``beginning`` what it was before its execution.
    """

    told: Told
    beginning: Body
    writer: Writer
    loop: ResponseLoop
    background: bool
    streamed: bool
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    over: anyio.Event = field(default_factory=anyio.Event)

    @property
    def id(self) -> str:
        """The id of the response."""
        return str(self.writer.response["id"])


class Responses:
    """The responses of an engine."""

    def __init__(
        self, services: Services, containers: Containers, instance: Instance, tasks: TaskGroup
    ) -> None:
        self._services = services
        self.containers = containers
        self._gathering = Gathering(services.store, services.files, containers)
        self._instance = instance
        self._tasks = tasks
        self._executions: dict[str, Execution] = {}
        self._stopping = False

    # Creating and executing

    async def create(self, given: Body, *, azure: bool) -> Execution:
        """Begin a response; returns at once.

        Raises
        ------
        ApiError
            When what the request names is not there or has expired.
        """
        told = await self._gathering.gather(given)
        self._check_free(told.conversation)
        response = response_objects.response(given, given.get("tools") or [], azure=azure)
        if given.get("store") is not False:
            await self._insert(response, told)
        if told.conversation:
            response["conversation"] = {"id": told.conversation}
        shown = response_objects.OUTPUTS in (given.get("include") or ())
        writer = Writer(EventLog(), response, outputs=shown)
        execution = Execution(
            told,
            writer.shown(),
            writer,
            self._loop(writer, told, azure=azure),
            bool(given.get("background")),
            bool(given.get("stream")),
        )
        self._executions[execution.id] = execution
        writer.begin()
        self._tasks.start_soon(self._execute, execution)
        return execution

    def _check_free(self, conversation: str | None) -> None:
        going = {execution.told.conversation for execution in self._executions.values()}
        if conversation is not None and conversation in going:
            raise ApiError(
                f"Another process is currently operating on this conversation: {conversation}. "
                "Please retry in a few seconds.",
                param="conversation",
                code="conversation_locked",
            )

    async def _insert(self, response: Body, told: Told) -> None:
        columns = {
            "status": response["status"],
            "owner": self._instance.id,
            "previous_id": response["previous_response_id"],
            "input": list(told.new),
        }
        await self._services.store.write(lambda c: store.add(c, RESPONSES, response, **columns))

    def _loop(self, writer: Writer, told: Told, *, azure: bool) -> ResponseLoop:
        items = [*told.earlier, *told.new]
        return ResponseLoop(
            self._services,
            self.containers,
            writer,
            response_history.messages(items, self._services.bounds),
            told.container_id,
            azure,
        )

    async def _execute(self, execution: Execution) -> None:
        end: End | None = None
        try:
            async with self.containers.held(execution.loop.container_id):
                await self._save(execution)
                with execution.scope:
                    end = await self._timed(execution)
            with anyio.CancelScope(shield=True):
                await self._end(execution, end or self._interrupted())
        except Exception:
            _LOG.exception("Response %s could not be ended", execution.id)
        finally:
            self._executions.pop(execution.id, None)
            execution.writer.log.close()
            execution.over.set()

    def _interrupted(self) -> End:
        return failed(_GONE) if self._stopping else End("cancelled")

    async def _timed(self, execution: Execution) -> End:
        with anyio.move_on_after(self._services.bounds.run_seconds):
            return await self._guarded(execution)
        return failed(_LATE)

    async def _guarded(self, execution: Execution) -> End:
        try:
            return await execution.loop.converse()
        except ModelError as error:
            return failed(str(error), error.code)
        except (SandboxError, SpecError) as error:
            return failed(str(error))
        except Exception:
            _LOG.exception("Response %s failed", execution.id)
            return failed("The engine had an error while answering; see its log.")

    async def _end(self, execution: Execution, end: End) -> None:
        """Store the end before it is announced, so that a completed response is complete."""
        tokens = execution.loop.tokens
        usage = response_objects.usage(tokens["prompt"], tokens["completion"], tokens["cached"])
        execution.writer.end(end.status, usage=usage, **end.changes)
        await self._save(execution)
        await self._append(execution)
        execution.writer.announce()
        if execution.background and execution.streamed:
            events = [event.decode() for event in execution.writer.log.events]
            await self._services.store.write(
                lambda c: store.patch(c, RESPONSES, execution.id, {}, events=events)
            )

    async def _append(self, execution: Execution) -> None:
        """Make what was said part of the conversation, if there is one."""
        id_, new = execution.told.conversation, execution.told.new
        if id_ is not None:
            said = [*new, *map(_stored, execution.writer.items)]
            await self._services.store.write(lambda c: conversations.append(c, id_, said))

    async def _save(self, execution: Execution) -> None:
        writer = execution.writer
        body = {**writer.response, "output": [_stored(item) for item in writer.items]}
        status = body["status"]
        # One that was cancelled meanwhile stays so.
        still = RESPONSES.c.status.in_((*response_objects.GOING, status))
        await self._services.store.write(
            lambda c: store.patch(c, RESPONSES, execution.id, body, still, status=status)
        )

    # What clients do

    async def row(self, id_: str) -> Any:
        """Give what is stored of a response.

        Raises
        ------
        ApiError
            When there is none of that id.
        """
        found = await self._services.store.read(
            lambda c: store.row(c, RESPONSES, RESPONSES.c.id == id_)
        )
        if found is None:
            raise not_found(id_)
        return found

    def execution(self, id_: str) -> Execution | None:
        """Give the execution of a response that is going on here."""
        return self._executions.get(id_)

    async def get(self, id_: str, *, outputs: bool) -> Body:
        """Give a response as it stands."""
        body = dict((await self.row(id_)).body)
        execution = self._executions.get(id_)
        items = execution.writer.items if execution else body["output"]
        if execution:
            body = execution.writer.response
        loaded = [await self.loaded(item) for item in items] if outputs else items
        return {**body, "output": [show(item, outputs=outputs) for item in loaded]}

    async def loaded(self, item: Body) -> Body:
        """Put the pictures' data into an item, where the container still has it."""
        if item["type"] != "code_interpreter_call":
            return item
        parts = [await self._picture(part) for part in item["outputs"] or ()]
        return {**item, "outputs": [part for part in parts if part.get("url") != ""]}

    async def _picture(self, part: Body) -> Body:
        if "_file" not in part or part.get("url"):
            return part
        path = self._services.files.path(part["_file"])
        try:
            data = await anyio.to_thread.run_sync(path.read_bytes)
        except FileNotFoundError:
            return {**part, "url": ""}
        return loop.image(part["_file"], part["_suffix"], data)

    async def cancel(self, id_: str) -> Body:
        """Stop a background response; one that was cancelled before is no error.

        Raises
        ------
        ApiError
            When it was not made in the background, or is over.
        """
        row = await self.row(id_)
        if not row.body["background"]:
            raise ApiError("Cannot cancel a synchronous response.")
        if row.status not in (*response_objects.GOING, "cancelled"):
            raise ApiError(f"Cannot cancel a {row.status} response.")
        await self._mark_cancelled(id_)
        await self.stop_one(id_)
        return await self.get(id_, outputs=False)

    async def _mark_cancelled(self, id_: str) -> None:
        still = RESPONSES.c.status.in_(response_objects.GOING)
        changes = {"status": "cancelled"}
        await self._services.store.write(
            lambda c: store.patch(c, RESPONSES, id_, changes, still, status="cancelled")
        )

    async def stop_one(self, id_: str) -> None:
        """Stop a response that is going on here, and wait until it is over."""
        execution = self._executions.get(id_)
        if execution is not None:
            execution.scope.cancel()
            with anyio.move_on_after(_PATIENCE):
                await execution.over.wait()

    async def delete(self, id_: str) -> None:
        """Delete a response; one that is going on is stopped."""
        await self.row(id_)
        await self.stop_one(id_)
        where = RESPONSES.c.id == id_
        await self._services.store.write(lambda c: c.execute(delete(RESPONSES).where(where)))

    # Time and other engines

    async def watch(self) -> None:
        """Look after responses and containers for ever."""
        rounds = 0
        while True:
            try:
                await self._hear_cancellations()
                if rounds % _RECOVER_EVERY == 0:
                    await self.recover()
                    await self.containers.expire()
            except Exception:
                _LOG.exception("Looking after the responses failed")
            rounds += 1
            await anyio.sleep(_WATCH_SECONDS)

    async def _hear_cancellations(self) -> None:
        ids = list(self._executions)
        if not ids:
            return
        query = select(RESPONSES.c.id).where(
            RESPONSES.c.id.in_(ids), RESPONSES.c.status == "cancelled"
        )
        for id_ in await self._services.store.read(lambda c: c.execute(query).scalars().all()):
            if id_ in self._executions:
                self._executions[id_].scope.cancel()

    async def recover(self) -> None:
        """End the responses whose engine is gone."""
        query = select(RESPONSES.c.id, RESPONSES.c.owner).where(
            RESPONSES.c.status.in_(response_objects.GOING)
        )
        rows: Sequence[Any] = await self._services.store.read(lambda c: c.execute(query).all())
        for row in rows:
            if not self._instance.alive(row.owner):
                await self._fail(row.id)

    async def _fail(self, id_: str) -> None:
        end = failed(_GONE)
        changes = {"status": end.status, **end.changes}
        await self._services.store.write(
            lambda c: store.patch(c, RESPONSES, id_, changes, status=end.status)
        )

    async def stop(self) -> None:
        """End every response of this engine, because the engine stops."""
        self._stopping = True
        for execution in list(self._executions.values()):
            await self.stop_one(execution.id)


def _stored(item: Body) -> Body:
    """Leave out of an item what is stored elsewhere: the data of its pictures."""
    if item["type"] != "code_interpreter_call":
        return item
    outputs = [
        {key: value for key, value in part.items() if key != "url"} for part in item["outputs"]
    ]
    return {**item, "outputs": outputs}
