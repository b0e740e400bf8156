"""Cards of files: name, size and, where they are text, their first lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aoai_magic.attach import table_card
from aoai_magic.attach.attachment import MOUNT
from aoai_magic.attach.schema_card import clean
from aoai_magic.tables import encodings

LIMIT = 2_000
"""Characters of a preview."""

_LINES = 6
_LINE = 300
_NAMES = 30
_HEAD_BYTES = 8_192


def of_file(path: Path, filename: str, size: int, schema_only: bool) -> str:
    """Write the card of a file on disk.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    how = table_card.describe(path, filename, size, schema_only=schema_only)
    return _card(
        f"`{clean(path.name, 255)}`: a file of {size:,} bytes", filename, head, schema_only, how
    )


def of_bytes(title: str, filename: str, data: bytes, schema_only: bool) -> str:
    """Write the card of a file made from a variable."""
    return _card(title, filename, data[:_HEAD_BYTES], schema_only)


def of_folder(name: str, filename: str, names: Sequence[str], size: int, schema_only: bool) -> str:
    """Write the card of a folder."""
    title = f"`{clean(name, 255)}`: a folder of {size:,} bytes in {len(names):,} files"
    line = f"{title}, zipped as {MOUNT}/{clean(filename, 255)}."
    if schema_only:
        return line
    shown = ", ".join(clean(inner, 80) for inner in names[:_NAMES])
    more = f", … ({len(names) - _NAMES:,} more)" if len(names) > _NAMES else ""
    return f"{line}\nFiles: {shown}{more}"[:LIMIT]


def _card(
    title: str, filename: str, head: bytes, schema_only: bool, how: Sequence[str] = ()
) -> str:
    lines = [f"{title}, as {MOUNT}/{clean(filename, 255)}.", *how]
    # The cut may have gone through a character.
    decoded = encodings.decode(head, whole=len(head) < _HEAD_BYTES)
    if decoded and decoded.guessed and not how:
        lines.append(f"Its encoding, {decoded.label}, is a guess.")
    begin = decoded.text.splitlines()[:_LINES] if decoded and not schema_only else []
    if begin:
        lines += ["It begins:", *(clean(text, _LINE) for text in begin)]
    return "\n".join(lines)[:LIMIT]
