"""Pictures of earlier turns that an answer embeds: they become part of the turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from aoai_magic.display.answer import saved_pictures
from aoai_magic.display.markdown.parse import embedded
from aoai_magic.turn.view import Image, Part, Text, View


def with_embedded(view: View, before: Iterable[View]) -> View:
    """Return the view with the pictures of its thread that its text embeds and it did not make.

    ``before`` are the earlier turns, oldest first; of each name the newest picture is taken.

    Raises
    ------
    AssistantError
        If the bytes of one have been deleted.
    """
    of_thread = (one for one in before if view.thread and one.thread == view.thread)
    there = {image.name: image for one in of_thread for image in saved_pictures(one.files)}
    for file in view.files:
        there.pop(file.name, None)
    return replace(view, parts=tuple(_parts(view.parts, there)))


def _parts(parts: Iterable[Part], there: dict[str, Image]) -> Iterator[Part]:
    for part in parts:
        yield part
        names = embedded(part.text) if isinstance(part, Text) else []
        for picture in (there.pop(name) for name in names if name in there):
            # Read now, as it may be on disk: what cannot be read cannot be shown.
            yield replace(picture, content=picture.data)
