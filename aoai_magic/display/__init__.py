"""The views of a turn: live widgets, frozen bundles, the terminal.

Everything here is drawn from `aoai_magic.turn.view.View` alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Literal

from ..errors import UsageError
from ..locale import gettext as _
from ..turn.view import View
from .screen import Screen

Kind = Literal["auto", "live", "frozen", "terminal", "quiet"]

__all__ = ["Kind", "Screen", "complain", "open_screen", "show"]


def open_screen(kind: str = "auto", on_stop: Callable[[], None] | None = None) -> Screen:
    """Open a screen for one turn.

    Parameters
    ----------
    kind
        ``live`` (widgets, frozen part by part), ``frozen`` (each part once, when it has
        ended: headless runs), ``terminal``, ``quiet`` (notices, files and the last line
        only), or ``auto``: whichever of the first three suits the place.
    on_stop
        Called when the user presses Stop, perhaps on another thread; without it, and
        in kernels that would not hear it in time, there is no such button.

    Raises
    ------
    UsageError
        If there is no such kind.
    """
    if kind == "auto":
        from .detect import kind_here

        kind = kind_here()
    if kind == "live":
        from .detect import hears_buttons
        from .live.screen import LiveScreen

        return LiveScreen(on_stop if hears_buttons() else None)
    if kind == "terminal":
        from .terminal import open_terminal

        return open_terminal()
    if kind in ("frozen", "quiet"):
        from .saved.bundles import FrozenScreen, quiet_screen

        return FrozenScreen() if kind == "frozen" else quiet_screen()
    raise UsageError(
        _("There is no screen {kind!r}; choose auto, live, frozen, terminal or quiet.").format(
            kind=kind
        )
    )


def show(view: View) -> None:
    """Show a finished turn (again), as it stands in a saved notebook."""
    from .detect import kind_here

    kind = "frozen" if kind_here() == "live" else kind_here()
    open_screen(kind).close(view)
    complain(view)


def complain(view: View) -> None:
    """Say on standard error why a turn is not whole, where no exception says it."""
    from ..text import sanitize

    if view.error and view.status in ("failed", "incomplete"):
        print(sanitize.line(view.error), file=sys.stderr, flush=True)  # noqa: T201
