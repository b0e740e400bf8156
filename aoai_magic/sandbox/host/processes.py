"""What the system tells of processes: who descends from whom, and what each uses."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterable
from pathlib import Path

_BLOCK = 512
_USUAL_CHANNELS = 64
_CHANNEL_BYTES = 512 << 10  # a socket's buffers at the usual limits of Linux, with overhead
_TICK = 1 / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Return the living and dead children of a process, the eldest first."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """Return everything below a process, children before grandchildren."""
    found = children(pid)
    for process in found:
        found.extend(children(process))
    return found


def resident(pid: int) -> int:
    """Return the bytes of a process that are in memory, shared ones counted in full."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * mmap.PAGESIZE


def kernel_memory(pid: int) -> int:
    """Return the bytes that the kernel holds for a process: page tables, and what is on its way.

    What waits in a socket or pipe is not told; the most that it may be is taken for it. Only
    numbers count that ordinary programs do not reach.
    """
    tables = _status_field(pid, "VmPTE:") * 1024
    return tables + max(0, _channels(pid) - _USUAL_CHANNELS) * _CHANNEL_BYTES


def _status_field(pid: int, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0


def _channels(pid: int) -> int:
    """Count the sockets and pipes that a process has open."""
    return sum(target.startswith(("socket:", "pipe:")) for target in _open_files(pid).values())


def _open_files(pid: int) -> dict[str, str]:
    """Return what the descriptors of a process lead to, by their paths below ``/proc``."""
    found = {}
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                found[entry.path] = os.readlink(entry.path)  # noqa: PTH115  (for speed)
    return found


def deleted_files(pids: Iterable[int], device: int) -> int:
    """Return the bytes on disk of files of a device that have no name any more.

    They are held by descriptors or are mapped; a mapped one alone counts by what is mapped.
    """
    found: dict[int, int] = {}
    for pid in pids:
        for path, target in _open_files(pid).items():
            if target.endswith(" (deleted)"):
                with contextlib.suppress(OSError):
                    status = os.stat(path)  # noqa: PTH116  (for speed)
                    if status.st_dev == device and status.st_nlink == 0:
                        found[status.st_ino] = status.st_blocks * _BLOCK
        for inode, size in _mapped_deleted(pid, device).items():
            found.setdefault(inode, size)
    return sum(found.values())


def _mapped_deleted(pid: int, device: int) -> dict[int, int]:
    sizes: dict[int, int] = {}
    where = f"{os.major(device):02x}:{os.minor(device):02x}"
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/maps").read_text("utf-8", "replace").splitlines():
            if line.endswith(" (deleted)") and line.split()[3] == where:
                start, _, end = line.split()[0].partition("-")
                inode = int(line.split()[4])
                sizes[inode] = sizes.get(inode, 0) + int(end, 16) - int(start, 16)
    return sizes


def data_size() -> int:
    """Return the bytes that count as this process's data, whether they are in memory or not."""
    return _status_field(os.getpid(), "VmData:") * 1024


def proportional(pid: int) -> int:
    """Return the bytes of a process, shared pages divided among those that share them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return resident(pid)  # it has hidden itself: then all of it counts
    for line in lines:
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _status(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the state on, which is the third."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def runnable(pid: int) -> bool:
    """Return whether a process runs or waits for a processor or a disk."""
    return _status(pid)[:1] in (["R"], ["D"])


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and of those of its children it has waited for."""
    return sum(map(int, _status(pid)[11:15])) * _TICK


def held(pid: int) -> int:
    """Return the bytes that the processes below a session's first hold."""
    pids = descendants(pid)
    return sum(map(proportional, pids)) + sum(map(kernel_memory, pids))
