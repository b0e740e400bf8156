"""One output of the cell of a running turn."""

from __future__ import annotations

from typing import Any

import ipywidgets
from IPython.display import DisplayHandle

from aoai_magic.display import labels
from aoai_magic.display.live.growing_text import Flow, code_flow, printed_flow, prose_flow
from aoai_magic.display.live.status_bar import Strip
from aoai_magic.display.live.widgets import html_widget, retire
from aoai_magic.display.log_fold import LogWriter
from aoai_magic.display.markdown import to_html
from aoai_magic.display.outputs import Bundle, Output
from aoai_magic.display.saved.html_details import fold_html
from aoai_magic.display.steps import Step, attempts
from aoai_magic.turn import view as views

Open = views.Text | views.Reasoning | views.Code
"""What is drawn while it grows."""


class Slot:
    """Widgets while the output is open, a bundle once it is frozen."""

    def __init__(self, strip: Strip | None) -> None:
        self._part = ""
        self._read = 0
        self._head = html_widget()
        self._before: tuple[Any, ...] = ()
        self._flow: Flow | None = None
        self._pane: Pane | None = None
        self._strip = strip
        self._box = ipywidgets.VBox(self._children())
        # By this the JupyterLab extension finds what to keep when the kernel dies.
        self._box.add_class("aoai-live")
        self._handle = DisplayHandle()
        text = labels.unfinished()
        # Whoever cannot show the widget (any more) shows the fallbacks.
        data = {**_bundle(self._box), "text/markdown": f"*{text}*", "text/plain": text}
        self._handle.display(data, raw=True)

    @property
    def latest(self) -> str:
        """The newest line of what code printed that does not stand here (yet)."""
        return self._pane.writer.latest if self._pane else ""

    def draw(self, step: Step, part: Open, *, last: bool) -> None:
        """Show ``step``, in front of which is ``part``, as far as it has come.

        The ``last`` time what is printed stays, though it becomes an output of its own: a page
        that was loaded in the middle of the turn shows nothing of that.
        """
        before = self._children()
        if self._part != part.id:
            self._begin(step, part)
        assert self._flow is not None
        self._flow.feed(written(part)[self._read :])
        self._read = len(written(part))
        self._head.value = _head(part)
        if step.logs or not last:
            self._print(step.logs)
        if self._children() != before:
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
        # The box first: the extension keeps what it holds where a page does not hear of this.
        retire((self._box, *self._flows(), *self._before, self._head))

    def _begin(self, step: Step, part: Open) -> None:
        """Put another part in front; what failed before stands folded above it."""
        retire(self._flows())
        self._flow = code_flow() if isinstance(part, views.Code) else prose_flow()
        self._part, self._read, self._pane = part.id, 0, None
        folded = "".join(map(fold_html, attempts(step.before)))
        self._before = (html_widget(folded, like=self._head),) if folded else ()

    def _print(self, logs: views.Logs | None) -> None:
        if logs is not None:
            self._pane = self._pane or Pane()
            self._pane.draw(logs)
        elif self._pane is not None:
            retire(self._pane.flow.all)
            self._pane = None

    def _flows(self) -> tuple[Any, ...]:
        flows = [self._flow, self._pane.flow if self._pane else None]
        return tuple(widget for flow in flows if flow for widget in flow.all)

    def _children(self) -> tuple[Any, ...]:
        text = (*self._before, self._head, *self._flow.widgets) if self._flow else ()
        pane = self._pane.flow.widgets if self._pane else ()
        return (*text, *pane, *((self._strip.box,) if self._strip else ()))


class Pane:
    """What code prints, while it runs."""

    def __init__(self) -> None:
        self.writer = LogWriter()
        self.flow = printed_flow()

    def draw(self, logs: views.Logs) -> None:
        """Show what has come."""
        self.flow.feed(self.writer.write(logs.text, last=False))


def written(part: Open) -> str:
    """Give the text that grows."""
    return part.code if isinstance(part, views.Code) else part.text


def _head(part: Open) -> str:
    if isinstance(part, views.Text):
        return ""
    if isinstance(part, views.Reasoning):
        title = labels.reasoning(part)
    else:
        title = labels.code_summary(part) if part.done else labels.code_title(part)
    return f'<div class="aoai-head">{to_html.text_html(title)}</div>'


def _bundle(widget: Any) -> dict[str, Any]:
    bundle = widget._repr_mimebundle_()
    return dict(bundle[0] if isinstance(bundle, tuple) else bundle)
