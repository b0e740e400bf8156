"""What a tool answers: texts, pictures, tables and links to files, all bounded."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from mcp_types import CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent

from aoai_magic.engine.agent.cell_outputs import Outputs, clean, shorten
from aoai_magic.engine.models.pictures import Picture
from aoai_magic.sandbox.protocol import Display, Event, FileInfo

_TABLE = "application/vnd.dataresource+json"
_MOST_CHARACTERS = 50_000
_MOST_PICTURE_BYTES = 10 << 20
_MOST_FILES = 100
_MOST_TABLES = 20


class Answer:
    """The answer of a tool, growing as a cell's events arrive."""

    def __init__(self) -> None:
        self._outputs = Outputs()
        self._pieces: list[str | Picture] = []
        self._tables: list[Any] = []

    def take(self, event: Event) -> None:
        """Read one event of a cell."""
        self._pieces += self._outputs.take(event)
        table = event.data.get(_TABLE) if isinstance(event, Display) else None
        if isinstance(table, str) and len(self._tables) < _MOST_TABLES:
            self._tables += _read(table)

    def result(self, handle: str, files: Sequence[FileInfo]) -> CallToolResult:
        """Return the answer, with links to the files that the cell made or changed."""
        links = [link(handle, file.name, file.bytes) for file in files[:_MOST_FILES]]
        structured = {
            "session": handle,
            "outcome": self._outputs.outcome,
            "seconds": round(self._outputs.seconds, 3),
            "tables": self._tables,
            "files": [{"name": one.name, "uri": one.uri, "bytes": one.size} for one in links],
        }
        failed = self._outputs.outcome != "ok"
        return CallToolResult(
            content=[*blocks(self._pieces), *links], structured_content=structured, is_error=failed
        )


def blocks(pieces: Iterable[str | Picture]) -> list[ContentBlock]:
    """Return texts and pictures in their order; what is too long is cut, and says so."""
    made: list[ContentBlock] = []
    texts, room = "", _MOST_PICTURE_BYTES
    for piece in pieces:
        if isinstance(piece, str):
            texts += piece
        elif len(piece.data) > room:
            texts += "\n[A picture was left out: too large for one answer; save it to a file.]\n"
        else:
            room -= len(piece.data)
            made += [*_text(texts), _image(piece)]
            texts = ""
    return [*made, *_text(texts)] or _text("(no output)")


def _text(text: str) -> list[ContentBlock]:
    return [TextContent(text=shorten(text, _MOST_CHARACTERS))] if text.strip() else []


def _image(picture: Picture) -> ContentBlock:
    data = base64.b64encode(picture.data).decode("ascii")
    return ImageContent(data=data, mime_type=f"image/{picture.suffix}")


def link(handle: str, name: str, size: int) -> ResourceLink:
    """Return a link to a file of a session."""
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    uri = f"session://{handle}/{quote(name)}"
    return ResourceLink(name=name, uri=uri, size=size, mime_type=kind)


def _read(table: str) -> list[Any]:
    """Return a table that code displayed, if it is one and not too long."""
    if len(table) > _MOST_CHARACTERS:
        return []
    try:
        value = json.loads(clean(table))
    except (ValueError, RecursionError):
        return []
    usable = isinstance(value, dict) and isinstance(value.get("data"), list)
    return [{"schema": value.get("schema"), "data": value["data"]}] if usable else []
