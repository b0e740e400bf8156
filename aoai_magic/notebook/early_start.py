"""What a first question waits for, got ready while the kernel is idle.

That is the embedded engine, with the process that its sandbox's sessions are forked from, and
the modules that the question imports here. Imports hold Python's lock, so each begins only
once no cell has run for a moment; the engine is a process of its own and takes the cells
nothing. Nothing is shown, and what fails here fails again, and is said, at the first question.
"""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from aoai_magic.config.settings import Settings

IDLE_SECONDS = 0.1
"""How long no cell may have run before a step begins; those of "run all" follow at once."""

PACKAGES = ("anyio", "httpx", "httpx2", "ipywidgets", "markdown_it", "openai", "pydantic")
"""What is imported of others; a file of the user's by such a name would run instead."""

MODULES = (
    "aoai_magic.runner.kernel_state",
    "aoai_magic.runner.consent",
    "aoai_magic.runner.destination",
    "aoai_magic.attach.function_tools",
    "aoai_magic.attach.resolve",
    "pydantic.types",
    "openai",
    "openai.types.responses",
    "openai.resources.files",
    "openai.resources.responses",
    "aoai_magic.backends.responses_api.engine",
    "aoai_magic.display.saved.bundles",
)

LIVE_MODULES = ("ipywidgets", "aoai_magic.display.live.screen")
"""What an answer needs where somebody looks on; nowhere else is it imported."""

_LOG = logging.getLogger(__name__)


class EarlyStart:
    """Gets things ready in a thread, from the end of the cell that loaded the extension on.

    Parameters
    ----------
    shell
        The kernel's.
    settings
        Returns the current settings; called in the thread.
    """

    def __init__(self, shell: InteractiveShell, settings: Callable[[], Settings]) -> None:
        self._shell = shell
        self._settings = settings
        self._idle = threading.Event()
        self._cells = 0
        self._is_live = False
        self._thread: threading.Thread | None = None
        self._callbacks: dict[str, Callable[..., None]] = {
            "pre_run_cell": self._cell_begins,
            "post_run_cell": self._cell_ends,
        }

    def register(self) -> None:
        """Start at the end of the current cell."""
        for event, callback in self._callbacks.items():
            self._shell.events.register(event, callback)

    def unregister(self) -> None:
        """Start nothing more."""
        self._idle.clear()
        for event, callback in self._callbacks.items():
            if callback in self._shell.events.callbacks[event]:
                self._shell.events.unregister(event, callback)

    def _cell_begins(self, _info: Any = None) -> None:
        self._cells += 1
        self._idle.clear()

    def _cell_ends(self, _result: Any = None) -> None:
        self._idle.set()
        if self._thread is None:
            from aoai_magic.display.detect import kind_here

            self._is_live = kind_here() == "live"  # what this cell's request says
            self._thread = threading.Thread(
                target=self._work, name="aoai-magic-early-start", daemon=True
            )
            self._thread.start()

    def _work(self) -> None:
        try:
            self._wait_until_idle()
            settings = self._settings()
            if _helps(settings):
                _start_engine(settings)
                self._import_modules()
        except Exception:
            _LOG.debug("The early start ended", exc_info=True)
        self.unregister()

    def _wait_until_idle(self) -> None:
        while True:
            self._idle.wait()
            cells = self._cells
            time.sleep(IDLE_SECONDS)
            if self._idle.is_set() and cells == self._cells:
                return

    def _import_modules(self) -> None:
        from aoai_magic.shared import hidden_packages

        for name in (*MODULES, *(LIVE_MODULES if self._is_live else ())):
            self._wait_until_idle()
            if not any(map(hidden_packages.hiding, PACKAGES)):
                importlib.import_module(name)


def _helps(settings: Settings) -> bool:
    """Return whether the next question is one for the embedded engine."""
    from aoai_magic.config.settings import resolve_target

    # What is played from a recording needs no engine; what is not starts one itself.
    return settings.start_early and not settings.recordings and resolve_target(settings).is_embedded


def _start_engine(settings: Settings) -> None:
    """Start the engine in a thread of its own: it is waited for beside the imports."""
    from aoai_magic.backends import ensure_engine
    from aoai_magic.config.settings import resolve_target

    def start() -> None:
        with suppress(Exception):  # the question that needs it tries again, and says why
            ensure_engine(settings, resolve_target(settings))

    threading.Thread(target=start, name="aoai-magic-engine", daemon=True).start()
