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
    text = without_code(prompt)
    places = {
        name: place
        for name in tables(namespace)
        if name not in meant and (place := _place(name, text)) is not None
    }
    return sorted(places, key=places.__getitem__)


def named_data(prompt: str, namespace: Mapping[str, object]) -> list[str]:
    """Return the names of all variables with rows or columns that stand in a prompt as words."""
    text = without_code(prompt)
    names = [name for name in namespace if len(name) > 1 and not name.startswith("_")]
    named = [name for name in names if name.isidentifier() and _place(name, text) is not None]
    return [name for name in named if _has_data(namespace[name])]


def _has_data(value: object) -> bool:
    try:
        return not isinstance(value, type) and frames.describe(frames.native(value)) is not None
    except Exception:  # a foreign object's property may raise anything at all
        return False


def tables(namespace: Mapping[str, object]) -> Iterator[str]:
    """Yield the names of the variables that hold a table in memory."""
    for name, value in list(namespace.items()):
        if len(name) > 1 and name.isidentifier() and not name.startswith("_") and _is_table(value):
            yield name


def _is_table(value: object) -> bool:
    """Return whether a value is a table in memory; nothing is imported and nothing is run."""
    try:
        value = frames.native(value)
        return frame_codec.shape(value) is not None and len(getattr(value, "shape", ())) == 2
    except Exception:  # a foreign object's property may raise anything at all
        return False


def columns(value: object) -> list[str]:
    """Return the names of a table's columns, none for any other value."""
    if not _is_table(value):
        return []
    table = frames.native(value)
    return [str(one) for one in getattr(table, "column_names", getattr(table, "columns", ()))]


def _place(name: str, text: str) -> int | None:
    """Return where a name stands as a word of its own.

    Japanese and Chinese put no space behind a word, so letters beyond ASCII may follow one.
    """
    before = r"(?<![A-Za-z0-9_@.])" if name.isascii() else r"(?<!\w)"
    after = r"(?![A-Za-z0-9_])" if name.isascii() else ""
    found = re.search(before + re.escape(name) + after, text)
    return found.start() if found else None
