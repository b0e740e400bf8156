"""Placement: under which names the given files stand in a session's folder.

Files are given with the assistant, with the thread, and with each message. What a message
brings stands under its own name, as saving it again would, whichever file had that name by
an earlier message; two files of one name in one message stay two, and what is given with
assistant or thread keeps its name.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from aoai_magic.engine.storage.objects import Body

_LONGEST = 240
"""Bytes of a name; file systems take 255, and a number may have to be added."""


def place(standing: Iterable[Body], messages: Iterable[Sequence[Body]]) -> dict[str, Body]:
    """Return each file its name.

    Parameters
    ----------
    standing
        File objects of the assistant and the thread.
    messages
        File objects of each message, oldest message first.
    """
    placed: dict[str, Body] = {}
    for body in standing:
        placed[untaken_name(safe_name(body["filename"]), placed)] = body
    fixed = frozenset(placed)
    ids = {body["id"] for body in placed.values()}
    for files in messages:
        claimed = set(fixed)
        for body in {body["id"]: body for body in files if body["id"] not in ids}.values():
            name = _claim(body, placed, claimed)
            claimed.add(name)
            placed[name] = body
    return placed


def _claim(body: Body, placed: Mapping[str, Body], claimed: Collection[str]) -> str:
    """Name a file of a message, none of whose ``claimed`` names it may take."""
    name = safe_name(body["filename"])
    if name not in claimed:
        return name
    own = (one for one, other in placed.items() if other["id"] == body["id"])
    return next((one for one in own if one not in claimed), None) or untaken_name(name, placed)


def untaken_name(name: str, taken: Iterable[str]) -> str:
    """Return the name, numbered where it is among ``taken``."""
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
