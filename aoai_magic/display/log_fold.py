"""What code printed, kept short: the head as it comes, the tail at the end.

A front end drops stream output above 1 MB/s without a word (jupyter_server's
``iopub_data_rate_limit``), and nobody reads ten thousand lines.
"""

from __future__ import annotations

from collections import deque

from aoai_magic.locale import ngettext
from aoai_magic.text import sanitize

HEAD_LINES = 50
TAIL_LINES = 20
LINE_CHARS = 2_000


class LogFold:
    """Turn text that grows into text to print; how it was chunked makes no difference.

    Attributes
    ----------
    lines
        Complete lines so far.
    pending
        The line that is not complete yet, as it stands after carriage returns.
    """

    def __init__(self) -> None:
        self.lines = 0
        self._pieces: list[str] = []
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    @property
    def pending(self) -> str:
        """The last, still open line (a progress bar, for example)."""
        return _line("".join(self._pieces))

    @property
    def latest(self) -> str:
        """The newest text that is not printed (yet), in one line."""
        pending = sanitize.uncoloured(self.pending)
        if pending.strip() or not self._tail:
            return pending
        return f"{self.lines:,}: {sanitize.uncoloured(self._tail[-1]).rstrip()}"

    @property
    def hidden(self) -> int:
        """How many lines have come that are not printed (yet)."""
        return max(0, self.lines - HEAD_LINES)

    def feed(self, text: str) -> str:
        """Take more text; give what is to be printed now: complete lines of the head."""
        first, *rest = text.split("\n")
        self._pieces.append(first)
        printed = []
        for piece in rest:
            printed.append(self._take())
            self._pieces.append(piece)
        return "".join(printed)

    def close(self) -> str:
        """Give what remains to be printed: the open line, what was left out, the tail."""
        out = self._take() if any(self._pieces) else ""
        left_out = self.hidden - len(self._tail)
        if left_out > 0:
            out += _left_out(left_out)
        return out + "".join(self._tail)

    def _take(self) -> str:
        """Complete the open line; give it if it belongs to the head."""
        line = self.pending + "\n"
        self._pieces = []
        self.lines += 1
        if self.lines <= HEAD_LINES:
            return line
        self._tail.append(line)
        return ""


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


def fold_logs(text: str) -> str:
    """Give ``text`` as it is printed: long ones with head and tail only."""
    fold = LogFold()
    return fold.feed(text) + fold.close()


def plain_logs(text: str) -> str:
    """Give ``text`` as it is printed, without colours: for where they are not drawn."""
    return sanitize.uncoloured(fold_logs(text)).rstrip()


def _line(text: str) -> str:
    # A carriage return begins the line anew: what a terminal would show in the end.
    return sanitize.printed(sanitize.cut(text.rstrip("\r").rsplit("\r", 1)[-1], LINE_CHARS))


def _left_out(count: int) -> str:
    words = ngettext(
        "{count:,} line left out (_assistant.logs holds all)",
        "{count:,} lines left out (_assistant.logs holds all)",
        count,
    )
    return f"… {words.format(count=count)} …\n"
