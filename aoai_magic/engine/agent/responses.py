"""Responses: creating, showing, cancelling and deleting them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Row, delete, select

from aoai_magic.engine.agent import compaction, thread_copies
from aoai_magic.engine.agent.containers import Containers
from aoai_magic.engine.agent.event_stream import PING, PING_SECONDS, encode
from aoai_magic.engine.agent.executor import LOST, Execution, Executor
from aoai_magic.engine.agent.response_input import Gathering, ResponseInput, conversation_id
from aoai_magic.engine.agent.responses_sink import (
    EventLog,
    ResponsesSink,
    image,
    server_error,
    show,
)
from aoai_magic.engine.agent.sink import Ending
from aoai_magic.engine.agent.task import Services, Task
from aoai_magic.engine.errors import ApiError
from aoai_magic.engine.storage import (
    conversations,
    response_events,
    response_items,
    response_objects,
    store,
)
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import RESPONSES

_LOG = logging.getLogger(__name__)
_STOPPING_SECONDS = 30.0
"""How long a response waits for one of its conversation that was stopped to be over."""

_EVENTS_SECONDS = 0.25
"""How often the events of a stream are stored, and looked for by other engines."""

_MOST_SILENT = 20
"""How often one looks in vain for the last events of a response that is over."""

_CANCEL_SECONDS = 0.1
"""How long a client that cancels waits for the end; code that does not hear of it takes longer."""


def not_found(id_: str) -> ApiError:
    """Return the error that no response has that id."""
    return ApiError(f"Response with id '{id_}' not found.", status=404)


class ResponseExecution(Execution):
    """A response that this engine executes; ``beginning`` is what it was before."""

    def __init__(
        self, services: Services, containers: Containers, asked: ResponseInput, response: Body
    ) -> None:
        given = asked.given
        self.record = ResponsesSink(EventLog(), response, given.get("include") or (), self.begin)
        super().__init__(response["id"], self.record)
        self._services = services
        self._containers = containers
        self._asked = asked
        self.conversation = asked.conversation
        self.stored = given.get("store") is not False
        self.background = bool(given.get("background"))
        self.streamed = bool(given.get("stream"))
        self.beginning = self.record.shown()
        self._replayed = self.background and self.streamed
        self._kept = 0
        self._storing = anyio.Lock()

    @property
    def seconds(self) -> float:
        """How long the response may take."""
        return self._services.bounds.run_seconds

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Keep the container from expiring, and store the events as they come."""
        async with (
            self._containers.held(self._asked.container_id),
            anyio.create_task_group() as tasks,
        ):
            if self._replayed:
                tasks.start_soon(self._keep_events)
            yield
            tasks.cancel_scope.cancel()

    async def _keep_events(self) -> None:
        while True:
            await anyio.sleep(_EVENTS_SECONDS)
            await self._store_events(last=False)

    async def _store_events(self, *, last: bool) -> None:
        """Store the events that are not stored yet, for who listens to another engine."""
        async with self._storing:
            new = self.record.log.events[self._kept :]
            events = [event.decode() for event in new]
            if not self._replayed or not (events or last):
                return
            try:
                await self._services.store.write(
                    lambda c: response_events.append(c, self.id, self._kept, events, last=last)
                )
                self._kept += len(events)
            except Exception:
                # The response itself is stored, only its stream cannot be replayed.
                _LOG.exception("The events of %s could not be stored", self.id)

    async def begin(self) -> bool:
        """Store the response as it stands; false if it was cancelled meanwhile."""
        return await self._services.store.write(self._save)

    async def task(self) -> Task:
        """Build what is to be done."""
        return await self._asked.task(self._services, self._containers, self.record)

    async def end(self, ending: Ending) -> None:
        """Store the end before it is announced, so that a completed response is complete."""
        await self.record.end(ending)
        await self._services.store.write(self._store_end)
        self.record.announce()
        # Nobody has to wait for what comes now.
        self.record.log.close()
        await self._store_events(last=True)

    def _store_end(self, connection: Connection) -> None:
        """Store the response, and make what was said part of the conversation."""
        said = [_without_pictures(item) for item in self.record.items]
        if not self.stored:
            _delete(connection, self.id)
        elif self._save(connection):
            response_items.put(connection, self.id, said)
        if self._asked.conversation is not None:
            conversations.append(connection, self._asked.conversation, [*self._asked.new, *said])

    def _save(self, connection: Connection) -> bool:
        """Store the response as it stands; false where it was cancelled meanwhile."""
        if not self.stored:
            return True
        items = [_without_pictures(item) for item in self.record.items]
        body = {**self.record.response, "output": items}
        status = body["status"]
        still = RESPONSES.c.status.in_((*response_objects.GOING, status))
        found = store.patch(connection, RESPONSES, self.id, body, still, status=status)
        return found is not None

    def lose(self) -> None:
        """Return the client that the end could not be stored; the answer is there all the same."""
        self.record.fail(server_error(LOST))
        self.record.announce()

    async def settle(self) -> None:
        """Store the response as its client was told it."""
        await self._services.store.write(self._store_end)
        await self._store_events(last=True)

    def close(self) -> None:
        """Close the stream of events."""
        self.record.log.close()


class Responses:
    """The responses of an engine."""

    table = RESPONSES
    executing = response_objects.GOING
    stopping = "cancelled"

    def __init__(self, services: Services, containers: Containers, executor: Executor) -> None:
        self._services = services
        self._store = services.store
        self.containers = containers
        self._gathering = Gathering(services, containers)
        self._executor = executor
        executor.look_after(self, containers.expire)

    async def made_by(self, key: str) -> str | None:
        """Return the id of the stored response that a request with this key made, if any."""
        query = select(RESPONSES.c.id).where(RESPONSES.c.idempotency_key == key)
        newest = query.order_by(RESPONSES.c.seq.desc()).limit(1)
        return await self._store.read(lambda c: c.execute(newest).scalar()) if key else None

    async def create(self, given: Body, *, azure: bool, key: str = "") -> ResponseExecution:
        """Start a response; return at once.

        Raises
        ------
        ApiError
            When what the request names is not there or has expired.
        """
        await self._settled(conversation_id(given.get("conversation")))
        asked = await self._gathering.gather(given, azure=azure)
        response = response_objects.response(given, given.get("tools") or [], azure=azure)
        stored = given.get("store") is not False
        if stored or asked.conversation is not None:
            await self._store.write(lambda c: self._insert(c, response, asked, key))
        if asked.conversation:
            response["conversation"] = {"id": asked.conversation}
        execution = ResponseExecution(self._services, self.containers, asked, response)
        execution.record.begin()
        self._executor.launch(execution)
        return execution

    async def _settled(self, conversation: str | None) -> None:
        """Wait for a response of the conversation that was stopped, and has yet to say so."""
        for execution in self._executor.going():
            if not isinstance(execution, ResponseExecution) or conversation is None:
                continue
            if execution.conversation == conversation and execution.scope.cancel_called:
                with anyio.move_on_after(_STOPPING_SECONDS):
                    await execution.over.wait()

    def _insert(
        self, connection: Connection, response: Body, asked: ResponseInput, key: str
    ) -> None:
        """Store a response that begins; one that is not kept still locks its conversation."""
        _check_free(connection, asked.conversation)
        stored = response["store"]
        replayed = response["background"] and asked.given.get("stream")
        columns = {
            "status": response["status"],
            "owner": self._executor.owner,
            "previous_id": response["previous_response_id"],
            "conversation_id": asked.conversation,
            "input": list(asked.new) if stored else [],
            "events": [] if replayed else None,
            "idempotency_key": key if stored and key else None,
        }
        store.add(connection, RESPONSES, response, **columns)
        if stored:
            response_items.put(connection, response["id"], asked.new)

    # Conversations as a whole

    async def count_tokens(self, given: Body) -> int:
        """Return about how many tokens a response to this request would read."""
        earlier, new = await self._gathering.conversation(given)
        return compaction.count_tokens(self._services, [*earlier, *new], given)

    async def compact(self, given: Body) -> Body:
        """Return a conversation as a summary that takes its place.

        Raises
        ------
        ApiError
            When there is no conversation, or the model cannot summarize it.
        """
        earlier, new = await self._gathering.conversation(given)
        if not earlier and not new:
            raise ApiError("One of 'input' or 'previous_response_id' is needed.", param="input")
        return await compaction.compact(self._services, [*earlier, *new], given)

    # What clients do

    async def row(self, id_: str) -> Any:
        """Return what is stored of a response.

        Raises
        ------
        ApiError
            When there is none of that id.
        """
        found = await self._store.read(lambda c: store.row(c, RESPONSES, RESPONSES.c.id == id_))
        if found is None or not found.body["store"]:
            raise not_found(id_)
        return found

    def execution(self, id_: str) -> ResponseExecution | None:
        """Return the execution of a response that is under way here."""
        execution = self._executor.get(id_)
        return execution if isinstance(execution, ResponseExecution) else None

    async def get(self, id_: str, include: Collection[str]) -> Body:
        """Return a response as it stands."""
        row = await self.row(id_)
        body = dict(row.body)
        execution = self.execution(id_)
        items = execution.record.items if execution else body["output"]
        # What another engine cancelled is over at once, though this one has yet to hear of it.
        if execution and row.status != self.stopping:
            body = execution.record.response
        return {**body, "output": await self.shown(items, include)}

    async def shown(self, items: list[Body], include: Collection[str]) -> list[Body]:
        """Return items as the client sees them, with what it asked to be included."""
        if response_objects.OUTPUTS in include:
            items = [await self._loaded(item) for item in items]
        return [show(item, include) for item in items]

    async def _loaded(self, item: Body) -> Body:
        """Put the pictures' data into an item, where the container still has it."""
        if item["type"] != "code_interpreter_call":
            return item
        parts = [await self._picture(part) for part in item.get("outputs") or ()]
        return {**item, "outputs": [part for part in parts if part.get("url") != ""]}

    async def _picture(self, part: Body) -> Body:
        if "_file" not in part or part.get("url"):
            return part
        path = await self._services.files.path(part["_file"])
        try:
            data = await anyio.to_thread.run_sync(path.read_bytes)
        except FileNotFoundError:
            return {**part, "url": ""}
        return {**part, **image(part["_file"], part["_suffix"], data, part.get("chart", {}))}

    async def events(self, row: Row[Any], number: int) -> AsyncIterator[bytes]:
        """Yield the events of a stored response from a number on, and those to come.

        Another engine may be executing it. Where that one is gone, whoever ends the response
        sends the last event.
        """
        for event in row.events[number:]:  # an engine before 0.1 stored all of them here
            yield event.encode()
        silent, waited = 0, 0.0
        while silent < _MOST_SILENT and not row.events:
            going = await self._is_going(row.id)
            found, last = await self._store.read(
                partial(response_events.read_from, response_id=row.id, number=number)
            )
            for event in found:
                yield event.encode()
            if last:
                return
            number += len(found)
            silent = 0 if found or going else silent + 1
            waited = 0.0 if found else waited + _EVENTS_SECONDS
            if waited >= PING_SECONDS:
                waited = 0.0
                yield PING
            await anyio.sleep(_EVENTS_SECONDS)

    async def _is_going(self, id_: str) -> bool:
        going = (RESPONSES.c.id == id_, RESPONSES.c.status.in_(response_objects.GOING))
        query = select(RESPONSES.c.id).where(*going)
        return await self._store.read(lambda c: c.execute(query).first()) is not None

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
        changes, still = {"status": "cancelled"}, RESPONSES.c.status.in_(response_objects.GOING)
        await self._store.write(
            lambda c: store.patch(c, RESPONSES, id_, changes, still, status="cancelled")
        )
        await self._executor.stop_one(id_, _CANCEL_SECONDS)
        return await self.get(id_, ())

    async def delete(self, id_: str) -> None:
        """Delete a response; one that is going on is stopped."""
        await self.row(id_)
        await self._executor.stop_one(id_)
        await self._store.write(lambda c: _delete(c, id_))

    async def delete_all(self, conversation: str) -> None:
        """Delete a conversation with its responses and its session; what goes on is stopped."""
        of_it = RESPONSES.c.conversation_id == conversation
        query = select(RESPONSES.c.id).where(of_it)
        for id_ in await self._store.read(lambda c: c.execute(query).scalars().all()):
            await self._executor.stop_one(id_)
            await self._store.write(partial(_delete, id_=id_))
        await self._store.write(lambda c: conversations.remove(c, conversation))
        await self._services.sessions.discard(conversation)

    async def copy(self, source: str, until: Collection[str] | None) -> Body:
        """Copy a thread or a conversation; see `thread_copies.copy`."""
        return await thread_copies.copy(self._services, source, until)

    # Recovery

    async def take_over(self, row: Row[Any]) -> bool:
        """Return False: the request that made a response is not stored."""
        return False

    async def abandon(self, row: Row[Any], ending: Ending) -> None:
        """Finish a response that nobody executes."""
        await self._store.write(lambda c: _abandon(c, row, ending))


def _check_free(connection: Connection, conversation: str | None) -> None:
    going = (
        RESPONSES.c.conversation_id == conversation,
        RESPONSES.c.status.in_(response_objects.GOING),
    )
    if conversation is None:
        return
    if connection.execute(select(RESPONSES.c.id).where(*going)).first() is None:
        return
    raise ApiError(
        f"Another process is currently operating on this conversation: {conversation}. "
        "Please retry in a few seconds.",
        param="conversation",
        code="conversation_locked",
    )


def _abandon(connection: Connection, row: Row[Any], ending: Ending) -> None:
    """End a response that nobody executes; what it said so far stays, in its conversation too."""
    if not row.body["store"]:
        _delete(connection, row.id)
        return
    output = list(map(_interrupted, row.body["output"]))
    changes = {"status": ending.status, "error": ending.error, "output": output}
    still = RESPONSES.c.status.in_(response_objects.GOING)
    if store.patch(connection, RESPONSES, row.id, changes, still, status=ending.status):
        response_items.put(connection, row.id, output)
        if row.events is not None:
            _send_end(connection, {**row.body, **changes})
        if row.conversation_id is not None:
            conversations.append(connection, row.conversation_id, [*row.input, *output])


def _send_end(connection: Connection, response: Body) -> None:
    """Store the last event of a response for who listens to it."""
    number = response_events.count(connection, response["id"])
    output = [show(item, ()) for item in response["output"]]
    kind = f"response.{response['status']}"
    data = {"type": kind, "sequence_number": number, "response": {**response, "output": output}}
    event = encode(kind, data).decode()
    response_events.append(connection, response["id"], number, [event], last=True)


def _interrupted(item: Body) -> Body:
    open_ = item.get("status") in ("in_progress", "interpreting")
    return {**item, "status": "incomplete"} if open_ else item


def _delete(connection: Connection, id_: str) -> None:
    response_items.remove(connection, id_)
    response_events.remove(connection, id_)
    connection.execute(delete(RESPONSES).where(RESPONSES.c.id == id_))


def _without_pictures(item: Body) -> Body:
    """Leave out of an item what is stored elsewhere: the data of its pictures."""
    if item["type"] != "code_interpreter_call":
        return item
    outputs = [
        {key: value for key, value in part.items() if key != "url"}
        for part in item.get("outputs") or ()
    ]
    return {**item, "outputs": outputs}
