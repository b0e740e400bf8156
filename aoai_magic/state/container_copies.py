"""Shelf: copies of what a service's containers hold, so that one that expired can be rebuilt.

Containers die after 20 idle minutes. What was sent and what came back is kept on the
user's own disk, in a folder that only the user can read, until `Shelf.sweep` or a
clean-up takes it away.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

KEPT_SECONDS = 7 * 24 * 3600.0
"""After so long without use a container's copies are deleted."""

_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Kept:
    """One file of a container.

    Attributes
    ----------
    digest
        What it was made from: `Attachment.sha256`, or the hash of a returned file.
    name
        File name under which it is sent.
    path
        Where it is in the container.
    id
        The container file's id.
    blob
        Name of the copy in the container's folder here.
    sent
        Whether we sent it; else the container's code made it.
    """

    digest: str
    name: str
    path: str
    id: str
    blob: str
    sent: bool


class Shelf:
    """The copies for one service, in a folder of their own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder / "containers" / sha256(url.encode()).hexdigest()[:16]

    def new(self, container: str) -> Path:
        """Give the path of a copy that is yet to be written."""
        place = self._place(container)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place / uuid.uuid4().hex

    def copy(self, container: str, source: Path | bytes) -> Path:
        """Copy bytes into a container's folder; give the copy's path."""
        blob = self.new(container)
        if isinstance(source, bytes):
            blob.write_bytes(source)
        else:
            shutil.copyfile(source, blob)
        return blob

    def record(self, container: str, kept: Kept) -> None:
        """Say what a copy is one of; another one of the same path goes."""
        entries = self.entries(container)
        for old in (entry for entry in entries if entry.path == kept.path):
            self.blob(container, old).unlink(missing_ok=True)
        self._write(container, [*(e for e in entries if e.path != kept.path), kept])

    def entries(self, container: str) -> list[Kept]:
        """List what is kept of a container, in the order in which it came."""
        try:
            text = (self._place(container) / _MANIFEST).read_text("utf-8")
        except FileNotFoundError:
            return []
        return [Kept(**entry) for entry in json.loads(text)]

    def find(self, container: str, digest: str) -> Kept | None:
        """Give the file that was made from what has that digest."""
        return next((k for k in self.entries(container) if k.digest == digest), None)

    def holder(self, file_id: str) -> tuple[str, Kept] | None:
        """Give the container that holds the file of that id, and what is kept of it."""
        held = ((place, kept) for place in self.containers() for kept in self.entries(place))
        return next((pair for pair in held if pair[1].id == file_id), None)

    def used(self, container: str) -> float:
        """Tell when files last came or went there, in seconds since 1970; 0 if never."""
        manifest = self._place(container) / _MANIFEST
        return manifest.stat().st_mtime if manifest.exists() else 0.0

    def strike(self, container: str, kept: Kept) -> None:
        """Delete the copy of one file."""
        self.blob(container, kept).unlink(missing_ok=True)
        self._write(container, [entry for entry in self.entries(container) if entry != kept])

    def blob(self, container: str, kept: Kept) -> Path:
        """Tell where a copy is."""
        return self._place(container) / kept.blob

    def containers(self) -> Iterator[str]:
        """Give the containers of which something is kept."""
        if self.folder.is_dir():
            yield from sorted(place.name for place in self.folder.iterdir())

    def drop(self, container: str) -> None:
        """Delete the copies of a container."""
        shutil.rmtree(self._place(container), ignore_errors=True)

    def sweep(self) -> None:
        """Delete the copies that nobody has used for long."""
        oldest = time.time() - KEPT_SECONDS
        for container in list(self.containers()):
            if self.used(container) < oldest:
                self.drop(container)

    def _place(self, container: str) -> Path:
        # Ids come from the far side, and nothing of it is to be a path.
        return self.folder / "".join(c for c in container if c.isalnum() or c in "_-")

    def _write(self, container: str, entries: list[Kept]) -> None:
        text = json.dumps([asdict(entry) for entry in entries])
        half = self._place(container) / f"{_MANIFEST}.part"
        half.write_text(text, "utf-8")
        half.replace(self._place(container) / _MANIFEST)
