"""What an engine says that its isolation does not cover, in the user's language.

The engine's side has no languages. What ours says is known here; an engine of another
version may say something else, which is shown as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aoai_magic.locale import gettext, later

KNOWN = (
    later("All sessions share this machine's kernel: a flaw in it is a way out."),
    later("A session can see the path of its own folder on this machine."),
    later("There is no /proc in a session, since this container masks its own."),
    later("A session can ask whether a path exists on this machine, and for its size."),
    later("Sessions have no process namespace and no /proc."),
    later("/mnt/data exists only in the text of the code, not for programs it starts."),
    later("There is no shared memory: process pools do not work, thread pools do."),
    later(
        "Memory is checked ten times a second, since only systemd lets the kernel cap it: code "
        "can exceed its limit for a moment."
    ),
    later("A session can hold read locks on files of the installed software."),
    later(
        "Deleted files that a process holds open count as used disk, except while they are "
        "handed from one process to another."
    ),
    later(
        "The engine runs as root, and so does the code, without root's privileges: it reads what "
        "belongs to root among the software; run the engine as an ordinary account."
    ),
    later("Code runs with all the rights of this account: nothing is kept from it."),
)


def gaps(sandbox: Mapping[str, Any]) -> list[str]:
    """Return the gaps of an engine's ``sandbox``."""
    return [gettext(str(gap)) for gap in sandbox.get("gaps") or ()]
