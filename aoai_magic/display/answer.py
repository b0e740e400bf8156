"""The parts of a turn that readers came for, each picture once."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256

from aoai_magic.display.markdown.parse import without_pictures
from aoai_magic.display.steps import WORK, announcements
from aoai_magic.turn import view as views

MOST_PICTURES = 8
"""Of those that code saved where it drew none; the others are among the files."""


def answer(view: views.View) -> list[views.Part]:
    """Return text, pictures and notices in their order, each picture once.

    What code saves is drawn by the session; where that drew nothing, a service's may not have
    or it is SVG, the saved pictures are shown.
    """
    parts = [part for part in view.parts if not isinstance(part, WORK)]
    if not any(isinstance(part, views.Image) for part in parts):
        parts += saved_pictures(view.files)[:MOST_PICTURES]
    seen: set[bytes] = set()
    return [part for part in parts if not isinstance(part, views.Image) or _is_new(part, seen)]


def final_answer(view: views.View) -> list[views.Part]:
    """Return what stays of `answer`: no announcement of a failed attempt, no picture twice."""
    announced = announcements(view.parts)
    parts = [part for part in answer(view) if part not in announced]
    names = {part.name for part in parts if isinstance(part, views.Image)}
    if names:
        names.update(picture.name for picture in saved_pictures(view.files))
    return [
        replace(part, text=without_pictures(part.text, names))
        if isinstance(part, views.Text) and names
        else part
        for part in parts
    ]


def saved_pictures(files: Iterable[views.File]) -> list[views.Image]:
    """Return the files that are pictures, as pictures."""
    kinds = ((file, mimetypes.guess_type(file.name)[0] or "") for file in files)
    return [
        views.Image(f"file/{file.name}", file.name, file.content, kind, file.saved)
        for file, kind in kinds
        if kind.startswith("image/")
    ]


def _is_new(picture: views.Image, seen: set[bytes]) -> bool:
    digest = sha256(picture.data).digest()
    is_new = digest not in seen
    seen.add(digest)
    return is_new
