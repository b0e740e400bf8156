"""Files and pictures that turns brought back: the newest in memory, older ones on disk.

A kernel may live for weeks, and each of its turns may bring back hundreds of megabytes. What
is more than `MEMORY_BYTES` is moved to a folder of this process in the data directory, which
goes with the process; a process that died leaves its folder to the next one to delete.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import psutil

from aoai_magic.shared.private_files import open_new, private_folder
from aoai_magic.turn.blob import Blob

MEMORY_BYTES = 64 << 20
"""How much of what came back is kept in memory."""


class ResultFiles:
    """What the turns of one kernel brought back."""

    def __init__(self) -> None:
        self._in_memory: list[Blob] = []
        self._count = 0

    def add(self, blobs: Iterable[Blob], home: Path) -> None:
        """Keep what a turn brought back, the newest; move the oldest to disk if need be.

        Raises
        ------
        OSError
            If it cannot be moved; all stays in memory then.
        """
        self._in_memory += [blob for blob in blobs if blob.is_in_memory]
        held = sum(blob.size for blob in self._in_memory)
        while held > MEMORY_BYTES:
            oldest = self._in_memory[0]
            self._move(oldest, home)
            held -= oldest.size
            del self._in_memory[0]

    def _move(self, blob: Blob, home: Path) -> None:
        if not blob.is_in_memory:
            return
        folder = _own_folder(home)
        self._count += 1
        path = folder / f"{self._count}-{os.urandom(4).hex()}"
        try:
            with open_new(path) as file:
                file.write(blob.read())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        blob.moved_to(path)


_swept: set[Path] = set()


def _own_folder(home: Path) -> Path:
    """Return this process's folder; delete, once, what processes that died have left."""
    private_folder(home)
    results = private_folder(home / "results")
    own = private_folder(results / str(os.getpid()))
    if own not in _swept:
        _swept.add(own)
        for path in left_behind(home):
            shutil.rmtree(path, ignore_errors=True)
        atexit.register(_delete, own, os.getpid())
    return own


def left_behind(home: Path) -> list[Path]:
    """Return the folders of processes that are no more."""
    with contextlib.suppress(OSError):
        return [path for path in (home / "results").iterdir() if not _is_in_use(path)]
    return []


def _is_in_use(path: Path) -> bool:
    try:
        process = psutil.Process(int(path.name))
        # A younger process has the dead one's number; in containers that is the rule.
        return process.create_time() <= path.stat().st_mtime
    except (psutil.Error, ValueError, OSError):
        return False


def _delete(folder: Path, pid: int) -> None:
    if pid == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)
