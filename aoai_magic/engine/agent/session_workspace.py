"""Session workspace: where the code of a thread, or of a conversation, runs; its own files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from io import BytesIO

from aoai_magic.engine.agent.handed_over import StoredFile, current_files, is_replaced
from aoai_magic.engine.agent.sandbox_sessions import Collected, Known, Lease
from aoai_magic.engine.agent.task import Services
from aoai_magic.engine.models.pictures import Picture
from aoai_magic.engine.storage.objects import Body


class SessionWorkspace:
    """A session, with the files given to it and those that its code made.

    ``links`` are the ids of all its files by name; ``attached`` names the given ones that
    belong to the current turn.
    """

    def __init__(
        self,
        services: Services,
        session: str,
        given: Mapping[str, Body],
        known: Mapping[str, Known],
        attached: frozenset[str],
        *,
        azure: bool,
    ) -> None:
        self.id = session
        self.attached = attached
        self.links = current_files(given, known, attached)
        self._services = services
        self._given = given
        self._known = known
        self._azure = azure

    @classmethod
    async def of(
        cls,
        services: Services,
        session: str,
        given: Mapping[str, Body],
        new: Collection[str],
        *,
        azure: bool,
    ) -> SessionWorkspace:
        """Return the workspace of a session.

        ``given`` are the files given to it by name, ``new`` the ids of those among them that
        belong to the current turn.
        """
        attached = frozenset(name for name, body in given.items() if body["id"] in new)
        known = await services.sessions.known(session)
        return cls(services, session, given, known, attached, azure=azure)

    @property
    def aliases(self) -> dict[str, str]:
        """Names in the folder by their files' ids."""
        return {id_: name for name, id_ in self.links.items()}

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Lease]:
        """Hold the session for one cell."""
        async with self._services.sessions.lease(self.id, self._given, self.attached) as lease:
            self.attached = frozenset()
            yield lease

    async def collect(self, lease: Lease) -> Collected:
        """Store what the cell made or changed."""
        most = self._services.bounds.files_per_cell
        return await self._services.sessions.collect(lease, self._azure, most)

    async def keep(self, picture: Picture, number: int) -> Body:
        """Store a picture as a file."""
        return await self._services.files.add(
            BytesIO(picture.data),
            f"chart-{number}.{picture.suffix}",
            "assistants_output",
            azure=self._azure,
            limit=self._services.bounds.upload,
        )

    async def listed(self) -> list[StoredFile]:
        """List the files that there still are."""
        bodies = await self._services.files.many(list(self.links.values()))
        return [
            StoredFile(
                name,
                bodies[id_]["bytes"],
                await self._services.files.path(id_),
                self._new(name),
            )
            for name, id_ in self.links.items()
            if id_ in bodies
        ]

    def _new(self, name: str) -> bool:
        known = self._known.get(name)
        return name in self.attached and is_replaced(self._given[name]["id"], known)
