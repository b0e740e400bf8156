"""The system-call filter of a session: a seccomp-BPF program, assembled here.

A list of what is denied, in two strengths: behind namespaces only the doors to the kernel
are shut; without them also every call that reaches other processes or host files in ways
that Landlock does not see. Calls that are newer than the tables are unknown to a session.
"""

from __future__ import annotations

import errno
import os
import platform
import struct
from collections.abc import Iterable

from aoai_magic.sandbox.isolation import syscalls

# https://docs.kernel.org/userspace-api/seccomp_filter.html; offsets in struct seccomp_data
_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_SET, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_AND = 0x54
_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NEWEST = 462  # mseal, Linux 6.10; calls of the x32 kind have bit 30 set and lie above

# Numbers below 424 differ by architecture; from there on they are the same.
_COMMON = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_send_signal": 424,
    "clone3": 435,
    "openat2": 437,
    "pidfd_getfd": 438,
    "process_madvise": 440,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "memfd_secret": 447,
    "process_mrelease": 448,
    "set_mempolicy_home_node": 450,
    "fchmodat2": 452,
}
_X86_64 = {
    "open": 2, "ioctl": 16, "shmget": 29, "shmat": 30, "shmctl": 31, "socket": 41, "clone": 56,
    "kill": 62, "semget": 64, "semop": 65, "semctl": 66, "msgget": 68,
    "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "flock": 73, "io_setup": 206, "socketpair": 53,
    "truncate": 76, "chmod": 90,
    "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94, "ptrace": 101, "syslog": 103,
    "rt_sigqueueinfo": 129, "utime": 132, "personality": 135, "ustat": 136, "sysfs": 139,
    "setpriority": 141, "sched_setparam": 142, "sched_setscheduler": 144, "vhangup": 153,
    "modify_ldt": 154, "pivot_root": 155, "_sysctl": 156, "adjtimex": 159, "chroot": 161,
    "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167,
    "swapoff": 168, "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172,
    "ioperm": 173, "create_module": 174, "init_module": 175, "delete_module": 176,
    "get_kernel_syms": 177, "query_module": 178, "quotactl": 179, "nfsservctl": 180,
    "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197,
    "lremovexattr": 198, "fremovexattr": 199, "tkill": 200, "sched_setaffinity": 203,
    "lookup_dcookie": 212, "semtimedop": 220, "clock_settime": 227, "tgkill": 234,
    "utimes": 235, "mbind": 237, "set_mempolicy": 238, "mq_open": 240, "mq_unlink": 241,
    "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "ioprio_set": 251,
    "inotify_init": 253, "inotify_add_watch": 254, "migrate_pages": 256, "openat": 257,
    "fchownat": 260, "futimesat": 261, "fchmodat": 268, "unshare": 272, "get_robust_list": 274,
    "move_pages": 279, "utimensat": 280, "fallocate": 285, "inotify_init1": 294,
    "rt_tgsigqueueinfo": 297, "perf_event_open": 298, "fanotify_init": 300, "prlimit64": 302,
    "name_to_handle_at": 303, "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308,
    "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "finit_module": 313,
    "sched_setattr": 314, "seccomp": 317, "memfd_create": 319, "kexec_file_load": 320,
    "bpf": 321, "userfaultfd": 323,
}  # fmt: skip
_AARCH64 = {
    "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15,
    "fremovexattr": 16, "lookup_dcookie": 18, "inotify_init1": 26, "inotify_add_watch": 27,
    "ioctl": 29, "ioprio_set": 30, "umount2": 39, "mount": 40, "pivot_root": 41,
    "nfsservctl": 42, "truncate": 45, "fallocate": 47, "chroot": 51, "fchmod": 52,
    "fchmodat": 53, "openat": 56, "fchownat": 54, "fchown": 55, "vhangup": 58,
    "quotactl": 60, "utimensat": 88, "acct": 89,
    "personality": 92, "unshare": 97, "get_robust_list": 100, "kexec_load": 104,
    "init_module": 105, "delete_module": 106, "clock_settime": 112, "syslog": 116,
    "ptrace": 117, "sched_setparam": 118, "sched_setscheduler": 119, "sched_setaffinity": 122,
    "kill": 129, "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138, "setpriority": 140,
    "reboot": 142, "sethostname": 161, "setdomainname": 162, "settimeofday": 170,
    "adjtimex": 171, "mq_open": 180, "mq_unlink": 181,
    "msgget": 186, "msgctl": 187, "msgrcv": 188, "msgsnd": 189, "io_setup": 0, "flock": 32,
    "socketpair": 199, "semget": 190,
    "semctl": 191, "semtimedop": 192, "semop": 193, "shmget": 194, "shmctl": 195,
    "shmat": 196, "socket": 198, "add_key": 217, "request_key": 218, "keyctl": 219,
    "clone": 220, "swapon": 224, "swapoff": 225, "mbind": 235, "set_mempolicy": 237,
    "migrate_pages": 238, "move_pages": 239, "rt_tgsigqueueinfo": 240, "perf_event_open": 241,
    "prlimit64": 261, "fanotify_init": 262, "name_to_handle_at": 264,
    "open_by_handle_at": 265, "clock_adjtime": 266, "setns": 268, "process_vm_readv": 270,
    "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "sched_setattr": 274,
    "seccomp": 277, "memfd_create": 279, "bpf": 280, "userfaultfd": 282,
    "kexec_file_load": 294,
}  # fmt: skip
NUMBERS = {"x86_64": _X86_64 | _COMMON, "aarch64": _AARCH64 | _COMMON}
"""System-call numbers by architecture; a call that an architecture lacks is absent."""

_ALWAYS_DENIED = [
    "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd",
    "process_madvise", "process_mrelease", "unshare", "setns", "mount", "umount2",
    "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount",
    "fspick", "mount_setattr", "name_to_handle_at", "open_by_handle_at", "init_module",
    "finit_module", "delete_module", "create_module", "query_module", "get_kernel_syms",
    "kexec_load", "kexec_file_load", "bpf", "perf_event_open", "userfaultfd",
    "io_uring_setup", "io_uring_enter", "io_uring_register", "seccomp", "add_key",
    "request_key", "keyctl", "memfd_secret", "modify_ldt", "personality", "iopl", "ioperm",
    "syslog", "acct", "quotactl", "quotactl_fd", "swapon", "swapoff", "reboot",
    "sethostname", "setdomainname", "settimeofday", "clock_settime", "adjtimex",
    "clock_adjtime", "fanotify_init", "lookup_dcookie", "nfsservctl", "ustat", "sysfs",
    "_sysctl", "vhangup", "mbind", "set_mempolicy", "set_mempolicy_home_node",
    "migrate_pages", "move_pages",
    "memfd_create",  # memory that no resource limit counts
    # Of what the kernel has a fixed number for the account or the machine, the host's included.
    "io_setup", "inotify_init", "inotify_init1",
]  # fmt: skip

# Without namespaces: what reaches beyond the session in ways that Landlock does not see.
# The metadata of every path, and of files opened for reading, could be changed.
_PRETENDED = ["chmod", "fchmod", "fchmodat", "fchmodat2", "utime", "utimes", "futimesat"]
_DENIED_UNCONTAINED = [
    "chown", "fchown", "lchown", "fchownat", "setxattr", "lsetxattr", "fsetxattr",
    "removexattr", "lremovexattr", "fremovexattr", "inotify_add_watch",
    "shmget", "shmat", "shmctl", "semget", "semop", "semtimedop", "semctl", "msgget", "msgsnd",
    "msgrcv", "msgctl", "mq_open", "mq_unlink", "get_robust_list", "setpriority", "ioprio_set",
]  # fmt: skip
_SELF_ONLY = ["prlimit64", "sched_setaffinity", "sched_setparam", "sched_setscheduler"]
_SIGNALS = ["kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"]

_NEW_NAMESPACES = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWCGROUP
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNET
)
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_SOCK_STREAM, _SOCK_SEQPACKET, _SOCK_TYPES = 1, 5, 0xF
_TMPFILE = 0o20000000
_SET_ID_BITS = 0o6000
_IOCTLS = {
    "TIOCSTI": 0x5412,
    "TIOCLINUX": 0x541C,
    "FS_IOC_SETFLAGS": 0x40086602,
    "FS_IOC_FSSETXATTR": 0x401C5820,
}
_MODE_ARGUMENT = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2}


class _Assembler:
    """Clauses of the form "if the call is … and its argument …, answer with an errno"."""

    def __init__(self, machine: str) -> None:
        self.numbers = NUMBERS[machine]
        self.code: list[bytes] = []
        self._emit(_LOAD, _ARCHITECTURE)
        self._emit(_JUMP_EQUAL, _AUDIT_ARCHITECTURE[machine], 1, 0)
        self._emit(_RETURN, _KILL)
        self._emit(_LOAD, _NUMBER)
        self._emit(_JUMP_GREATER, _NEWEST, 0, 1)
        self._emit(_RETURN, _ERRNO | errno.ENOSYS)

    def _emit(self, code: int, value: int, if_true: int = 0, if_false: int = 0) -> None:
        self.code.append(struct.pack("HBBI", code, if_true, if_false, value))

    def deny(self, calls: Iterable[str], error: int) -> None:
        """Deny the call with ``error``; 0 pretends success."""
        for call in calls:
            if call in self.numbers:
                self._emit(_JUMP_EQUAL, self.numbers[call], 0, 1)
                self._emit(_RETURN, _ERRNO | error)

    def _with_argument(
        self, call: str, argument: int, tests: list[tuple[int, int, int, int]]
    ) -> None:
        # The tests fall through to "deny" or jump over it; then the number is loaded again.
        self._emit(_JUMP_EQUAL, self.numbers[call], 0, len(tests) + 3)
        self._emit(_LOAD, _ARGUMENTS + 8 * argument)
        for test in tests:
            self._emit(*test)

    def _deny_here(self, error: int) -> None:
        self._emit(_RETURN, _ERRNO | error)
        self._emit(_LOAD, _NUMBER)

    def deny_bits(self, call: str, argument: int, bits: int, error: int) -> None:
        """Deny the call when any of the bits is set in the argument."""
        if call in self.numbers:
            self._with_argument(call, argument, [(_JUMP_SET, bits, 0, 1)])
            self._deny_here(error)

    def deny_value(self, call: str, argument: int, value: int, error: int) -> None:
        """Deny the call when the argument is that value."""
        self._with_argument(call, argument, [(_JUMP_EQUAL, value, 0, 1)])
        self._deny_here(error)

    def deny_truncation_unwritten(self, call: str, argument: int, error: int) -> None:
        """Deny opening a file to cut it without writing: the mode then says "to read"."""
        if call in self.numbers:
            tests = [
                (_JUMP_SET, os.O_TRUNC, 0, 3),
                (_AND, os.O_ACCMODE, 0, 0),
                (_JUMP_EQUAL, os.O_RDONLY, 0, 1),
            ]
            self._with_argument(call, argument, tests)
            self._deny_here(error)

    def allow_only(self, call: str, argument: int, values: list[int], error: int) -> None:
        """Deny the call unless the argument is one of the values."""
        last = len(values)
        tests = [(_JUMP_EQUAL, value, last - i, 0) for i, value in enumerate(values)]
        self._with_argument(call, argument, tests)
        self._deny_here(error)

    def allow_only_masked(
        self, call: str, argument: int, mask: int, values: list[int], error: int
    ) -> None:
        """Deny the call unless the masked argument is one of the values."""
        last = len(values)
        tests = [(_JUMP_EQUAL, value, last - i, 0) for i, value in enumerate(values)]
        self._with_argument(call, argument, [(_AND, mask, 0, 0), *tests])
        self._deny_here(error)

    def finish(self) -> bytes:
        """Allow the rest."""
        self._emit(_RETURN, _ALLOW)
        return b"".join(self.code)


def _close_truncation(assembler: _Assembler) -> None:
    """Shut the ways to cut a file that may not be written, for want of Landlock's own."""
    assembler.deny(["truncate"], errno.EPERM)
    assembler.deny_truncation_unwritten("open", 1, errno.EPERM)
    assembler.deny_truncation_unwritten("openat", 2, errno.EPERM)


def _close_uncontained(assembler: _Assembler, own_signals: int | None) -> None:
    assembler.deny([*_PRETENDED, "utimensat"], 0)
    assembler.deny(_DENIED_UNCONTAINED, errno.EPERM)
    # A datagram socket of a pair can be connected anew, to one of the host's.
    types = [_SOCK_STREAM, _SOCK_SEQPACKET]
    assembler.allow_only_masked("socketpair", 1, _SOCK_TYPES, types, errno.EPROTONOSUPPORT)
    for call in _SELF_ONLY:
        assembler.allow_only(call, 0, [0], errno.EPERM)
    assembler.allow_only("sched_setattr", 0, [0], errno.EPERM)
    if own_signals is not None:  # Landlock does not keep signals in
        assembler.deny(_SIGNALS, errno.EPERM)
        assembler.allow_only("tgkill", 0, [own_signals], errno.EPERM)


def assemble(
    machine: str, contained: bool, own_signals: int | None = None, truncation: bool = True
) -> bytes:
    """Return the filter for an architecture.

    Parameters
    ----------
    machine : {"x86_64", "aarch64"}
    contained : bool
        Whether namespaces stand around the session: sockets and file metadata are then
        harmless and stay allowed.
    own_signals : int, optional
        Process id that alone may be signalled, where nothing else keeps signals in.
    truncation : bool
        Whether something else keeps files from being cut by who may not write them.

    Returns
    -------
    bytes
        Instructions of eight bytes, for `syscalls.install_filter`.
    """
    assembler = _Assembler(machine)
    assembler.deny(_ALWAYS_DENIED, errno.EPERM)
    assembler.deny(["fallocate"], errno.EOPNOTSUPP)  # reserves more than any poll can see
    # A file without a name is seen by no measuring of the folder; libraries have another way.
    assembler.deny_bits("open", 1, _TMPFILE, errno.EOPNOTSUPP)
    assembler.deny_bits("openat", 2, _TMPFILE, errno.EOPNOTSUPP)
    assembler.deny(["openat2"], errno.ENOSYS)  # its flags are out of sight
    assembler.deny(["flock"], errno.ENOSYS)  # locks files of the installed software for all
    assembler.deny(["clone3"], errno.ENOSYS)  # its flags are out of sight; libc falls back
    assembler.deny_bits("clone", 0, _NEW_NAMESPACES, errno.EPERM)
    for call, argument in _MODE_ARGUMENT.items():
        assembler.deny_bits(call, argument, _SET_ID_BITS, errno.EPERM)
    for request in _IOCTLS.values():
        assembler.deny_value("ioctl", 1, request, errno.EPERM)
    families = [_AF_UNIX, _AF_INET, _AF_INET6] if contained else []
    assembler.allow_only("socket", 0, families, errno.EAFNOSUPPORT)
    assembler.allow_only("socketpair", 0, [_AF_UNIX], errno.EAFNOSUPPORT)
    if not contained:
        _close_uncontained(assembler, own_signals)
    if not truncation:
        _close_truncation(assembler)
    return assembler.finish()


def restrict(contained: bool, own_signals: int | None = None, truncation: bool = True) -> None:
    """Confine this process and all it starts by the filter for this machine; see `assemble`.

    Raises
    ------
    OSError
        ``ENOSYS`` on an architecture without a table, or where seccomp is unavailable.
    """
    machine = platform.machine()
    if machine not in NUMBERS:
        raise OSError(errno.ENOSYS, f"seccomp: no table of system calls for {machine}")
    syscalls.install_filter(assemble(machine, contained, own_signals, truncation))
