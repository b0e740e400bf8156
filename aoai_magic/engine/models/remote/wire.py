"""What the two APIs of a server have in common for the one who asks through them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from aoai_magic.engine.models.base import Chunk, Request
from aoai_magic.engine.models.remote.learned import Learned

Event = Mapping[str, Any]


_WRITES = ("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens")
"""How OpenAI and OpenRouter, LiteLLM, and proxies of Anthropic's models name cache writes."""


def written_tokens(usage: Mapping[str, Any], details: Mapping[str, Any], unread: int) -> int:
    """Return the tokens that were written to a cache, ``unread`` at most: what was not cached."""
    counts = {**usage, **details}
    found = next((counts[name] for name in _WRITES if counts.get(name)), 0)
    return min(int(found), unread)


class Reader(Protocol):
    """Reads the events of one answer."""

    @property
    def done(self) -> bool:
        """Whether nothing of what follows matters."""
        ...

    @property
    def called(self) -> bool:
        """Whether the server made calls of tools, as it should."""
        ...

    @property
    def by_hand(self) -> bool:
        """Whether the model wrote a call as text, in a form of its own."""
        ...

    def feed(self, event: Event) -> Iterator[Chunk]:
        """Yield what an event of the stream says."""
        ...

    def end(self) -> Iterator[Chunk]:
        """Yield what was held back, and `Finish`; raise where the answer is not whole."""
        ...


class Wire(Protocol):
    """One API."""

    path: str
    """Where requests are posted, below the server's base URL."""

    bound: str
    """What the API calls the limit of output tokens."""

    optional: frozenset[str]
    """Parameters that the answer does not depend on: left out where they are refused."""

    refused_check: Mapping[str, Any]
    """A body that a server refuses after it has looked at key and model: costs nothing."""

    def parameters(self, request: Request, learned: Learned, origin: str) -> dict[str, Any]:
        """Return the body of a request, without model and stream."""
        ...

    def reader(self, request: Request, learned: Learned, origin: str, *, official: bool) -> Reader:
        """Return a reader of the answer."""
        ...

    def whole(self, body: Event) -> Event:
        """Return an answer that was not streamed as the one event of a stream."""
        ...
