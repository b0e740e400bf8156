"""The outputs of the cell of a running turn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ipywidgets
from IPython.display import DisplayHandle

from aoai_magic.display import labels
from aoai_magic.display.live.growing_text import GrowingText, growing_code, growing_prose
from aoai_magic.display.live.status_bar import StatusBar
from aoai_magic.display.live.widgets import html_widget, retire
from aoai_magic.display.log_fold import last_lines
from aoai_magic.display.markdown import to_html
from aoai_magic.display.outputs import Bundle
from aoai_magic.display.saved.html_details import fold_html
from aoai_magic.display.steps import attempts, work
from aoai_magic.turn import view as views

PRINTED_LINES = 6
"""Of what code prints, so that the Stop button stays in sight."""


class Output:
    """Something that is shown until its saved form takes its place."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._frozen: dict[str, Any] | None = None
        self._handle = DisplayHandle()
        self._handle.display(data, raw=True)

    @property
    def is_frozen(self) -> bool:
        """Whether it shows a saved form."""
        return self._frozen is not None

    def freeze(self, output: Bundle) -> None:
        """Replace the widget by a saved form; the same one again sends nothing."""
        if self._frozen != output.data:
            # No metadata, as at first: a change of it makes VS Code lose other outputs.
            self._handle.update(output.data, raw=True)
            self._frozen = output.data


class Picture(Output):
    """A part of the answer that comes in one piece."""

    def __init__(self, output: Bundle) -> None:
        super().__init__(output.data)
        self._frozen = output.data


class _Widgets(Output):
    """An output of widgets, from top to bottom."""

    def __init__(self, children: tuple[Any, ...]) -> None:
        self._box = ipywidgets.VBox(children)
        # By this the JupyterLab extension finds what to keep when the kernel dies.
        self._box.add_class("aoai-live")
        text = labels.unfinished()
        # Whoever cannot show the widget (any more) shows the fallbacks.
        super().__init__({**_bundle(self._box), "text/markdown": f"*{text}*", "text/plain": text})

    def freeze(self, output: Bundle) -> None:
        """Replace the widgets by a saved form."""
        was_live = not self.is_frozen
        super().freeze(output)
        if was_live:
            # The box first: the extension keeps what it holds where a page misses the update.
            retire((self._box, *self._widgets()))

    def _widgets(self) -> tuple[Any, ...]:
        """Return all widgets within the box."""
        return tuple(self._box.children)


class Prose(_Widgets):
    """Text of the answer, as it grows."""

    def __init__(self) -> None:
        self._growing = growing_prose()
        self._read = 0
        super().__init__(self._growing.widgets)

    def draw(self, part: views.Text) -> None:
        """Show what has come."""
        before = self._growing.widgets
        self._growing.feed(part.text[self._read :])
        self._read = len(part.text)
        if self._growing.widgets != before:
            self._box.children = self._growing.widgets

    def _widgets(self) -> tuple[Any, ...]:
        return self._growing.all


class Work(_Widgets):
    """The work as it goes on: what is done is folded, the newest code or thought is open.

    ``unfolded`` opens the folds.
    """

    def __init__(self, status_bar: StatusBar, *, unfolded: bool = False) -> None:
        self._status_bar = status_bar
        self._unfolded = unfolded
        self._part, self._read = "", 0
        self._head, self._printed = html_widget(), html_widget()
        self._folded = html_widget(like=self._head)
        self._growing: GrowingText | None = None
        self._count = 0  # of the parts that are folded
        super().__init__((status_bar.box,))

    def draw(self, parts: Iterable[views.Part]) -> None:
        """Show how far the work has come; once the answer is written, all of it is folded."""
        done, part, logs = _split(list(parts))
        before = self._children()
        if part is not None:
            self._open(done, part)
            self._printed.value = _printed(logs)
        elif self._growing is not None or len(done) > self._count:
            self._fold(done)
        if self._children() != before:
            self._box.children = self._children()

    def _open(self, done: list[views.Part], part: views.Code | views.Reasoning) -> None:
        text = part.code if isinstance(part, views.Code) else part.text
        if self._part != part.id:
            self._fold(done)
            self._growing = growing_code() if isinstance(part, views.Code) else growing_prose()
            self._part, self._read = part.id, 0
        assert self._growing is not None
        self._growing.feed(text[self._read :])
        self._read = len(text)
        self._head.value = _head(part)

    def _fold(self, done: list[views.Part]) -> None:
        if self._growing is not None:
            retire(self._growing.all)
        self._growing, self._part, self._count = None, "", len(done)
        self._folded.value = "".join(fold_html(step, self._unfolded) for step in attempts(done))

    def _children(self) -> tuple[Any, ...]:
        folded = (self._folded,) if self._folded.value else ()
        if self._growing is None:
            return (self._status_bar.box, *folded)
        return (self._status_bar.box, *folded, self._head, *self._growing.widgets, self._printed)

    def _widgets(self) -> tuple[Any, ...]:
        flow = self._growing.all if self._growing else ()
        return (self._folded, self._head, *flow, self._printed)


def _split(
    parts: list[views.Part],
) -> tuple[list[views.Part], views.Code | views.Reasoning | None, views.Logs | None]:
    """Return the work that is done, the newest code or thought, and what that code printed.

    Once the answer is written, all work is done.
    """
    done = work(parts)
    if not parts or isinstance(parts[-1], views.Text):
        return done, None, None
    newest = next((p for p in reversed(done) if isinstance(p, views.Code | views.Reasoning)), None)
    if newest is None:
        return done, None, None
    place = done.index(newest)
    printed = (p for p in done[place:] if isinstance(p, views.Logs) and p.code == newest.id)
    return done[:place], newest, next(printed, None)


def _printed(logs: views.Logs | None) -> str:
    text = last_lines(logs.text, PRINTED_LINES) if logs else ""
    return to_html.printed_html(text) if text else ""


def _head(part: views.Code | views.Reasoning) -> str:
    if isinstance(part, views.Reasoning):
        title = labels.reasoning(part)
    else:
        title = labels.code_summary(part) if part.done else labels.code_title(part)
    return f'<div class="aoai-head">{to_html.text_html(title)}</div>'


def _bundle(widget: Any) -> dict[str, Any]:
    bundle = widget._repr_mimebundle_()
    return dict(bundle[0] if isinstance(bundle, tuple) else bundle)
