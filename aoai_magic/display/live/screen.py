"""A running turn as plain ipywidgets, replaced by its saved form when it ends.

The first output is the work: state, clock and Stop button, the code that is being written, and
the last lines that it printed. Text and pictures of the answer come below it as they arrive. At
the end each output takes what stands at its place in the saved form, where the answer is first.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

from aoai_magic.display.answer import answer
from aoai_magic.display.live.output import Output, Picture, Prose, Work
from aoai_magic.display.live.status_bar import StatusBar
from aoai_magic.display.outputs import Bundle, publish
from aoai_magic.display.saved import bundles
from aoai_magic.display.screen import Detail, Pace
from aoai_magic.turn import view as views
from aoai_magic.turn.view import View

NOTHING = Bundle({"text/plain": ""})


class LiveScreen:
    """Draws a turn while it runs; see the module.

    Parameters
    ----------
    on_stop
        Called when Stop is pressed; some kernels call it on another thread.
    detail
        How much of the turn is shown, while it runs and then.
    """

    def __init__(
        self, on_stop: Callable[[], None] | None = None, detail: Detail = "folded"
    ) -> None:
        self._detail = detail
        self._pace = Pace()
        self._status_bar = StatusBar(on_stop)
        self._work: Work | None = None
        self._answer: dict[str, Output] = {}
        self._closed = False

    def show(self, view: View) -> None:
        """Draw ``view`` if it is time to."""
        if not self._closed and self._pace.due():
            self._draw(view)

    def close(self, view: View) -> None:
        """Replace the widgets by the saved form."""
        if self._closed:
            return
        self._closed = True
        final: list[Bundle] = []
        try:
            if self._answer:
                # The newest words first: writing the saved form of a long answer takes a while.
                self._draw_answer(view)
            final = bundles.bundles(view, self._detail)
        finally:
            self._freeze(final)
            self._status_bar.close()

    def _draw(self, view: View) -> None:
        self._work = self._work or Work(self._status_bar, unfolded=self._detail == "verbose")
        if self._detail != "quiet":
            self._work.draw(view.parts)
        self._status_bar.draw(view)
        self._draw_answer(view)

    def _draw_answer(self, view: View) -> None:
        parts = answer(view)
        for part in parts:
            if isinstance(part, views.Text):
                self._draw_text(part, over=part is not parts[-1])
            elif part.id not in self._answer and (made := bundles.answer_output(part)):
                self._answer[part.id] = Picture(made)

    def _draw_text(self, part: views.Text, *, over: bool) -> None:
        prose = self._answer.get(part.id)
        if prose is None and part.text.strip():
            prose = self._answer[part.id] = Prose()
        if isinstance(prose, Prose) and not prose.is_frozen:
            prose.draw(part)
            if over and part.done:
                # A page that is loaded in the middle of a turn shows only what is frozen.
                prose.freeze(bundles.answer_output(part) or NOTHING)

    def _freeze(self, final: list[Bundle]) -> None:
        outputs = [*([self._work] if self._work else []), *self._answer.values()]
        for place, output in zip_longest(outputs, final):
            if place is None:
                publish(output)
            else:
                place.freeze(output or NOTHING)
