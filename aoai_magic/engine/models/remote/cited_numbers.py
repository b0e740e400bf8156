"""Numbers that a model cites as if each were a file: ``[3700](sandbox:/mnt/data/3700)``."""

from __future__ import annotations

import re

_LINK = re.compile(r"!?\[([^\[\]\n]{1,60})\]\(sandbox:/mnt/data/([^()\s]{1,60})\)")
_NUMBER = re.compile(r"[-+]?[$€£¥]?\d(?:[\d.,_]*\d)?\s?(?:%|[A-Za-z]{0,3})")
_UNFINISHED = re.compile(r"!?\[[^\[\]\n]{0,60}(?:\](?:\([^()\s]{0,100})?)?\Z|!\Z")


class CitedNumbers:
    """Turns streamed text into the same text with such numbers as plain text."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """Return what can be told from the text so far."""
        text = _LINK.sub(_plain, self._held + text)
        open_end = _UNFINISHED.search(text)
        cut = open_end.start() if open_end else len(text)
        self._held = text[cut:]
        return text[:cut]

    def end(self) -> str:
        """Return what was held back."""
        held, self._held = self._held, ""
        return held


def _plain(match: re.Match[str]) -> str:
    label, name = match[1].strip("*` "), match[2]
    # A file of that name without an ending is one that nobody writes.
    is_number = _NUMBER.fullmatch(label) and _NUMBER.fullmatch(name)
    return match[1] if is_number else match[0]
