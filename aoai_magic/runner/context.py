"""What the model is told of the project and of the notebook, besides question and data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from IPython.core.getipython import get_ipython

from aoai_magic.config.settings import Settings
from aoai_magic.display.markdown.to_markdown import fence
from aoai_magic.errors import UsageError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import ngettext
from aoai_magic.runner.options import Options
from aoai_magic.shared.private_files import open_regular

GUIDES = ("assistant.md", "AGENTS.md")
"""Files in the working folder that hold a project's definitions; the first one counts."""

MOST_BYTES = 32_000
"""Of a guide: it is sent with every question."""

_OURS = re.compile(r"\s*%{1,2}(?:assistant|aoai)\b")


class Context(NamedTuple):
    """What is sent besides: its name in the footer, and the text that the model reads."""

    name: str
    text: str


def read_context(settings: Settings, options: Options, folder: Path) -> list[Context]:
    """Return what goes with a question.

    Raises
    ------
    UsageError
        As `read_guide` and `about_cell`.
    """
    guide = read_guide(folder) if settings.guide else None
    cells = read_cells(options.cells) if options.cells else None
    about = read_cell(options.about) if options.about is not None else None
    return [one for one in (guide, cells, about) if one]


def read_guide(folder: Path) -> Context | None:
    """Return the project's guide, None without one.

    Raises
    ------
    UsageError
        If it is too long or cannot be read; half of a definition could say the opposite.
    """
    guides = ((name, _text_of(folder / name)) for name in GUIDES)
    name, text = next(((name, text) for name, text in guides if text is not None), ("", ""))
    head = f"The project's own definitions, from {name}; they hold for every answer:"
    return Context(name, f"{head}\n\n{text}") if text else None


def _text_of(path: Path) -> str | None:
    """Return the text of a guide, None where there is no such file."""
    try:
        file = open_regular(path)
        if file is None:
            return None
        with file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        refused = _("{file} cannot be read ({reason}); fix it, or set guide to false.")
        raise UsageError(refused.format(file=path.name, reason=error)) from error
    if len(content) > MOST_BYTES:
        refused = _("{file} has more than {most:,} bytes; shorten it, or set guide to false.")
        raise UsageError(refused.format(file=path.name, most=MOST_BYTES))
    return text


def read_cells(count: int) -> Context | None:
    """Return the source of the last ``count`` cells that ran, without those that asked."""
    cells = [cell for cell in _ran() if cell.strip() and not _OURS.match(cell)][-count:]
    if not cells:
        return None
    head = (
        "The last cells of the user's notebook, oldest first, for you to read. They ran in the "
        "notebook, not in your sandbox:"
    )
    name = ngettext("{count} cell", "{count} cells", len(cells)).format(count=len(cells))
    return Context(name, "\n\n".join([head, *(fence(cell, "python") for cell in cells)]))


def read_cell(number: int) -> Context:
    """Return the cell that a question is about, with its error; see `about_cell`."""
    from aoai_magic.runner.about_cell import about_cell

    return Context(_("cell [{number}]").format(number=number), about_cell(number).text)


def _ran() -> Sequence[str]:
    """Return the cells as they were typed, without the one that is running."""
    shell = get_ipython()
    if shell is None or shell.history_manager is None:
        return []
    history: list[str] = shell.history_manager.input_hist_raw
    return history[:-1]
