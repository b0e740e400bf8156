"""Reading: the text of a file, whatever its type.

Documents and pages may be made to hurt who parses them: a few kilobytes that become
gigabytes, or keep a parser busy for ever. They are parsed in a process of their own,
whose memory and time are bounded; plain text is decoded as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any

import anyio
import anyio.to_process
import anyio.to_thread

_WORDS = "c cpp cs css csv go java js json log md php py rb rst sh sql tex ts tsv txt xml yaml yml"
_PLAIN = frozenset(f".{word}" for word in _WORDS.split())
_PARSED = frozenset((".docx", ".htm", ".html", ".pdf", ".pptx"))

SEARCHABLE = _PLAIN | _PARSED
"""The types of file that can be searched: the service's, and more kinds of plain text."""

MOST_CHARACTERS = 8_000_000
"""Characters of one file; the service takes 2,000,000 tokens."""

_MOST_BYTES = 512 << 20
_MEMORY = 2 << 30
_SECONDS = 60.0


class Unreadable(Exception):  # noqa: N818 - what the file is
    """A file has no text that can be searched; the text is one sentence.

    Attributes
    ----------
    code
        The ``last_error.code`` of the store's file: ``unsupported_file`` or ``invalid_file``.
    """

    def __init__(self, message: str, code: str = "invalid_file") -> None:
        super().__init__(message)
        self.code = code


def searchable(filename: str) -> bool:
    """Return whether a file's type is one that can be searched."""
    return _suffix(filename) in SEARCHABLE


def _suffix(filename: str) -> str:
    return PurePosixPath(filename).suffix.lower()


async def read(path: Path, filename: str) -> str:
    """Return the text of a file.

    Raises
    ------
    Unreadable
        When its type is none of `SEARCHABLE`, or there is no text in it.
    """
    suffix = _suffix(filename)
    if suffix not in SEARCHABLE:
        raise Unreadable("The file type is not supported.", "unsupported_file")
    if suffix in _PARSED:
        text = await _parsed(path, suffix)
    else:
        text = await anyio.to_thread.run_sync(_plain, path)
    if not text.strip():
        raise Unreadable("The file holds no text; a scanned document has to be recognised first.")
    if len(text) > MOST_CHARACTERS:
        raise _too_long()
    return text.encode(errors="replace").decode()


def _too_long() -> Unreadable:
    return Unreadable(f"The file has more than {MOST_CHARACTERS:,} characters; split it.")


def _plain(path: Path) -> str:
    if path.stat().st_size > 4 * MOST_CHARACTERS:
        raise _too_long()
    return _decoded(path.read_bytes())


def _decoded(data: bytes) -> str:
    """Decode as the service does: UTF-8 or, with its mark, UTF-16."""
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("The file is no UTF-8 or UTF-16 text; save it as UTF-8.") from error


async def _parsed(path: Path, suffix: str) -> str:
    """Parse a document in a process that is ended when it takes too long or too much."""
    try:
        with anyio.fail_after(_SECONDS):
            text, fault = await anyio.to_process.run_sync(
                parse, str(path), suffix, cancellable=True
            )
    except TimeoutError as error:
        raise Unreadable(f"Reading the file took more than {_SECONDS:.0f} seconds.") from error
    except anyio.BrokenWorkerProcess as error:
        raise Unreadable("The process that read the file came to a sudden end.") from error
    if fault is not None:
        raise Unreadable(*fault)
    return str(text)


def parse(path: str, suffix: str) -> tuple[str, tuple[str, str] | None]:
    """Return a document's text, or what is wrong with it and the code of that."""
    _bound()
    try:
        return _gathered(_PARSERS[suffix](Path(path))), None
    except ImportError as error:
        missing = f"Reading {suffix} files needs {error.name}; install 'aoai-magic[documents]'."
        return "", (missing, "unsupported_file")
    except Unreadable as error:
        return "", (str(error), error.code)
    except MemoryError:
        return "", ("Reading the file took more memory than it may.", "invalid_file")
    except Exception as error:
        kind = type(error).__name__
        return "", (f"The file is no {suffix} file that can be read ({kind}).", "invalid_file")


def _bound() -> None:
    try:
        import resource
    except ImportError:  # no POSIX: the time is all that is bounded
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _gathered(pieces: Iterator[str]) -> str:
    taken, size = [], 0
    for piece in pieces:
        size += len(piece) + 1
        if size > MOST_CHARACTERS:
            raise _too_long()
        taken.append(piece)
    return "\n".join(taken)


def _pdf(path: Path) -> Iterator[str]:
    from pypdf import PdfReader

    reader = PdfReader(path)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("The file is encrypted; save it without a password.")
    for page in reader.pages:
        yield page.extract_text()


def _docx(path: Path) -> Iterator[str]:
    import docx

    for block in docx.Document(str(path)).iter_inner_content():
        if hasattr(block, "rows"):
            yield from _rows(block)
        else:
            yield block.text


def _pptx(path: Path) -> Iterator[str]:
    import pptx

    for slide in pptx.Presentation(str(path)).slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                yield shape.text_frame.text
            elif shape.has_table:
                yield from _rows(shape.table)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            yield slide.notes_slide.notes_text_frame.text


def _rows(table: Any) -> Iterator[str]:
    return (" | ".join(cell.text for cell in row.cells) for row in table.rows)


def _html(path: Path) -> Iterator[str]:
    page = _Page()
    page.feed(_plain(path))
    page.close()
    yield re.sub(r"\n\s*\n+", "\n\n", "".join(page.pieces))


class _Page(HTMLParser):
    """Collects what a page shows."""

    _HIDDEN = frozenset(("script", "style", "template"))
    _INLINE = frozenset(("a", "abbr", "b", "code", "em", "i", "mark", "span", "strong"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Handle an opening tag."""
        self._hidden += tag in self._HIDDEN
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        """Handle a closing tag."""
        self._hidden = max(self._hidden - (tag in self._HIDDEN), 0)
        self._break(tag)

    def _break(self, tag: str) -> None:
        if tag not in self._INLINE:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        """Handle text."""
        if not self._hidden:
            self.pieces.append(data)


_PARSERS: dict[str, Callable[[Path], Iterator[str]]] = {
    ".docx": _docx,
    ".htm": _html,
    ".html": _html,
    ".pdf": _pdf,
    ".pptx": _pptx,
}
