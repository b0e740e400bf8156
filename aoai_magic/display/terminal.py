"""A turn in a terminal: text as it comes; with `rich`, finished blocks formatted."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from aoai_magic.display import labels
from aoai_magic.display.live.chunks import ProseSplitter
from aoai_magic.display.log_fold import LogFold
from aoai_magic.display.markdown.to_markdown import safe_markdown
from aoai_magic.display.outputs import Bundle
from aoai_magic.display.saved import bundles
from aoai_magic.display.screen import Pace, Screen
from aoai_magic.display.steps import Step
from aoai_magic.locale import ngettext
from aoai_magic.text import sanitize
from aoai_magic.turn import view as views
from aoai_magic.turn.view import View

CODE_LINES = 30
"""Longer code is cut to half of this."""

THOUGHT_LINES = 6

if TYPE_CHECKING:
    from rich.console import Console


class Paper(Protocol):
    """What a terminal screen writes on: only ever onwards."""

    def prose(self, text: str, *, last: bool) -> None:
        """Add text of an answer; ``last`` ends it."""

    def code(self, part: views.Code) -> None:
        """Add a piece of code that is written."""

    def outcome(self, part: views.Code) -> None:
        """Say what became of the code, below what it printed."""

    def plain(self, text: str) -> None:
        """Add text that may begin and end within a line."""

    def state(self, text: str) -> None:
        """Say what is going on, in a line that the next call replaces."""


class TerminalScreen:
    """Writes every part after the one before it, as far as it has come."""

    def __init__(self, paper: Paper) -> None:
        self._paper = paper
        self._pace = Pace()
        self._place = 0
        self._written = 0
        self._logs = LogFold()
        self._running = ""
        self._closed = False

    def show(self, view: View) -> None:
        """Write what is new."""
        if self._closed or not self._pace.due():
            return
        self._write(view, everything=False)
        self._paper.state(labels.state(view))

    def close(self, view: View) -> None:
        """Write the rest and the end."""
        if self._closed:
            return
        self._closed = True
        self._write(view, everything=True)
        self._paper.state("")
        for output in bundles.end(view):
            assert isinstance(output, Bundle)
            self._paper.plain(output.data["text/plain"] + "\n")

    def _write(self, view: View, *, everything: bool) -> None:
        while self._place < len(view.parts):
            part = view.parts[self._place]
            # What code prints comes while it runs; everything else waits for its end.
            is_printed = isinstance(part, views.Logs) and part.code == self._running
            if not is_printed and not self._end_code(view, everything):
                return
            over = part.done or everything
            self._write_part(part, over)
            if not over and part.id != self._running:
                return
            self._place += 1
            self._written = 0
            self._logs = LogFold()
        self._end_code(view, everything)

    def _end_code(self, view: View, everything: bool) -> bool:
        """Say what became of the code that ran, if it is over; tell whether none runs."""
        part = next((part for part in view.parts if part.id == self._running), None)
        if isinstance(part, views.Code) and (part.done or everything):
            self._paper.outcome(part)
            self._running = ""
        return not self._running

    def _write_part(self, part: views.Part, over: bool) -> None:
        if isinstance(part, views.Text):
            self._paper.prose(part.text[self._written :], last=over)
            self._written = len(part.text)
        elif isinstance(part, views.Logs):
            self._write_logs(part, over)
        elif isinstance(part, views.Reasoning):
            if over and part.text.strip():
                self._paper.plain(f"[{labels.reasoning(part)}]\n{_first_lines(part.text)}\n\n")
        elif isinstance(part, views.Code):
            if over or part.state == "running":
                self._paper.code(part)
                self._running = part.id
        elif isinstance(output := bundles.step_output(Step(part)), Bundle):
            self._paper.plain(output.data["text/plain"] + "\n")

    def _write_logs(self, part: views.Logs, over: bool) -> None:
        text = self._logs.feed(part.text[self._written :])
        self._written = len(part.text)
        self._paper.plain(text + (self._logs.close() if over else ""))


class PlainPaper:
    """Standard output, when it is no terminal or `rich` is not installed."""

    def prose(self, text: str, *, last: bool) -> None:
        """Add text of an answer as it stands."""
        clean_text = sanitize.prose(text)
        self.plain(clean_text.rstrip() + "\n\n" if last else clean_text)

    def code(self, part: views.Code) -> None:
        """Add a piece of code, its title first."""
        self.plain(f"[{labels.code_title(part)}]\n{_head(part.code)}\n\n")

    def outcome(self, part: views.Code) -> None:
        """Say what became of it."""
        self.plain(f"[{labels.code_outcome(part)}]\n\n")

    def plain(self, text: str) -> None:
        """Add text."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def state(self, text: str) -> None:
        """Say nothing: in a file a line cannot be replaced."""


class RichPaper:
    """A terminal, through `rich`: Markdown block by block, code highlighted."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("")
        self._splitter = ProseSplitter()

    def prose(self, text: str, *, last: bool) -> None:
        """Add finished blocks of an answer; an open one waits."""
        blocks = self._splitter.feed(text)
        if last:
            blocks.append(self._splitter.tail)
            self._splitter = ProseSplitter()
        for block in blocks:
            self._markdown(block)

    def _markdown(self, block: str) -> None:
        from rich.markdown import Markdown

        if block.strip():
            # hyperlinks=False: a terminal link can say one thing and open another.
            self._console.print(Markdown(safe_markdown(block), hyperlinks=False))
            self._console.print()

    def code(self, part: views.Code) -> None:
        """Add a piece of code, its title first."""
        from rich.syntax import Syntax
        from rich.text import Text

        self._console.print(Text(labels.code_title(part), style="bold"))
        self._console.print(
            Syntax(
                _head(part.code),
                "python",
                theme="ansi_dark",
                background_color="default",
                word_wrap=True,
            )
        )

    def outcome(self, part: views.Code) -> None:
        """Say what became of it."""
        from rich.text import Text

        self._console.print(Text(labels.code_outcome(part), style="dim"))
        self._console.print()

    def plain(self, text: str) -> None:
        """Add text without formatting."""
        if text:
            self._console.out(text, end="", highlight=False)

    def state(self, text: str) -> None:
        """Show a spinner beside what is going on."""
        if not text:
            self._status.stop()
            return
        from rich.text import Text

        self._status.update(Text(text))
        self._status.start()


def _first_lines(thoughts: str) -> str:
    """Give the first of a model's thoughts: nothing can be folded in a terminal."""
    lines = sanitize.prose(thoughts).strip().splitlines()
    return "\n".join([*lines[:THOUGHT_LINES], *["…"] * (len(lines) > THOUGHT_LINES)])


def _head(code: str) -> str:
    """Give the code, cut where it would fill the terminal: nothing can be folded there."""
    lines = sanitize.exact(code).rstrip().splitlines()
    if len(lines) <= CODE_LINES:
        return "\n".join(lines)
    left_out = len(lines) - CODE_LINES // 2
    text = ngettext(
        "… {count:,} more line (_assistant.code holds all)",
        "… {count:,} more lines (_assistant.code holds all)",
        left_out,
    )
    return "\n".join([*lines[: CODE_LINES // 2], f"# {text.format(count=left_out)}"])


def open_terminal() -> Screen:
    """Open a screen on standard output: with `rich` where both are there."""
    if sys.stdout.isatty() and find_spec("rich") is not None:
        from rich.console import Console

        return TerminalScreen(RichPaper(Console()))
    return TerminalScreen(PlainPaper())
