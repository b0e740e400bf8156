"""``-o NAME``: what the model is told of it, and what the name is bound to."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from aoai_magic.locale import gettext as _

if TYPE_CHECKING:
    from aoai_magic.runner.turn import Turn


def instructions_for(name: str) -> str:
    """Return what the model is told, so that a table comes back that the name can be bound to."""
    return (
        f"The table that answers this question becomes the variable `{name}` of the user's "
        f"notebook. Save it, unrounded and complete, as `{name}.parquet` in the working folder "
        f"(as `{name}.csv` where that fails), also when you show it; save no other table."
    )


def bind_tables(turn: Turn, name: str, namespace: MutableMapping[str, Any]) -> str:
    """Bind the turn's one table, or several by name; return what the user should know of it.

    Where none was saved, those count that the answer shows. Where there is none at all, or
    none that can be read, nothing is bound: the answer stands all the same.
    """
    frames = turn.frames
    unread = [file for file in turn.files.values() if file.problem]
    if frames:
        namespace[name] = _one_or_all(frames)
        sentence = _("{file} could not be read as a table: {reason}.")
        return " ".join(sentence.format(file=f.name, reason=f.problem) for f in unread)
    if unread:
        text = _(
            "`{name}` was not set: {file} could not be read as a table: {reason}. "
            "_assistant.files[{file!r}] has its bytes."
        )
        return text.format(name=name, file=unread[0].name, reason=unread[0].problem)
    if shown := turn.shown_tables:
        namespace[name] = _one_or_all(shown)
        if len(shown) == 1:
            text = _(
                "No table was saved, so `{name}` is the table that the answer shows, with its "
                "values as shown."
            )
        else:
            text = _(
                "No table was saved, so `{name}` holds the {count} tables that the answer shows, "
                "with their values as shown."
            )
        return text.format(name=name, count=len(shown))
    if name in namespace:
        text = _("No table was returned, so `{name}` was not set and is what it was before.")
    else:
        text = _("No table was returned, so `{name}` was not set.")
    return text.format(name=name)


def _one_or_all(frames: dict[str, Any]) -> Any:
    return next(iter(frames.values())) if len(frames) == 1 else frames
