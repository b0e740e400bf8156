"""Identifiers and the clock that orders what carries them."""

from __future__ import annotations

import secrets
import string
import threading
import time

_ALPHABET = string.ascii_letters + string.digits
_last = 0
_lock = threading.Lock()

FILE_PREFIXES = ("file", "assistant")
"""OpenAI's and Azure's prefixes of file ids; either is accepted everywhere."""


def new_id(prefix: str) -> str:
    """Make an id such as ``thread_abc…``: the prefix and 24 random letters and digits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(24))


def new_file_id(azure: bool) -> str:
    """Make a file id in the style of the path that the request came by."""
    return new_id("assistant-" if azure else "file-")


def now_ns() -> int:
    """Return the time in nanoseconds since the epoch, never the same twice in a process.

    Many objects share one second on the wire; this is what keeps their order.
    """
    global _last
    with _lock:
        _last = max(_last + 1, time.time_ns())
        return _last


def now() -> int:
    """Return the time in whole seconds since the epoch, as the API does."""
    return time.time_ns() // 1_000_000_000
