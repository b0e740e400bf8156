"""Questions to the model that is configured, with nothing of this machine but their text."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from aoai_magic.runner.cancel import CancelToken
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options
from aoai_magic.runner.turn import Turn
from aoai_magic.turn.view import View


class _NoScreen:
    def show(self, view: View) -> None:
        """Show nothing: standard output belongs to the protocol."""

    def close(self, view: View) -> None:
        """Show nothing."""


def _no_screen(display: str, cancel: CancelToken) -> Callable[[], _NoScreen]:
    return _NoScreen


class Questions:
    """Asks what clients ask, one question at a time."""

    def __init__(self) -> None:
        self._assistant = Assistant({}, opener=_no_screen)
        self._one = anyio.Lock()

    async def ask(self, question: str) -> Turn:
        """Return the turn that answers a question, in a thread of its own.

        Raises
        ------
        AssistantError
            It could not be started, or failed.
        """
        async with self._one:
            # Without mentions: a client could name any file of this machine.
            options = Options(new=True, raw=True, mentions=False)
            try:
                turn = await self._assistant.ask(question, options)
            finally:
                self._assistant.turns.clear()
        assert isinstance(turn, Turn)  # neither a dry run nor one in the background
        return turn
