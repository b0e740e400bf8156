"""Landlock: which files a process may touch, without privileges or namespaces."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from aoai_magic.sandbox.isolation import syscalls

# https://docs.kernel.org/userspace-api/landlock.html
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_VERSION_1 = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_BIND_TCP, _CONNECT_TCP = 1, 2
_SCOPE_ABSTRACT_UNIX, _SCOPE_SIGNAL = 1, 2

_READ = _EXECUTE | _READ_FILE | _READ_DIR
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

WATCHES_TRUNCATION = 3
"""First version that keeps files from being cut by who may not write them."""

SCOPES_SIGNALS = 6
"""First version of the interface that keeps signals inside the domain."""


def _handled(version: int) -> int:
    access = _VERSION_1
    for since, right in ((2, _REFER), (WATCHES_TRUNCATION, _TRUNCATE), (5, _IOCTL_DEV)):
        if version >= since:
            access |= right
    return access


def _attributes(version: int) -> bytes:
    packed = struct.pack("Q", _handled(version))
    if version >= 4:
        packed += struct.pack("Q", _BIND_TCP | _CONNECT_TCP)
    if version >= SCOPES_SIGNALS:
        packed += struct.pack("Q", _SCOPE_ABSTRACT_UNIX | _SCOPE_SIGNAL)
    return packed


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no permission
    try:
        if not Path(path).is_dir():
            access &= _ON_FILES
        syscalls.landlock_allow(ruleset, access, beneath)
    finally:
        os.close(beneath)


def restrict(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Confine this process for good to reading and writing beneath these paths.

    Device nodes can be made nowhere; TCP is denied from version 4 on, signals and
    abstract UNIX sockets to the outside from version 6 on.

    Raises
    ------
    OSError
        ``ENOSYS`` where the kernel has no Landlock.
    """
    version = syscalls.landlock_version()
    if not version:
        raise OSError(errno.ENOSYS, "landlock: not in this kernel")
    ruleset = syscalls.landlock_ruleset(_attributes(version))
    handled = _handled(version)
    for path in readable:
        _allow(ruleset, path, _READ & handled)
    for path in writable:
        _allow(ruleset, path, handled & ~(_MAKE_CHAR | _MAKE_BLOCK))
    syscalls.landlock_restrict(ruleset)
    os.close(ruleset)
