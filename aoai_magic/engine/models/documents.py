"""Questions about documents, answered without a language model: by quotes of what was found."""

from __future__ import annotations

from aoai_magic.engine.models.base import FILE_SEARCH_TOOL, Request
from aoai_magic.engine.search.quotes import find_quotes


def may_search(request: Request) -> bool:
    """Return whether the request offers documents to search."""
    names = {tool["function"]["name"] for tool in request.tools}
    return FILE_SEARCH_TOOL in names and request.tool_choice != "none"


def must_search(request: Request) -> bool:
    """Return whether the request demands a search."""
    choice = request.tool_choice
    return not isinstance(choice, str) and choice["function"]["name"] == FILE_SEARCH_TOOL


def read_found(request: Request, question: str) -> list[tuple[str, str]] | None:
    """Return quotes of what this turn's search found, with markers; None if there was no search."""
    ids: set[str] = set()
    found: str | None = None
    for message in request.messages:
        if message["role"] == "user":
            ids, found = set(), None
        calls = message.get("tool_calls") or ()
        ids |= {call["id"] for call in calls if call["function"]["name"] == FILE_SEARCH_TOOL}
        if message["role"] == "tool" and message["tool_call_id"] in ids:
            found = str(message["content"])
    return None if found is None else find_quotes(found, question)
