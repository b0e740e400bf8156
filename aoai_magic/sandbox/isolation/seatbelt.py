"""Seatbelt, the sandbox of macOS: the profile of a session, and the command that applies it.

Written from documentation and never run on a Mac yet: until it has been, nobody should rely
on it, and the level says so wherever it is shown. Apple calls ``sandbox-exec`` deprecated and
has no successor for it. Like every level, it is taken only if a probe session stays inside.
"""

from __future__ import annotations

from collections.abc import Iterable

_TOOL = "/usr/bin/sandbox-exec"

# What dynamic linking, Python and the drawing of text read.
_SYSTEM = (
    "/System",
    "/usr/lib",
    "/usr/share",
    "/usr/bin",
    "/bin",
    "/Library/Fonts",
    "/Library/Frameworks",
    "/private/etc/localtime",
    "/private/var/db/timezone",
    "/private/var/db/dyld",
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/dtracehelper")

# Denied is all that is not named: other files, the network, UNIX sockets by path, services
# (mach-lookup) but for the one that knows the user's name, shared memory and semaphores.
_RULES = """\
(version 1)
(deny default)
(allow process-fork)
(allow process-exec {readable})
(allow process-info* (target same-sandbox))
(allow signal (target same-sandbox))
(allow sysctl-read)
(allow mach-lookup (global-name "com.apple.system.opendirectoryd.libinfo"))
(allow file-read-metadata)
(allow file-read* (literal "/") {readable} {devices})
(allow file-write* {writable} (literal "/dev/null"))
"""


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _below(paths: Iterable[str]) -> str:
    return " ".join(f"(subpath {_quoted(path)})" for path in paths)


def profile(readable: Iterable[str], writable: Iterable[str]) -> str:
    """Write the profile of a session.

    Parameters
    ----------
    readable, writable : iterables of str
        Absolute paths with every link resolved (``/private/tmp``, not ``/tmp``): the
        directories of software, and those of the session.

    Returns
    -------
    str
        In the language of sandbox(7): S-expressions, the last matching rule decides.

    Raises
    ------
    ValueError
        For a path that is not absolute, or the root itself: it would allow everything.
    """
    readable, writable = list(readable), list(writable)
    for path in (*readable, *writable):
        if not path.startswith("/") or not path.strip("/."):
            raise ValueError(f"{path!r} cannot stand in the profile of a session.")
    return _RULES.format(
        readable=_below([*_SYSTEM, *readable, *writable]),
        writable=_below(writable),
        devices=" ".join(f"(literal {_quoted(path)})" for path in _DEVICES),
    )


def command(readable: Iterable[str], writable: Iterable[str]) -> list[str]:
    """Return the words that start a program behind that profile."""
    return [_TOOL, "-p", profile(readable, writable)]
