"""The walls around one interpreter, put up from the inside before any of its code runs."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from pathlib import Path

from aoai_magic.sandbox.isolation import landlock, root_fs, seccomp, syscalls
from aoai_magic.sandbox.protocol import MOUNT
from aoai_magic.sandbox.spec import Plan

_INNER = 1000
_NAMESPACES = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWNET
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWCGROUP
)
READABLE = (
    "/lib",
    "/lib64",
    "/bin",
    "/etc/ld.so.cache",
    "/etc/fonts",
    "/etc/localtime",
    "/etc/alternatives",
    "/etc/os-release",
    "/etc/debian_version",
    "/etc/mime.types",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
)


def join_group(plan: Plan) -> None:
    """Move to the session's control group, if it has one."""
    if plan.group is not None:
        Path(plan.group, "cgroup.procs").write_text("0")


def unshare(plan: Plan) -> None:
    """Move to namespaces of our own, and lay out the new root there.

    As root the session gets an account of its own (`enter` becomes it); otherwise a user
    namespace, in which the caller's account alone exists.
    """
    if plan.uid is not None:
        os.chown(plan.data, plan.uid, plan.uid)
        syscalls.unshare(_NAMESPACES)
        root_fs.build(plan, plan.uid, plan.uid)
        return
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(_NAMESPACES | syscalls.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{_INNER} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{_INNER} {gid} 1")
    root_fs.build(plan, _INNER, _INNER)


def enter(plan: Plan) -> None:
    """Enter the new namespaces as process 1, and become nobody."""
    root_fs.enter(plan)
    with contextlib.suppress(PermissionError):  # the filter of a container, whose name stays
        syscalls.set_hostname(b"sandbox")
    syscalls.drop_bounding_set()
    if plan.uid is not None:
        os.setgroups([])
        os.setresgid(plan.uid, plan.uid, plan.uid)
        os.setresuid(plan.uid, plan.uid, plan.uid)
    # A change of credentials hides /proc/self from its own process.
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)


def set_environment(plan: Plan) -> None:
    """Replace the environment by one that says nothing of the host."""
    os.umask(0o022 if plan.isolated else 0o077)
    os.environ.clear()
    os.environ.update(
        PATH=f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        HOME=root_fs.HOME if plan.isolated else plan.scratch,
        TMPDIR="/tmp" if plan.isolated else plan.scratch,  # noqa: S108
        USER="sandbox",
        LANG="C.UTF-8",
        MPLBACKEND="agg",
        PLOTLY_RENDERER="plotly_mimetype",
        PYTHONDONTWRITEBYTECODE="1",
        HDF5_USE_FILE_LOCKING="FALSE",  # by flock, which a session has not
        PIP_RETRIES="0",  # there is no network: let it fail at once
        OMP_NUM_THREADS="2",
        OPENBLAS_NUM_THREADS="2",
    )


def _own_threads() -> int:
    """Count the account's threads: outside a user namespace the kernel limits their sum."""
    total, uid = 0, os.getuid()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.stat().st_uid == uid:
                total += sum(1 for _ in (process / "task").iterdir())
    return total


def _limit(kind: int, value: int) -> None:
    """Set a limit for good; one that is stricter already stays."""
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def set_limits(plan: Plan, inherited: int) -> None:
    """Set the resource limits of the session's processes.

    ``inherited`` is the `processes.data_size` of the zygote.
    """
    processes = plan.processes if plan.isolated else plan.processes + _own_threads()
    _limit(resource.RLIMIT_MSGQUEUE, 0)
    _limit(resource.RLIMIT_NPROC, processes)
    # A piped core_pattern starts a host program even at 0; at 1 the kernel refuses.
    _limit(resource.RLIMIT_CORE, 1)
    _limit(resource.RLIMIT_NOFILE, plan.open_files)
    _limit(resource.RLIMIT_FSIZE, plan.file)
    _limit(resource.RLIMIT_MEMLOCK, 1 << 20)
    # On top of what libraries have reserved by now; a part of the memory is left to what is
    # shared and copied, so that code gets a MemoryError before the sum of all is too large.
    _limit(resource.RLIMIT_DATA, inherited + plan.memory - plan.memory // 8)
    # No bound on addresses: V8 (Altair's pictures), DuckDB and others reserve far more than
    # they ever hold. What is held is bounded here, and as a sum by the watchdog.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def drop_privileges(plan: Plan) -> None:
    """Return up every capability, and the ways to get one again."""
    if plan.level != "none":
        syscalls.drop_capabilities()
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)


def restrict(plan: Plan) -> None:
    """Install Landlock and the filter of system calls; there is no way back."""
    if plan.isolated:
        if syscalls.landlock_version():
            # /proc is written for the likes of /proc/self/clear_refs and coredump_filter.
            writable = [MOUNT, "/tmp", "/dev/shm", "/dev/null", root_fs.HOME, "/proc"]  # noqa: S108
            landlock.restrict(["/"], writable)
        seccomp.restrict(contained=True)
    elif plan.level == "landlock":
        readable = [*root_fs.software(), *READABLE, *plan.folders.values()]
        landlock.restrict(readable, [plan.data, plan.scratch, "/dev/null"])
        version = syscalls.landlock_version()
        own_signals = None if version >= landlock.SCOPES_SIGNALS else os.getpid()
        truncation = version >= landlock.WATCHES_TRUNCATION
        seccomp.restrict(contained=False, own_signals=own_signals, truncation=truncation)


def ignore_signals() -> None:
    """Ignore interrupts, which are for the worker."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
