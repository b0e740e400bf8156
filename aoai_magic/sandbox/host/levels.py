"""Which isolation this machine allows: found by trying each, strongest first."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aoai_magic.sandbox.protocol import Isolation, SandboxError

_KERNEL_GAP = "All sessions share this machine's kernel: a flaw in it is a way out."
_PATH_GAP = "A session can see the path of its own folder on this machine."
_NO_PROC = "There is no /proc in a session, since this container masks its own."
_STAT_GAP = "A session can ask whether a path exists on this machine, and for its size."
_SHARED_GAP = "Sessions have no process namespace and no /proc."
_EMULATED_GAP = "/mnt/data exists only in the text of the code, not for programs it starts."
_SHM_GAP = "There is no shared memory: process pools do not work, thread pools do."
_LOCK_GAP = "A session can hold read locks on files of the installed software."
_DELETED_GAP = (
    "Deleted files that a process holds open count as used disk, except while they are handed "
    "from one process to another."
)
ROOT_GAP = (
    "The engine runs as root, and so does the code, without root's privileges: it reads what "
    "belongs to root among the software; run the engine as an ordinary account."
)
WATCHED_GAP = (
    "Memory is checked ten times a second, since only systemd lets the kernel cap it: code can "
    "exceed its limit for a moment."
)
_NONE_GAP = "Code runs with all the rights of this account: nothing is kept from it."

# What distributions set against namespaces of ordinary users: where, to what, and the way back.
_SWITCHES = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),  # Ubuntu since 23.10
    ("kernel/unprivileged_userns_clone", "0", "1"),  # Debian and Arch, hardened
    ("user/max_user_namespaces", "0", "10000"),  # Red Hat, hardened
)
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io")
_CONTAINER_REMEDY = (
    "give this container user namespaces and an unmasked /proc (Docker: --security-opt "
    "seccomp=unconfined --security-opt systempaths=unconfined; Kubernetes: hostUsers: false and "
    "procMount: Unmasked)"
)
_KERNEL_REMEDY = "run on a kernel with user namespaces"
_LANDLOCK_REMEDY = "or on one with Landlock (Linux 5.13, and landlock in its list lsm=)"
_ELSEWHERE = (
    "Or run the code elsewhere: in a container (--on container), at a team server (--on URL) or at "
    "a service (--on azure, --on openai)."
)


@dataclass(frozen=True)
class Rung:
    """One way to isolate."""

    level: str
    proc: bool
    gaps: tuple[str, ...]


_BOTH = (_KERNEL_GAP, _LOCK_GAP, _DELETED_GAP)
RUNGS = (
    Rung("namespaces", True, (*_BOTH, _PATH_GAP)),
    Rung("namespaces", False, (*_BOTH, _PATH_GAP, _NO_PROC)),
    Rung("landlock", False, (*_BOTH, _STAT_GAP, _SHARED_GAP, _EMULATED_GAP, _SHM_GAP)),
)
UNISOLATED = Rung("none", False, (_NONE_GAP,))

_FIRST_ACCOUNT = 100_000
_ACCOUNTS = 1 << 30


def remedy(settings: Path = Path("/proc/sys")) -> str:
    """Describe in a few words how this machine can be made to allow namespaces.

    ``settings`` is where the kernel shows what it is set to.
    """
    for name, closed, opened in _SWITCHES:
        with contextlib.suppress(OSError):
            if (settings / name).read_text().strip() == closed:
                return f"sudo sysctl -w {name.replace('/', '.')}={opened}"
    if any(map(os.path.exists, _CONTAINER_MARKS)):
        return _CONTAINER_REMEDY
    return _KERNEL_REMEDY


def account_for(key: str) -> int | None:
    """Return the account of a session's own that root gives it, the same for a key always.

    None where this process is not root, or is root of a user namespace too small to have
    accounts to spare; sessions get user namespaces of their own then.
    """
    if os.geteuid() != 0:
        return None
    inside, _, count = map(int, Path("/proc/self/uid_map").read_text().split()[:3])
    spare = min(inside + count - _FIRST_ACCOUNT, _ACCOUNTS)
    if inside > 0 or spare < 1000:
        return None
    digest = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    return _FIRST_ACCOUNT + digest % spare


def rungs() -> tuple[Rung, ...]:
    """Return what can be tried on this system, the strongest first.

    Raises
    ------
    SandboxError
        On a system without any level, with what to do there.
    """
    if sys.platform == "linux":
        return RUNGS
    text = f"Code cannot be isolated on this machine: there is no local level for {sys.platform}."
    raise SandboxError(f"{text} {_ELSEWHERE}")


async def climb_down(probe: Callable[[Rung], Awaitable[None]]) -> tuple[Rung, Isolation]:
    """Return the first rung on which the probe holds.

    Raises
    ------
    SandboxError
        When none does: what was tried, why each failed, and what to do.
    """
    tried: list[str] = []
    for rung in rungs():
        try:
            await probe(rung)
        except SandboxError as error:
            without = "" if rung.proc or rung.level != "namespaces" else " without /proc"
            tried.append(f"{rung.level}{without}: {error}")
        else:
            if rung.level == "landlock":
                tried.append(f"to allow it: {remedy()}.")
            return rung, Isolation(rung.level, rung.gaps, tuple(tried))
    reasons = " ".join(tried)
    way = f"{remedy()}, {_LANDLOCK_REMEDY}. {_ELSEWHERE}"
    raise SandboxError(f"Code cannot be isolated on this machine. {reasons} Remedy: {way}")
