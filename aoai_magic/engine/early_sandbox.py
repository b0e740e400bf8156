"""The engine's sandbox, begun before the engine itself: what both import takes equally long."""

from __future__ import annotations

from aoai_magic.engine.config import EngineConfig
from aoai_magic.engine.plugins import open_sandbox
from aoai_magic.sandbox.protocol import Sandbox
from aoai_magic.shared.private_files import private_folder


class EarlySandbox:
    """Opens the sandbox that is configured; the first one begins to start at once.

    A sandbox with a method ``begin()`` starts its processes there, and waits for nothing.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._begun: Sandbox | None = None

    def begin(self) -> EarlySandbox:
        """Start the sandbox; what fails is raised where it is opened."""
        try:
            sandbox = self._open()
            if hasattr(sandbox, "begin"):
                sandbox.begin()
        except Exception:
            return self
        self._begun = sandbox
        return self

    def __call__(self) -> Sandbox:
        """Return the sandbox that was begun; later, and where that failed, another one.

        Raises
        ------
        SpecError, SandboxError
            See `open_sandbox`.
        """
        begun, self._begun = self._begun, None
        return begun or self._open()

    def _open(self) -> Sandbox:
        folder = self._config.data_dir / "sessions"
        private_folder(self._config.data_dir)
        private_folder(folder)
        return open_sandbox(self._config.sandbox, folder, self._config.limits)
