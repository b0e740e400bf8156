"""Whether code can be isolated on this machine itself, by a look that costs nothing.

What the sandbox really does it finds out by trying, and refuses where nothing holds.
"""

from __future__ import annotations

import ctypes
import functools
import subprocess
import sys

_LANDLOCK_CREATE_RULESET = 444
_ASK_VERSION = 1


@functools.lru_cache(maxsize=1)
def isolates() -> bool:
    """Return whether this machine has Landlock or user namespaces; only Linux has either."""
    return sys.platform == "linux" and (_has_landlock() or _has_namespaces())


def _has_landlock() -> bool:
    asked = (None, ctypes.c_size_t(0), _ASK_VERSION)
    version: int = ctypes.CDLL(None).syscall(_LANDLOCK_CREATE_RULESET, *asked)
    return version > 0


def _has_namespaces() -> bool:
    try:
        done = subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False)  # noqa: S607
    except OSError:
        return False
    return done.returncode == 0
