"""Bytes that a turn brought back: in memory, and later in a file, without anybody noticing."""

from __future__ import annotations

from pathlib import Path

from aoai_magic.errors import AssistantError
from aoai_magic.locale import gettext as _


class Blob:
    """Some bytes.

    Attributes
    ----------
    size
        How many there are, known without reading them.
    """

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._data: bytes | None = data
        self._path: Path | None = None

    @property
    def is_in_memory(self) -> bool:
        """Whether they take memory."""
        return self._data is not None

    def read(self) -> bytes:
        """Return the bytes.

        Raises
        ------
        AssistantError
            If they were moved to a file that is no longer there.
        """
        if self._data is not None:
            return self._data
        assert self._path is not None
        try:
            data = self._path.read_bytes()
        except OSError as error:
            raise AssistantError(self._why_gone()) from error
        if len(data) != self.size:
            raise AssistantError(self._why_gone())
        return data

    def _why_gone(self) -> str:
        return _(
            "The bytes of this file or picture are no longer in {folder}; ask for it again."
        ).format(folder=self._path and self._path.parent)

    def moved_to(self, path: Path) -> None:
        """Forget the bytes, which are in that file now."""
        self._path, self._data = path, None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Blob):
            return NotImplemented
        return self is other or (self.size == other.size and self.read() == other.read())

    def __hash__(self) -> int:
        return hash(self.size)

    def __repr__(self) -> str:
        return f"<{self.size:,} bytes>"
