"""The views of a turn: live widgets, frozen bundles, the terminal.

Everything here is drawn from `aoai_magic.turn.view.View` alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Literal

from aoai_magic.display.screen import Detail, Screen
from aoai_magic.errors import UsageError
from aoai_magic.locale import gettext as _
from aoai_magic.turn.view import View

Kind = Literal["auto", "live", "frozen", "terminal", "quiet", "verbose"]

__all__ = ["Kind", "Screen", "complain", "open_screen", "resolve", "show"]


def resolve(kind: str) -> tuple[str, Detail]:
    """Return the kind of screen that suits the place, and how much of a turn it shows."""
    from aoai_magic.display.detect import kind_here

    if kind in ("quiet", "verbose"):
        return kind_here(), "quiet" if kind == "quiet" else "verbose"
    return (kind_here() if kind == "auto" else kind), "folded"


def open_screen(
    kind: str = "auto",
    on_stop: Callable[[], None] | None = None,
    *,
    detail: Detail | None = None,
    hears_stop: bool = False,
) -> Screen:
    """Open a screen for one turn.

    Parameters
    ----------
    kind
        ``live`` (widgets, replaced by the saved form at the end), ``frozen`` (the saved form
        at the end: headless runs), ``terminal``, or ``auto``: whichever of these suits the
        place. ``quiet`` and ``verbose`` are ``auto`` with the answer alone, and with the
        work unfolded.
    on_stop
        Called when the user presses Stop, perhaps on another thread; without it, and
        in kernels that would not hear it in time, there is no such button.
    detail
        In the place of what ``kind`` says about it.
    hears_stop
        Whether the button is heard in any kernel, as the cell is soon over.

    Raises
    ------
    UsageError
        If there is no such kind.
    """
    kind, usual = resolve(kind)
    detail = detail or usual
    if kind == "live":
        from aoai_magic.display.detect import hears_buttons
        from aoai_magic.display.live.screen import LiveScreen

        return LiveScreen(on_stop if hears_stop or hears_buttons() else None, detail)
    if kind == "terminal":
        from aoai_magic.display.terminal import open_terminal

        return open_terminal(detail)
    if kind == "frozen":
        from aoai_magic.display.saved.bundles import FrozenScreen

        return FrozenScreen(detail)
    raise UsageError(
        _(
            "There is no screen {kind!r}; choose auto, live, frozen, terminal, quiet or verbose."
        ).format(kind=kind)
    )


def show(view: View) -> None:
    """Show a finished turn (again), as it stands in a saved notebook."""
    from aoai_magic.display.detect import kind_here

    kind = "frozen" if kind_here() == "live" else kind_here()
    open_screen(kind).close(view)
    complain(view)


def complain(view: View) -> None:
    """Describe on standard error why a turn is not whole, where no exception says it."""
    from aoai_magic.text import sanitize

    if view.error and view.status in ("failed", "incomplete"):
        print(sanitize.line(view.error), file=sys.stderr, flush=True)  # noqa: T201
