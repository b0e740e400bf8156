"""The file system of a session: a fresh root that holds software, devices and its folder."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from aoai_magic.sandbox.isolation.syscalls import (
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    MS_SLAVE,
    bind_read_only,
    mount,
    mount_setattr,
    pivot_root,
    unmount,
)
from aoai_magic.sandbox.protocol import MOUNT
from aoai_magic.sandbox.spec import Plan

HOME = "/home/sandbox"

_OLD, _NEW = Path("/o"), Path("/n")
_SYSTEM_LINKS = ("bin", "sbin", "lib", "lib64", "lib32", "libx32")
_ETC = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "fonts",
    "localtime",
    "mime.types",
)
_DEVICES = ("null", "zero", "full", "random", "urandom")
_HIDDEN_IN_PROC = (
    "kcore",
    "keys",
    "timer_list",
    "sched_debug",
    "latency_stats",
    "sysrq-trigger",
    "kmsg",
    "kallsyms",
    "config.gz",
    "interrupts",
    "iomem",
    "slabinfo",
    "vmallocinfo",
)
_LARGEST_SCRATCH = 256 << 20


def software() -> list[str]:
    """Return the directories that a session's Python and its packages live in."""
    wanted = ["/usr", sys.base_prefix, sys.prefix, str(Path(__file__).parents[2])]
    user = site.getusersitepackages()
    if user in sys.path:
        wanted.append(user)
    return _outermost(wanted)


def _outermost(paths: Iterable[str]) -> list[str]:
    found: list[str] = []
    for path in map(os.path.realpath, paths):
        covered = any(path == outer or path.startswith(outer + "/") for outer in found)
        if path != "/" and not covered:
            found.append(path)
    return found


def _old(path: str) -> Path:
    return _OLD / path.lstrip("/")


def _new(path: str) -> Path:
    return _NEW / path.lstrip("/")


def _bind_file(source: Path, target: Path) -> None:
    target.touch()
    mount(source, target, None, MS_BIND)


def _mount_scratch(plan: Plan, uid: int, gid: int) -> None:
    scratch = min(_LARGEST_SCRATCH, plan.memory // 4)
    own = f",uid={uid},gid={gid}"
    for path, size, options in (
        ("/dev/shm", scratch // 4, "mode=1777"),  # noqa: S108
        ("/tmp", scratch, "mode=1777"),  # noqa: S108
        (HOME, scratch // 16, "mode=0700" + own),
    ):
        target = _new(path)
        target.mkdir(parents=True)
        options += f",size={size},nr_inodes=20000"
        mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, options)


def _show_software() -> None:
    for path in software():
        target = _new(path)
        target.mkdir(parents=True, exist_ok=True)
        bind_read_only(_old(path), target)
    for name in _SYSTEM_LINKS:
        source, target = _old(name), _new(name)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.is_dir():
            target.mkdir()
            bind_read_only(source, target)


def _write_etc(uid: int, gid: int) -> None:
    etc = _new("etc")
    etc.mkdir()
    (etc / "passwd").write_text(f"sandbox:x:{uid}:{gid}::{HOME}:/bin/sh\n")
    (etc / "group").write_text(f"sandbox:x:{gid}:\n")
    (etc / "hosts").write_text("127.0.0.1 localhost\n")
    (etc / "hostname").write_text("sandbox\n")
    for name in _ETC:
        source, target = _old("etc") / name, etc / name
        if source.is_dir():
            target.mkdir()
            bind_read_only(source, target)
        elif source.is_file():
            target.touch()
            bind_read_only(source, target)


def _make_devices() -> None:
    dev = _new("dev")
    for name in _DEVICES:
        _bind_file(_old("dev") / name, dev / name)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (dev / name).symlink_to(f"/proc/self/fd/{number}")
    (dev / "fd").symlink_to("/proc/self/fd")


def _show_folders(folders: Mapping[str, str]) -> None:
    for place, source in folders.items():
        target = _new(place)
        target.mkdir(parents=True)
        bind_read_only(_old(source), target)


def _show_folder(data: str) -> None:
    target = _new(MOUNT)
    target.mkdir(parents=True)
    mount(_old(data), target, None, MS_BIND)
    mount(None, target, None, MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV)


def build(plan: Plan, uid: int, gid: int) -> None:
    """Build the new root beside the old one; in a fresh mount namespace.

    The process is left on a small tmpfs that holds the old root at ``/o`` and the new
    one at ``/n``; `enter` completes the move from inside the new process namespace.
    """
    mount(None, "/", None, MS_REC | MS_SLAVE)
    base = Path("/tmp")  # noqa: S108  (a mount point in a namespace of our own)
    mount("tmpfs", base, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m,nr_inodes=1000")
    for directory in (_OLD, _NEW):
        (base / directory.name).mkdir()
    pivot_root(base, base / _OLD.name)
    os.chdir("/")
    # Scratch comes first: the interpreter may live below /tmp or /home.
    _mount_scratch(plan, uid, gid)
    _show_software()
    _write_etc(uid, gid)
    _make_devices()
    _show_folder(plan.data)
    _show_folders(plan.folders)
    _new("proc").mkdir()


def _mount_proc() -> None:
    proc = _new("proc")
    mount("proc", proc, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in _HIDDEN_IN_PROC:
        if (proc / name).exists():
            mount(_old("dev/null"), proc / name, None, MS_BIND)
    settings = proc / "sys"
    if settings.is_dir():
        mount(settings, settings, None, MS_BIND | MS_REC)
        mount_setattr(settings, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)


def enter(plan: Plan) -> None:
    """Make the new root the only one; as process 1 of the new process namespace.

    Raises
    ------
    OSError
        ``EPERM`` for ``/proc`` where a container masks its own: plan without it then.
    """
    if plan.proc:
        _mount_proc()
    mount(_NEW, _NEW, None, MS_BIND | MS_REC)
    os.chdir(_NEW)
    pivot_root(".", ".")
    unmount(".")
    os.chdir("/")
    mount(None, "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
