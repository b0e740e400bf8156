"""Attached pictures as a model that sees is shown them, beside the files that code reads."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from aoai_magic.attach.attachment import Attachment
from aoai_magic.locale import gettext as _

MOST = 4
"""Pictures of one question that a model is shown: the first ones."""

_BYTES = 1 << 20
"""Bytes above which a picture is made smaller."""

_LARGEST = 4 << 20
"""Bytes above which it is not shown, where it cannot be made smaller."""

_SIDE = 2_048
"""Pixels of the longer side: services scale down what is larger."""

_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
_SIGNATURES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}


class Picture(NamedTuple):
    """A picture for the model; ``name`` is the attachment's."""

    name: str
    media_type: str
    data: bytes

    @property
    def part(self) -> dict[str, Any]:
        """The part of a message that shows it, as the Responses API has it."""
        url = f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"
        return {"type": "input_image", "image_url": url, "detail": "auto"}


def is_picture(filename: str) -> bool:
    """Return whether a file is of a kind that models take as a picture, by its name."""
    return filename.lower().endswith(_SUFFIXES)


def for_model(items: Sequence[Attachment]) -> tuple[list[Picture], list[str]]:
    """Return the pictures to show, and the names of those that are files alone.

    These are more than `MOST`, too large, or not what their names say.
    """
    named = [item for item in items if item.is_picture]
    shown = {item.name: _picture(item) for item in named[:MOST]}
    return [one for one in shown.values() if one], [
        item.name for item in named if not shown.get(item.name)
    ]


def unshown_notes(names: Sequence[str]) -> list[str]:
    """Return the note on pictures that are files alone; nothing without any."""
    text = _(
        "The model is not shown {names} (it is shown up to {most} pictures of 4 MB); its code "
        "can read them."
    )
    return [text.format(names=", ".join(names), most=MOST)] if names else []


def _picture(item: Attachment) -> Picture | None:
    data = item.path.read_bytes()
    media = next((m for m, signature in _SIGNATURES.items() if signature.match(data)), None)
    if media is None:
        return None
    media, data = _smaller(media, data)
    return Picture(item.name, media, data) if len(data) <= _LARGEST else None


def _smaller(media: str, data: bytes) -> tuple[str, bytes]:
    """Scale a picture down where it is large and Pillow is there; else return it as it is."""
    try:
        from PIL import Image
    except ImportError:
        return media, data
    try:
        with Image.open(io.BytesIO(data)) as image:
            if len(data) <= _BYTES and max(image.size) <= _SIDE:
                return media, data
            return _scaled(image)
    # Pillow raises anything for a broken file, and refuses one that unpacks to gigabytes.
    except Exception:
        return media, data


def _scaled(image: Any) -> tuple[str, bytes]:
    is_transparent = "A" in image.getbands() or "transparency" in image.info
    image = image.convert("RGBA" if is_transparent else "RGB")
    image.thumbnail((_SIDE, _SIDE))
    data = _encoded(image, "PNG")
    if len(data) <= _BYTES or is_transparent:
        return "image/png", data
    return "image/jpeg", _encoded(image, "JPEG")


def _encoded(image: Any, form: str) -> bytes:
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()
