"""What code printed, kept short: nobody reads ten thousand lines."""

from __future__ import annotations

from aoai_magic.locale import ngettext
from aoai_magic.text import sanitize

HEAD_LINES = 50
TAIL_LINES = 20
LINE_CHARS = 2_000
_TAIL_CHARS = 8_000


def plain_logs(text: str) -> str:
    """Return what was printed without colours; of a long text only its head and tail."""
    *lines, last = text.split("\n")
    lines += [last] if last else []
    left_out = len(lines) - HEAD_LINES - TAIL_LINES
    if left_out > 0:
        shown = [*lines[:HEAD_LINES], _left_out(left_out), *lines[-TAIL_LINES:]]
    else:
        shown = lines
    return sanitize.uncoloured("\n".join(map(_line, shown))).rstrip()


def last_lines(text: str, count: int) -> str:
    """Return the newest ``count`` lines, without colours; cheap for a text of any length."""
    # A progress bar is one endless line: what is cut off here is not shown anyway.
    lines = [_line(line) for line in text[-_TAIL_CHARS:].rstrip("\n").split("\n")]
    return sanitize.uncoloured("\n".join(lines[-count:])).rstrip()


def _line(text: str) -> str:
    # A carriage return begins the line anew: what a terminal would show in the end.
    return sanitize.printed(sanitize.cut(text.rstrip("\r").rsplit("\r", 1)[-1], LINE_CHARS))


def _left_out(count: int) -> str:
    words = ngettext(
        "{count:,} line left out (_assistant.logs holds all)",
        "{count:,} lines left out (_assistant.logs holds all)",
        count,
    )
    return f"… {words.format(count=count)} …"
