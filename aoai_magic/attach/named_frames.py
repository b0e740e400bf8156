"""Frames that a question names by their variable, without an ``@``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from aoai_magic import frame_codec
from aoai_magic.attach import frames
from aoai_magic.attach.mentions import without_code


def named_frames(
    prompt: str, namespace: Mapping[str, object], attached: Iterable[str]
) -> list[str]:
    """Return the names of the DataFrames that stand in a prompt as words, in the prompt's order.

    Only tables in memory count: a query would have to be run, and a Series is often called like
    a word of everyday language. So is a letter; and a word that is a column of a table that is
    attached already means that column.

    Parameters
    ----------
    prompt
        The question; names in code are not looked for.
    namespace
        The variables that can be named.
    attached
        Names of variables that the model knows already.
    """
    known = list(attached)
    meant = {column for name in known for column in columns(namespace.get(name))}
    places = _places(prompt, (name for name in tables(namespace) if name not in meant))
    return sorted(places, key=places.__getitem__)


def named_data(prompt: str, namespace: Mapping[str, object]) -> list[str]:
    """Return the names of all variables with rows or columns that stand in a prompt as words."""
    named = _places(prompt, filter(_can_be_meant, list(namespace)))
    return [name for name in named if _has_data(namespace[name])]


def _can_be_meant(name: str) -> bool:
    return len(name) > 1 and name.isidentifier() and not name.startswith("_")


def _has_data(value: object) -> bool:
    try:
        return not isinstance(value, type) and frames.describe(frames.native(value)) is not None
    except Exception:  # a foreign object's property may raise anything at all
        return False


def tables(namespace: Mapping[str, object]) -> Iterator[str]:
    """Yield the names of the variables that hold a table in memory."""
    for name, value in list(namespace.items()):
        if _can_be_meant(name) and _is_table(value):
            yield name


def _is_table(value: object) -> bool:
    """Return whether a value is a table in memory; nothing is imported and nothing is run."""
    try:
        value = frames.native(value)
        # The shape first: the columns of a query would have to be worked out.
        has_shape = frame_codec.shape(value) is not None
        return has_shape and (hasattr(value, "columns") or hasattr(value, "column_names"))
    except Exception:  # a foreign object's property may raise anything at all
        return False


def columns(value: object) -> list[str]:
    """Return the names of a table's columns, none for any other value."""
    if not _is_table(value):
        return []
    table = frames.native(value)
    return [str(one) for one in getattr(table, "column_names", getattr(table, "columns", ()))]


def _places(prompt: str, names: Iterable[str]) -> dict[str, int]:
    """Return where in a prompt each of the names that it holds stands as a word of its own.

    Japanese and Chinese put no space behind a word, so letters beyond ASCII may follow one.
    """
    text = without_code(prompt)
    words: dict[str, int] = {}
    for word in _WORD.finditer(text):
        words.setdefault(word[0], word.start())
    found = {name: words.get(name) if name.isascii() else _start(name, text) for name in names}
    return {name: place for name, place in found.items() if place is not None}


_WORD = re.compile(r"(?<![A-Za-z0-9_@.])[A-Za-z_][A-Za-z0-9_]*")


def _start(name: str, text: str) -> int | None:
    found = re.search(rf"(?<!\w){re.escape(name)}", text)
    return found.start() if found else None
