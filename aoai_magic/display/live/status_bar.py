"""The line above a running turn's work: what goes on, for how long, and a button to stop it."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import ipywidgets

from aoai_magic.display import labels
from aoai_magic.display.live.widgets import html_widget, retire
from aoai_magic.display.markdown import to_html
from aoai_magic.locale import gettext as _
from aoai_magic.turn.view import View


class StatusBar:
    """State, clock and Stop button."""

    def __init__(self, on_stop: Callable[[], None] | None) -> None:
        self._start = time.monotonic()
        self._on_stop = on_stop
        self._style = html_widget(f"<style>{_css()}</style>")
        self._state = html_widget()
        self._clock = html_widget()
        self._button = ipywidgets.Button(
            description=_("Stop"), tooltip=_("Stop this turn; what came so far stays"), icon="stop"
        )
        self._button.add_class("aoai-stop")
        self._button.on_click(self._stop)
        shown = (self._button,) if on_stop else ()
        self.box = ipywidgets.HBox((self._style, self._state, self._clock, *shown))
        self.box.add_class("aoai-strip")
        self.draw(View())

    def draw(self, view: View) -> None:
        """Describe what goes on in ``view``, how long it has taken and how much."""
        # A live region of its own: were the clock in it, a screen reader would never rest.
        state = _("Stopping") if self._button.disabled else labels.state(view)
        self._state.value = _state(state, view)
        facts = [labels.clock(int(time.monotonic() - self._start))]
        facts += [labels.tokens(view)] if view.usage.total_tokens else []
        self._clock.value = _clock(facts)

    def close(self) -> None:
        """Close the widgets."""
        retire((self._style, self._state, self._clock, self._button, self.box))

    def _stop(self, button: Any) -> None:
        button.disabled = True
        button.description = _("Stopping…")
        if self._on_stop is not None:
            self._on_stop()


def _css() -> str:
    return files(__package__).joinpath("live.css").read_text("utf-8")


def _state(text: str, view: View) -> str:
    progress = view.progress
    bar = ""
    if progress is not None and progress.total:
        share = f'value="{progress.done}" max="{progress.total}"'
        bar = f' <progress {share} aria-hidden="true"></progress>'
    dot = '<span class="aoai-dot" aria-hidden="true"></span>'
    return f'<div class="aoai-state" role="status">{dot}{to_html.text_html(text)}{bar}</div>'


def _clock(facts: list[str]) -> str:
    line = to_html.text_html(" · ".join(facts))
    return f'<div class="aoai-clock" aria-hidden="true">{line}</div>'
