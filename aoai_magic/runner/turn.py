"""A finished (or broken off) turn as the value that users hold."""

from __future__ import annotations

import base64
import json
import mimetypes
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aoai_magic.errors import AssistantError
from aoai_magic.locale import gettext as _
from aoai_magic.runner.typed_answer import Expected, ValueMismatchError
from aoai_magic.shared.value_file import VALUE_FILE
from aoai_magic.turn import view as views
from aoai_magic.turn.events import Passage, Status, Times, Usage
from aoai_magic.turn.view import View

if TYPE_CHECKING:
    from aoai_magic.runner.charts import Chart

EXCERPT_BYTES = 4_096
EXCERPT_LINES = 20


class Picture:
    """A picture that a turn made; shows itself in a notebook.

    Attributes
    ----------
    name
        Unique within the turn.
    media_type
        As of MIME.
    """

    def __init__(self, part: views.Image) -> None:
        self.name = part.name
        self.media_type = part.media_type
        self._blob = part.blob

    @property
    def data(self) -> bytes:
        """The bytes, in the format ``media_type``; see `ReturnedFile.data`."""
        return self._blob.read()

    def save(self, path: str | Path) -> Path:
        """Write the picture to ``path``; raise `FileExistsError` if something is there."""
        return _write(Path(path), self.data)

    def __repr__(self) -> str:
        return f"<Picture {self.name}, {self._blob.size:,} bytes>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return _drawn(self.media_type, self.data) | {"text/plain": repr(self)}


class ReturnedFile:
    """A file that came back.

    Attributes
    ----------
    name
        Relative to the session's folder; may hold ``/``.
    """

    def __init__(self, file: views.File, library: str = "pandas") -> None:
        self.name = file.name
        self._blob = file.blob
        self._library = library

    @property
    def data(self) -> bytes:
        """The bytes; those of older turns are read from the data directory.

        Raises
        ------
        AssistantError
            If they have been deleted there.
        """
        return self._blob.read()

    def open(self) -> BytesIO:
        """Open the file for reading bytes."""
        return BytesIO(self.data)

    @property
    def text(self) -> str:
        """The content as text; bytes that are no UTF-8 are replaced."""
        return self.data.decode("utf-8", "replace")

    @property
    def is_table(self) -> bool:
        """Whether it is meant to be a table, by its name."""
        from aoai_magic.results.read_table import is_table

        return is_table(self.name)

    @cached_property
    def frame(self) -> Any:
        """The content as a DataFrame (several sheets: a dict of them), None if it is no table."""
        return None if isinstance(self._tables, str) else self._tables.frame

    @property
    def problem(self) -> str:
        """Why a table cannot be read; empty where it can, and for what is not meant to be one."""
        return self._tables if isinstance(self._tables, str) else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed where the table was read (its encoding, …), a sentence each."""
        return () if isinstance(self._tables, str) else self._tables.notes

    @cached_property
    def _tables(self) -> Any:
        from aoai_magic.results.read_table import TableError, read_tables

        try:
            return read_tables(self.data, self.name, self._library)
        except TableError as error:
            return str(error) if self.is_table and error.is_table else ""

    def save(self, path: str | Path) -> Path:
        """Write the file to ``path``; raise `FileExistsError` if something is there."""
        return _write(Path(path), self.data)

    def __repr__(self) -> str:
        return f"<File {self.name}, {self._blob.size:,} bytes>"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        media_type = mimetypes.guess_type(self.name)[0] or ""
        if drawn := _drawn(media_type, self.data):
            display({**drawn, "text/plain": repr(self)}, raw=True)
            return
        print(repr(self))  # noqa: T201 - the notebook's own output
        if self.frame is not None:
            print(*self.notes, sep="\n", end="\n" * bool(self.notes))  # noqa: T201
            display(self.frame)
        elif excerpt := _excerpt(self.data):
            print(excerpt)  # noqa: T201


class Files(Mapping[str, ReturnedFile]):
    """The files of a turn by name; a position works too: ``turn.files[0]``."""

    def __init__(self, files: tuple[ReturnedFile, ...]) -> None:
        self._files = {file.name: file for file in files}

    def __getitem__(self, key: str | int) -> ReturnedFile:
        if isinstance(key, int):
            return list(self._files.values())[key]
        if key not in self._files:
            known = ", ".join(self._files) or _("none")
            raise KeyError(
                _("no file {key!r} in this turn; there are: {known}").format(key=key, known=known)
            )
        return self._files[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return f"Files({list(self._files)})"


class Turn:
    """One question and what came of it.

    Attributes
    ----------
    view
        The immutable value from which everything here is read.
    shown_in
        Number of the cell in which it was shown while it ran, None outside notebooks.
    """

    def __init__(self, view: View, *, library: str = "pandas") -> None:
        self.view = view
        self.shown_in = cell_number()
        self._library = library
        self._value: Any = None

    @property
    def question(self) -> str:
        """What was asked, as it was typed."""
        return self.view.question

    @property
    def troubles(self) -> list[str]:
        """What went wrong around the answer, a sentence for each: not saved, not recorded, …."""
        return list(self.view.troubles)

    @property
    def text(self) -> str:
        """The answer's prose, Markdown."""
        return self.view.text

    @property
    def parts(self) -> tuple[views.Part, ...]:
        """Everything in the order in which it came: text, code, logs, images, notices."""
        return self.view.parts

    @property
    def sources(self) -> list[Passage]:
        """The passages of documents that the answer cites: number, file, place and text."""
        cited = (part for part in self.parts if isinstance(part, views.Sources))
        return [passage for part in cited for passage in part.passages]

    @property
    def code(self) -> str:
        """The Python that ran without error, as the notebook can run it; `cells` has it as it ran.

        Looks at the data are left out, and files are the notebook's own variables and paths.
        """
        ran = "\n\n".join(cell.strip("\n") for cell in self.cells)
        return ran if self.view.cell is None else self.view.cell.rstrip("\n")

    @property
    def cells(self) -> list[str]:
        """The Python that ran without error, cell by cell."""
        ran = (p for p in self.parts if isinstance(p, views.Code) and p.state == "done")
        return [part.code for part in ran]

    @property
    def logs(self) -> str:
        """What the code printed, failed attempts included."""
        return "\n".join(p.text.rstrip("\n") for p in self.parts if isinstance(p, views.Logs))

    @cached_property
    def images(self) -> list[Picture]:
        """The pictures that the code made."""
        return [Picture(part) for part in self.parts if isinstance(part, views.Image)]

    @cached_property
    def charts(self) -> list[Chart]:
        """The charts that the code drew, each with its picture, specification and data."""
        from aoai_magic.runner.charts import charts

        return charts(self.view, {one.name: one for one in self.images}, self._library)

    @cached_property
    def files(self) -> Files:
        """The files that the code made, by name."""
        return Files(tuple(ReturnedFile(file, self._library) for file in self.view.files))

    @cached_property
    def frames(self) -> dict[str, Any]:
        """The tables among `files` by name, as DataFrames of the library that was attached.

        A workbook of several sheets is a dict of DataFrames.
        """
        frames = {name: file.frame for name, file in self.files.items()}
        return {name: frame for name, frame in frames.items() if frame is not None}

    @cached_property
    def shown_tables(self) -> dict[str, Any]:
        """The tables that stand in the answer's text, as DataFrames with the values as shown."""
        from aoai_magic.results.read_markdown import read_markdown

        tables = read_markdown(self.text, self._library)
        return {f"table-{number}": table for number, table in enumerate(tables, 1)}

    @property
    def value(self) -> Any:
        """The value of a typed answer (``as_``), of that type; None where none was asked for.

        After a restart of the kernel it is what its JSON holds: no model, no date, no frame.
        """
        if self._value is None and self.view.value is not None:
            return json.loads(self.view.value)
        return self._value

    def take_value(self, wanted: Expected) -> None:
        """Read the value from the files that came back; raise `AssistantError` if none fits."""
        files = {name: file.data for name, file in self.files.items()}
        try:
            self._value = wanted.value(files) if not wanted.is_frame else self._one_frame()
        except ValueMismatchError as error:
            text = _("No {type} came back: {problem} The answer is in _assistant.text.")
            sentence = str(error).rstrip(".") + "."
            raise AssistantError(text.format(type=wanted.name, problem=sentence)) from error
        held = [file for file in self.view.files if VALUE_FILE.fullmatch(file.name)]
        others = tuple(file for file in self.view.files if file not in held)
        value = held[-1].data.decode() if held and not wanted.is_frame else None
        self.view = replace(self.view, files=others, value=value)
        self.__dict__.pop("files", None)

    def _one_frame(self) -> Any:
        frames = list(self.frames.values())
        if len(frames) != 1:
            raise ValueMismatchError(_("{count} tables were saved.").format(count=len(frames)))
        return frames[0]

    @property
    def usage(self) -> Usage:
        """Tokens that the turn took."""
        return self.view.usage

    @property
    def times(self) -> Times | None:
        """Where the turn's time went, in seconds; None where nobody measured it."""
        return self.view.times

    @property
    def status(self) -> Status:
        """``completed``, ``incomplete``, ``failed`` or ``interrupted``."""
        return self.view.status

    @property
    def error(self) -> str | None:
        """Why the turn is not complete, one sentence."""
        return self.view.error

    @property
    def thread(self) -> str:
        """The thread's id on the server."""
        return self.view.thread

    def save(self, path: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write the turn as a document, or its files and pictures into a folder.

        Parameters
        ----------
        path
            A name in ``.md``, ``.html`` or ``.ipynb`` is a document of that kind, with
            files and pictures in a folder ``NAME_files`` beside it; any other is a folder.
        overwrite
            Whether to write over files that are there already.

        Returns
        -------
        list[Path]
            What was written, the document first.

        Raises
        ------
        AssistantError
            If a file of that name is there already and ``overwrite`` is false;
            nothing is written then.
        """
        from aoai_magic.runner import save_files

        if save_files.is_document(path):
            return save_files.save_document(self.view, path, self.view.inputs, overwrite=overwrite)
        return save_files.paths(save_files.save(self.view, path, overwrite=overwrite))

    def __repr__(self) -> str:
        made = f"{len(self.images)} images, {len(self.view.files)} files"
        return f"<Turn {self.status}: {len(self.text):,} characters, {made}>"

    def _ipython_display_(self) -> None:
        from aoai_magic.display import show

        # As the last line of the cell that asked, the turn stands above already.
        if self.shown_in is None or self.shown_in != cell_number():
            show(self.view)


def cell_number() -> int | None:
    """Return the number of the cell that runs, None outside notebooks."""
    core = sys.modules.get("IPython")
    shell = core.get_ipython() if core else None
    if shell is None:
        return None
    # Not its execution_count: from IPython 9 on that is the next cell's while one runs.
    return len(shell.history_manager.input_hist_parsed) - 1


def _drawn(media_type: str, data: bytes) -> dict[str, Any]:
    """Return a picture for the front end to draw; nothing for one that could hold script."""
    from aoai_magic.display.saved.bundles import PICTURES

    if media_type not in PICTURES:
        return {}
    return {media_type: base64.b64encode(data).decode("ascii")}


def _excerpt(data: bytes) -> str:
    """Return the first lines of a text; nothing of what is no text."""
    from aoai_magic.text import sanitize

    head = data[:EXCERPT_BYTES].decode("utf-8", "replace")
    # One sign may have been cut in two.
    if "\0" in head or head.count("\ufffd") > 1:
        return ""
    return sanitize.exact("\n".join(head.splitlines()[:EXCERPT_LINES]))


def _write(path: Path, data: bytes) -> Path:
    # "x": a user's file is never overwritten behind their back.
    with path.expanduser().open("xb") as file:
        file.write(data)
    return path
