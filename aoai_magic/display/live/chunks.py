"""Cut text that grows into blocks that will not change any more, in linear time.

What is finished is sent once; only the open tail is sent again. A tail is bounded: one
that grows beyond `TAIL_CHARS` is cut where it does the least harm (the frozen form is
made from the whole text, so a cut shows only while the turn runs).
"""

from __future__ import annotations

import re

TAIL_CHARS = 4_096

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)$")
_ITEM = re.compile(r"([-*+]|\d{1,9}[.)])(\s|$)")


class ProseSplitter:
    """Blocks of Markdown.

    Attributes
    ----------
    tail
        What has come since the last finished block.
    """

    def __init__(self) -> None:
        self.tail = ""
        self._read = 0
        self._safe = 0
        self._blank = False
        self._fence = ""
        self._opening = ""

    def feed(self, text: str) -> list[str]:
        """Add text; return the blocks that it finished."""
        self.tail += text
        while (end := self.tail.find("\n", self._read)) >= 0:
            self._line(self.tail[self._read : end], end + 1)
        blocks = [self._cut(self._safe)] if self._safe else []
        while len(self.tail) > TAIL_CHARS:
            blocks.append(self._forced())
        return blocks

    def _line(self, line: str, after: int) -> None:
        match = _FENCE.match(line)
        if self._fence:
            closing = match and match[1].startswith(self._fence) and not match[2].strip()
            if closing:
                self._fence = ""
                self._safe = after if not line.startswith(" ") else self._safe
        else:
            if self._blank and line.strip() and line[0] not in " \t" and not _ITEM.match(line):
                self._safe = self._read
            if match:
                self._fence, self._opening = match[1], line
        self._blank = not line.strip()
        self._read = after

    def _cut(self, place: int) -> str:
        block, self.tail = self.tail[:place], self.tail[place:]
        self._read = max(0, self._read - place)
        self._safe = 0
        return block

    def _forced(self) -> str:
        """Cut a tail that is too long: after a line, else anywhere."""
        if not self._fence:
            return self._cut(self._last_line(0))
        # The rest goes on as a block of the same language.
        opening = f"{self._opening}\n"
        start = self.tail.find(opening) + len(opening)
        block = self._cut(self._last_line(start))
        self.tail = opening + self.tail
        self._read += len(opening)
        return f"{block.rstrip()}\n{self._fence}\n"

    def _last_line(self, start: int) -> int:
        end = self.tail.rfind("\n", start, TAIL_CHARS) + 1
        return end if end > start else max(TAIL_CHARS, start + 1)


class CodeSplitter:
    """Chunks of program text, cut between lines."""

    def __init__(self) -> None:
        self.tail = ""

    def feed(self, text: str) -> list[str]:
        """Add text; return the chunks that it finished."""
        self.tail += text
        chunks = []
        while len(self.tail) > TAIL_CHARS:
            place = self.tail.rfind("\n", 0, TAIL_CHARS) + 1 or TAIL_CHARS
            chunks.append(self.tail[:place])
            self.tail = self.tail[place:]
        return chunks
