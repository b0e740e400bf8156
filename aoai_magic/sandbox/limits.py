"""Limits as a user writes them: variables ``AOAI_MAGIC_SESSION_NAME``, or ``NAME=VALUE``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

import psutil

from aoai_magic.sandbox.protocol import Limits

PREFIX = "AOAI_MAGIC_SESSION_"
"""What the variables of all limits begin with."""

NAMES = tuple(field.name for field in fields(Limits))

MORE_MEMORY = f"; take the data in parts, or allow more by {PREFIX}MEMORY"
"""What can be done where a session may hold too little."""

_BYTES = ("memory", "disk", "file", "output", "most_memory")
_LEAST = {
    "most_memory": 1 << 30,
    "memory": 1 << 30,  # what numpy, pandas and Arrow map counts in part
    "disk": 1 << 20,
    "file": 1 << 20,
    "output": 1000,
    "processes": 8,
    "open_files": 64,
}
_OTHERS = ("PRELOAD",)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_POWERS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def most_memory(limits: Limits) -> int:
    """Return the bytes that one session may be given on this machine."""
    there = min(limits.most_memory, psutil.virtual_memory().total)
    with suppress(OSError, ValueError):  # no container, or one without a bound ("max")
        there = min(there, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return there


def read_limits(usual: Limits, environ: Mapping[str, str], given: Iterable[str] = ()) -> Limits:
    """Return the limits that variables and, stronger, ``NAME=VALUE`` words ask for.

    Sizes are bytes, or have a unit (``512M``, ``2 GB``, ``2GiB``; a K is 1024); what ends
    in ``seconds`` may have a fraction.

    Raises
    ------
    ValueError
        For an unknown name, that of a variable included, or a value that cannot be used;
        one sentence.
    """
    _refuse_others(environ)
    words = {name: environ.get(PREFIX + name.upper(), "") for name in NAMES}
    sources = {name: PREFIX + name.upper() for name in NAMES}
    for word in given:
        name, _, text = word.partition("=")
        if name not in NAMES:
            raise ValueError(f"There is no limit called {name!r}; there are: {', '.join(NAMES)}.")
        words[name], sources[name] = text, f"The limit {name}"
    values = {name: _read(name, text, sources[name]) for name, text in words.items() if text}
    return replace(usual, **values)  # type: ignore[arg-type]  # each of its field's own type


def _refuse_others(environ: Mapping[str, str]) -> None:
    """Refuse a misspelt variable: a limit would not apply, and nobody would know."""
    known = {PREFIX + name.upper() for name in (*NAMES, *_OTHERS)}
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            raise ValueError(f"{name} names no limit; there are: {', '.join(sorted(known))}.")


def _read(name: str, text: str, source: str) -> float:
    kind, value = "a whole number", _number(text)
    if name in _BYTES:
        kind, value = "a number of bytes such as 512M or 2G", _size(text)
    elif name.endswith("seconds"):
        kind = "a number of seconds"
    elif value is not None:
        value = int(value) if value == int(value) else None
    least = _LEAST.get(name, 1)
    if value is None or value < least:
        wanted = f"{least >> 20} MB" if least >= 1 << 20 else f"{least}"
        raise ValueError(f"{source} is {text!r}, but must be {kind}, at least {wanted}.")
    return value


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,15}(\.\d+)?", text) else None


def _size(text: str) -> int | None:
    match = _SIZE.fullmatch(text.strip())
    return int(float(match[1]) * (1 << _POWERS[match[2].upper()])) if match else None
