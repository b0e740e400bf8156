"""Runs a Python script as an ordinary user, from tests that run as root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import aoai_magic
from aoai_magic.sandbox.isolation import syscalls

UID = 54321


def _needed() -> list[Path]:
    here = Path(__file__).resolve().parents[2]
    paths = [Path(sys.prefix), Path(sys.base_prefix), Path(aoai_magic.__file__).parent, here]
    return [path.resolve() for path in paths]


def _closed_above(path: Path) -> list[Path]:
    return [above for above in path.parents if not above.stat().st_mode & 0o001]


MASKED = "--masked"


def _become_ordinary(masked: bool) -> None:
    """Return up root; in a mount namespace where nothing above Python is closed to others.

    A masked ``/proc``, as containers have it, may not be mounted anew by an ordinary user.
    """
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
    held = {path: os.open(path, os.O_PATH) for path in _needed()}
    for path in held:
        for closed in reversed(_closed_above(path)):
            syscalls.mount("tmpfs", closed, "tmpfs", 0, "mode=0755")
    for path, fd in held.items():
        if not path.exists():
            path.mkdir(parents=True)
            source = f"/proc/self/fd/{fd}"
            syscalls.mount(source, path, None, syscalls.MS_BIND | syscalls.MS_REC)
    if masked:
        syscalls.mount("tmpfs", "/proc/fs", "tmpfs", syscalls.MS_RDONLY)
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)


def main() -> None:
    """Become an ordinary user and run the command in the arguments."""
    home = Path(sys.argv[1])
    _become_ordinary(MASKED in sys.argv)
    os.chdir(home)
    arguments = [argument for argument in sys.argv[2:] if argument != MASKED]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    os.execve(sys.executable, [sys.executable, *arguments], environment)


def run(home: Path, *arguments: str, timeout: float = 60) -> str:
    """Run this Python with arguments as an ordinary user; return what it prints.

    ``home`` is given to that user, and must be below directories open to all.
    """
    os.chown(home, UID, UID)
    command = [sys.executable, str(Path(__file__).resolve()), str(home), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


if __name__ == "__main__":
    main()
