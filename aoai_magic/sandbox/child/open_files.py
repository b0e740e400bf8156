"""Files that a cell has written and not closed: what they hold in memory is written out.

Most code of models ends without ``close()``, and in a script Python would do it at exit; a
session goes on, and its files are taken after each cell.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import io
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_WRITERS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
# A file of these is whole only once it is closed: its end is written then.
_CLOSED_LAST = {
    "gzip": "GzipFile",
    "bz2": "BZ2File",
    "lzma": "LZMAFile",
    "zipfile": "ZipFile",
    "tarfile": "TarFile",
    "pyarrow.parquet.core": "ParquetWriter",
}


def flush(folder: str) -> list[str]:
    """Write out what open files hold, and return the names of those that stay unfinished.

    Raises
    ------
    OSError
        When there is no room.
    """
    written = dict(_written(folder))
    if not written:
        return []
    for writer in _objects(_WRITERS):
        with contextlib.suppress(ValueError, io.UnsupportedOperation):  # closed, or no file
            if writer.fileno() in written:  # a pipe that nobody reads would take for ever
                writer.flush()
    empty = [name for fd, name in written.items() if _size(fd) == 0]
    return sorted({*empty, *(name for name in map(_unfinished, _objects(_types())) if name)})


def _written(folder: str) -> Iterator[tuple[int, str]]:
    """Yield the descriptors that are open for writing regular files of the folder."""
    for fd in _descriptors():
        with contextlib.suppress(OSError):
            mode = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
            if mode != os.O_RDONLY and stat.S_ISREG(os.fstat(fd).st_mode):
                yield fd, _name(fd, folder)


def _descriptors() -> list[int]:
    try:
        return [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    except OSError:  # no /proc on this level
        return list(range(os.sysconf("SC_OPEN_MAX")))


def _name(fd: int, folder: str) -> str:
    try:
        path = str(Path(f"/proc/self/fd/{fd}").readlink())
    except OSError:
        return "a file"
    return path.removeprefix(folder + "/")


def _size(fd: int) -> int:
    try:
        status = os.fstat(fd)
    except OSError:
        return -1
    return status.st_size if status.st_nlink else -1


def _types() -> tuple[type, ...]:
    named = ((sys.modules.get(module), name) for module, name in _CLOSED_LAST.items())
    return tuple(getattr(module, name) for module, name in named if hasattr(module, name))


def _objects(types: tuple[type, ...]) -> list[Any]:
    if not types:
        return []
    return [one for one in gc.get_objects() if issubclass(type(one), types)]


def _unfinished(writer: Any) -> str:
    """Return the name of what an archive or compressed file is written to; empty if to none."""
    mode = str(getattr(writer, "mode", ""))
    over = getattr(writer, "closed", not getattr(writer, "is_open", getattr(writer, "fp", 1)))
    if over or mode.startswith("r") or mode == "1":
        return ""
    name = getattr(writer, "name", None) or getattr(writer, "filename", None) or ""
    return Path(name).name if isinstance(name, str) else ""
