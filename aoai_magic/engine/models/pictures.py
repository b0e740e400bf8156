"""Pictures that code drew, shown to the model too, so that it can check its charts."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Picture:
    """An image that a cell showed.

    Attributes
    ----------
    suffix
        ``png``, ``jpeg``, ``gif`` or ``webp``.
    chart
        Where it is of a chart: its ``title`` and ``tables``, and ``type`` and ``spec`` of what
        draws it elsewhere; empty for any other.
    """

    suffix: str
    data: bytes
    chart: Mapping[str, Any] = field(default_factory=dict)


MOST = 4
"""Pictures that are shown of one reply's code: the last ones."""

LARGEST = 4 << 20
"""Bytes of a picture; a larger one is not shown."""

WORDS = (
    "[Above code has drawn this, and the user sees it too. If a chart is wrong or cannot be read, "
    "draw it again; else go on. This message is not the user's.]"
)

RETURNED = (
    "[The functions called above have returned this in this order. This message is not the user's.]"
)


def shown(pictures: Sequence[Picture]) -> dict[str, Any] | None:
    """Make the chat message that shows the pictures; None where there is nothing to show."""
    small = [picture for picture in pictures if len(picture.data) <= LARGEST][-MOST:]
    if not small:
        return None
    return {"role": "user", "content": [{"type": "text", "text": WORDS}, *map(_part, small)]}


def returned(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make the chat message that shows the pictures which functions returned, as parts."""
    return {"role": "user", "content": [{"type": "text", "text": RETURNED}, *parts]}


def are(message: Mapping[str, Any]) -> bool:
    """Return whether a chat message is one that `shown` or `returned` made."""
    content = message.get("content")
    if not isinstance(content, list) or not content:
        return False
    return content[0].get("text") in (WORDS, RETURNED)


def _part(picture: Picture) -> dict[str, Any]:
    data = base64.b64encode(picture.data).decode()
    return {
        "type": "image_url",
        "image_url": {"url": f"data:image/{picture.suffix};base64,{data}"},
    }
