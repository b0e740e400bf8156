"""A session's folder as the host sees it: everything in it may have been made to hurt.

Nothing is followed, opened or measured but through descriptors beneath the folder: no
links, no other mounts, no device or FIFO that would block, no file with a second name
elsewhere, no depth or number without bound.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import stat
import time
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from aoai_magic.sandbox.isolation import syscalls
from aoai_magic.sandbox.protocol import FileInfo, SandboxError

DEEPEST = 8
"""How many directories deep files are listed."""

MOST = 5000
"""How many entries are looked at in one listing."""

DEEPEST_MEASURED = 32
MOST_MEASURED = 100_000
"""The same for measuring what a folder takes; what has more is held to be too large."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
_UNSHOWABLE = ("Cc", "Cs", "Zl", "Zp")
_DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
_FICLONE = 0x40049409
_BLOCK = 512
_LEAST = 4096  # what an empty file takes: its name and its inode
_REMOVALS, _REMOVAL_PAUSE = 5, 0.05
_CHUNK = 1 << 30


def _plain(name: str) -> bool:
    """Return whether a relative name is one that can be shown and opened again.

    Control characters, line ends, bytes that are no UTF-8 and overrides of the writing
    direction are not; an ideographic space is.
    """
    parts = name.split("/")
    return all(part not in ("", ".", "..") for part in parts) and not any(
        unicodedata.category(letter) in _UNSHOWABLE
        or unicodedata.bidirectional(letter) in _DIRECTIONS
        for letter in name
    )


def _open_walking(folder: int, name: str, flags: int) -> int:
    """Open like `syscalls.open_beneath` where the kernel has no ``openat2``."""
    *parents, last = name.rstrip("/").split("/")
    current = os.dup(folder)
    try:
        for part in parents:
            inner = os.open(part, _DIRECTORY, dir_fd=current)
            os.close(current)
            current = inner
        return os.open(last, flags, dir_fd=current)
    finally:
        os.close(current)


def _open_beneath(folder: int, name: str, flags: int) -> int:
    try:
        return syscalls.open_beneath(folder, name, flags)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        return _open_walking(folder, name, flags)


Stamp = tuple[int, ...]
"""What is another once a file was replaced or written to; code cannot set all of it back."""


def stamp(status: os.stat_result) -> Stamp:
    """Return the stamp of a file with that status."""
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (status.st_dev, status.st_ino, status.st_size, *times)


@dataclass(frozen=True)
class Usage:
    """Bytes on disk, and whether everything was looked at."""

    bytes: int
    complete: bool


class Folder:
    """The files of one session, at ``path``; ``largest`` bounds what is read, in bytes."""

    def __init__(self, path: Path, largest: int) -> None:
        self.path = path
        self._largest = largest

    def _root(self) -> int:
        try:
            return os.open(self.path, _DIRECTORY)
        except PermissionError:
            self.path.chmod(0o700)  # the session's code has closed it; the host looks all the same
            return os.open(self.path, _DIRECTORY)

    def restore(self) -> None:
        """Make the folder again where code that is not isolated has deleted or replaced it."""
        if self.path.is_symlink() or not self.path.is_dir():
            self.path.unlink(missing_ok=True)
            self.path.mkdir(mode=0o700)

    def open(self, name: str) -> BinaryIO:
        """Open a regular file for reading.

        Raises
        ------
        SandboxError
            When there is no such file, or it is no plain file of bounded size.
        """
        if not _plain(name):
            raise SandboxError(f"{name!r} is no name of a file in the session; see its files.")
        root = self._root()
        try:
            descriptor = _open_beneath(root, name, _READ)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise SandboxError(f"{name!r} cannot be read from the session: {reason}.") from None
        finally:
            os.close(root)
        status = os.fstat(descriptor)
        if not self._acceptable(status):
            os.close(descriptor)
            raise SandboxError(f"{name!r} is no plain file of up to {self._largest:,} bytes.")
        return os.fdopen(descriptor, "rb")

    def _acceptable(self, status: os.stat_result) -> bool:
        regular = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        return regular and status.st_size <= self._largest

    def stamp(self, name: str) -> Stamp | None:
        """Return the stamp of a regular file; None where there is none that can be read."""
        try:
            with self.open(name) as file:
                return stamp(os.fstat(file.fileno()))
        except (OSError, SandboxError):
            return None

    def files(self) -> list[FileInfo]:
        """List the readable files, in the order of their names."""
        self.restore()
        found = [
            FileInfo(name, status.st_size, status.st_mtime_ns)
            for name, status in self._walk(MOST, DEEPEST)
            if status is not None and self._acceptable(status) and _plain(name)
        ]
        return sorted(found, key=lambda file: file.name)

    def used(self) -> Usage:
        """Measure what the folder takes on disk; what cannot be seen is said to be missing."""
        total, complete = 0, True
        for _, status in self._walk(MOST_MEASURED, DEEPEST_MEASURED):
            if status is None:
                complete = False
            else:
                least = 0 if stat.S_ISLNK(status.st_mode) else _LEAST
                total += max(status.st_blocks * _BLOCK, least)
        return Usage(total, complete)

    def _walk(self, most: int, deepest: int) -> Iterator[tuple[str, os.stat_result | None]]:
        """Yield names and status of entries; None as status for what is left out."""
        count = 0
        root = self._root()
        waiting = [("", 0)]
        try:
            while waiting:
                prefix, depth = waiting.pop()
                for name, status in self._entries_of(root, prefix):
                    if count >= most:
                        yield prefix, None
                        return
                    count += 1
                    yield prefix + name, status
                    if status is not None and stat.S_ISDIR(status.st_mode):
                        if depth < deepest:
                            waiting.append((f"{prefix}{name}/", depth + 1))
                        else:
                            yield prefix + name, None
        finally:
            os.close(root)

    def _entries_of(self, root: int, prefix: str) -> Iterator[tuple[str, os.stat_result | None]]:
        try:
            descriptor = _open_beneath(root, prefix or ".", _DIRECTORY)
        except FileNotFoundError:
            return  # gone since
        except OSError:
            yield "", None
            return
        try:
            yield from _entries(descriptor)
        finally:
            os.close(descriptor)

    def put(
        self, name: str, source: Path, owner: int | None, *, make_folders: bool = False
    ) -> None:
        """Copy a host file in, over whatever stands at that name.

        With ``make_folders`` it may be a path, of which what is missing is made.

        The copy shares its blocks with the original where the file system can do that,
        and is otherwise made by the kernel. It is not a hard link: the session could
        write through that. It is complete before the session sees it.

        Raises
        ------
        SandboxError
            When the name is not a plain one, when a file stands where one of its folders
            belongs, or there is no room.
        """
        if not _plain(name) or name.count("/") > (DEEPEST if make_folders else 0):
            raise SandboxError(f"A file cannot be put into the session as {name!r}.")
        staged = self.path.parent / f"incoming-{secrets.token_hex(8)}"
        try:
            self.restore()
            self._check_size(name, source)
            _copy(source, staged)
            if owner is not None:
                os.chown(staged, owner, owner)
            self._replace(staged, name, owner)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SandboxError(f"{name!r} could not be put into the session: {reason}.") from None
        finally:
            with contextlib.suppress(FileNotFoundError):
                staged.unlink()

    def alias(self, name: str, target: str) -> None:
        """Add a second name for a file of the folder.

        It is a link, which the host neither lists, follows nor counts. What stands at the
        name already is left alone.

        Raises
        ------
        SandboxError
            When a name is not a plain one, or the link cannot be made.
        """
        if not all(_plain(one) and "/" not in one for one in (name, target)):
            raise SandboxError(f"{target!r} cannot have the name {name!r} too.")
        root = self._root()
        try:
            with contextlib.suppress(FileExistsError):
                os.symlink(target, name, dir_fd=root)
        except OSError as error:
            raise SandboxError(f"{target!r} cannot have the name {name!r} too: {error}.") from None
        finally:
            os.close(root)

    def _check_size(self, name: str, source: Path) -> None:
        size = source.stat().st_size
        if size > self._largest:
            text = f"{name!r} has {size:,} bytes, and a session's files may have"
            raise SandboxError(f"{text} {self._largest:,}; raise the limit on disk space.")

    def _replace(self, staged: Path, name: str, owner: int | None) -> None:
        *parents, last = name.split("/")
        folder = self._make_folders(parents, owner)
        try:
            try:
                os.rename(staged, last, dst_dir_fd=folder)  # replaces a link, never follows it
            except IsADirectoryError:
                aside = f"{last}.{secrets.token_hex(4)}"
                os.rename(last, aside, src_dir_fd=folder, dst_dir_fd=folder)
                os.rename(staged, last, dst_dir_fd=folder)
        finally:
            os.close(folder)

    def _make_folders(self, parts: Sequence[str], owner: int | None) -> int:
        """Open the folder at that path beneath the root; what is missing of it is made."""
        current = self._root()
        for part in parts:
            try:
                inner = _open_or_make(current, part, owner)
            finally:
                os.close(current)
            current = inner
        return current


def _open_or_make(parent: int, name: str, owner: int | None) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        os.mkdir(name, 0o700, dir_fd=parent)
    made = os.open(name, _DIRECTORY, dir_fd=parent)
    if owner is not None:
        os.fchown(made, owner, owner)
    return made


def _entries(descriptor: int) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(descriptor) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # gone since
                yield entry.name, entry.stat(follow_symlinks=False)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reading, target.open("xb") as writing:
        try:
            fcntl.ioctl(writing.fileno(), _FICLONE, reading.fileno())
        except OSError:
            _copy_in_kernel(reading, writing)


def _copy_in_kernel(reading: BinaryIO, writing: BinaryIO) -> None:
    try:
        while os.copy_file_range(reading.fileno(), writing.fileno(), _CHUNK):
            pass
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        shutil.copyfileobj(reading, writing, 1 << 20)


def remove(path: Path) -> None:
    """Delete a session's tree, however deep and whatever its modes.

    Directories are moved up to the top before they are emptied, so that neither names
    nor the stack grow with the depth. It is tried again where a process of the session,
    killed but not gone yet, has made something new meanwhile.

    Raises
    ------
    OSError
        When something could not be deleted.
    """
    for attempt in range(_REMOVALS):
        try:
            _remove_once(path)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.ENOTEMPTY or attempt == _REMOVALS - 1:
                raise
            time.sleep(_REMOVAL_PAUSE)
        else:
            return


def _remove_once(path: Path) -> None:
    path.chmod(0o700)
    top = os.open(path, _DIRECTORY)
    try:
        _empty(top)
    finally:
        os.close(top)
    path.rmdir()


def _empty(top: int) -> None:
    waiting = _clear(top, top)
    while waiting:
        name = waiting.pop()
        inner = _open_whatever_mode(name, top)
        try:
            waiting += _clear(inner, top)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=top)


def _open_whatever_mode(name: str, parent: int) -> int:
    """Open a directory after making it readable; never what a link leads to."""
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        Path(f"/proc/self/fd/{handle}").chmod(0o700)
    finally:
        os.close(handle)
    return os.open(name, _DIRECTORY, dir_fd=parent)


def _clear(descriptor: int, top: int) -> list[str]:
    """Delete the files of a directory; return its directories' names, moved to the top."""
    directories = []
    for name, status in list(_entries(descriptor)):
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=descriptor)
        elif descriptor == top:
            directories.append(name)
        else:
            os.close(_open_whatever_mode(name, descriptor))
            moved = f"moved-{secrets.token_hex(8)}"
            os.rename(name, moved, src_dir_fd=descriptor, dst_dir_fd=top)
            directories.append(moved)
    return directories
