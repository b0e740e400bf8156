"""Questions to the user before something leaves this machine, or is read from elsewhere on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aoai_magic.errors import AttachError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import ngettext
from aoai_magic.runner.destination import destination, is_here, keeps_files, warn_of_values
from aoai_magic.runner.dry_run import size_in_words

if TYPE_CHECKING:
    from aoai_magic.attach.resolve import Description
    from aoai_magic.config.settings import Settings, Target


def confirm(
    items: Sequence[Description],
    rows: int | None,
    target: Target,
    settings: Settings,
    schema_only: bool = False,
    embeddings: str = "",
) -> None:
    """Ask whether attached data may leave this machine, where the user wants to be asked.

    That of a model elsewhere leaves it too: as a description, in what the code prints and
    in the pictures that it draws.

    Raises
    ------
    AttachError
        The answer is no, or nobody is there to give one.
    """
    is_safe = is_here(target, settings) and not embeddings
    if not items or not settings.confirm_upload or is_safe:
        return
    one = _("{name} ({kind}, {size})")
    what = ", ".join(
        one.format(name=item.name, kind=item.kind, size=size_in_words(item.bytes)) for item in items
    )
    if rows:
        what = ngettext(
            "at most {rows:,} row of each frame of {what}",
            "at most {rows:,} rows of each frame of {what}",
            rows,
        ).format(rows=rows, what=what)
    if keeps_files(target, settings) and not embeddings:
        question = _(
            "Send the description of {what}, and then what the code prints and the pictures that "
            "it draws, to {where}? [y/N] "
        )
    else:
        question = _("Send {what} to {where}? [y/N] ")
    where = " + ".join(filter(None, [destination(target, settings), embeddings]))
    question = question.format(what=what, where=where)
    warning = warn_of_values(target, settings) if schema_only else _of_pictures(items)
    if (agreed := ask_user(" ".join(filter(None, [warning, question])))) is None:
        raise AttachError(
            _(
                "Nothing was sent, because confirm_upload asks first and nobody can answer here; "
                "set it to false for runs without a user, or use a model on this machine."
            )
        )
    if not agreed:
        raise AttachError(
            _(
                "Nothing was sent, because the answer was not y; --dry-run shows all that would "
                "go, and with a model on this machine all stays here."
            )
        )


def _of_pictures(items: Sequence[Description]) -> str:
    names = ", ".join(item.name for item in items if item.is_picture)
    text = _("A model that takes pictures is shown {names}.")
    return text.format(names=names) if names else ""


def confirm_outside(paths: Sequence[Path], folder: Path) -> None:
    """Ask for each file outside the working folder that only the question names.

    Raises
    ------
    AttachError
        The answer is no, or nobody is there to give one.
    """
    for path in paths:
        question = _("Attach {path}, which is outside the folder {folder}? [y/N] ")
        if ask_user(question.format(path=path, folder=folder)):
            continue
        raise AttachError(
            _(
                "Nothing was sent: {path} is outside the folder {folder}; to attach it, name it "
                "on the magic line, e.g. %%assistant @{path}"
            ).format(path=path, folder=folder)
        )


def ask_user(question: str) -> bool | None:
    """Ask a question of yes or no; None where nobody can answer, as in a headless run."""
    words = ask_words(question)
    return None if words is None else words.lower() in ("y", "yes")


def ask_words(question: str) -> str | None:
    """Return what the user types; None where nobody can answer, as in a headless run."""
    try:
        return input(question).strip()
    except (EOFError, OSError, RuntimeError):  # RuntimeError: a kernel without stdin
        return None
