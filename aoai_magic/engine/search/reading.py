"""Reading: the text of a file, whatever its type, and where in the file each part stands.

Plain text is decoded here, anything else in a process behind walls; see `parsers`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import anyio
import anyio.to_thread

from aoai_magic.engine.search.parsers import (
    MOST_CHARACTERS,
    MOST_OUTPUT,
    PARSED,
    PLAIN,
    SECONDS,
    Unreadable,
    decode,
    too_long,
)
from aoai_magic.shared import confined

__all__ = ["SEARCHABLE", "Document", "Reader", "Unreadable", "searchable"]

_LOG = logging.getLogger(__name__)

_ROWS = ".jsonl"
_PICTURES = frozenset((".gif", ".jpeg", ".jpg", ".png"))

SEARCHABLE = PLAIN | PARSED | _PICTURES | {_ROWS}
"""The types of file that a store takes: the service's, and more kinds of plain text."""

_LONGEST_MESSAGE = 1_000


@dataclass(frozen=True)
class Document:
    """The text of a file.

    Attributes
    ----------
    text
        All of it.
    marks
        Where each place begins, in characters, and its name, such as ``page 2``; without any,
        places are lines.
    apart
        Whether the places are rows, of which no passage holds two.
    note
        What could not be read, in a sentence; empty for nothing.
    """

    text: str
    marks: Sequence[tuple[int, str]] = ()
    apart: bool = False
    note: str = ""


def searchable(filename: str) -> bool:
    """Return whether a store takes files of this type."""
    return _suffix(filename) in SEARCHABLE


def _suffix(filename: str) -> str:
    return PurePosixPath(filename).suffix.lower()


class Reader:
    """Reads files, documents in a process behind walls."""

    def __init__(self) -> None:
        self._process = confined.Reader("aoai_magic.engine.search.parsers")

    async def read(self, path: Path, filename: str) -> Document:
        """Return the text of a file.

        Raises
        ------
        Unreadable
            When its type is none of `SEARCHABLE`, or there is no text in it.
        """
        suffix = _suffix(filename)
        if suffix not in SEARCHABLE:
            raise Unreadable("The file type is not supported.", "unsupported_file")
        if suffix in _PICTURES:
            raise Unreadable(
                "A picture holds no text that can be searched; recognise its text first (OCR), or "
                "attach it for the code.",
                "unsupported_file",
            )
        work = self._parsed if suffix in PARSED else _plain
        document = await anyio.to_thread.run_sync(work, path, suffix, abandon_on_cancel=True)
        if not document.text.strip():
            note = document.note or "A scanned document has to be recognised first (OCR)."
            raise Unreadable(f"The file holds no text. {note}")
        if len(document.text) > MOST_CHARACTERS:
            raise too_long()
        return document

    def close(self) -> None:
        """Stop the process, and what it reads."""
        self._process.stop()
        self._process.close()

    def _parsed(self, path: Path, suffix: str) -> Document:
        """Parse a document in a process that is ended when it takes too long or too much."""
        with path.open("rb") as source:
            code, parsed, log = self._process.read({"suffix": suffix}, source, SECONDS, MOST_OUTPUT)
        if -code in (confined.SIGALRM, confined.SIGXCPU):
            raise Unreadable(f"Reading the file took more than {SECONDS} seconds.")
        if code:
            _LOG.warning("The process that reads %s files ended with %s: %s", suffix, code, log)
            raise Unreadable("The process that read the file came to a sudden end.")
        try:
            return _document(json.loads(parsed))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            # It was made to say this by the file.
            raise Unreadable("The file is damaged.") from error


def _document(parsed: Any) -> Document:
    """Return what a process answered, of which nothing is believed.

    Raises
    ------
    Unreadable
        When the file has no text.
    """
    if parsed["fault"] is not None:
        message, code = map(str, parsed["fault"])
        known = code if code == "unsupported_file" else "invalid_file"
        raise Unreadable(message[:_LONGEST_MESSAGE], known)
    texts, marks, start = [], [], 0
    for place, text in parsed["pieces"]:
        if text:
            marks.append((start, str(place)[:_LONGEST_MESSAGE]))
            texts.append(_valid(text))
            start += len(texts[-1]) + 1
    return Document("\n".join(texts), marks, note=str(parsed["note"])[:_LONGEST_MESSAGE])


def _plain(path: Path, suffix: str) -> Document:
    if path.stat().st_size > 4 * MOST_CHARACTERS:
        raise too_long()
    text = _valid(decode(path.read_bytes()))
    return _table(text) if suffix == _ROWS else Document(text)


def _valid(text: str) -> str:
    return text.encode(errors="replace").decode()


def _table(lines: str) -> Document:
    """Read rows, as JSON lines; one with ``row`` and ``text`` is a row of a frame's column."""
    texts, marks, start = [], [], 0
    for number, line in enumerate(lines.splitlines(), 1):
        place, text = _row(number, line)
        if text.strip():
            marks.append((start, place))
            texts.append(text)
            start += len(text) + 1
    return Document("\n".join(texts), marks, apart=True)


def _row(number: int, line: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
        return f"row {row['row']}", _valid(row["text"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return f"line {number}", line
