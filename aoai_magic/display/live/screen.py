"""A running turn as plain ipywidgets, each step frozen in place when it ends.

There is one output per step, each with its own display id, and at most one more at the
bottom that waits for the next step; the lowest open output carries the strip with state,
clock and Stop button. In the end the waiting output becomes the turn's last line, so
nothing is left over. What code prints stands below it while it runs, and becomes ordinary
stream output when it has worked: what failed goes into the fold of the next attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from aoai_magic.display.live.output import Open, Slot, written
from aoai_magic.display.live.status_bar import Strip
from aoai_magic.display.log_fold import LogWriter
from aoai_magic.display.outputs import Bundle, Output, Stream, publish
from aoai_magic.display.saved import bundles
from aoai_magic.display.screen import Pace
from aoai_magic.display.steps import Step, steps
from aoai_magic.turn import view as views
from aoai_magic.turn.view import View


class LiveScreen:
    """Draws a turn while it runs; see the module.

    Parameters
    ----------
    on_stop
        Called when Stop is pressed; some kernels call it on another thread.
    """

    def __init__(self, on_stop: Callable[[], None] | None = None) -> None:
        self._pace = Pace()
        self._strip = Strip(on_stop)
        self._slots: dict[str, Slot] = {}
        self._waiting: Slot | None = None
        self._logs: dict[str, LogWriter] = {}
        self._over: set[str] = set()
        self._closed = False

    def show(self, view: View) -> None:
        """Draw ``view`` if it is time to."""
        if not self._closed and self._pace.due():
            self._draw(view, everything=False)
            self._strip.draw(view, self._last_printed(view))

    def close(self, view: View) -> None:
        """Freeze everything as it is and close the widgets."""
        if self._closed:
            return
        self._closed = True
        try:
            self._draw(view, everything=True)
            for output in bundles.end(view):
                self._place(output)
        finally:
            self._abandon()

    def _draw(self, view: View, *, everything: bool) -> None:
        for step in steps(view.parts, over=everything):
            if step.part.id not in self._over:
                self._draw_step(step, over=everything or not step.open)
        if not everything:
            self._keep_strip()

    def _draw_step(self, step: Step, *, over: bool) -> None:
        if step.logs and step.logs.id in self._logs:
            # A picture came in between, and what was printed before it is an output already.
            self._print(step.logs, over)
            step = replace(step, logs=None)
        if isinstance(step.part, views.Logs):
            self._print(step.part, over)
        elif isinstance(step.part, views.Text | views.Reasoning | views.Code):
            self._draw_open(step, step.part, over)
        else:
            self._place(bundles.step_output(step))
        if over:
            # Only now: an interrupt in between leaves a part that close() freezes again.
            self._over.update((step.part.id, *(part.id for part in step.before)))
            self._slots.pop(step.id, None)

    def _draw_open(self, step: Step, part: Open, over: bool) -> None:
        slot = self._slots.get(step.id)
        if slot is None and over:
            self._place(bundles.step_output(step))
            return
        if slot is None and not written(part).strip():
            return
        slot = slot or self._take_slot(step.id)
        # The newest words first: writing the saved form of a long answer takes a while.
        slot.draw(step, part, last=over)
        if over:
            slot.freeze(bundles.step_output(step))

    def _print(self, part: views.Logs, over: bool) -> None:
        writer = self._logs.setdefault(part.id, LogWriter())
        text = writer.write(part.text, last=over)
        if text and self._waiting is not None:
            # Standard output would come below the waiting output, and what that becomes
            # would then stand above what was printed before it.
            slot, self._waiting = self._waiting, None
            slot.freeze(Bundle({"text/plain": text}))
        elif text:
            publish(Stream(text))

    def _place(self, output: Output | None) -> None:
        """Show an output that is over already, below all others."""
        if output is None:
            return
        if self._waiting is not None and isinstance(output, Bundle):
            slot, self._waiting = self._waiting, None
            slot.freeze(output)
        else:
            publish(output)

    def _take_slot(self, part: str) -> Slot:
        slot, self._waiting = self._waiting, None
        if slot is None:
            for other in self._slots.values():
                other.carry(None)
            slot = Slot(self._strip)
        self._slots[part] = slot
        return slot

    def _keep_strip(self) -> None:
        """See to it that an open output carries the strip, the Stop button with it."""
        if self._waiting is not None or any(slot.carries for slot in self._slots.values()):
            return
        if self._slots:
            list(self._slots.values())[-1].carry(self._strip)
        else:
            self._waiting = Slot(self._strip)

    def _last_printed(self, view: View) -> str:
        """Give the line that a running program is at, where it is not printed (yet)."""
        last = view.parts[-1] if view.parts else None
        if not isinstance(last, views.Logs) or last.done:
            return ""
        if last.id in self._logs:
            return self._logs[last.id].latest
        return next((slot.latest for slot in self._slots.values() if slot.latest), "")

    def _abandon(self) -> None:
        for slot in (*self._slots.values(), *([self._waiting] if self._waiting else [])):
            slot.freeze(Bundle({"text/plain": ""}))
        self._slots = {}
        self._waiting = None
        self._strip.close()
