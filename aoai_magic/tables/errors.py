"""Why a file is no table."""

from __future__ import annotations

REASONS = (
    "not text",
    "empty",
    "not a table",
    "broken",
    "too large",
    "too many columns",
    "header too long",
    "lines longer than the header",
    "lines of different lengths",
    "too slow",
    "missing package",
    "our mistake",
)
"""What a `NoTable` may say."""


class NoTable(Exception):  # noqa: N818 - it is an answer: there is none
    """A file is no table; `reason` is one of `REASONS`, `detail` a package's name, if any."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail
