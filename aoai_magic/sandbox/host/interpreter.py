"""One living interpreter, as the host holds it: its channel, its pipes, its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING

from aoai_magic.sandbox import framing
from aoai_magic.sandbox.child.init import INTERRUPT
from aoai_magic.sandbox.framing import Frame
from aoai_magic.sandbox.host.pipes import Handles
from aoai_magic.sandbox.host.uncancellable import run_uncancelled
from aoai_magic.sandbox.protocol import SandboxError
from aoai_magic.sandbox.spec import Plan

if TYPE_CHECKING:
    from aoai_magic.sandbox.host.zygote_client import ZygoteClient

_READY_SECONDS = 60.0
_SETTLE_SECONDS = 5.0
_CHUNK = 1 << 18


class Interpreter:
    """A session's process tree; everything that it says is hostile."""

    def __init__(self, zygote: ZygoteClient, handles: Handles, plan: Plan) -> None:
        self.plan = plan
        self._zygote = zygote
        self._leader = handles.leader
        self._wires = handles.wires
        self.group = handles.group
        self._decoder = framing.Decoder()
        self._closed = False
        self._using = asyncio.Lock()  # no descriptor is closed, and its number reused, so long
        self._unanswered = 0
        self._gone = asyncio.Event()
        self._woken = asyncio.Event()
        self.reason = ""
        self._leader.watch(self._on_exit)

    @classmethod
    async def start(cls, zygote: ZygoteClient, plan: Plan) -> Interpreter:
        """Start an interpreter and wait until it says, from behind its walls, that it is ready.

        Raises
        ------
        SandboxError
            When it could not be confined as planned; with the reason.
        """
        self = cls(zygote, await zygote.spawn(plan), plan)
        try:
            await self._become_ready()
        except BaseException:
            await self.close()
            raise
        return self

    async def _become_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            alive = self.alive
            said = await self.read(left)
            if said and said[0]["type"] == "ready":
                return
            if said or not alive:
                break
        reason = (
            self.read_raw().decode("utf-8", "replace").strip() or "its process did not get ready"
        )
        raise SandboxError(f"No session could be started: {reason}.")

    def _on_exit(self) -> None:
        self._gone.set()
        self._woken.set()

    @property
    def alive(self) -> bool:
        """Whether its first process still runs."""
        return not self._gone.is_set()

    @property
    def pid(self) -> int:
        """Process id of its first process, as the host sees it; 0 when it is gone."""
        return 0 if self._closed else self._leader.pid

    @property
    def killed(self) -> int:
        """How many processes the kernel has ended for want of memory, where it counts them."""
        return self.group.killed if self.group else 0

    async def send(self, frame: Frame) -> None:
        """Send a request."""
        data = framing.encode(frame)
        async with self._using:
            if not self._closed:
                with contextlib.suppress(OSError):  # it is gone; reading will tell
                    await asyncio.get_running_loop().sock_sendall(self._wires.channel, data)

    async def read(self, timeout: float | None) -> list[Frame]:
        """Wait for frames; none when nothing came in time or the interpreter is gone.

        Raises
        ------
        frames.FrameError
            When it does not speak the protocol.
        """
        async with self._using:
            if self._closed:
                return []
            await self._readable(timeout)
            return self._decoder.feed(self._receive())

    async def _readable(self, timeout: float | None) -> None:
        loop = asyncio.get_running_loop()
        channel = self._wires.channel.fileno()
        self._woken.clear()
        if not self.alive:
            return
        loop.add_reader(channel, self._woken.set)
        try:
            await asyncio.wait_for(self._woken.wait(), timeout)
        except asyncio.TimeoutError:
            pass
        finally:
            loop.remove_reader(channel)

    def _receive(self) -> bytes:
        try:
            data = self._wires.channel.recv(_CHUNK)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self.kill()  # hung up: whatever is left of it has no purpose
        return data

    def read_raw(self) -> bytes:
        """Return what is left of the output of child processes, and of its last words."""
        with contextlib.suppress(OSError):
            if not self._closed:
                return os.read(self._wires.out, _CHUNK)
        return b""

    def interrupt(self) -> None:
        """Send SIGINT to every process of the session."""
        if self._closed:
            return
        with contextlib.suppress(OSError):
            self._unanswered += self._wires.lifeline.send(INTERRUPT)

    async def settle(self) -> None:
        """Wait until every interrupt has been delivered: a late one would hit the next cell."""
        if not self._unanswered:
            return
        try:
            await asyncio.wait_for(self._take_answers(), _SETTLE_SECONDS)
        except asyncio.TimeoutError:
            self.kill("The session did not answer, so it was ended.")

    async def _take_answers(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._using:
            while self._unanswered and not self._closed:
                try:
                    answers = await loop.sock_recv(self._wires.lifeline, self._unanswered)
                except OSError:
                    answers = b""
                self._unanswered -= len(answers) or self._unanswered  # none: it is gone

    def kill(self, reason: str = "") -> None:
        """End every process of the session at once; the first reason given is kept."""
        self.reason = self.reason or reason
        if not self._closed:
            self._leader.kill()

    async def wait(self) -> None:
        """Wait until its first process is gone."""
        await self._gone.wait()

    async def close(self) -> None:
        """End it, and close every descriptor."""
        await run_uncancelled(self._close())

    async def _close(self) -> None:
        self.kill()
        await self._gone.wait()
        async with self._using:
            if self._closed:
                return
            self._closed = True
        self._zygote.living -= 1
        self._wires.close()
        self._leader.close()
        if self.group is not None:
            await asyncio.to_thread(self.group.close)
