"""Blobs: the bytes of stored files, one file on disk each, readable by their owner alone."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from aoai_magic.shared.private_files import private_folder

_CHUNK = 1 << 20


class TooLarge(ValueError):  # noqa: N818 - the field's term
    """The source had more bytes than it may."""


class Blobs:
    """A folder of blobs, named by the id of the file object that they belong to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        private_folder(folder)

    def path(self, id: str) -> Path:  # noqa: A002
        """Return where a blob is; ids are our own, so they are safe as names."""
        return self._folder / id[-2:] / id

    def add(self, id: str, source: BinaryIO, limit: int) -> int:  # noqa: A002
        """Store what ``source`` holds and give the number of bytes.

        Raises
        ------
        TooLarge
            When there are more than ``limit`` bytes; nothing is kept then.
        """
        path = self.path(id)
        private_folder(path.parent)
        try:
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
                return _copy(source, out, limit)
        except BaseException:
            self.discard(id)
            raise

    def open(self, id: str) -> BinaryIO:  # noqa: A002
        """Open a blob for reading."""
        return self.path(id).open("rb")

    def discard(self, id: str) -> None:  # noqa: A002
        """Delete a blob if it is there."""
        with suppress(FileNotFoundError):
            self.path(id).unlink()


def _copy(source: BinaryIO, out: BinaryIO, limit: int) -> int:
    total = 0
    while piece := source.read(_CHUNK):
        total += len(piece)
        if total > limit:
            raise TooLarge(f"more than {limit} bytes")
        out.write(piece)
    return total
