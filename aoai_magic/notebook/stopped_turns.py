"""A turn that its user stopped ends its cell, and those queued behind it, but is no crash."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from aoai_magic.errors import TurnInterrupted

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

STOPPED = (TurnInterrupted,)


def register(shell: InteractiveShell) -> None:
    """Hide the traceback of a stopped turn, unless somebody else handles exceptions."""
    if not shell.custom_exceptions:
        shell.set_custom_exc(STOPPED, _say_stopped)


def unregister(shell: InteractiveShell) -> None:
    """Undo `register`."""
    if shell.custom_exceptions == STOPPED:
        shell.set_custom_exc((), None)


def _say_stopped(shell: Any, kind: Any, error: TurnInterrupted, *trace: Any, **_: Any) -> list[str]:
    """Print that a turn was stopped where it does not stand in the cell, which says so."""
    from aoai_magic.runner.turn import cell_number  # what a turn imports is slow to load

    if error.turn is None or error.turn.shown_in != cell_number():
        print(error, file=sys.stderr)  # noqa: T201
    return []
