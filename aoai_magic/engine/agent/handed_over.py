"""What the user's last messages hand over to a run's code, and what that replaces.

A file that a message attaches is put into the session as it was given, and a packed value
is bound to its name, before the first code that runs after that message; code that runs
later in the same run goes on from there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import chain

from aoai_magic.engine.agent.sandbox_sessions import Known
from aoai_magic.engine.agent.thread_history import Thread
from aoai_magic.engine.storage.objects import Body

_WORD = re.compile(r"\w+")


def attached_files(message: Body) -> list[str]:
    """Return the ids of a message's files that are meant for code."""
    return [
        entry["file_id"]
        for entry in message["attachments"]
        if any(tool["type"] == "code_interpreter" for tool in entry["tools"] or ())
    ]


def new_files(thread: Thread) -> set[str]:
    """Return the ids of the files attached since code last ran in the thread."""
    ran = max((at for at, run in thread.runs if any(_codes(thread, run["id"]))), default=-1)
    messages = [body for at, body in thread.messages if at > ran and body["role"] == "user"]
    return set(chain.from_iterable(map(attached_files, messages)))


def words_of_code(thread: Thread) -> set[str]:
    """Return every word of the code that ran in the thread: names it may have assigned."""
    return {
        word for id_ in thread.steps for code in _codes(thread, id_) for word in _WORD.findall(code)
    }


def _codes(thread: Thread, run_id: str) -> list[str]:
    calls = chain.from_iterable(
        step["step_details"].get("tool_calls", ()) for step in thread.steps.get(run_id, ())
    )
    return [
        call["code_interpreter"]["input"] for call in calls if call["type"] == "code_interpreter"
    ]


def is_replaced(body: Body, fact: Known | None) -> bool:
    """Tell whether a file that is handed over takes the place of other content."""
    return fact is not None and not fact.file_id == fact.given_id == body["id"]


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
