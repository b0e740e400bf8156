"""Dicts and lists of frames: each frame goes as a variable of its own.

So one that changes is sent again alone, and the model is told of each what it is told of
any frame.
"""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
from collections.abc import Container, Iterator
from dataclasses import dataclass

from aoai_magic.attach import frames
from aoai_magic.errors import AttachError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import ngettext

MOST = 100
"""Frames that one variable may hold."""

_FAR_TOO_MANY = 10 * MOST
"""Values that are not looked at for frames; completion asks of every variable."""

_DEEPEST = 3
_LONGEST = 60


@dataclass(frozen=True)
class Member:
    """A frame within a variable.

    Attributes
    ----------
    name
        Name of its own, such as ``tables_sales``.
    expression
        How the notebook has it, such as ``tables['sales']``.
    value
        The frame.
    """

    name: str
    expression: str
    value: object


def holds_frames(value: object) -> bool:
    """Return whether a value is a dict, list or tuple of nothing but frames; looks at no data.

    Arrays may be among them; arrays alone are numbers, which JSON has too.
    """
    if not _holds(value, _DEEPEST):
        return False
    leaves = (type(frame).__module__ for _, _, frame in _walk("", "", value))
    return any(module != "numpy" for module in leaves)


def describe(value: object) -> str | None:
    """Describe in a few words what a value that `holds_frames` is; None for any other."""
    if not holds_frames(value):
        return None
    count = sum(1 for _ in _walk("", "", value))
    frames_ = ngettext("{count:,} frame", "{count:,} frames", count).format(count=count)
    return f"{type(value).__name__}, {frames_}"


def identifier(name: str, taken: Container[str]) -> str:
    """Return a name that code can use; the same, if it is one, else one that is not `taken`."""
    if name.isidentifier() and not keyword.iskeyword(name):
        return name
    word = _word(name)
    return untaken(f"{word}_" if word.isidentifier() else f"_{word}", (), taken)


def members(name: str, value: object, taken: Container[str], expression: str = "") -> list[Member]:
    """Return the frames of a value that `holds_frames`, under names that are not `taken`.

    ``expression`` is how the notebook has the value, where that is not its name.

    Raises
    ------
    AttachError
        It holds more than `MOST`.
    """
    found: dict[str, Member] = {}
    for way, wish, frame in _walk(expression or name, name, value):
        own = untaken(wish, found, taken)
        found[own] = Member(own, way, frame)
        if len(found) > MOST:
            raise AttachError(
                _(
                    "{name} holds more than {most} frames; join them, e.g. with "
                    "pd.concat({name}), or attach a part of them."
                ).format(name=name, most=MOST)
            )
    return list(found.values())


def _holds(value: object, depth: int) -> bool:
    if not isinstance(value, (dict, list, tuple)) or not value or not depth:
        return False
    if len(value) > _FAR_TOO_MANY:
        return False
    inner = value.values() if isinstance(value, dict) else value
    return all(frames.describe(one) is not None or _holds(one, depth - 1) for one in inner)


def _walk(expression: str, name: str, value: object) -> Iterator[tuple[str, str, object]]:
    if frames.describe(value) is not None:
        yield expression, name, value
        return
    assert isinstance(value, (dict, list, tuple))
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for place, (key, inner) in enumerate(items):
        way = f"{expression}[{key!r}]"
        if not _is_literal(key):
            way = f"list({expression}.values())[{place}]"
        yield from _walk(way, f"{name}_{_word(key)}", inner)


def _is_literal(key: object) -> bool:
    try:
        return bool(ast.literal_eval(repr(key)) == key)
    except (ValueError, SyntaxError, TypeError):
        return False


def _word(key: object) -> str:
    # Python takes names in this form, so others could never be named.
    text = unicodedata.normalize("NFKC", str(key))
    return re.sub(r"\W+", "_", text)[:_LONGEST].strip("_")


def untaken(wish: str, found: Container[str], taken: Container[str]) -> str:
    """Return the name, numbered where it is among those found or taken."""
    name, count = wish, 1
    while name in found or name in taken:
        count += 1
        name = f"{wish}_{count}"
    return name
