"""Which kind of screen suits the place where the code runs."""

from __future__ import annotations

import sys
from typing import Any


def kind_here() -> str:
    """Return ``live``, ``frozen`` or ``terminal``.

    A headless client (nbclient, and with it nbconvert, nbmake and papermill) says in
    every request that nobody is there to answer input (``allow_stdin`` false,
    https://jupyter-client.readthedocs.io/en/stable/messaging.html#execute); JupyterLab,
    Notebook and VS Code say that somebody is. For the former no widget may be opened:
    nbclient would save its state as ``metadata.widgets``. What ``%%capture`` collects is
    shown later, if at all, when no widget would be there.
    """
    kernel = _kernel()
    if kernel is None:
        return "terminal"
    return "live" if _somebody_there(kernel) and not _is_captured() else "frozen"


def hears_buttons() -> bool:
    """Return whether a button is heard while an asynchronous cell runs.

    ipykernel does so from version 7 on, which handles a message of a widget while a cell
    waits; before, it comes when the cell is over, and only an interrupt stops it.
    """
    ipykernel = sys.modules.get("ipykernel")
    return ipykernel is None or ipykernel.version_info[0] >= 7


def _kernel() -> Any:
    core = sys.modules.get("IPython")
    shell = core.get_ipython() if core is not None else None
    return getattr(shell, "kernel", None)


def _is_captured() -> bool:
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.getipython import get_ipython

    return isinstance(getattr(get_ipython(), "display_pub", None), CapturingDisplayPublisher)


def _somebody_there(kernel: Any) -> bool:
    request = kernel.get_parent("shell") or {}
    return bool(request.get("content", {}).get("allow_stdin", False))
