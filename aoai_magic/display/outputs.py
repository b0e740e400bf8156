"""What a cell's output is made of, as values, and how they are sent to the front end."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.display import DisplayHandle


@dataclass(frozen=True)
class Bundle:
    """One output: the same thing in several MIME types; there is always ``text/plain``."""

    data: dict[str, Any]

    @property
    def metadata(self) -> dict[str, str]:
        """What the classic template of nbconvert takes a picture's text alternative from."""
        is_picture = any(kind.startswith("image/") for kind in self.data)
        return {"alt": self.data["text/plain"]} if is_picture else {}


def publish(output: Bundle) -> DisplayHandle | None:
    """Send ``output`` to whatever shows the running code's output.

    Returns
    -------
    DisplayHandle or None
        By which the output can be replaced; None outside IPython.
    """
    if in_ipython():
        from IPython.display import display

        shown: dict[str, Any] = {"raw": True, "display_id": True, "metadata": output.metadata}
        handle: DisplayHandle = display(output.data, **shown)
        return handle
    sys.stdout.write(output.data["text/plain"] + "\n")
    return None


def in_ipython() -> bool:
    """Return whether code runs in an IPython shell."""
    core = sys.modules.get("IPython")
    return core is not None and core.get_ipython() is not None
