"""The title of a chart, as the session writes it into the picture: its text alternative."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST_CHUNKS = 50


def picture_title(data: bytes) -> str:
    """Return the title in a PNG; empty where there is none, and of what is no PNG."""
    for kind, content in _chunks(data):
        keyword, _, value = content.partition(b"\0")
        if keyword == b"Title" and kind == b"tEXt":
            return value.decode("latin-1")
        # Two flags, then language and translated keyword; compressed text has the first set.
        if keyword == b"Title" and kind == b"iTXt" and value[:1] == b"\0":
            return value[2:].split(b"\0", 2)[-1].decode("utf-8", "replace")
    return ""


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_SIGNATURE) if data.startswith(_SIGNATURE) else len(data)
    for _number in range(_MOST_CHUNKS):
        if place + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place + 8 : place + 8 + size]
        place += size + 12
