"""What a cell's output is made of, as values, and how they are sent to the front end."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.display import DisplayHandle


@dataclass(frozen=True)
class Bundle:
    """One output: the same thing in several MIME types; there is always ``text/plain``.

    It has no metadata, ever: where an update changes an output's metadata, VS Code puts
    *all* outputs of the cell back to what they were some moments ago.
    """

    data: dict[str, Any]


def publish(output: Bundle) -> DisplayHandle | None:
    """Send ``output`` to whatever shows the running code's output.

    Returns
    -------
    DisplayHandle or None
        By which the output can be replaced; None outside IPython.
    """
    if in_ipython():
        from IPython.display import display

        handle: DisplayHandle = display(output.data, raw=True, display_id=True)
        return handle
    sys.stdout.write(output.data["text/plain"] + "\n")
    return None


def in_ipython() -> bool:
    """Return whether code runs in an IPython shell."""
    core = sys.modules.get("IPython")
    return core is not None and core.get_ipython() is not None
