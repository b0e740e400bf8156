"""What was learned of a model from its server's own refusals, kept per endpoint and model."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = "model-endpoints.json"
DAYS = 7
"""How long a refusal is believed: servers are updated, models get new abilities."""

_LOG = logging.getLogger(__name__)


@dataclass
class Learned:
    """What one model of one endpoint was seen to take and to refuse.

    Attributes
    ----------
    closed
        Routes that did not work, by name, and why: ``missing``, or ``tools`` where the server
        takes function tools elsewhere only.
    refused
        Optional parameters that are left out, as ``route:name``.
    tools, pictures, streams
        Whether function tools, pictures and streaming are taken.
    calls
        Whether the model was seen to call a tool by the API's own means.
    effort_off
        Whether tools are taken with the reasoning effort ``none`` only.
    limit
        Tokens of a conversation that the model takes, as they are counted here.
    """

    closed: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    tools: bool = True
    pictures: bool = True
    streams: bool = True
    calls: bool = False
    effort_off: bool = False
    limit: int | None = None
    _path: Path | None = field(default=None, repr=False)
    _key: str = ""

    def refuse(self, route: str, name: str) -> None:
        """Omit a parameter from now on."""
        self.refused.add(f"{route}:{name}")

    def refuses(self, route: str, name: str) -> bool:
        """Return whether a parameter is left out."""
        return f"{route}:{name}" in self.refused

    def load(self, folder: Path, key: str) -> None:
        """Load what an earlier process learned, and save in `folder` what is new."""
        self._path, self._key = folder / FILE, key
        stored = _read(self._path).get(key)
        if not isinstance(stored, dict) or time.time() - stored.get("at", 0) > DAYS * 86_400:
            return
        with suppress(TypeError, ValueError, AttributeError):
            self.closed = {str(name): str(why) for name, why in stored["closed"].items()}
            self.refused = set(map(str, stored["refused"]))
            self.tools, self.pictures = bool(stored["tools"]), bool(stored["pictures"])
            self.streams, self.calls = bool(stored["streams"]), bool(stored["calls"])
            self.effort_off = bool(stored["effort_off"])

    def save(self) -> None:
        """Keep it for later processes; a data directory that cannot be written is no fault."""
        if self._path is None:
            return
        stored = {
            "at": int(time.time()),
            "closed": self.closed,
            "refused": sorted(self.refused),
            "tools": self.tools,
            "pictures": self.pictures,
            "streams": self.streams,
            "calls": self.calls,
            "effort_off": self.effort_off,
        }
        try:
            _write(self._path, {**_read(self._path), self._key: stored})
        except OSError as error:
            _LOG.warning("What was learned of %s could not be kept: %s", self._key, error)


def _read(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _write(path: Path, stored: dict[str, Any]) -> None:
    # Other engines over the same data directory read it meanwhile.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(stored, file, indent=1)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
