"""What a kernel's assistant holds on the server: told, fetched, ended, deleted, forked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from aoai_magic.config import settings as settings_
from aoai_magic.errors import AssistantError, UsageError
from aoai_magic.locale import gettext as _
from aoai_magic.runner.event_loop import wait_for
from aoai_magic.runner.options import Options
from aoai_magic.state.uploads import Entry, UploadLog

if TYPE_CHECKING:
    from aoai_magic.backends.holdings import Holdings, RemoteStore
    from aoai_magic.config.settings import Settings, Target
    from aoai_magic.runner.kernel_state import Assistant
    from aoai_magic.state.threads import Known, Threads

T = TypeVar("T")


class RemoteResources:
    """The server of one target.

    Parameters
    ----------
    state
        The kernel's assistant.
    target
        Its name, as `settings.Target` has it; None for the present one.
    """

    def __init__(self, state: Assistant, target: str | None = None) -> None:
        self._state = state
        self._settings = state.settings()
        self._target = settings_.resolve_target(self._settings)
        if target not in (None, self._target.name):
            self._settings = state.settings(Options(on=target))
            self._target = settings_.resolve_target(self._settings)

    @property
    def is_asleep(self) -> bool:
        """Whether it is this kernel's own engine, and no turn has started that yet."""
        from aoai_magic.backends import launcher

        if not self._target.is_embedded:
            return False
        engine = launcher(self._target).engine
        return engine is None or not engine.alive

    def as_json(self) -> dict[str, Any]:
        """Return the sessions, the files that code made, and the threads that have no name here.

        ``titles`` are those of the others.
        """

        async def ask(holdings: Holdings) -> dict[str, Any]:
            sessions, files, threads = await asyncio.gather(
                holdings.sessions(), holdings.files(), holdings.threads()
            )
            names = {holdings.session(known.id): known.name for known in self._known()}
            return {
                "sessions": [{**asdict(one), "thread": names.get(one.id)} for one in sessions],
                "files": [asdict(file) for file in files],
                "threads": [asdict(thread) for thread in threads if thread.id not in names],
                "titles": {one.id: one.title for one in threads if one.id in names},
            }

        return self._done(ask)

    def content(self, file_id: str) -> tuple[str, bytes]:
        """Return the name that a file has there, and its bytes."""
        return self._done(lambda holdings: holdings.content(file_id))

    def stores(self) -> list[RemoteStore]:
        """List the vector stores that are there."""
        return self._done(lambda holdings: holdings.stores())

    def delete_file(self, file_id: str) -> None:
        """Delete a file."""
        self._done(lambda holdings: holdings.delete_file(file_id))

    def end_session(self, session_id: str) -> None:
        """End a session; its files are kept."""
        self._done(lambda holdings: holdings.end_session(session_id))

    def delete_thread(self, id_: str) -> None:
        """Delete a thread there, and forget its name here."""
        self._done(lambda holdings: holdings.delete_thread(id_))
        for known in self._known():
            if known.id == id_:
                self._threads.forget(known.name, known.target)

    def adopt(self, id_: str) -> str:
        """Return a thread that is there a name here; gives the name."""
        name = self._threads.free(f"thread-{id_[-6:]}", self._target.name)
        self._threads.put(name, self._target.name, id_)
        return name

    def fork(self, name: str, thread: str, parts: Sequence[str]) -> None:
        """Copy a thread up to the turn of those parts, under a name that is free."""
        if self._threads.get(name, self._target.name):
            raise UsageError(
                _("A thread named {name!r} already exists; choose another name.").format(name=name)
            )
        copy = self._done(lambda holdings: holdings.fork(thread, parts))
        self._threads.put(name, self._target.name, copy)

    def free_name(self, name: str) -> str:
        """Return the first of ``name``, ``name-2``, … that names no thread here."""
        return self._threads.free(name, self._target.name)

    @property
    def _threads(self) -> Threads:
        return self._state.threads(self._settings)

    def _known(self) -> list[Known]:
        return [one for one in self._threads.all() if one.target == self._target.name]

    def _done(self, work: Callable[[Holdings], Coroutine[Any, Any, T]]) -> T:
        backend = self._state.backend(self._settings, self._target)
        return wait_for(work(backend.holdings()))


def is_users_target(state: Assistant, target: str) -> bool:
    """Return whether the user has named a target: by settings, in a turn, or for a thread.

    A notebook's record names one too, but the notebook may be somebody else's.
    """
    settings = state.settings()
    named = {settings_.resolve_target(settings).name, *settings_.EMBEDDED, *settings_.SERVICES}
    named |= {turn.view.target for turn in state.turns}
    return target in named | {known.target for known in state.threads(settings).all()}


def sent(settings: Settings, target: Target) -> list[tuple[Entry, bool]]:
    """List what was sent anywhere, each with whether that is where turns go now."""
    store = upload_store(settings, target)
    return [(entry, entry.target == store) for entry in UploadLog(settings.folder).entries()]


def upload_store(settings: Settings, target: Target) -> str:
    """Return the upload log's name of a target; empty where the target is not usable."""
    from aoai_magic import backends

    if target.is_embedded:
        return target.name
    if target.name not in settings_.SERVICES:
        return backends.server_url(target)
    try:
        return backends.open_service(settings, target).service.url
    except AssistantError:
        return ""
