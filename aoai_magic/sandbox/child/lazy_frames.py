"""Frames put into the folder are variables of the session, loaded when code names them."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from aoai_magic import frame_codec

_SUFFIXES = (".parquet", ".arrow")
_ABSENT = object()

_Stamp = tuple[int, int, int]


class LazyFrames:
    """Binds parcels in ``folder`` in ``namespace``, under the names they were packed with.

    A parcel is loaded when the code of a cell first mentions its name, and again when the
    file has been put anew. A variable that the session's code assigned itself is never
    overwritten.
    """

    def __init__(self, folder: Path, namespace: MutableMapping[str, Any]) -> None:
        self._folder = folder
        self._namespace = namespace
        self._seen: dict[str, _Stamp] = {}
        self._waiting: dict[str, Path] = {}
        self._bound: dict[str, Any] = {}

    def load_for(self, code: str) -> None:
        """Load what the code of a cell mentions."""
        with contextlib.suppress(OSError):  # a file is gone, or the code has closed the folder
            self._discover()
        for name in [name for name in self._waiting if _mentions(code, name)]:
            path = self._waiting.pop(name)
            if self._is_free(name):
                self._load(name, path)

    def _discover(self) -> None:
        for path, stamp in self._parcels():
            if self._seen.get(path.name) != stamp:
                self._seen[path.name] = stamp
                manifest = frame_codec.peek(path)
                if manifest is not None and manifest.name.isidentifier():
                    self._waiting[manifest.name] = path

    def _parcels(self) -> Iterator[tuple[Path, _Stamp]]:
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(_SUFFIXES) and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
                    yield self._folder / entry.name, stamp

    def _is_free(self, name: str) -> bool:
        current = self._namespace.get(name, _ABSENT)
        return current is _ABSENT or current is self._bound.get(name, _ABSENT)

    def _load(self, name: str, path: Path) -> None:
        try:
            value = frame_codec.unpack(path)
        except Exception as error:
            reason = error if str(error) else type(error).__name__
            text = f"{name} could not be loaded from {path.name}: {reason}"
            print(text, file=sys.stderr)  # noqa: T201
            return
        self._namespace[name] = self._bound[name] = value


def _mentions(code: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", code) is not None
