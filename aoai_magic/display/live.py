"""A running turn as plain ipywidgets, each part frozen in place when it ends.

There is one output per part, each with its own display id, and at most one more at the
bottom that waits for the next part; the lowest open output carries the strip with state,
clock and Stop button. In the end the waiting output becomes the turn's last line, so
nothing is left over. What code prints goes to standard output right away: it follows its
code, keeps its place without being updated, and is saved as ordinary stream output.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import ipywidgets
from IPython.display import DisplayHandle

from .. import view as views
from ..locale import gettext as _
from ..view import View
from . import frozen, markup, words
from .blocks import CodeSplitter, ProseSplitter
from .logs import LogFold
from .markdown import numbered
from .outputs import Bundle, Output, Stream, publish
from .screen import Pace

# Blocks are at most `blocks.TAIL_CHARS` long, so no widget holds much more than 4 kB of text.
CLOSED_CHARS = 2_048
GROUPED = 16
GRACE_SECONDS = 1.0

Open = views.Text | views.Reasoning | views.Code
"""What is drawn while it grows."""


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
            for output in frozen.end(view):
                self._place(output)
        finally:
            self._abandon()

    def _draw(self, view: View, *, everything: bool) -> None:
        for part in view.parts:
            if part.id not in self._over:
                self._draw_part(part, over=part.done or everything)
        if not everything:
            self._keep_strip()

    def _draw_part(self, part: views.Part, *, over: bool) -> None:
        if isinstance(part, views.Logs):
            self._print(part, over)
        elif isinstance(part, views.Text | views.Reasoning | views.Code):
            self._draw_open(part, over)
        else:
            self._place(frozen.part_output(part))
        if over:
            # Only now: an interrupt in between leaves a part that close() freezes again.
            self._over.add(part.id)
            self._slots.pop(part.id, None)

    def _draw_open(self, part: Open, over: bool) -> None:
        slot = self._slots.get(part.id)
        if slot is None and over:
            self._place(frozen.part_output(part))
            return
        if not _worth_showing(part):
            return
        slot = slot or self._take_slot(part.id)
        # The newest words first: writing the saved form of a long answer takes a while.
        slot.draw(part)
        if over:
            slot.freeze(frozen.part_output(part))

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
        if isinstance(last, views.Logs) and last.id not in self._over:
            return self._logs[last.id].latest if last.id in self._logs else ""
        return ""

    def _abandon(self) -> None:
        for slot in (*self._slots.values(), *([self._waiting] if self._waiting else [])):
            slot.freeze(Bundle({"text/plain": ""}))
        self._slots = {}
        self._waiting = None
        self._strip.close()


class LogWriter:
    """Gives of a growing text what is to be printed next."""

    def __init__(self) -> None:
        self._fold = LogFold()
        self._read = 0

    def write(self, text: str, *, last: bool) -> str:
        """Give what to print now that ``text`` is all there is so far."""
        printed = self._fold.feed(text[self._read :])
        self._read = len(text)
        return printed + (self._fold.close() if last else "")

    @property
    def latest(self) -> str:
        """The newest line that was not printed."""
        return self._fold.latest


class Slot:
    """One output of the cell: widgets while it is open, a bundle once it is frozen."""

    def __init__(self, strip: Strip | None) -> None:
        self._flow: Flow | None = None
        self._strip = strip
        self._box = ipywidgets.VBox(self._children())
        self._handle = DisplayHandle()
        text = words.unfinished()
        # Whoever cannot show the widget (any more) shows the fallbacks.
        data = {**_bundle(self._box), "text/markdown": f"*{text}*", "text/plain": text}
        self._handle.display(data, raw=True)

    def draw(self, part: Open) -> None:
        """Show ``part`` as far as it has come."""
        new = self._flow is None
        flow = self._flow = self._flow or Flow(part)
        if flow.update(part) or new:
            self._box.children = self._children()

    @property
    def carries(self) -> bool:
        """Whether the strip is in this output."""
        return self._strip is not None

    def carry(self, strip: Strip | None) -> None:
        """Show the strip below, or do so no more."""
        self._strip = strip
        self._box.children = self._children()

    def freeze(self, output: Output | None) -> None:
        """Put the saved form in the widgets' place."""
        assert isinstance(output, Bundle)
        # No metadata, as at first: a change of it makes VS Code lose other outputs.
        self._handle.update(output.data, raw=True)
        flow = (*self._flow.inner, *self._flow.widgets) if self._flow else ()
        _retire((*flow, self._box))

    def _children(self) -> tuple[Any, ...]:
        flow = self._flow.widgets if self._flow else ()
        return (*flow, *((self._strip.box,) if self._strip else ()))


class Flow:
    """A growing text as widgets: a head, closed ones that are sent once, an open tail."""

    def __init__(self, part: Open) -> None:
        is_text = not isinstance(part, views.Code)
        self._splitter: ProseSplitter | CodeSplitter = (
            ProseSplitter() if is_text else CodeSplitter()
        )
        self._render = self._prose if is_text else markup.code_html
        self._cited: dict[str, int] = {}
        self._read = 0
        self._head = _html()
        self._groups: list[Any] = []
        self._closed: list[Any] = []
        self._finished = ""
        self._tail = self._more()

    @property
    def widgets(self) -> tuple[Any, ...]:
        """The widgets from top to bottom."""
        return (self._head, *self._groups, *self._closed, self._tail)

    @property
    def inner(self) -> tuple[Any, ...]:
        """Those that are within others."""
        return tuple(widget for group in self._groups for widget in group.children)

    def update(self, part: Open) -> bool:
        """Show ``part``; tell whether there are more widgets now."""
        text = _written(part)
        before = self.widgets
        blocks = self._splitter.feed(text[self._read :])
        self._read = len(text)
        for block in blocks:
            self._finish(self._render(block))
        open_ = self._render(self._splitter.tail) if self._splitter.tail else ""
        self._tail.value = self._finished + open_
        self._head.value = _head(part)
        return self.widgets != before

    def _prose(self, text: str) -> str:
        return markup.safe_html(numbered(text, self._cited))

    def _finish(self, block: str) -> None:
        # A message has about 1 kB around what it carries: finished blocks stay with the
        # tail until there are enough of them for a widget of their own.
        self._finished += block
        if len(self._finished) >= CLOSED_CHARS:
            self._closed.append(self._more(self._finished))
            self._finished = ""
        if len(self._closed) == GROUPED:
            # A box names all its children each time that one more comes.
            self._groups.append(ipywidgets.VBox(self._closed, layout=self._head.layout))
            self._closed = []

    def _more(self, value: str = "") -> Any:
        # Layout and style are models too, with messages of their own, unless shared.
        return ipywidgets.HTML(value, layout=self._head.layout, style=self._head.style)


class Strip:
    """State, clock and Stop button; there is one, and it moves with the open output."""

    def __init__(self, on_stop: Callable[[], None] | None) -> None:
        self._start = time.monotonic()
        self._on_stop = on_stop
        self._style = _html(f"<style>{_css()}</style>")
        self._state = _html()
        self._clock = _html()
        self._button = ipywidgets.Button(
            description=_("Stop"), tooltip=_("Stop this turn; what came so far stays"), icon="stop"
        )
        self._button.add_class("aoai-stop")
        self._button.on_click(self._stop)
        shown = (self._button,) if on_stop else ()
        self.box = ipywidgets.HBox((self._style, self._state, self._clock, *shown))
        self.box.add_class("aoai-strip")
        self.draw(View())

    def draw(self, view: View, printed: str = "") -> None:
        """Say what goes on in ``view``, how long it has taken and how much."""
        # A live region of its own: were the clock in it, a screen reader would never rest.
        state = _("Stopping") if self._button.disabled else words.state(view)
        self._state.value = _state(state, view)
        facts = [words.clock(int(time.monotonic() - self._start))]
        facts += [words.tokens(view)] if view.usage.total_tokens else []
        self._clock.value = _clock(facts, printed)

    def close(self) -> None:
        """Close the widgets."""
        _retire((self._style, self._state, self._clock, self._button, self.box))

    def _stop(self, button: Any) -> None:
        button.disabled = True
        button.description = _("Stopping…")
        if self._on_stop is not None:
            self._on_stop()


def _worth_showing(part: Open) -> bool:
    return bool(_written(part).strip())


def _written(part: Open) -> str:
    return part.code if isinstance(part, views.Code) else part.text


def _html(value: str = "") -> Any:
    return ipywidgets.HTML(value)


def _retire(widgets: tuple[Any, ...]) -> None:
    """Close widgets once the front end has had time to draw what takes their place."""
    # Closing a widget leaves its layout and style behind, models of their own.
    parts = [getattr(widget, name, None) for widget in widgets for name in ("layout", "style")]

    def close() -> None:
        for widget in (*widgets, *parts):
            if widget is not None:
                widget.close()

    try:
        # A kernel's loop goes on after the cell.
        asyncio.get_running_loop().call_later(GRACE_SECONDS, close)
    except RuntimeError:
        close()


def _bundle(widget: Any) -> dict[str, Any]:
    bundle = widget._repr_mimebundle_()
    return dict(bundle[0] if isinstance(bundle, tuple) else bundle)


def _css() -> str:
    return files(__package__).joinpath("live.css").read_text("utf-8")


def _head(part: Open) -> str:
    if isinstance(part, views.Text):
        return ""
    title = words.code_title(part) if isinstance(part, views.Code) else words.reasoning(part)
    return f'<div class="aoai-head">{markup.text_html(title)}</div>'


def _state(text: str, view: View) -> str:
    progress = view.progress
    bar = ""
    if progress is not None and progress.total:
        share = f'value="{progress.done}" max="{progress.total}"'
        bar = f' <progress {share} aria-hidden="true"></progress>'
    dot = '<span class="aoai-dot" aria-hidden="true"></span>'
    return f'<div class="aoai-state" role="status">{dot}{markup.text_html(text)}{bar}</div>'


def _clock(facts: list[str], printed: str) -> str:
    line = markup.text_html(" · ".join(facts))
    last = f' <code dir="ltr">{markup.text_html(printed[-80:])}</code>' if printed.strip() else ""
    return f'<div class="aoai-clock" aria-hidden="true">{line}{last}</div>'
