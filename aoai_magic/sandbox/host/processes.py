"""What the system tells of processes: who descends from whom, and what each uses."""

from __future__ import annotations

import contextlib
import mmap
import os
from pathlib import Path

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


def data_size() -> int:
    """Return the bytes that count as this process's data, whether they are in memory or not."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0


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
    """Tell whether a process runs or waits for a processor or a disk."""
    return _status(pid)[:1] in (["R"], ["D"])


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and of those of its children it has waited for."""
    return sum(map(int, _status(pid)[11:15])) * _TICK


def held(pid: int) -> int:
    """Return the bytes that the processes below a session's first hold."""
    return sum(map(proportional, descendants(pid)))
