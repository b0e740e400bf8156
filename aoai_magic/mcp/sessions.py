"""The sandbox's sessions of an MCP server, by handles that no client can guess."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from aoai_magic.sandbox.protocol import Done, Event, Sandbox, SandboxError, Session

NEW = "new"
"""The word for a fresh session in the place of a handle."""

# pandas then adds a table to what a DataFrame displays; other packages have no such thing.
_SHOW_TABLES = (
    "try:\n    import pandas\n    pandas.set_option('display.html.table_schema', True)\n"
    "    del pandas\nexcept ImportError: pass"
)


@dataclass
class Held:
    """A session that is open; ``fresh`` says that no code has run in its interpreter."""

    session: Session
    fresh: bool = True

    async def run(self, code: str, timeout: float | None) -> AsyncIterator[Event]:
        """Run a cell where DataFrames are shown as tables too; see `Session.run`."""
        if self.fresh or not self.session.alive:
            self.fresh = False
            async with aclosing(self.session.run(_SHOW_TABLES)) as events:  # type: ignore[type-var]
                async for event in events:
                    if not isinstance(event, Done):  # that earlier variables are lost, say
                        yield event
        async with aclosing(self.session.run(code, timeout)) as events:  # type: ignore[type-var]
            async for event in events:
                yield event


class Sessions:
    """Sessions of ``sandbox``; of more than ``most`` the one unused for longest is deleted."""

    def __init__(self, sandbox: Sandbox, most: int) -> None:
        self._sandbox = sandbox
        self._most = most
        self._held: dict[str, Held | None] = {}  # the one used last stands last
        self._users: Counter[str] = Counter()
        self._of_client: dict[str, str] = {}

    def handle(self, given: str, client: str | None) -> str:
        """Return the handle of a call: the one that is given, or that of the client's session.

        ``client`` is None where nothing tells one client from another, as in HTTP without
        sessions; a call without a handle then begins a session.

        Raises
        ------
        SandboxError
            There is no session of that handle.
        """
        if given and given != NEW:
            if given not in self._held:
                raise SandboxError(f"There is no session {given!r}; leave it out to begin one.")
            return given
        known = self._of_client.get(client, "") if client else ""
        if known in self._held and not given:
            return known
        handle = secrets.token_urlsafe(12)
        self._held[handle] = None
        if client:
            self._of_client[client] = handle
        return handle

    @asynccontextmanager
    async def use(self, handle: str) -> AsyncIterator[Held]:
        """Hold a session, which nothing deletes meanwhile.

        Raises
        ------
        SandboxError
            It cannot be started.
        """
        self._users[handle] += 1
        self._held[handle] = self._held.pop(handle)
        try:
            await self._make_room()
            held = self._held[handle] or Held(await self._sandbox.open(handle))
            self._held[handle] = held
            yield held
        finally:
            self._users[handle] -= 1

    async def _make_room(self) -> None:
        surplus = len(self._held) - self._most
        idle = [handle for handle in self._held if not self._users[handle]]
        for handle in idle[: max(surplus, 0)]:
            del self._held[handle]
            await self._sandbox.discard(handle)
