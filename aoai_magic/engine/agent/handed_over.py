"""What the user's last messages hand over to code, and what that replaces.

A file that a message attaches is put into the session as it was given, and a packed value
is bound to its name, before the first code that runs after that message; code that runs
later in the same run goes on from there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aoai_magic.engine.agent.sandbox_sessions import Known
from aoai_magic.engine.storage.objects import Body

_WORD = re.compile(r"\w+")
_CODE = "code_interpreter_call"


@dataclass(frozen=True)
class StoredFile:
    """A file of a session: where its bytes are stored, and whether code had others."""

    name: str
    bytes: int
    path: Path
    replaced: bool


def new_files(items: Sequence[Body]) -> set[str]:
    """Return what items hand over (their ``_files``) since code last ran."""
    ran = max((place for place, item in enumerate(items) if item["type"] == _CODE), default=-1)
    return {file for item in items[ran + 1 :] for file in item.get("_files", ())}


def words_of_code(items: Sequence[Body]) -> set[str]:
    """Return every word of the code that ran: names that it may have assigned."""
    codes = [item.get("code") or "" for item in items if item["type"] == _CODE]
    return {word for code in codes for word in _WORD.findall(code)}


def is_replaced(file_id: str, fact: Known | None) -> bool:
    """Return whether a file that is handed over takes the place of other content."""
    return fact is not None and not fact.file_id == fact.given_id == file_id


def current_files(
    given: Mapping[str, Body], known: Mapping[str, Known], attached: Collection[str]
) -> dict[str, str]:
    """Return by name the ids of the files that the session's code finds."""
    own = {
        name: fact.file_id
        for name, fact in known.items()
        if name not in given or (name not in attached and fact.given_id == given[name]["id"])
    }
    return {name: body["id"] for name, body in given.items()} | own
