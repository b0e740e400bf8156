"""Files that only this account can read, and folders that only this account can change.

Whatever lies in the data directory holds a user's data, names of files or what they cost.
Other accounts of the machine are taken to be hostile: a name that they can predict may be a
link that they made, and a folder of theirs can be changed by them at any time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can enter, whatever the umask says; return it.

    Raises
    ------
    PermissionError
        If it belongs to another account. That counts for root too, who could write into it:
        its owner could read, and replace, all that is written.
    OSError
        If it cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_owner(path)
    # An older version, or the user, may have made it for all to read. What is on a read-only
    # file system stays as it is.
    if sys.platform != "win32" and path.stat().st_mode & 0o077:
        with contextlib.suppress(OSError):
            path.chmod(0o700)
    return path


def private_file(path: Path) -> None:
    """Make a file, if there is none, that only its owner can read."""
    # SQLite gives its journals the mode of the database, so this one file suffices.
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | _NO_LINK, 0o600)
    try:
        if sys.platform != "win32" and os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def open_new(path: Path) -> BinaryIO:
    """Open a file for writing that must not be there yet, not even as a link."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o600)
    return os.fdopen(descriptor, "wb")


def open_regular(path: Path) -> BinaryIO | None:
    """Open a file for reading; return None where there is none: a link, a device or a pipe.

    Raises
    ------
    OSError
        If it is there and cannot be opened.
    """
    try:
        # Looked at once it is open: what has the name could be another one by then. A pipe would
        # be waited for.
        descriptor = os.open(path, os.O_RDONLY | _NO_LINK | _NO_WAIT | _BINARY)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            return None
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    return None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, readable by its owner alone.

    A link at that place is replaced, never followed.
    """
    # A random name, opened only if it is not there: another account may have put a link at
    # any name that it can predict.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    made = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        made.replace(path)
    except BaseException:
        made.unlink(missing_ok=True)
        raise


_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)


def _check_owner(path: Path) -> None:
    if sys.platform != "win32" and path.stat().st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it belongs to another account", str(path))
