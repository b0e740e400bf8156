"""The sandbox on this machine: sessions from a zygote, kept by key over their folders."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import inspect
import json
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from aoai_magic.sandbox.host import escape_probe, levels
from aoai_magic.sandbox.host.cell import Cell
from aoai_magic.sandbox.host.folder import Folder, Stamp, Usage, remove, stamp
from aoai_magic.sandbox.host.interpreter import Interpreter
from aoai_magic.sandbox.host.levels import Rung
from aoai_magic.sandbox.host.processes import held
from aoai_magic.sandbox.host.uncancellable import run_uncancelled
from aoai_magic.sandbox.host.watchdog import Watchdog
from aoai_magic.sandbox.host.zygote_client import PRELOAD, ZygoteClient
from aoai_magic.sandbox.protocol import (
    NO_SETUP,
    Ended,
    Event,
    FileInfo,
    Isolation,
    Limits,
    Sandbox,
    SandboxError,
    Setup,
    Stream,
)
from aoai_magic.sandbox.spec import Plan

_SESSIONS_OF_A_ZYGOTE = 500
_SECONDS_OF_A_ZYGOTE = 6 * 3600.0
_PRELOAD = "AOAI_MAGIC_SESSION_PRELOAD"
_MOST_NOTES = 5
_PUT_AWAY = "its variables are lost, its files are kept."


class LocalSession:
    """A session; its interpreter may end and begin again over the same folder."""

    def __init__(self, sandbox: LocalSandbox, key: str, path: Path) -> None:
        self.key = key
        self._sandbox = sandbox
        self.setup = NO_SETUP
        self.uid = levels.account_for(key)
        self._path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.data = path / "data"
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.folder = Folder(self.data, sandbox.limits.disk)
        self._scratch = path / "scratch"
        self._lock = asyncio.Lock()  # held while a cell runs
        self._waking = asyncio.Lock()
        self._discarded = False
        self._interpreter: Interpreter | None = None
        self._cell: Cell | None = None
        self._stopping = False
        self._born = self.used = time.monotonic()
        self._has_state = False
        self._lost = ""
        self._notes: list[str] = []
        self._placed: dict[str, tuple[Stamp | None, Stamp | None]] = {}
        self._unbound: set[str] = set()

    @property
    def limits(self) -> Limits:
        """The bounds of this session."""
        shared = self._sandbox.limits
        return replace(shared, memory=self.setup.memory or shared.memory)

    @property
    def alive(self) -> bool:
        """Whether variables of earlier cells are still there."""
        return self._interpreter is not None and self._interpreter.alive

    @property
    def busy(self) -> bool:
        """Whether a cell is under way, or about to be."""
        return self._lock.locked()

    @property
    def interpreter(self) -> Interpreter | None:
        """The living interpreter, for those who watch it."""
        return self._interpreter if self.alive else None

    @property
    def cell(self) -> Cell | None:
        """The cell that is under way."""
        return self._cell

    def expired(self, now: float) -> str:
        """Describe why the interpreter should be put away now; empty if it should not."""
        if not self.alive or self.busy:
            return ""
        if now - self.used > self.limits.idle_seconds:
            return f"The session was not used for {self.limits.idle_seconds:g} seconds"
        if now - self._born > self.limits.life_seconds:
            return f"The session was {self.limits.life_seconds:g} seconds old"
        return ""

    def note(self, text: str) -> None:
        """Remember what the next cell is to say first."""
        self._notes = [*self._notes, text][-_MOST_NOTES:]

    def _take_notes(self) -> list[str]:
        notes, self._notes = self._notes, []
        return notes

    async def memory(self) -> int | None:
        """Measure the bytes that the session's processes hold; see `session.Session`."""
        interpreter = self.interpreter
        if interpreter is None or not interpreter.pid:
            return None
        return await asyncio.to_thread(held, interpreter.pid)

    def usage(self) -> Usage:
        """Measure what the session's files take on disk, temporary ones included."""
        data = self.folder.used()
        if not self._scratch.exists():
            return data
        scratch = Folder(self._scratch, self.limits.disk).used()
        return Usage(data.bytes + scratch.bytes, data.complete and scratch.complete)

    async def ensure(self) -> Interpreter:
        """Return the living interpreter, or start one.

        Raises
        ------
        SandboxError
            When there is no room for one, or the session was discarded.
        """
        return await run_uncancelled(self._wake())

    async def _wake(self) -> Interpreter:
        async with self._waking:
            if self._discarded:
                raise SandboxError(f"The session {self.key!r} was discarded; open it again.")
            if self._interpreter is not None and not self._interpreter.alive:
                await self._end("The session's process ended")
            if self._interpreter is None:
                await asyncio.to_thread(self._clear_scratch)
                self._interpreter = await self._sandbox.start_interpreter(self)
                self._born = time.monotonic()
            self.used = time.monotonic()
            return self._interpreter

    def _clear_scratch(self) -> None:
        if not self._sandbox.isolated:
            remove(self._scratch)
            self._scratch.mkdir(mode=0o700)

    async def run(self, code: str, timeout: float | None = None) -> AsyncIterator[Event]:
        """Run one cell; see `Session.run`."""
        await self._lock.acquire()
        self._stopping = False
        try:
            interpreter = await self.ensure()
            if self._lost:
                yield Ended(f"{self._lost}; {_PUT_AWAY}")
            self._lost, self._has_state = "", True
            for text in self._take_notes():
                yield Stream("stderr", f"{text}\n")
            cell = self._cell = Cell(interpreter, self.limits, timeout or self.limits.cell_seconds)
            cell.start(code, self._unbound)
            if self._stopping:
                cell.interrupt()
            async for event in cell.events():
                if isinstance(event, Ended):
                    self._has_state = False
                yield event
        finally:
            # A task of its own: who cancels this one must not set a running cell free.
            await asyncio.shield(asyncio.ensure_future(self._finish()))

    async def _finish(self) -> None:
        """Stop the cell if it still runs, as when nobody takes its events any more."""
        try:
            await self.interrupt()
        finally:
            self._cell = None
            self.used = time.monotonic()
            self._lock.release()

    async def interrupt(self) -> None:
        """Stop the running cell within a second, or one that is about to run as it begins."""
        self._stopping = True
        if self._cell is not None:
            self._cell.interrupt()
            await self._cell.wait()

    async def put(self, name: str, source: Path, *, bind: bool = True) -> None:
        """Copy a host file in as ``MOUNT/name``; see `Session.put` and `Folder.put`."""
        await asyncio.to_thread(self._put, name, source, make_folders=not bind)
        if bind:
            self._unbound.add(name)

    def _put(self, name: str, source: Path, *, make_folders: bool) -> None:
        """Copy, unless what was copied before from that very file is there untouched."""
        origin = stamp(source.stat()) if source.exists() else None
        here = self.folder.stamp(name)
        if origin is not None and here is not None and self._placed.get(name) == (origin, here):
            return
        self.folder.put(name, source, self.uid, make_folders=make_folders)
        self._placed[name] = (origin, self.folder.stamp(name))

    async def alias(self, name: str, target: str) -> None:
        """Add a second name for a file; see `Folder.alias`."""
        await asyncio.to_thread(self.folder.alias, name, target)

    async def files(self) -> list[FileInfo]:
        """List the folder's regular files."""
        return await asyncio.to_thread(self.folder.files)

    def open(self, name: str) -> BinaryIO:
        """Open one of `files` for reading."""
        return self.folder.open(name)

    async def close(self) -> None:
        """End the interpreter; the files stay."""
        await run_uncancelled(self._close())

    async def _close(self) -> None:
        await self.interrupt()
        await self._put_away("The session was closed")

    async def put_away(self, reason: str) -> None:
        """End the interpreter once no cell runs, and remember why, for the next cell."""
        await run_uncancelled(self._put_away(reason))

    async def _put_away(self, reason: str) -> None:
        async with self._lock, self._waking:
            await self._end(reason)

    async def _end(self, reason: str) -> None:
        if self._interpreter is None:
            return
        await self._interpreter.close()
        self._interpreter = None
        if self._has_state:
            self._lost, self._has_state = reason, False

    async def discard(self) -> None:
        """End the interpreter and delete the files."""
        self._discarded = True
        await run_uncancelled(self._discard())

    async def _discard(self) -> None:
        await self._close()
        await asyncio.to_thread(remove, self._path)


class LocalSandbox:
    """Sessions on this machine, behind the strongest isolation that holds.

    Parameters
    ----------
    folder : Path
        Where session folders are kept; made if need be, readable by this account alone.
    limits : Limits
    rung : Rung, optional
        The isolation to take without trying others.
    preload : sequence of str
        Modules that sessions find imported, if they are installed.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        rung: Rung | None = None,
        preload: Sequence[str] = PRELOAD,
    ) -> None:
        self.limits = limits
        self._folder = folder.resolve()
        self._wanted = rung
        self._preload = preload
        self._rung: Rung | None = None
        self._isolation: Isolation | None = None
        self._zygote: ZygoteClient | None = None
        self._launched: ZygoteClient | None = None
        self._old: list[ZygoteClient] = []
        self._sessions: dict[str, LocalSession] = {}
        self._starting = asyncio.Lock()
        self._opening = asyncio.Lock()
        self._watchdog = Watchdog(self._sessions.values, limits)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def isolated(self) -> bool:
        """Whether sessions have a file system of their own."""
        return self._rung is not None and self._rung.level == "namespaces"

    def begin(self) -> None:
        """Launch the zygote, whose imports take longest; `start` waits for it.

        Raises
        ------
        SandboxError
            When this machine has no isolation, or the process cannot be launched.
        """
        levels.rungs()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._launched = self._new_zygote()
        self._launched.launch()

    async def start(self) -> Isolation:
        """Start the zygote and find the isolation; see `Sandbox.start`."""
        return await run_uncancelled(self._start())

    async def _start(self) -> Isolation:
        async with self._starting:
            if self._isolation is None:
                levels.rungs()
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._zygote = zygote = await self._start_zygote()
                try:
                    self._rung, self._isolation = await self._choose()
                except BaseException:
                    self._zygote = None
                    await zygote.close()
                    raise
                loop = asyncio.get_running_loop()
                self._tasks = [
                    loop.create_task(self._keep()),
                    loop.create_task(self._watchdog.run()),
                ]
            return self._isolation

    async def _start_zygote(self) -> ZygoteClient:
        launched, self._launched = self._launched, None
        zygote = launched or self._new_zygote()
        await zygote.start()
        return zygote

    def _new_zygote(self) -> ZygoteClient:
        return ZygoteClient(self._preload, self._folder / "zygote")

    async def _choose(self) -> tuple[Rung, Isolation]:
        rung, isolation = await self._climb()
        if rung.level != "none" and self._zygote is not None and self._zygote.scope is None:
            isolation = replace(isolation, gaps=(*isolation.gaps, levels.WATCHED_GAP))
        if rung.level == "landlock" and os.geteuid() == 0:
            isolation = replace(isolation, gaps=(*isolation.gaps, levels.ROOT_GAP))
        lacks = self._zygote.lacks if self._zygote is not None else ()
        return rung, replace(isolation, lacks=lacks)

    async def _climb(self) -> tuple[Rung, Isolation]:
        wanted = self._wanted
        if wanted is None:
            return await levels.climb_down(self._probe)
        if wanted.level != "none":
            await self._probe(wanted)
        return wanted, Isolation(wanted.level, wanted.gaps)

    async def _probe(self, rung: Rung) -> None:
        """Try to get out of a session on this rung; `SandboxError` if that works."""
        self._rung = rung
        key = "probe-" + secrets.token_hex(8)
        session = LocalSession(self, key, self._path(key))
        try:
            await _check(session)
        finally:
            self._rung = None
            await session.discard()

    async def start_interpreter(self, session: LocalSession) -> Interpreter:
        """Start an interpreter over a session's folder; put another away if need be.

        Raises
        ------
        SandboxError
            When `Limits.sessions` are all running cells, when the sandbox is closed, or
            when the interpreter cannot be started.
        """
        async with self._opening:
            if self._rung is None:
                raise SandboxError("The sandbox is closed; start it again.")
            await self._make_room()
            zygote = await self._fresh_zygote()
            plan = Plan.within(
                session.limits,
                level=self._rung.level,
                data=str(session.data),
                uid=session.uid if self._rung.level == "namespaces" else None,
                proc=self._rung.proc,
                folders={place: str(path) for place, path in session.setup.folders.items()},
            )
            return await Interpreter.start(zygote, plan)

    async def _fresh_zygote(self) -> ZygoteClient:
        """Return the zygote; a new one now and then, and when it has died."""
        zygote = self._zygote
        assert zygote is not None
        aged = time.monotonic() - zygote.started > _SECONDS_OF_A_ZYGOTE
        if not zygote.alive or aged or zygote.born >= _SESSIONS_OF_A_ZYGOTE:
            self._old.append(zygote)
            zygote = self._zygote = await self._start_zygote()
        return zygote

    def _path(self, key: str) -> Path:
        return self._folder / hashlib.sha256(key.encode()).hexdigest()[:32]

    async def open(self, key: str, setup: Setup = NO_SETUP) -> LocalSession:
        """Return the session of that key; see `Sandbox.open`.

        Raises
        ------
        SandboxError
            When `Limits.sessions` are all running cells, or none can be started.
        """
        await self.start()
        session = self._sessions.get(key)
        if session is None:
            session = self._sessions[key] = LocalSession(self, key, self._path(key))
        session.setup = setup
        await session.ensure()
        return session

    async def _make_room(self) -> None:
        living = [session for session in self._sessions.values() if session.alive]
        if len(living) < self.limits.sessions:
            return
        idle = sorted((s for s in living if not s.busy), key=lambda session: session.used)
        if not idle:
            text = f"All {self.limits.sessions} sessions of the sandbox are running code"
            raise SandboxError(f"{text}; wait for one to end, or allow more.")
        await idle[0].put_away("The session made room for another")

    async def _keep(self) -> None:
        """Put away what has lived or idled too long."""
        shortest = min(self.limits.idle_seconds, self.limits.life_seconds)
        while True:
            await asyncio.sleep(min(max(shortest / 4, 0.05), 15.0))
            for session in list(self._sessions.values()):
                if reason := session.expired(time.monotonic()):
                    await session.put_away(reason)
            for zygote in [old for old in self._old if not old.living]:
                self._old.remove(zygote)
                await zygote.close()

    async def discard(self, key: str) -> None:
        """Close that session if it is open and delete its files."""
        session = self._sessions.pop(key, None)
        if session is not None:
            await session.discard()
        else:
            await asyncio.to_thread(remove, self._path(key))

    async def close(self) -> None:
        """End every session and the zygote; the files stay."""
        await run_uncancelled(self._close())

    async def _close(self) -> None:
        async with self._starting:
            async with self._opening:  # what is under way is finished, and nothing begins
                self._rung, self._isolation = None, None
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for session in list(self._sessions.values()):
                await session.close()
            for zygote in [self._zygote, self._launched, *self._old]:
                if zygote is not None:
                    await zygote.close()
            self._zygote, self._launched, self._old, self._tasks = None, None, [], []


async def _check(session: LocalSession) -> None:
    canary = secrets.token_hex(16)
    secret = session.data.parent / "secret"
    secret.write_text(canary)
    name = f"aoai-magic-{canary}"
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind("\0" + name)
        unix.listen()
        targets = {
            "secret": str(secret),
            "bait": str(secret.with_name("bait")),
            "port": tcp.getsockname()[1],
            "abstract": name,
            "pid": os.getpid(),
            "canary": canary,
        }
        # In hexadecimal, for paths in the code of a cell may be rewritten.
        packed = json.dumps(targets).encode().hex()
        given = f"TARGETS = __import__('json').loads(bytes.fromhex({packed!r}))"
        code = f"{given}\n{inspect.getsource(escape_probe)}"
        events = [event async for event in session.run(code, timeout=60.0)]
    said = "".join(event.text for event in events if isinstance(event, Stream))
    try:
        through = json.loads(said)
    except ValueError:
        raise SandboxError(f"The probe did not run: {events[:-1]!r}.") from None
    if through:
        raise SandboxError(f"It does not hold: {' '.join(map(str, through.values()))}")


def open_sandbox(
    argument: str, folder: Path, limits: Limits, preload: Sequence[str] | None = None
) -> Sandbox:
    """Open the sandbox of this machine.

    Parameters
    ----------
    argument : {"", "unisolated"}
        ``""`` for the strongest isolation that holds; ``"unisolated"`` for none at all.
    folder : Path
        Where session folders are kept.
    limits : Limits
    preload : sequence of str, optional
        Modules that sessions find imported, if they are installed; by default those that
        ``AOAI_MAGIC_SESSION_PRELOAD`` lists, with commas between them, or else `PRELOAD`.

    Raises
    ------
    SandboxError
        For another argument, or a list that does not consist of names of modules.
    """
    if argument not in ("", "unisolated"):
        text = f"The local sandbox knows no {argument!r}"
        raise SandboxError(f"{text}; leave it out, or say local:unisolated for no isolation.")
    rung = levels.UNISOLATED if argument else None
    wanted = _wanted_modules() if preload is None else preload
    return LocalSandbox(folder, limits, rung, wanted)


def _wanted_modules() -> Sequence[str]:
    names = os.environ.get(_PRELOAD, "").replace(",", " ").split()
    if bad := [name for name in names if not all(map(str.isidentifier, name.split(".")))]:
        text = f"{_PRELOAD} names {bad[0]!r}, which is no module"
        raise SandboxError(f"{text}; list modules such as numpy,pandas,scipy.stats.")
    return names or PRELOAD
