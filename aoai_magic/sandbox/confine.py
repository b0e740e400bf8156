"""Start a program of ours that reads what a session left, behind a session's walls.

``main()`` takes the module whose ``main()`` is to run as its first argument. The walls are
those of the level ``landlock``: no network, no other process, files of Python and its
packages for reading alone. Where the machine has none of them, the program's own bounds are
all there is: this process holds nothing but the one file that it reads.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from pathlib import Path


def main() -> None:
    """Confine the process and call ``main()`` of the module that the first argument names."""
    # Its own imports alone: a library may start threads, which would stay outside the walls.
    module = importlib.import_module(sys.argv.pop(1))
    if sys.platform == "linux":
        _confine()
    module.main()


def _confine() -> None:
    from aoai_magic.sandbox.isolation import confinement, landlock, root_fs, seccomp, syscalls

    with contextlib.suppress(OSError):
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        syscalls.drop_capabilities()
    with contextlib.suppress(OSError):
        packages = [path for path in sys.path if Path(path).is_absolute()]
        landlock.restrict([*root_fs.software(), *confinement.READABLE, *packages], [])
    with contextlib.suppress(OSError):
        version = syscalls.landlock_version()
        own = None if version >= landlock.SCOPES_SIGNALS else os.getpid()
        seccomp.restrict(False, own, truncation=version >= landlock.WATCHES_TRUNCATION)
