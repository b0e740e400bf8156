"""Writing what came back into a folder, without touching what is there."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from .errors import AssistantError
from .view import File, Image, View

Made = TypeVar("Made", File, Image)


def save(view: View, folder: str | Path, *, overwrite: bool = False) -> View:
    """Write files and pictures; give the view that knows where each of them is.

    Raises
    ------
    AssistantError
        If a file of that name is there already and ``overwrite`` is false, nothing is
        written; or if the folder cannot be written.
    """
    from .tables import safe_name

    target = Path(folder).expanduser()
    taken: set[str] = set()

    def placed(made: Made) -> Made:
        name = safe_name(made.name, taken)
        taken.add(name)
        return replace(made, saved=os.path.relpath(target / name))

    files = tuple(placed(file) for file in view.files)
    parts = tuple(placed(part) if isinstance(part, Image) else part for part in view.parts)
    view = replace(view, files=files, parts=parts)
    _write(view, target, overwrite)
    return view


def paths(view: View) -> list[Path]:
    """Give the paths of what was saved."""
    return [Path(made.saved) for made in _made(view) if made.saved]


def _made(view: View) -> list[File | Image]:
    return [*view.files, *(part for part in view.parts if isinstance(part, Image))]


def _write(view: View, target: Path, overwrite: bool) -> None:
    if not overwrite:
        _refuse_existing(paths(view))
    try:
        target.mkdir(parents=True, exist_ok=True)
        for made in _made(view):
            Path(made.saved or "").write_bytes(made.data)
    except OSError as error:
        raise AssistantError(
            f"{target} cannot be written ({error.strerror}); save to another folder with "
            "%assistant save DIR."
        ) from error


def _refuse_existing(wanted: list[Path]) -> None:
    existing = [str(path) for path in wanted if path.exists()]
    if existing:
        raise AssistantError(
            f"Nothing was written because {', '.join(existing)} exists already; "
            "give --overwrite (overwrite=True) to replace it, or another folder."
        )
