"""Linux system calls that Python has no function for, through ctypes alone."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

StrPath = str | os.PathLike[str]

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_SLAVE = 32, 4096, 16384, 1 << 19
MNT_DETACH = 2

MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH = 1, 2, 4, 8

NUMBERS = {
    "x86_64": {"pivot_root": 155, "capset": 126},
    "aarch64": {"pivot_root": 41, "capset": 91},
}
# From Linux 5.0 on, new calls have the same number on every architecture.
_OPENAT2 = 437
_MOUNT_SETATTR = 442
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446

_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITIES = 64

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _require_linux(call: str) -> None:
    """Refuse elsewhere, where the numbers mean other calls."""
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, f"{call}: not on {sys.platform}")


def _checked(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def _number(call: str) -> int:
    _require_linux(call)
    machine = platform.machine()
    if machine not in NUMBERS:
        raise OSError(errno.ENOSYS, f"{call}: no table of system calls for {machine}")
    return NUMBERS[machine][call]


def unshare(flags: int) -> None:
    """Enter new namespaces, named by the ``CLONE_NEW*`` flags."""
    _checked(_libc.unshare(ctypes.c_int(flags)), f"unshare({flags:#x})")


def mount(
    source: StrPath | None, target: StrPath, kind: str | None, flags: int, data: str | None = None
) -> None:
    """Call ``mount(2)``."""
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    result = _libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    _checked(result, f"mount({source}, {target}, {kind})")


def unmount(target: StrPath) -> None:
    """Unmount what is mounted at ``target``."""
    _checked(_libc.umount2(os.fsencode(target), ctypes.c_int(MNT_DETACH)), f"umount({target})")


def pivot_root(new: StrPath, old: StrPath) -> None:
    """Make ``new`` the root and mount the old root at ``old``."""
    number = ctypes.c_long(_number("pivot_root"))
    _checked(_libc.syscall(number, os.fsencode(new), os.fsencode(old)), f"pivot_root({new})")


def mount_setattr(path: StrPath, attributes: int) -> None:
    """Set ``MOUNT_ATTR_*`` on a mount and all below it (Linux 5.12)."""
    request = struct.pack("QQQQ", attributes, 0, 0, 0)
    result = _libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        os.fsencode(path),
        ctypes.c_uint(_AT_RECURSIVE),
        request,
        ctypes.c_size_t(len(request)),
    )
    _checked(result, f"mount_setattr({path})")


def bind_read_only(source: StrPath, target: StrPath) -> None:
    """Show ``source`` at ``target``, for reading only, with no set-uid and no devices."""
    mount(source, target, None, MS_BIND | MS_REC)
    try:
        mount_setattr(target, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        # Before Linux 5.12 a bind is not made read-only recursively: bind the top alone.
        unmount(target)
        mount(source, target, None, MS_BIND)
        flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV
        mount(None, target, None, flags)


def prctl(operation: int, argument: int = 0) -> None:
    """Call ``prctl(2)`` with one argument."""
    zero = ctypes.c_ulong(0)
    result = _libc.prctl(ctypes.c_int(operation), ctypes.c_ulong(argument), zero, zero, zero)
    _checked(result, f"prctl({operation})")


def set_hostname(name: bytes) -> None:
    """Name the host of this UTS namespace."""
    _checked(_libc.sethostname(name, ctypes.c_size_t(len(name))), "sethostname")


def drop_bounding_set() -> None:
    """Drop every capability from the bounding set, as far as that is allowed."""
    for capability in range(_CAPABILITIES):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            return  # past the last capability, or not privileged: nothing to lose then


def drop_capabilities() -> None:
    """Return up every capability for good."""
    drop_bounding_set()
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("II", _CAPABILITY_VERSION_3, 0)
    number = ctypes.c_long(_number("capset"))
    _checked(_libc.syscall(number, header, bytes(24)), "capset")


def install_filter(program: bytes) -> None:
    """Confine this thread and all it starts by a seccomp-BPF program."""
    code = ctypes.create_string_buffer(program, len(program))
    instructions = len(program) // 8
    header = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", instructions, ctypes.addressof(code))
    )
    mode = ctypes.c_ulong(2)
    zero = ctypes.c_ulong(0)
    operation = ctypes.c_int(PR_SET_SECCOMP)
    _checked(_libc.prctl(operation, mode, header, zero, zero), "prctl(PR_SET_SECCOMP)")


def landlock_version() -> int:
    """Return the version of the Landlock interface, 0 where there is none."""
    if sys.platform != "linux":
        return 0
    number = ctypes.c_long(_LANDLOCK_CREATE)
    version = _libc.syscall(number, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    return max(int(version), 0)


def landlock_ruleset(attributes: bytes) -> int:
    """Create a ruleset from a packed ``landlock_ruleset_attr``; return its descriptor."""
    number = ctypes.c_long(_LANDLOCK_CREATE)
    size = ctypes.c_size_t(len(attributes))
    return _checked(_libc.syscall(number, attributes, size, ctypes.c_uint(0)), "landlock")


def landlock_allow(ruleset: int, access: int, beneath: int) -> None:
    """Allow ``access`` to everything beneath the descriptor ``beneath``."""
    rule = struct.pack("=Qi", access, beneath)
    result = _libc.syscall(
        ctypes.c_long(_LANDLOCK_ADD),
        ctypes.c_int(ruleset),
        ctypes.c_uint(1),
        rule,
        ctypes.c_uint(0),
    )
    _checked(result, "landlock_add_rule")


def landlock_restrict(ruleset: int) -> None:
    """Confine this thread and all it starts by the ruleset."""
    number = ctypes.c_long(_LANDLOCK_RESTRICT)
    result = _libc.syscall(number, ctypes.c_int(ruleset), ctypes.c_uint(0))
    _checked(result, "landlock_restrict_self")


def open_beneath(folder: int, name: str, flags: int) -> int:
    """Open ``name`` strictly beneath a directory, through no link and no other mount.

    Raises
    ------
    OSError
        ``ENOSYS`` or ``EPERM`` where ``openat2`` is unavailable (Linux before 5.6, or
        a container's filter that does not know it).
    """
    _require_linux("openat2")
    resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS
    how = struct.pack("QQQ", flags, 0, resolve)
    result = _libc.syscall(
        ctypes.c_long(_OPENAT2),
        ctypes.c_int(folder),
        os.fsencode(name),
        how,
        ctypes.c_size_t(len(how)),
    )
    return _checked(result, f"openat2({name!r})")
