"""A cell that a question is about: its source and error go with the question, out of sight."""

from __future__ import annotations

import difflib
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from IPython.core.getipython import get_ipython

from aoai_magic import frame_codec
from aoai_magic.display.markdown.to_markdown import fence
from aoai_magic.errors import UsageError
from aoai_magic.locale import gettext as _

HOW = (
    "Where the cell is to be fixed, name the cause in a sentence, and end with the whole corrected "
    "cell, and nothing else, in one Python code block. Do not run the cell: it is the notebook's."
)
"""What the model is told of the form of its answer."""

_MOST_PLACES, _LONGEST_ERROR = 20, 4000
"""Of an error: lines of the cell, of which a recursion has a thousand, and characters."""


@dataclass(frozen=True)
class AboutCell:
    """A cell that was run in this kernel.

    Attributes
    ----------
    number
        Its number, as in ``[5]``.
    source
        As it was typed.
    error
        Where in the cell it failed, and the exception; empty where it is not the cell whose
        error was the last.
    hint
        What a misspelt name in it may have meant.
    """

    number: int
    source: str
    error: str = ""
    hint: str = ""

    @property
    def text(self) -> str:
        """What the model is told."""
        parts = [f"The cell [{self.number}] of the notebook:", fence(self.source, "python")]
        if self.error:
            parts += ["Its error:", fence(self.error, "text")]
        return "\n\n".join([*parts, *([self.hint] if self.hint else []), HOW])


def about_cell(number: int) -> AboutCell:
    """Return what this kernel knows of a cell.

    Raises
    ------
    UsageError
        If no cell of that number was run.
    """
    source = source_of(number)
    if source is None:
        raise UsageError(
            _("No cell [{number}] was run in this kernel; run it again.").format(number=number)
        )
    error = sys.__dict__.get("last_value")
    lines = list(_places(error, number)) if isinstance(error, BaseException) else []
    shell = get_ipython()
    if not lines or error is None or shell is None:
        return AboutCell(number, source)
    said = "".join(traceback.format_exception_only(type(error), error)).strip()
    said = "\n".join([*lines[-_MOST_PLACES:], _shortened(said)])
    return AboutCell(number, source, said, near_miss(error, shell.user_ns))


def _shortened(said: str) -> str:
    """Leave out the middle of an error that holds a whole table: it is sent to a model."""
    half = _LONGEST_ERROR // 2
    return said if len(said) <= _LONGEST_ERROR else f"{said[:half]}\n…\n{said[-half:]}"


def source_of(number: int) -> str | None:
    """Return what was typed in the cell of that number, None where there is none."""
    shell = get_ipython()
    history = shell.history_manager if shell else None
    inputs = history.input_hist_raw if history else []
    return str(inputs[number]) if 0 < number < len(inputs) else None


def failed(number: int) -> bool:
    """Return whether the last error of the kernel came from the cell of that number."""
    error = sys.__dict__.get("last_value")
    return isinstance(error, BaseException) and any(_places(error, number))


def _places(error: BaseException, number: int) -> Iterator[str]:
    """Yield where in the cell an error came by, without the frames of libraries."""
    for frame in traceback.extract_tb(error.__traceback__):
        if _cell_of(frame.filename) == number:
            yield f"line {frame.lineno}: {(frame.line or '').strip()}"
    if isinstance(error, SyntaxError) and _cell_of(error.filename or "") == number:
        yield f"line {error.lineno}: {(error.text or '').strip()}"


def _cell_of(file: str) -> int | None:
    """Return the number of the cell whose code has that name."""
    shell = get_ipython()
    known = getattr(shell.compile, "_filename_map", {}) if shell else {}
    found = known.get(file)
    return int(found) if found is not None else None


def near_miss(error: BaseException, namespace: Mapping[str, Any]) -> str:
    """Return what a name that an error complains of may have meant, in a sentence."""
    name = getattr(error, "name", None)
    if isinstance(error, KeyError) and error.args:
        return _column(str(error.args[0]), namespace)
    if isinstance(error, AttributeError) and name:
        text = _("There is no attribute {name!r}; did you mean {near}?")
        return _said(text, name, dir(error.obj))
    if isinstance(error, NameError) and name:
        own = [one for one in namespace if not one.startswith("_")]
        return _said(_("There is no variable {name!r}; did you mean {near}?"), name, own)
    return ""


def _column(complaint: str, namespace: Mapping[str, Any]) -> str:
    frames = [value for value in namespace.values() if frame_codec.supported(value)]
    columns = sorted({str(one) for frame in frames for one in getattr(frame, "columns", ())})
    text = _("There is no column {name!r}; did you mean {near}?")
    # pandas says "['specie'] not in index" where several were asked for.
    names = [complaint, *re.findall(r"'([^']+)'", complaint)]
    found = (_said(text, name, columns) for name in names if name not in columns)
    return next(filter(None, found), "")


def _said(text: str, name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return text.format(name=name, near=repr(near[0])) if near else ""


def without_model(about: AboutCell) -> str:
    """Return the answer where no language model is there to explain or fix code."""
    needs = _(
        "Explaining and fixing code needs a language model: set OPENAI_API_KEY, "
        "AZURE_OPENAI_ENDPOINT or OPENAI_BASE_URL, or name a model with -m."
    )
    return "\n".join(filter(None, [about.hint, needs]))
