"""Blobs: the bytes of stored files, readable by their owner alone.

They never change, so that what lies elsewhere can be kept on this machine too once it was
read or written here.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import anyio.to_thread

from aoai_magic.engine.errors import StoreError
from aoai_magic.shared.private_files import private_folder

_CHUNK = 1 << 20
_KEPT_BYTES = 10 << 30
_PRUNE_EVERY = 1 << 30
_SAFE_SECONDS = 3600.0
"""How long a copy stays that was used: whoever asked for its path may yet have to open it."""


class TooLarge(ValueError):  # noqa: N818 - the field's term
    """The source had more bytes than it may."""


class Blobs:
    """A folder of blobs, named by the id of the file object that they belong to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        private_folder(folder)

    def _place(self, id: str) -> Path:  # noqa: A002
        """Return where a blob is to lie; ids are our own, so they are safe as names."""
        return self._folder / id[-2:] / id

    async def path(self, id: str) -> Path:  # noqa: A002
        """Return where a blob is on this machine, if there is one."""
        return self._place(id)

    def add(self, id: str, source: BinaryIO, limit: int) -> int:  # noqa: A002
        """Store what ``source`` holds and give the number of bytes.

        Raises
        ------
        TooLarge
            When there are more than ``limit`` bytes; nothing is kept then.
        """
        with self._new(id) as out:
            return _copy(source, out, limit)

    @contextmanager
    def _new(self, id: str) -> Iterator[BinaryIO]:  # noqa: A002
        """Open a blob for writing; nothing of it is kept when that fails.

        It has its name only once it is whole, since others may wait for it.
        """
        path = self._place(id)
        private_folder(path.parent)
        half = path.with_name(f".{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(half, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
                yield out
            half.replace(path)
        except BaseException:
            half.unlink(missing_ok=True)
            raise

    def open(self, id: str) -> BinaryIO:  # noqa: A002
        """Open a blob for reading."""
        return self._place(id).open("rb")

    def discard(self, id: str) -> None:  # noqa: A002
        """Delete a blob if it is there."""
        self._place(id).unlink(missing_ok=True)


class RemoteBlobs(Blobs):
    """Blobs in an object store, and copies of those used here in a folder of bounded size."""

    def __init__(self, folder: Path, store: Any) -> None:
        super().__init__(folder)
        self._store = store
        self._new_bytes = _PRUNE_EVERY

    async def path(self, id: str) -> Path:  # noqa: A002
        """Return where a copy of a blob is, if there is one; it is fetched first if need be."""
        return await anyio.to_thread.run_sync(self._fetched, id)

    def open(self, id: str) -> BinaryIO:  # noqa: A002
        """Open a blob for reading."""
        return self._fetched(id).open("rb")

    def _fetched(self, id: str) -> Path:  # noqa: A002
        path = self._place(id)
        with suppress(FileNotFoundError):
            os.utime(path)
            return path
        with suppress(FileNotFoundError):
            found = self._store.get(id)
            with self._new(id) as out:
                for piece in found.stream(min_chunk_size=_CHUNK):
                    out.write(piece)
            self._count(found.meta["size"])
        return path

    def add(self, id: str, source: BinaryIO, limit: int) -> int:  # noqa: A002
        """Store what ``source`` holds, here and there, and give the number of bytes.

        Raises
        ------
        TooLarge
            When there are more than ``limit`` bytes; nothing is kept then.
        """
        size = super().add(id, source, limit)
        try:
            self._store.put(id, self._place(id))
        except BaseException:
            super().discard(id)
            raise
        self._count(size)
        return size

    def discard(self, id: str) -> None:  # noqa: A002
        """Delete a blob if it is there; copies on other machines go when they are old."""
        super().discard(id)
        with suppress(FileNotFoundError):
            self._store.delete(id)

    def _count(self, size: int) -> None:
        """Delete the copies unused for longest, from time to time."""
        self._new_bytes += size
        if self._new_bytes >= _PRUNE_EVERY:
            self._new_bytes = 0
            _prune(self._folder, time.time() - _SAFE_SECONDS)


def _prune(folder: Path, before: float) -> None:
    facts = [(path.stat(), path) for path in folder.glob("*/*")]
    total = sum(fact.st_size for fact, _ in facts)
    for fact, path in sorted(facts, key=lambda pair: pair[0].st_mtime):
        if total <= _KEPT_BYTES or fact.st_mtime > before:
            return
        path.unlink(missing_ok=True)
        total -= fact.st_size


def open_blobs(url: str | None, data_dir: Path) -> Blobs:
    """Return the blobs at a URL, by default in a folder of ``data_dir``.

    Raises
    ------
    StoreError
        When there is nothing at the URL that can be used.
    """
    if url is None:
        return Blobs(data_dir / "files")
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Blobs(Path(url2pathname(parts.path)))
    try:
        from obstore.store import from_url  # here, since few engines need it

        return RemoteBlobs(data_dir / "copies", from_url(url))
    except ImportError as error:
        raise StoreError(
            f"Files in {parts.scheme}:// need obstore, which is not installed: "
            "pip install 'aoai-magic[team]'"
        ) from error
    except Exception as error:  # obstore raises its own for what a URL lacks
        reason = str(error).partition("\n")[0]
        raise StoreError(f"The files cannot be kept where --blobs says: {reason}") from error


def _copy(source: BinaryIO, out: BinaryIO, limit: int) -> int:
    total = 0
    while piece := source.read(_CHUNK):
        total += len(piece)
        if total > limit:
            raise TooLarge(f"more than {limit} bytes")
        out.write(piece)
    return total
