"""The variables that are in scope where a question is asked."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

_OURS = ("aoai_magic", "IPython", "decorator", "traitlets")
"""Packages whose frames stand between the user's code and ours."""

_LOOPS = ("asyncio", "tornado", "ipykernel", "anyio", "trio", "concurrent", "threading")
"""Packages below whose frames there is no code of the user that called this one."""

_STDLIB = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))


def caller_variables(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of the functions that are being called, those of the nearest first.

    A helper may hand a name on to `ask`, so the locals of its callers count too; a name
    that is none of theirs is looked up in the modules of these functions. The notebook's
    own variables are left out: they are what everything else comes before.
    """
    frames = list(_user_frames())
    modules = [frame.f_globals for frame in frames if frame.f_globals is not notebook]
    functions = [dict(frame.f_locals) for frame in frames if frame.f_locals is not frame.f_globals]
    found: dict[str, Any] = {}
    for scope in (*modules[:1], *reversed(functions)):
        found.update(scope)
    return {name: value for name, value in found.items() if not name.startswith("__")}


def _user_frames() -> Iterator[FrameType]:
    """Yield the frames of the calling functions, the nearest first, up to a module's own."""
    frame: FrameType | None = sys._getframe(1)
    nearest = True
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in _LOOPS:
            return
        # Of libraries only one that asks itself counts, and none that calls the user's code.
        if package not in _OURS and (nearest or not _is_library(frame.f_code.co_filename)):
            nearest = False
            yield frame
            if frame.f_locals is frame.f_globals:
                return
        frame = frame.f_back


def _is_library(filename: str) -> bool:
    return filename.startswith((*_STDLIB, "<frozen")) or any(
        folder in filename for folder in ("site-packages", "dist-packages")
    )
