"""The process that parses one document: it is given the bytes, and writes down their text.

Documents may be made to hurt who parses them: a few kilobytes that become gigabytes, keep a
parser busy for ever, or take it over. So they are parsed here, behind the walls of
`aoai_magic.shared.confined`. What is yielded are pieces of text, each with its place.
"""

from __future__ import annotations

import importlib
import io
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import PurePosixPath
from typing import IO, Any

from aoai_magic.shared.confined import limit
from aoai_magic.tables import encodings

MOST_CHARACTERS = 8_000_000
"""Characters of one file; the service takes 2,000,000 tokens."""

MOST_OUTPUT = 96 << 20
"""Bytes of an answer: the characters, their escapes and their places."""

SECONDS = 60
_MEMORY = 2 << 30
_MOST_MEMBERS = 1_000
_MOST_UNPACKED = 256 << 20
_LISTED = 5
_MODULES = ("pypdf", "docx", "pptx", "python_calamine", "chardet")
_WORDS = "c cpp cs css csv go java js json log md php py rb rst sh sql tex ts tsv txt xml yaml yml"

PLAIN = frozenset(f".{word}" for word in _WORDS.split())
BOOKS = frozenset((".ods", ".xls", ".xlsb", ".xlsm", ".xlsx"))
ARCHIVES = frozenset((".bz2", ".gz", ".tar", ".tgz", ".xz", ".zip"))

Piece = tuple[str, str]
"""The place and the text; the place is empty where a document has none, such as pages."""


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


def main() -> None:
    """Parse standard input as the first argument says, and write the answer."""
    answer(json.loads(sys.argv[1]))


def prepare() -> None:
    """Import what parsing takes, before the process is forked for a file."""
    for name in _MODULES:
        with suppress(ImportError):
            importlib.import_module(name)


def answer(words: Mapping[str, Any]) -> None:
    """Parse standard input, a file with the suffix that ``words`` names; write JSON."""
    limit(_MEMORY, SECONDS, MOST_OUTPUT)
    notes: list[str] = []
    with open(0, "rb", closefd=False) as source:
        source.seek(0)
        pieces, fault = _parsed(source, words["suffix"], notes)
    parsed = {"pieces": pieces, "fault": fault, "note": _shortened(notes)}
    with open(1, "wb", closefd=False) as target:
        target.write(json.dumps(parsed, ensure_ascii=False).encode(errors="replace"))


def _parsed(
    source: IO[bytes], suffix: str, notes: list[str]
) -> tuple[list[Piece], tuple[str, str] | None]:
    """Return a document's pieces, or what is wrong with it and the code of that."""
    try:
        return _gathered(_read(source, suffix, notes)), None
    except ImportError as error:
        missing = f"Reading {suffix} files needs {error.name}; install 'aoai-magic[documents]'."
        return [], (missing, "unsupported_file")
    except Unreadable as error:
        return [], (str(error), error.code)
    except MemoryError:
        return [], ("Reading the file took more memory than it may.", "invalid_file")
    except Exception as error:
        kind = type(error).__name__
        message = f"The file is damaged, or is no {suffix} file ({kind})."
        return [], (message, "invalid_file")


def _gathered(pieces: Iterator[Piece]) -> list[Piece]:
    taken, size = [], 0
    for place, text in pieces:
        size += len(text) + 1
        if size > MOST_CHARACTERS:
            raise too_long()
        taken.append((place, text))
    return taken


def too_long() -> Unreadable:
    """Return the fault of a file that is too long."""
    return Unreadable(f"The file has more than {MOST_CHARACTERS:,} characters; split it.")


def _shortened(notes: list[str]) -> str:
    more = f" and {len(notes) - _LISTED} more" if len(notes) > _LISTED else ""
    return f"Not read: {'; '.join(notes[:_LISTED])}{more}." if notes else ""


def _read(source: IO[bytes], suffix: str, notes: list[str]) -> Iterator[Piece]:
    if suffix in ARCHIVES:
        return _archive(source, suffix, notes)
    if suffix in PLAIN:
        return _lines(source)
    return _PARSERS[suffix](source)


def decode(data: bytes) -> str:
    """Return the text of a plain file in its own encoding.

    Raises
    ------
    Unreadable
        When it is no text.
    """
    found = encodings.decode(data)
    if found is None:
        raise Unreadable("The file is not text in an encoding that is known; save it as UTF-8.")
    return found.text


def _lines(source: IO[bytes]) -> Iterator[Piece]:
    yield "", decode(source.read())


# Documents


def _pdf(source: IO[bytes]) -> Iterator[Piece]:
    from pypdf import PdfReader

    reader = PdfReader(source)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("The file is encrypted; save it without a password.")
    for number, page in enumerate(reader.pages, 1):
        yield f"page {number}", page.extract_text()


def _docx(source: IO[bytes]) -> Iterator[Piece]:
    import docx

    _refuse_encrypted(source)
    for block in docx.Document(source).iter_inner_content():
        if hasattr(block, "rows"):
            yield from (("", row) for row in _rows(block))
        else:
            yield "", block.text


def _pptx(source: IO[bytes]) -> Iterator[Piece]:
    import pptx

    _refuse_encrypted(source)
    for number, slide in enumerate(pptx.Presentation(source).slides, 1):
        yield f"slide {number}", "\n".join(_of_slide(slide))


def _of_slide(slide: Any) -> Iterator[str]:
    for shape in slide.shapes:
        if shape.has_text_frame:
            yield shape.text_frame.text
        elif shape.has_table:
            yield from _rows(shape.table)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        yield slide.notes_slide.notes_text_frame.text


def _rows(table: Any) -> Iterator[str]:
    return (" | ".join(cell.text for cell in row.cells) for row in table.rows)


def _refuse_encrypted(source: IO[bytes]) -> None:
    """Refuse the container of an encrypted Office document."""
    if source.read(4) == b"\xd0\xcf\x11\xe0":
        raise Unreadable("The file is encrypted or of an old format; save it without a password.")
    source.seek(0)


def _workbook(source: IO[bytes]) -> Iterator[Piece]:
    import python_calamine

    try:
        book = python_calamine.CalamineWorkbook.from_filelike(source)
    except python_calamine.PasswordError as error:
        raise Unreadable("The file is encrypted; save it without a password.") from error
    for name in book.sheet_names:
        sheet = book.get_sheet_by_name(name)
        for number, row in enumerate(sheet.iter_rows(), 1):
            cells = [str(cell) for cell in row if cell != ""]
            if cells:
                yield f"{name}, row {number}", " | ".join(cells)


def _html(source: IO[bytes]) -> Iterator[Piece]:
    page = _Page()
    page.feed(decode(source.read()))
    page.close()
    yield "", re.sub(r"\n\s*\n+", "\n\n", "".join(page.pieces))


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


_PARSERS: dict[str, Callable[[IO[bytes]], Iterator[Piece]]] = {
    ".docx": _docx,
    ".htm": _html,
    ".html": _html,
    ".pdf": _pdf,
    ".pptx": _pptx,
    **dict.fromkeys(BOOKS, _workbook),
}
PARSED = frozenset(_PARSERS) | ARCHIVES


# Archives


def _archive(source: IO[bytes], suffix: str, notes: list[str]) -> Iterator[Piece]:
    """Yield the text of an archive's files; one that cannot be read is only noted."""
    room = _MOST_UNPACKED
    opened = _zipped if suffix == ".zip" else _tarred
    for number, (name, content) in enumerate(opened(source)):
        kind = PurePosixPath(name).suffix.lower()
        if number >= _MOST_MEMBERS:
            raise _too_full()
        if kind not in PLAIN and kind not in _PARSERS:
            notes.append(f"{name} (its type is not supported)")
            continue
        try:
            data = content(room + 1)
        except (RuntimeError, NotImplementedError):  # how zipfile refuses these
            notes.append(f"{name} (encrypted, or packed in a way that is not known)")
            continue
        room -= len(data)
        if room < 0:
            raise _too_full()
        pieces, fault = _parsed(io.BytesIO(data), kind, notes)
        if fault is not None:
            notes.append(f"{name} ({fault[0].rstrip('.')})")
        for place, text in pieces:
            yield f"{name}, {place}" if place else name, text


def _too_full() -> Unreadable:
    return Unreadable(
        f"The archive holds more than {_MOST_MEMBERS:,} files or {_MOST_UNPACKED >> 20} MB; "
        "unpack it and choose."
    )


Member = tuple[str, Callable[[int], bytes]]


def _zipped(source: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield info.filename, lambda most, info=info: _head(archive.open(info), most)  # type: ignore[misc]


def _tarred(source: IO[bytes]) -> Iterator[Member]:
    try:
        # As a stream: what an archive says of later members is not believed before they come.
        archive = tarfile.open(fileobj=source, mode="r|*")  # noqa: SIM115 - closed below
    except tarfile.ReadError as error:
        raise Unreadable("The file is damaged, or no tar archive.") from error
    with archive:
        for info in archive:
            if info.isreg():
                file = archive.extractfile(info)
                assert file is not None
                yield info.name, lambda most, file=file: _head(file, most)  # type: ignore[misc]


def _head(file: IO[bytes], most: int) -> bytes:
    with file:
        return file.read(most)
