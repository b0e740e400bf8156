"""Placement: under which names the given files stand in a session's folder.

Files are given with the assistant, with the thread, and with each message. A file that a
later message brings takes the name from an earlier message's, as saving it again would;
otherwise everything that is given stays visible, under a name of its own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from aoai_magic.engine.storage.objects import Body

_LONGEST = 240
"""Bytes of a name; file systems take 255, and a number may have to be added."""


def place(standing: Iterable[Body], messages: Iterable[Sequence[Body]]) -> dict[str, Body]:
    """Give each file its name.

    Parameters
    ----------
    standing
        File objects of the assistant and the thread.
    messages
        File objects of each message, oldest message first.
    """
    placed: dict[str, Body] = {}
    for body in standing:
        _add(placed, body, frozenset())
    ids = {body["id"] for body in placed.values()}
    replaceable: set[str] = set()
    for files in messages:
        earlier = frozenset(replaceable)
        for body in files:
            if body["id"] not in ids:
                replaceable.add(_add(placed, body, earlier))
                ids.add(body["id"])
    return placed


def _add(placed: dict[str, Body], body: Body, replaceable: frozenset[str]) -> str:
    name = safe_name(body["filename"])
    if name not in replaceable:
        name = _free(name, placed)
    placed[name] = body
    return name


def _free(name: str, taken: Iterable[str]) -> str:
    names = set(taken)
    path = PurePosixPath(name)
    count = 2
    while name in names:
        name = f"{path.stem}-{count}{path.suffix}"
        count += 1
    return name


def safe_path(text: str) -> str:
    """Make a relative path of safe names out of the path of a session's file.

    Two files of one name in two folders stay two.
    """
    return "/".join(map(safe_name, text.split("/")))


def safe_name(text: str) -> str:
    """Make a file name out of any text: no folders, no controls, no surrogates, not hidden."""
    last = text.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C")
    name = PurePosixPath(kept.strip().lstrip(".") or "file")
    suffix = name.suffix if len(name.suffix.encode()) < _LONGEST // 2 else ""
    stem = name.name[: len(name.name) - len(suffix)].encode()[: _LONGEST - len(suffix.encode())]
    return stem.decode(errors="ignore") + suffix
