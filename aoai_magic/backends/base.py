"""What a server is to us: one method that yields the events of a turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from aoai_magic.attach.attachment import Attachment
    from aoai_magic.attach.function_tools import Function
    from aoai_magic.attach.pictures import Picture
    from aoai_magic.backends.holdings import Holdings
    from aoai_magic.turn.events import Event


CANCEL_SECONDS = 3.0
"""How long a turn that was cancelled waits for the server to hear of it."""


@dataclass(frozen=True)
class Question:
    """What goes to the server in one turn.

    Attributes
    ----------
    prompt
        As typed.
    attachments
        Packed and ready to be sent.
    thread
        The thread's id on the server, ``None`` to begin one.
    model
        Model SPEC or name, empty for the server's own.
    instructions
        What the model is told at the start, empty for nothing.
    documents
        Files that are searched.
    functions
        Functions of the notebook that the model may call.
    tool_choice
        As the API takes it, None for the server's own.
    pictures
        What a model that sees is shown of the attachments.
    effort
        How much a reasoning model reasons, empty for its own default.
    max_output
        Tokens that the model may write at most, None for any number.
    """

    prompt: str
    attachments: Sequence[Attachment] = ()
    thread: str | None = None
    model: str = ""
    instructions: str = ""
    documents: Sequence[Attachment] = ()
    functions: Sequence[Function] = ()
    tool_choice: str | dict[str, Any] | None = None
    max_output: int | None = None
    effort: str = ""
    pictures: Sequence[Picture] = ()


class Backend(Protocol):
    """A server that can do a turn."""

    def turn(self, question: Question) -> AsyncIterator[Event]:
        """Yield the turn's events, ending with `events.Finished`.

        Closing the iterator (or cancelling the task) early cancels the run on the server.

        Raises
        ------
        ServiceError
            If the server refuses the request or cannot be reached before the turn began.
        """
        ...

    async def status(self) -> dict[str, Any]:
        """Return what the server says of itself (model, isolation, sessions), if anything."""
        ...

    def holdings(self) -> Holdings:
        """Return what the server holds of the user's."""
        ...

    async def cleanup(self) -> int:
        """Delete what was sent; give the number of files."""
        ...
