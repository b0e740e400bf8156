"""Every exception that a user of aoai_magic can meet.

::

    AssistantError            one sentence: what happened, to what, what to do next
    ├── UsageError            the magic line or a call was wrong
    ├── AttachError           something could not be attached
    ├── SettingsError         a setting has a value that cannot be used
    ├── EngineError           the local engine could not be started or has gone
    ├── ServiceError          the server refused or could not be reached
    └── TurnError             a turn ended without a complete answer
        └── TurnInterrupted   the user stopped it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aoai_magic.runner.turn import Turn


class AssistantError(Exception):
    """Base of all; IPython shows the sentence alone, without a traceback.

    Attributes
    ----------
    turn
        The turn that was done all the same, or as far as it came; None where there is none.
    """

    turn: Turn | None = None

    def _render_traceback_(self) -> list[str]:
        # IPython's hook for exceptions that know best how they should look.
        return [f"{type(self).__name__}: {self}"]


class UsageError(AssistantError):
    """The magic line or a call was wrong."""


class AttachError(AssistantError):
    """Something could not be attached."""


class SettingsError(AssistantError):
    """A setting has a value that cannot be used."""


class EngineError(AssistantError):
    """The local engine could not be started, or has gone."""


class ServiceError(AssistantError):
    """The server refused the request or could not be reached."""


class TurnError(AssistantError):
    """A turn ended without a complete answer.

    Attributes
    ----------
    turn
        What there is of the turn: partial text, code, files so far.
    """

    def __init__(self, message: str, turn: Turn | None = None) -> None:
        super().__init__(message)
        self.turn = turn


class TurnInterrupted(TurnError):  # noqa: N818 - names the event, as KeyboardInterrupt does
    """The user stopped the turn."""
