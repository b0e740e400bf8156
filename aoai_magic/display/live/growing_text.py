"""A growing text as widgets, in linear time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from aoai_magic.display.live.chunks import CodeSplitter, ProseSplitter
from aoai_magic.display.live.widgets import html_widget
from aoai_magic.display.markdown import to_html
from aoai_magic.display.markdown.parse import numbered

# Blocks are at most `blocks.TAIL_CHARS` long, so no widget holds much more than 4 kB of text.
CLOSED_CHARS = 2_048
GROUPED = 16


class GrowingText:
    """A growing text as widgets: closed ones that are sent once, an open tail."""

    def __init__(
        self, splitter: ProseSplitter | CodeSplitter, render: Callable[[str], str]
    ) -> None:
        self._splitter = splitter
        self._render = render
        self._groups: list[Any] = []
        self._closed: list[Any] = []
        self._finished = ""
        self._tail = html_widget()

    @property
    def widgets(self) -> tuple[Any, ...]:
        """The widgets from top to bottom."""
        return (*self._groups, *self._closed, self._tail)

    @property
    def all(self) -> tuple[Any, ...]:
        """These, and those that are within others."""
        inner = (widget for group in self._groups for widget in group.children)
        return (*inner, *self.widgets)

    def feed(self, text: str) -> None:
        """Show ``text`` after what is there."""
        for block in self._splitter.feed(text):
            self._finish(self._render(block))
        open_ = self._render(self._splitter.tail) if self._splitter.tail else ""
        self._tail.value = self._finished + open_

    def _finish(self, block: str) -> None:
        # A message has about 1 kB around what it carries: finished blocks stay with the
        # tail until there are enough of them for a widget of their own.
        self._finished += block
        if len(self._finished) >= CLOSED_CHARS:
            self._closed.append(html_widget(self._finished, like=self._tail))
            self._finished = ""
        if len(self._closed) == GROUPED:
            # A box names all its children each time that one more comes.
            self._groups.append(ipywidgets.VBox(self._closed, layout=self._tail.layout))
            self._closed = []


def growing_prose() -> GrowingText:
    """Open a flow of Markdown, its citations numbered."""
    cited: dict[str, int] = {}
    return GrowingText(ProseSplitter(), lambda text: to_html.safe_html(numbered(text, cited)))


def growing_code() -> GrowingText:
    """Open a flow of Python."""
    return GrowingText(CodeSplitter(), to_html.code_html)
