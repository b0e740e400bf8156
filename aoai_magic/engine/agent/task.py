"""Task: what the agent loop is to do, in one form for runs and responses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
import anyio.to_thread

from aoai_magic import frame_codec
from aoai_magic.engine.agent.chat_messages import Chat
from aoai_magic.engine.agent.handed_over import StoredFile, words_of_code
from aoai_magic.engine.agent.sandbox_sessions import Collected, Lease, Sessions
from aoai_magic.engine.agent.sink import Search
from aoai_magic.engine.agent.system_prompt import Listed, system_prompt
from aoai_magic.engine.agent.tools import Toolbox
from aoai_magic.engine.config import Bounds
from aoai_magic.engine.models.base import Model
from aoai_magic.engine.models.pictures import Picture
from aoai_magic.engine.search import fusion, vector_stores
from aoai_magic.engine.search.library import Library
from aoai_magic.engine.storage.files import Files
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.store import Store

_RANKER = "default_2024_08_21"
_MOST_FOUND = 20
_MOST_NAMED = 101


@dataclass(frozen=True)
class Services:
    """The parts of the engine that the agent needs."""

    store: Store
    files: Files
    sessions: Sessions
    library: Library
    bounds: Bounds
    model: Callable[[Body], Awaitable[Model]]


class Workspace(Protocol):
    """Where code runs: a thread's session or a container."""

    @property
    def id(self) -> str:
        """The id of the session."""

    @property
    def aliases(self) -> Mapping[str, str]:
        """Names in the folder by the ids under which code may look for the same files."""

    def lease(self) -> AbstractAsyncContextManager[Lease]:
        """Hold the session for one cell."""

    async def collect(self, lease: Lease) -> Collected:
        """Store what the cell made or changed."""

    async def keep(self, picture: Picture, number: int) -> Body:
        """Store a picture that code showed, the ``number``th of its conversation."""

    @property
    def attached(self) -> Collection[str]:
        """The names of the files that are attached now; later code goes on from there."""

    async def listed(self) -> list[StoredFile]:
        """List the files."""


@dataclass(frozen=True)
class Task:
    """One run or response.

    Attributes
    ----------
    model
        The object that names the model.
    system
        The system prompt.
    messages
        The conversation.
    options
        Further parameters of the model's API.
    tokens, prompt_tokens, tool_calls
        Bounds that the client set: tokens of the answer, tokens of the conversation, and
        calls of built-in tools.
    workspace, search
        Where code runs and what is searched, None without the tool.
    due
        Whether the tool that the client forces is still to be called.
    searches, pictures
        How many there were in the conversation.
    """

    model: Body
    system: str
    messages: list[Chat]
    toolbox: Toolbox
    options: Body
    tokens: int | None = None
    prompt_tokens: int | None = None
    tool_calls: int | None = None
    workspace: Workspace | None = None
    search: Search | None = None
    due: bool = True
    searches: int = 0
    pictures: int = 0


def model_options(given: Mapping[str, Any], response_format: Body | None, effort: Any) -> Body:
    """Return the parameters that the client set, in the form of the Chat Completions API."""
    # Reasoning models refuse even the defaults of these two.
    options = {key: given[key] for key in ("temperature", "top_p") if given[key] not in (None, 1)}
    if response_format is not None:
        options["response_format"] = response_format
    if effort is not None:
        options["reasoning_effort"] = effort
    if given["parallel_tool_calls"] is False and given["tools"]:
        options["parallel_tool_calls"] = False
    return options


def search_settings(tool: Mapping[str, Any], stores: list[str]) -> Search:
    """Read how a search tool is set; the service finds 20 passages by default."""
    ranking = {"ranker": "auto", "score_threshold": 0.0, **(tool.get("ranking_options") or {})}
    return Search(
        stores,
        _RANKER if ranking["ranker"] == "auto" else ranking["ranker"],
        ranking["score_threshold"],
        tool.get("max_num_results") or _MOST_FOUND,
        tool.get("filters"),
        fusion.weights_of(ranking),
    )


async def write_system(
    services: Services,
    instructions: Sequence[str | None],
    items: Sequence[Body],
    workspace: Workspace | None,
    search: Search | None,
) -> str:
    """Write the system prompt of a task; ``items`` are the conversation."""
    documents = None
    if search is not None:
        stores = search.stores
        documents = await services.store.read(lambda c: vector_stores.names(c, stores, _MOST_NAMED))
    if workspace is None:
        return system_prompt(instructions, False, "new", [], documents)
    await services.sessions.isolation()
    state = await services.sessions.state(workspace.id)
    used = words_of_code(items) if state == "live" else set()
    listed = []
    for file in await workspace.listed():
        manifest, replaced = await _manifest(file), file.replaced
        if manifest is not None and file.name in workspace.attached:
            replaced = manifest.name in used
        listed.append(Listed(file.name, file.bytes, manifest, replaced))
    return system_prompt(instructions, True, state, listed, documents)


async def _manifest(file: StoredFile) -> frame_codec.Manifest | None:
    """Read as what variable the session loads a file, if the notebook side packed it."""
    if not file.name.endswith((".arrow", ".parquet")):
        return None
    return await anyio.to_thread.run_sync(frame_codec.peek, file.path)


@asynccontextmanager
async def closing(iterator: AsyncIterator[Any]) -> AsyncIterator[AsyncIterator[Any]]:
    """Close an iterator in any case, also when the task is being cancelled meanwhile."""
    try:
        yield iterator
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            with anyio.CancelScope(shield=True):
                await close()
