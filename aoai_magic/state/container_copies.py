"""Copies of what a service's containers hold, so that one that expired can be rebuilt.

Containers die after 20 idle minutes. What was sent and what came back is kept on the
user's own disk, in a folder that only the user can read, until `ContainerCopies.sweep` or a
clean-up takes it away.
"""

from __future__ import annotations

import shutil
import time
import uuid
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aoai_magic.shared.private_files import open_new, private_folder
from aoai_magic.state.database import Database, open_database, storable

KEPT_SECONDS = 7 * 24 * 3600.0
"""After so long without use a container's copies are deleted."""


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


class ContainerCopies:
    """The copies for one service, in a folder of their own; what they are is in the database."""

    def __init__(self, folder: Path, url: str) -> None:
        self._data = folder
        self._service = sha256(url.encode()).hexdigest()[:16]
        self.folder = folder / "containers" / self._service

    def new(self, container: str) -> Path:
        """Make an empty copy, to be written; return its path."""
        for folder in (self._data, self.folder.parent, self.folder, self._place(container)):
            private_folder(folder)
        blob = self._place(container) / uuid.uuid4().hex
        open_new(blob).close()
        return blob

    def copy(self, container: str, source: Path | bytes) -> Path:
        """Copy bytes into a container's folder; return the copy's path."""
        blob = self.new(container)
        if isinstance(source, bytes):
            blob.write_bytes(source)
        else:
            shutil.copyfile(source, blob)
        return blob

    def record(self, container: str, kept: Kept) -> None:
        """Describe what a copy is one of; another one of the same path goes."""
        for old in (entry for entry in self.entries(container) if entry.path == kept.path):
            self.blob(container, old).unlink(missing_ok=True)
        row = (
            *(self._service, self._key(container), storable(kept.path), kept.digest),
            *(storable(kept.name), kept.id, kept.blob, kept.sent, time.time()),
        )
        self._database.write(lambda database: database.execute(_RECORD, row))

    def entries(self, container: str) -> list[Kept]:
        """Return what is kept of a container, in the order in which it came."""
        key = (self._service, self._key(container))
        rows = self._database.read(lambda database: database.execute(_ENTRIES, key).fetchall())
        return [Kept(row[0], row[1], row[2], row[3], row[4], bool(row[5])) for row in rows]

    def find(self, container: str, digest: str) -> Kept | None:
        """Return the file that was made from what has that digest."""
        return next((k for k in self.entries(container) if k.digest == digest), None)

    def holder(self, file_id: str) -> tuple[str, Kept] | None:
        """Return the container that holds the file of that id, and what is kept of it."""
        held = ((place, kept) for place in self.containers() for kept in self.entries(place))
        return next((pair for pair in held if pair[1].id == file_id), None)

    def used(self, container: str) -> float:
        """Return when files last came or went there, in seconds since 1970; 0 if never."""
        key = (self._service, self._key(container))
        row = self._database.read(lambda database: database.execute(_USED, key).fetchone())
        return float(row[0] or 0.0)

    def delete_file(self, container: str, kept: Kept) -> None:
        """Delete the copy of one file."""
        self.blob(container, kept).unlink(missing_ok=True)
        key = (self._service, self._key(container), storable(kept.path))
        self._database.write(lambda database: database.execute(_DELETE, key))

    def blob(self, container: str, kept: Kept) -> Path:
        """Return where a copy is."""
        return self._place(container) / kept.blob

    def size(self, container: str, kept: Kept) -> int:
        """Return the bytes of a copy; 0 where somebody has deleted it."""
        try:
            return self.blob(container, kept).stat().st_size
        except OSError:
            return 0

    def containers(self) -> list[str]:
        """Return the containers of which something is kept."""
        key = (self._service,)
        rows = self._database.read(lambda database: database.execute(_CONTAINERS, key).fetchall())
        return [row[0] for row in rows]

    def drop(self, container: str) -> None:
        """Delete the copies of a container."""
        shutil.rmtree(self._place(container), ignore_errors=True)
        key = (self._service, self._key(container))
        self._database.write(lambda database: database.execute(_DROP, key))

    def sweep(self) -> None:
        """Delete the copies that nobody has used for long."""
        oldest = time.time() - KEPT_SECONDS
        for container in self.containers():
            if self.used(container) < oldest:
                self.drop(container)

    @property
    def _database(self) -> Database:
        return open_database(self._data)

    def _key(self, container: str) -> str:
        # Ids come from the service, and nothing of it is to be a path.
        return "".join(c for c in container if c.isalnum() or c in "_-")

    def _place(self, container: str) -> Path:
        return self.folder / self._key(container)


_RECORD = "INSERT OR REPLACE INTO container_copies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ENTRIES = """
SELECT digest, name, path, id, blob, sent FROM container_copies
WHERE service = ? AND container = ? ORDER BY rowid
"""
_USED = "SELECT MAX(at) FROM container_copies WHERE service = ? AND container = ?"
_DELETE = "DELETE FROM container_copies WHERE service = ? AND container = ? AND path = ?"
_CONTAINERS = "SELECT DISTINCT container FROM container_copies WHERE service = ? ORDER BY container"
_DROP = "DELETE FROM container_copies WHERE service = ? AND container = ?"
