"""The cell that asked: what a turn in the background shows goes there, and not elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from aoai_magic.display import Screen
    from aoai_magic.turn.view import View

_HEADER: ContextVar[dict[str, Any]] = ContextVar("header")
"""Header of the request that ran the cell; front ends put a message where its parent is."""

_held: WeakSet[Any] = WeakSet()


class AskingCell:
    """Where a turn is shown; to be made while that cell runs.

    Attributes
    ----------
    kind, detail
        The kind of its screen, and how much of the turn it shows.
    is_headless
        Whether a kernel runs the cell for nobody who could look.
    """

    def __init__(self, display: str) -> None:
        from aoai_magic.display import resolve
        from aoai_magic.display.detect import kind_here

        self.kind, self.detail = resolve(display)
        self.is_headless = kind_here() == "frozen"
        self._header = _header()

    @property
    def shows_while_running(self) -> bool:
        """Whether the turn is seen before it is over."""
        return self.kind != "terminal"

    def take(self) -> None:
        """Make this the place of the context in which it is called."""
        if self._header:
            _HEADER.set(self._header)

    def hold(self) -> None:
        """Send what this thread shows to the place of its context."""
        publisher: Any = getattr(_shell(), "display_pub", None)
        if publisher not in _held and hasattr(publisher, "register_hook"):
            # Hooks are each thread's own. Without this one, ipykernel 6 sends displays to
            # whichever cell runs; what is printed has a place by the context in any version.
            publisher.register_hook(_sent_there)
            _held.add(publisher)

    def open_screen(self, on_stop: Callable[[], None]) -> Screen:
        """Open the screen."""
        from aoai_magic.display import open_screen

        screen = open_screen(self.kind, on_stop, detail=self.detail, hears_stop=True)
        return screen if self.shows_while_running else _AtTheEnd(screen)


class _AtTheEnd:
    """Shows a turn when it is over: in a terminal it would come into what is typed."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def show(self, view: View) -> None:
        """Show nothing yet."""

    def close(self, view: View) -> None:
        """Show it all."""
        self._screen.close(view)


def _sent_there(message: dict[str, Any]) -> dict[str, Any]:
    header = _HEADER.get(None)
    return {**message, "parent_header": header} if header else message


def _header() -> dict[str, Any]:
    kernel = getattr(_shell(), "kernel", None)
    parent = kernel.get_parent("shell") if kernel else None
    return dict((parent or {}).get("header") or {})


def _shell() -> Any:
    core = sys.modules.get("IPython")
    return core.get_ipython() if core else None
