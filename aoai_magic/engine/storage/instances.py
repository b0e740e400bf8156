"""Instances: which of the engines that share a database are alive.

The engines of an SQLite file share a machine. Each holds a lock on a file of its own beside
the database (`engine_locks`), and nobody has to wait to know that one is gone.

Those of a PostgreSQL database share nothing else. Each has a lease there that it renews; one
whose lease is over is taken for gone, and must then not go on with what it executed.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, delete, func, insert, or_, select, update
from sqlalchemy.exc import DBAPIError

from aoai_magic.engine.storage import engine_locks
from aoai_magic.engine.storage.ids import new_id
from aoai_magic.engine.storage.schema import ENGINES
from aoai_magic.engine.storage.store import Store

_PRUNED_SECONDS = 86_400


class Instance(Protocol):
    """The present process, as the others see it.

    Attributes
    ----------
    id
        The name under which what it executes is stored; another one after a lease was lost.
    renew_seconds
        How often `renew` is to be called, None for never.
    """

    id: str
    renew_seconds: float | None

    async def start(self) -> None:
        """Be alive from now on, under a fresh name."""

    async def renew(self) -> bool:
        """Stay alive; False if others may have taken this instance for gone."""

    async def alive(self, id: str | None) -> bool:  # noqa: A002
        """Return whether the instance with that id still runs."""

    async def claim(self, name: str) -> bool:
        """Return whether this instance may do, for a while, what one at a time should do."""

    async def release(self, name: str) -> None:
        """Let others do what was claimed."""

    async def close(self) -> None:
        """Be gone."""


def open_instance(store: Store, data_dir: Path, seconds: float) -> Instance:
    """Return the instance of this process; ``seconds`` is how long a lease lasts."""
    if not store.sqlite:
        return LeasedInstance(store, seconds)
    # Beside the database, wherever the engines that share it have their data.
    folder = data_dir if store.file is None else store.file.absolute().parent
    return LockedInstance(folder / "instances")


class LockedInstance:
    """An instance that holds a lock on a file."""

    renew_seconds: float | None = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def start(self) -> None:
        """Acquire the lock."""
        self._lock = engine_locks.Instance(self._folder)
        self.id = self._lock.id

    async def renew(self) -> bool:
        """Do nothing: the lock holds."""
        return True

    async def alive(self, id: str | None) -> bool:  # noqa: A002
        """Return whether the instance with that id still runs."""
        return self._lock.alive(id)

    async def claim(self, name: str) -> bool:
        """Return True: on one machine it does no harm if two do it."""
        return True

    async def release(self, name: str) -> None:
        """Do nothing: nobody waits."""

    async def close(self) -> None:
        """Release the lock."""
        self._lock.close()


_NOW = func.extract("epoch", func.clock_timestamp())


class LeasedInstance:
    """An instance that has a lease in the database."""

    def __init__(self, store: Store, seconds: float) -> None:
        self.id = ""
        self.renew_seconds: float | None = seconds / 5
        self._store = store
        self._seconds = seconds
        self._over = 0.0
        self._claimed: dict[str, float] = {}

    async def start(self) -> None:
        """Acquire a lease, and delete those that expired long ago."""
        self.id = new_id("engine_")
        began = time.monotonic()
        old = delete(ENGINES).where(ENGINES.c.until < _NOW - _PRUNED_SECONDS)
        new = insert(ENGINES).values(id=self.id, until=_NOW + self._seconds)
        await self._store.write(lambda c: (c.execute(old), c.execute(new)))
        self._over = began + self._seconds

    async def renew(self) -> bool:
        """Renew the lease; False if it is over, or will be before the database answers."""
        began = time.monotonic()
        if began >= self._over:
            return False
        still = (ENGINES.c.id == self.id, ENGINES.c.until > _NOW)
        longer = update(ENGINES).where(*still).values(until=_NOW + self._seconds)
        kept = await self._store.write(lambda c: c.execute(longer).rowcount)
        self._over = began + self._seconds if kept else 0.0
        return kept > 0

    async def alive(self, id: str | None) -> bool:  # noqa: A002
        """Return whether the instance with that id has a lease."""
        if id is None:
            return False
        found = select(ENGINES.c.id).where(ENGINES.c.id == id, ENGINES.c.until > _NOW)
        return await self._store.read(lambda c: c.execute(found).first()) is not None

    async def claim(self, name: str) -> bool:
        """Return whether this instance may do, until its lease would end, what ``name`` says."""
        began = time.monotonic()
        if began < self._claimed.get(name, 0.0):
            return True
        mine = or_(ENGINES.c.holder == self.id, ENGINES.c.until <= _NOW)
        taken = {"holder": self.id, "until": _NOW + self._seconds}

        def work(connection: Connection) -> bool:
            there = ENGINES.c.id == name
            if connection.execute(select(ENGINES.c.id).where(there)).first() is None:
                connection.execute(insert(ENGINES).values(id=name, **taken))
                return True
            return connection.execute(update(ENGINES).where(there, mine).values(taken)).rowcount > 0

        done = await self._store.write(work)
        if done:
            self._claimed[name] = began + self._seconds / 5
        return done

    async def release(self, name: str) -> None:
        """Let others do what was claimed."""
        self._claimed.pop(name, None)
        mine = (ENGINES.c.id == name, ENGINES.c.holder == self.id)
        await self._store.write(lambda c: c.execute(delete(ENGINES).where(*mine)))

    async def close(self) -> None:
        """Release the lease; where the database is gone, it expires by itself."""
        mine = delete(ENGINES).where(ENGINES.c.id == self.id)
        with suppress(DBAPIError):
            await self._store.write(lambda c: c.execute(mine))
