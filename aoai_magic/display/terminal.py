"""A turn in a terminal: text as it comes; with `rich`, finished blocks formatted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from aoai_magic.display import labels
from aoai_magic.display.answer import answer
from aoai_magic.display.live.chunks import ProseSplitter
from aoai_magic.display.log_fold import plain_logs
from aoai_magic.display.markdown.parse import without_marks
from aoai_magic.display.markdown.to_markdown import fence, safe_markdown
from aoai_magic.display.saved import bundles
from aoai_magic.display.screen import Detail, Pace, Screen
from aoai_magic.display.steps import WORK, work
from aoai_magic.display.terminal_pictures import picture_text
from aoai_magic.text import sanitize
from aoai_magic.turn import view as views
from aoai_magic.turn.view import View

if TYPE_CHECKING:
    from rich.console import Console


class Paper(Protocol):
    """What a terminal screen writes on: only ever onwards."""

    def prose(self, text: str, *, last: bool) -> None:
        """Add text of an answer; ``last`` ends it."""

    def plain(self, text: str) -> None:
        """Add text that may begin and end within a line."""

    def state(self, text: str) -> None:
        """Describe what is going on, in a line that the next call replaces."""


class TerminalScreen:
    """Writes every part of the answer after the one before it, as far as it has come.

    The work stays out, since nothing can be folded in a terminal; one line says where it is.
    With ``verbose`` it stands where it was done.
    """

    def __init__(self, paper: Paper, detail: Detail = "folded") -> None:
        self._paper = paper
        self._detail = detail
        self._pace = Pace()
        self._place = 0
        self._written = 0
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
        results = filter(None, (bundles.tables_output(view), bundles.files_output(view)))
        said = [*(output.data["text/plain"] for output in results), *self._end(view)]
        self._paper.plain("".join(f"{text}\n" for text in said if text))

    def _end(self, view: View) -> Iterator[str]:
        """Yield what stands below the answer."""
        if self._detail != "quiet" and work(view.parts):
            where = f" {labels.WHERE_WORK_IS}" if self._detail == "folded" else ""
            yield labels.worked(view) + where
            yield labels.times(view)
        yield labels.status(view)
        if self._detail == "quiet":
            return
        if view.questions:
            yield labels.next_questions()
            yield from (f"- {sanitize.line(question)}" for question in view.questions)
        yield " · ".join(labels.facts(view))

    def _write(self, view: View, *, everything: bool) -> None:
        parts = view.parts if self._detail == "verbose" else answer(view)
        while self._place < len(parts):
            part = parts[self._place]
            over = part.done or everything
            self._write_part(part, over)
            if not over:
                return
            self._place += 1
            self._written = 0

    def _write_part(self, part: views.Part, over: bool) -> None:
        if isinstance(part, views.Text):
            self._paper.prose(part.text[self._written :], last=over)
            self._written = len(part.text)
        elif isinstance(part, WORK):
            if over:
                self._write_work(part)
        elif isinstance(part, views.Image):
            self._paper.plain(picture_text(part) + "\n")
        elif output := bundles.answer_output(part):
            self._paper.plain(output.data["text/plain"] + "\n")

    def _write_work(self, part: views.Code | views.Logs | views.Reasoning) -> None:
        if isinstance(part, views.Logs):
            self._paper.plain(f"{plain_logs(part.text)}\n\n")
        else:
            text = fence(part.code, "python") if isinstance(part, views.Code) else part.text
            self._paper.prose(text, last=True)


class PlainPaper:
    """Standard output, when it is no terminal or `rich` is not installed."""

    def __init__(self) -> None:
        self._open = ""
        self._is_code = False

    def prose(self, text: str, *, last: bool) -> None:
        """Add the finished lines of an answer, with addresses beside their words."""
        *lines, self._open = (self._open + text).split("\n")
        if last:
            lines, self._open = [*lines, self._open], ""
        written = "".join(f"{self._readable(line)}\n" for line in lines)
        self.plain(written.rstrip() + "\n\n" if last else written)
        self._is_code = self._is_code and not last

    def _readable(self, line: str) -> str:
        fence = line.lstrip().startswith("```")
        self._is_code ^= fence
        return sanitize.prose(line if self._is_code or fence else without_marks(line))

    def plain(self, text: str) -> None:
        """Add text."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def state(self, text: str) -> None:
        """Describe nothing: in a file a line cannot be replaced."""


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


def open_terminal(detail: Detail = "folded") -> Screen:
    """Open a screen on standard output: with `rich` where both are there."""
    if sys.stdout.isatty() and find_spec("rich") is not None:
        from rich.console import Console

        return TerminalScreen(RichPaper(Console()), detail)
    return TerminalScreen(PlainPaper(), detail)
