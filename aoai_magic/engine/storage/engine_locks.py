"""Instances: which engine processes of a data folder are alive.

Each holds a lock on a file of its own for as long as it lives; the kernel lets go of the
lock however the process ends, so a file that can be locked belongs to one that is gone.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from aoai_magic.engine.storage.ids import new_id
from aoai_magic.shared.private_files import private_folder


class Instance:
    """The present process, as the others of the same data folder see it."""

    def __init__(self, folder: Path) -> None:
        private_folder(folder)
        self.id = new_id("engine_")
        self._folder = folder
        self._file = self._lock()

    def _lock(self) -> int:
        path = self._path(self.id)
        while True:
            file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists():
                return file
            os.close(file)  # another process took the new file for a dead one's, and removed it

    def _path(self, id: str) -> Path:  # noqa: A002
        return self._folder / f"{id}.lock"

    def alive(self, id: str | None) -> bool:  # noqa: A002
        """Return whether the instance with that id still runs."""
        if id is None or id == self.id:
            return id is not None
        try:
            other = os.open(self._path(id), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            self._path(id).unlink(missing_ok=True)
            return False
        finally:
            os.close(other)

    def close(self) -> None:
        """Return up the lock and remove its file."""
        with suppress(FileNotFoundError):
            self._path(self.id).unlink()
        os.close(self._file)
