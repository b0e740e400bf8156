"""Sessions: one sandbox session per thread, with the thread's files in it.

A session lives for an hour, or until it was idle for half of one (`Limits` says so);
after that the next code gets a fresh interpreter with the same files. So it does where another
engine had the last one: sessions do not move, only the stored files do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
import anyio.to_thread
from sqlalchemy import Connection, delete, insert, select, update

from aoai_magic.engine.storage.file_names import safe_path
from aoai_magic.engine.storage.files import Files
from aoai_magic.engine.storage.ids import now
from aoai_magic.engine.storage.instances import Instance
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import SESSION_FILES, SESSIONS
from aoai_magic.engine.storage.store import Store
from aoai_magic.sandbox.protocol import (
    NO_SETUP,
    FileInfo,
    Isolation,
    Limits,
    Sandbox,
    SandboxError,
    Session,
    Setup,
)

State = Literal["new", "live", "restored"]


@dataclass
class Open:
    """A session that this engine holds; times are of `anyio.current_time`."""

    session: Session
    started: float
    used: float
    busy: bool = False


@dataclass(frozen=True)
class Known:
    """What is known of a file in a session's folder.

    ``given_id`` is the file that was put there, if any; ``file_id`` is what holds its
    present content, another one once the session's code changed it.
    """

    file_id: str
    given_id: str | None
    bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Collected:
    """The files that a cell made or changed: their objects by name.

    ``left`` says in a sentence each which could not be taken, and why.
    """

    files: dict[str, Body] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Lease:
    """A session, for the time of one cell.

    ``left`` says in a sentence each which files of earlier turns could not be put back.
    """

    thread_id: str
    session: Session
    state: State
    left: Sequence[str] = ()


@dataclass(frozen=True)
class Put:
    """A file to put into a session: what it holds, and as what it was given.

    ``handed`` marks one that is attached now: it has to be there, and what is a variable
    is bound anew. The others are put back, if that can be done.
    """

    file_id: str
    given_id: str | None
    handed: bool


class Sessions:
    """All sessions of an engine."""

    def __init__(
        self,
        open_sandbox: Callable[[], Sandbox],
        store: Store,
        files: Files,
        limits: Limits,
        instance: Instance,
    ) -> None:
        self._open_sandbox = open_sandbox
        self._sandbox: Sandbox | None = None
        self._store = store
        self._files = files
        self._limits = limits
        self._instance = instance
        self._open: dict[str, Open] = {}
        self._starting = anyio.Lock()
        self._opening = anyio.Lock()
        self._places = anyio.Semaphore(limits.sessions)

    async def isolation(self) -> Isolation:
        """Get the sandbox ready and tell how strong it is.

        Raises
        ------
        SandboxError
            When no isolation can be had; the text says what to do.
        """
        return await (await self._ready()).start()

    async def _ready(self) -> Sandbox:
        async with self._starting:
            if self._sandbox is None:
                sandbox = self._open_sandbox()
                await sandbox.start()
                self._sandbox = sandbox
            return self._sandbox

    async def state(self, thread_id: str) -> State:
        """Return what the thread's next code will find."""
        held = self._open.get(thread_id)
        if held is not None and self._usable(held) and not await self._moved([thread_id]):
            return "live"
        used = select(SESSIONS.c.thread_id).where(SESSIONS.c.thread_id == thread_id)
        known = await self._store.read(lambda c: c.execute(used).first())
        return "new" if known is None else "restored"

    async def _moved(self, thread_ids: Collection[str]) -> set[str]:
        """Return those of the threads whose code has run in another engine's folder since."""
        if self._store.sqlite or not thread_ids:
            return set()  # engines that share a machine share the folders too
        ours = (SESSIONS.c.thread_id.in_(thread_ids), SESSIONS.c.holder == self._instance.id)
        query = select(SESSIONS.c.thread_id).where(*ours)
        rows = await self._store.read(lambda c: c.execute(query).scalars().all())
        return {*thread_ids} - {*rows}

    @asynccontextmanager
    async def lease(
        self,
        thread_id: str,
        given: Mapping[str, Body],
        attached: Collection[str] = (),
        setup: Setup = NO_SETUP,
    ) -> AsyncIterator[Lease]:
        """Hold the thread's session for one cell, with the ``given`` files in place.

        Those named in ``attached`` belong to the current turn and are put as they were given,
        whatever earlier code has made of them or of their variables.

        Waits while as many sessions as there may be are at work.
        """
        async with self._places:
            async with self._opening:
                for id_ in await self._moved([thread_id]):
                    await self._leave(id_)
                state = await self.state(thread_id)
                held = await self._hold(thread_id, setup)
                held.busy = True
            try:
                await self._touch(thread_id)
                left = await self._furnish(thread_id, held.session, given, attached)
                yield Lease(thread_id, held.session, state, left)
            finally:
                held.busy = False
                held.used = anyio.current_time()

    async def _hold(self, thread_id: str, setup: Setup) -> Open:
        held = self._open.get(thread_id)
        if held is not None and self._usable(held):
            return held
        sandbox = await self._ready()
        if held is not None:
            await self._close(thread_id)
        await self._make_room()
        started = anyio.current_time()
        # A plug-in of before has no second parameter.
        given = (thread_id,) if setup == NO_SETUP else (thread_id, setup)
        held = Open(await sandbox.open(*given), started, started)
        self._open[thread_id] = held
        return held

    def _usable(self, held: Open) -> bool:
        return held.session.alive and not self._over(held)

    def _over(self, held: Open) -> bool:
        time = anyio.current_time()
        old = time - held.started > self._limits.life_seconds
        return old or time - held.used > self._limits.idle_seconds

    async def _make_room(self) -> None:
        """Close the session unused for longest when there are as many as there may be."""
        idle = [(held.used, key) for key, held in self._open.items() if not held.busy]
        if idle and len(self._open) >= self._limits.sessions:
            await self._close(min(idle)[1])

    async def _close(self, thread_id: str) -> None:
        held = self._open.pop(thread_id, None)
        if held is not None:
            await held.session.close()

    async def _leave(self, thread_id: str) -> None:
        """Remove the session and its folder here, whose files are old by now."""
        await self._close(thread_id)
        await (await self._ready()).discard(thread_id)

    async def reap(self) -> None:
        """Close every session that is over, or went on elsewhere, and is not at work."""
        idle = [key for key, held in self._open.items() if not held.busy]
        for key in await self._moved(idle):
            async with self._opening:
                if key in self._open and not self._open[key].busy:
                    await self._leave(key)
        for key, held in list(self._open.items()):
            if not held.busy and not self._usable(held):
                await self._close(key)

    async def discard(self, thread_id: str) -> None:
        """End the thread's session and delete its files."""
        await self._close(thread_id)
        if await self._forget(thread_id):
            await (await self._ready()).discard(thread_id)

    async def _forget(self, thread_id: str) -> bool:
        def work(connection: Connection) -> bool:
            connection.execute(delete(SESSION_FILES).where(SESSION_FILES.c.thread_id == thread_id))
            gone = connection.execute(delete(SESSIONS).where(SESSIONS.c.thread_id == thread_id))
            return gone.rowcount > 0

        return await self._store.write(work)

    async def close(self) -> None:
        """Close every session and the sandbox."""
        self._open.clear()
        if self._sandbox is not None:
            await self._sandbox.close()

    async def _touch(self, thread_id: str) -> None:
        where = SESSIONS.c.thread_id == thread_id
        time, holder = now(), self._instance.id

        def work(connection: Connection) -> None:
            if not connection.execute(
                update(SESSIONS).where(where).values(last_used_at=time, holder=holder)
            ).rowcount:
                row = {"thread_id": thread_id, "created_at": time, "last_used_at": time}
                row["holder"] = holder
                connection.execute(insert(SESSIONS).values(row))

        await self._store.write(work)

    async def listing(self) -> list[Body]:
        """Describe the sessions that this engine holds.

        ``expires_at`` is when a session ends that nobody uses any more, in seconds since 1970.
        """
        rows = await self._store.read(
            lambda c: c.execute(select(SESSIONS).where(SESSIONS.c.thread_id.in_(self._open))).all()
        )
        found = [(row, self._open.get(row.thread_id)) for row in rows]
        return [self._described(row, held) for row, held in found if held is not None]

    async def measured(self) -> list[Body]:
        """Describe the sessions as `listing` does, with the ``memory_bytes`` of each.

        Measuring takes milliseconds a session; None where the sandbox cannot tell.
        """
        described = await self.listing()
        held = [self._open.get(body["thread_id"]) for body in described]
        return [
            {**body, "memory_bytes": await one.session.memory() if one else None}
            for body, one in zip(described, held, strict=True)
        ]

    def _described(self, row: Any, held: Open) -> Body:
        return {
            "thread_id": row.thread_id,
            "alive": self._usable(held),
            "busy": held.busy,
            "created_at": row.created_at,
            "last_used_at": row.last_used_at,
            "expires_at": now() + max(0, int(self._remaining(held))),
        }

    def _remaining(self, held: Open) -> float:
        time = anyio.current_time()
        life = held.started + self._limits.life_seconds
        idle = (time if held.busy else held.used) + self._limits.idle_seconds
        return min(life, idle) - time

    async def end(self, thread_id: str) -> bool:
        """End the thread's session and keep its files; return whether there was one.

        An engine that holds it elsewhere ends it within seconds.
        """
        there = thread_id in self._open
        await self._close(thread_id)
        if self._store.sqlite:
            return there
        held = (SESSIONS.c.thread_id == thread_id, SESSIONS.c.holder.is_not(None))
        release = update(SESSIONS).where(*held).values(holder=None)
        return await self._store.write(lambda c: c.execute(release).rowcount) > 0 or there

    async def known(self, thread_id: str) -> dict[str, Known]:
        """Return what is known of the files in the thread's folder, by name."""
        query = select(SESSION_FILES).where(SESSION_FILES.c.thread_id == thread_id)
        rows = await self._store.read(lambda c: c.execute(query).all())
        return {
            row.name: Known(row.file_id, row.given_id, row.bytes, row.modified_ns) for row in rows
        }

    async def _remember(self, thread_id: str, files: Mapping[str, Known]) -> None:
        def work(connection: Connection) -> None:
            for name, known in files.items():
                key = {"thread_id": thread_id, "name": name}
                same = (SESSION_FILES.c.thread_id == thread_id, SESSION_FILES.c.name == name)
                connection.execute(delete(SESSION_FILES).where(*same))
                connection.execute(insert(SESSION_FILES).values({**key, **vars(known)}))

        if files:
            await self._store.write(work)

    async def _furnish(
        self,
        thread_id: str,
        session: Session,
        given: Mapping[str, Body],
        attached: Collection[str],
    ) -> list[str]:
        """Put every file in place that should be there; gives what could not be put back."""
        known = await self.known(thread_id)
        there = {info.name for info in await session.files()}
        placed: dict[str, Put] = {}
        left: list[str] = []
        for name, put in _missing(known, there, given, attached).items():
            try:
                if await self._place(session, name, put):
                    placed[name] = put
            except SandboxError as error:
                if put.handed:
                    raise
                left.append(str(error))
        if placed:
            facts = {info.name: info for info in await session.files()}
            both = [(name, put, facts[name]) for name, put in placed.items() if name in facts]
            await self._remember(
                thread_id,
                {
                    name: Known(put.file_id, put.given_id, info.bytes, info.modified_ns)
                    for name, put, info in both
                },
            )
        return left

    async def _place(self, session: Session, name: str, put: Put) -> bool:
        """Put one file, if its bytes are still stored; tell whether they are."""
        path = await self._files.path(put.file_id)
        if not await anyio.to_thread.run_sync(path.exists):
            return False
        if put.handed:
            await session.put(name, path)
        else:
            await session.put(name, path, bind=False)
        return True

    async def collect(self, lease: Lease, azure: bool, most: int) -> Collected:
        """Store what the cell made or changed.

        At most ``most`` files are taken at a time, the others after the next cell.
        """
        known = await self.known(lease.thread_id)
        there = [info for info in await lease.session.files() if _reported(info.name)]
        news = [info for info in there if not _unchanged(info, known.get(info.name))]
        await self._forget_deleted(lease, known, {info.name for info in there})
        found, facts = Collected(), {}
        for place, info in enumerate(news):
            if len(found.files) == most:
                found.left.append(_too_many(news[place:], most))
                break
            before = known.get(info.name)
            try:
                body = await self._keep(lease.session, info, before, azure)
            except (OSError, SandboxError, ValueError) as error:
                found.left.append(f"{info.name!r} could not be handed over: {error}")
                continue
            if body is not None:
                found.files[info.name] = body
            facts[info.name] = _known(info, body, before)
        await self._remember(lease.thread_id, facts)
        return found

    async def _forget_deleted(
        self, lease: Lease, known: Mapping[str, Known], there: Collection[str]
    ) -> None:
        """Let what code made and deleted itself stay deleted; what was given is put again."""
        gone = [
            name
            for name, fact in known.items()
            if fact.given_id is None and name not in there and not _opens(lease.session, name)
        ]
        if gone:
            where = (SESSION_FILES.c.thread_id == lease.thread_id, SESSION_FILES.c.name.in_(gone))
            await self._store.write(lambda c: c.execute(delete(SESSION_FILES).where(*where)))

    async def _keep(
        self, session: Session, info: FileInfo, before: Known | None, azure: bool
    ) -> Body | None:
        """Store one file, unless it is as we put it there.

        What code wrote once more with the same content is reported again, under the id
        that it has: whoever asked for a file a second time wants to see it.
        """
        if before is not None:
            with closing(session.open(info.name)) as source:
                if await self._files.same(before.file_id, info.bytes, source):
                    ours = before.file_id == before.given_id
                    return None if ours else await self._files.get(before.file_id)
        with closing(session.open(info.name)) as source:
            return await self._files.add(
                source,
                safe_path(info.name),
                "assistants_output",
                azure=azure,
                limit=self._limits.file,
            )


def _missing(
    known: Mapping[str, Known],
    there: Collection[str],
    given: Mapping[str, Body],
    attached: Collection[str],
) -> dict[str, Put]:
    """Name the files to put."""
    wanted = {
        name: Put(fact.file_id, None, handed=False)
        for name, fact in known.items()
        if name not in there and fact.given_id is None
    }
    for name, body in given.items():
        fact = known.get(name)
        if name in attached or fact is None or fact.given_id != body["id"]:
            wanted[name] = Put(body["id"], body["id"], handed=True)
        elif name not in there:
            wanted[name] = Put(fact.file_id, fact.given_id, handed=False)
    return wanted


def _known(info: FileInfo, body: Body | None, before: Known | None) -> Known:
    """Describe what is known of a file once it was looked at; without a body it is as before."""
    known = before or Known("", None, 0, 0)
    file_id = known.file_id if body is None else body["id"]
    return Known(file_id, known.given_id, info.bytes, info.modified_ns)


def _too_many(waiting: Sequence[FileInfo], most: int) -> str:
    return (
        f"{len(waiting)} more files wait for the next cell, the first is {waiting[0].name!r}: one "
        f"cell hands over {most}; put many files into one archive."
    )


def _opens(session: Session, name: str) -> bool:
    """Return whether a file is there, though no listing has it, which ends somewhere."""
    try:
        session.open(name).close()
    except (OSError, SandboxError):
        return False
    return True


def _reported(name: str) -> bool:
    parts = name.split("/")
    return not any(part.startswith(".") or part == "__pycache__" for part in parts)


def _unchanged(info: FileInfo, before: Known | None) -> bool:
    return before is not None and (info.bytes, info.modified_ns) == (
        before.bytes,
        before.modified_ns,
    )
