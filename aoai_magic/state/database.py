"""The one database of the notebook's side: threads, uploads, usage, container copies.

One SQLite file in the data directory, and one policy for all that can happen to it:

- It is touched by one thread of this process alone, never by an event loop. Whoever asks
  waits for that thread, and never for long: a network home can hang in the file system's own
  locks, where no time-out of SQLite helps.
- Whatever is written is in memory first. Where the file cannot be used (locked by another
  kernel, read-only, disk full, folder gone or another account's) the kernel goes on with what
  it has in memory, `Database.take_trouble` returns the sentence for the user, and what was
  not written is written as soon as the file can be used again.
- A file that is broken is set aside, under a name of its own, and a new one begun.
- Files are readable by the user alone.

Coroutines call this by `asyncio.to_thread`.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from aoai_magic.locale import gettext as _
from aoai_magic.shared.private_files import private_file, private_folder
from aoai_magic.state import older_files

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
_Job = tuple["concurrent.futures.Future[object]", Callable[[], object]]

NAME = "state.sqlite3"

BUSY_SECONDS = 1.0
"""How long to wait for a lock that another kernel holds."""

WAIT_SECONDS = 3.0
"""How long a caller waits for the disk at all."""

REST_SECONDS = 10.0
"""How long a file that could not be used is left alone: a turn asks several times, and is
not to wait each time."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS threads (
    place TEXT, target TEXT, name TEXT, id TEXT, used REAL, PRIMARY KEY (place, target, name)
);
CREATE TABLE IF NOT EXISTS begun_threads (
    target TEXT, id TEXT, place TEXT, used REAL, PRIMARY KEY (target, id)
);
CREATE TABLE IF NOT EXISTS usage (
    place TEXT, at REAL, target TEXT, model TEXT, input INTEGER, cached INTEGER, output INTEGER,
    minutes INTEGER, cost REAL
);
CREATE TABLE IF NOT EXISTS uploads (
    target TEXT NOT NULL, digest TEXT NOT NULL, file_id TEXT NOT NULL, name TEXT NOT NULL,
    bytes INTEGER NOT NULL, sent_at REAL NOT NULL, expires_at REAL, place TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (target, file_id)
);
CREATE INDEX IF NOT EXISTS uploads_digest ON uploads (target, digest);
CREATE TABLE IF NOT EXISTS container_copies (
    service TEXT, container TEXT, path TEXT, digest TEXT, name TEXT, id TEXT, blob TEXT,
    sent INTEGER, at REAL, PRIMARY KEY (service, container, path)
);
CREATE TABLE IF NOT EXISTS search_stores (
    service TEXT, id TEXT, place TEXT, created REAL, PRIMARY KEY (service, id)
);
CREATE TABLE IF NOT EXISTS search_files (
    service TEXT, store TEXT, file_id TEXT, digest TEXT, source TEXT, within TEXT, name TEXT,
    bytes INTEGER, error TEXT, PRIMARY KEY (service, store, file_id)
);
CREATE INDEX IF NOT EXISTS search_files_digest ON search_files (service, digest);
CREATE TABLE IF NOT EXISTS tidied (at REAL);
CREATE TABLE IF NOT EXISTS imported (file TEXT PRIMARY KEY);
"""

_NETWORK = ("nfs", "cifs", "smb", "afs", "fuse.sshfs", "9p", "lustre", "gpfs", "ceph")
"""File systems on which SQLite's write-ahead log, which needs shared memory, corrupts."""

_LOG = logging.getLogger(__name__)


class Database:
    """The database of one data directory; `open_database` returns the process's own.

    Attributes
    ----------
    path
        Where the file is.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._lock = threading.Lock()
        self._memory = sqlite3.connect(":memory:", check_same_thread=False)
        self._memory.executescript(SCHEMA)
        self._unsaved: list[Work[object]] = []
        self._connection: sqlite3.Connection | None = None
        self._inode = (0, 0)
        self._rest_until = 0.0
        self._trouble: str | None = None

    def read(self, work: Work[T]) -> T:
        """Return what ``work`` reads; from memory where the file cannot be used."""
        try:
            return self._on_disk(work)
        except _Unusable:
            with self._lock:
                return work(self._memory)

    def write(self, work: Work[object]) -> None:
        """Write by ``work``; where the file cannot be used, once it can be again."""
        with self._lock, self._memory:
            work(self._memory)
            self._unsaved.append(work)
        with contextlib.suppress(_Unusable):
            self._on_disk(lambda _connection: None)

    def take_trouble(self) -> str | None:
        """Return, once, why the file could not be used, as a sentence; None if it could."""
        trouble, self._trouble = self._trouble, None
        return trouble

    def _on_disk(self, work: Work[T]) -> T:
        if time.monotonic() < self._rest_until:
            raise _Unusable
        future = worker().submit(lambda: self._transact(work))
        try:
            return future.result(WAIT_SECONDS)
        except concurrent.futures.TimeoutError:
            self._give_up(_("the disk does not answer"))
        except (sqlite3.Error, OSError) as error:
            self._give_up(_reason(error))
        raise _Unusable

    def _give_up(self, reason: str) -> None:
        _LOG.warning("%s cannot be used: %s", self.path, reason, exc_info=True)
        self._rest_until = time.monotonic() + REST_SECONDS
        self._trouble = _(
            "{path} cannot be used ({reason}): names of threads, uploads and usage are kept in "
            "this kernel's memory until it can be."
        ).format(path=self.path, reason=reason)

    # In the worker's thread

    def _transact(self, work: Work[T]) -> T:
        try:
            return self._whole(work)
        except sqlite3.DatabaseError as error:
            if not _is_broken(error):
                raise
            self._set_aside()
            return self._whole(work)

    def _whole(self, work: Work[T]) -> T:
        connection = self._connect()
        with self._lock:
            unsaved = list(self._unsaved)
        with connection:
            for write in unsaved:
                write(connection)
            found = work(connection)
        with self._lock:
            del self._unsaved[: len(unsaved)]
        return found

    def _connect(self) -> sqlite3.Connection:
        """Return the open connection, a new one where somebody has replaced the file."""
        if self._connection is not None and self._inode == _inode(self.path):
            return self._connection
        self.close()
        private_folder(self.path.parent)
        private_file(self.path)
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level="IMMEDIATE", check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._inode = connection, _inode(self.path)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if not is_on_network(self.path.parent):
            # Readers do not wait for a writer, and a commit does not wait for the disk.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(SCHEMA)
        older_files.import_all(connection, self.path.parent)

    def _set_aside(self) -> None:
        self.close()
        aside = self.path.with_name(f"{NAME}.broken-{time.time_ns()}")
        self.path.rename(aside)
        for end in ("-wal", "-shm"):
            self.path.with_name(NAME + end).unlink(missing_ok=True)
        self._trouble = _(
            "{path} was damaged and is now {aside}; a new one was created, without earlier "
            "threads, uploads and usage."
        ).format(path=self.path, aside=aside.name)

    def close(self) -> None:
        """Close the file, which is opened again when it is needed."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_databases: dict[tuple[int, Path], Database] = {}


class _Unusable(Exception):  # noqa: N818 - a state, caught here alone
    """The file cannot be used now."""


def open_database(folder: Path) -> Database:
    """Return the process's database of a data directory."""
    # By process: a child that was forked must not use what its parent has open.
    key = os.getpid(), folder
    if key not in _databases:
        _databases[key] = Database(folder)
    return _databases[key]


def close_databases(seconds: float) -> None:
    """Close the files of this process's databases, waiting so long; a later use opens one again."""
    opened = [database for (pid, _), database in list(_databases.items()) if pid == os.getpid()]
    # Work that was given before is done before.
    concurrent.futures.wait([worker().submit(one.close) for one in opened], seconds)


class Worker:
    """The one thread that touches the data directory; what it is given is done in order."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        # Not one of an executor's, for whose end the process would wait.
        threading.Thread(target=self._run, name="aoai-magic-state", daemon=True).start()

    def submit(self, work: Callable[[], T]) -> concurrent.futures.Future[T]:
        """Submit work; return its future."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._jobs.put((future, work))  # type: ignore[arg-type]
        return future

    def _run(self) -> None:
        while True:
            future, work = self._jobs.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)


def worker() -> Worker:
    """Return the process's worker."""
    return _worker(os.getpid())


@cache
def _worker(pid: int) -> Worker:
    atexit.register(close_databases, BUSY_SECONDS)
    return Worker()


def is_on_network(folder: Path) -> bool:
    """Return whether a folder is on another machine's disk, as far as the system says."""
    import psutil

    try:
        parts = [part for part in psutil.disk_partitions(all=True) if part.fstype]
    except (OSError, RuntimeError):
        return False
    where = str(folder.resolve())
    holding = [
        part for part in parts if where == part.mountpoint or where.startswith(_slashed(part))
    ]
    nearest = max(holding, key=lambda part: len(part.mountpoint), default=None)
    return nearest is not None and nearest.fstype.lower().startswith(_NETWORK)


def _slashed(part: object) -> str:
    return str(getattr(part, "mountpoint", "")).rstrip(os.sep) + os.sep


def storable(text: str) -> str:
    """Return text as SQLite takes it; odd file names hold lone surrogates, which it refuses."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _inode(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino


def _is_broken(error: sqlite3.DatabaseError) -> bool:
    said = str(error)
    return any(words in said for words in ("not a database", "malformed"))


def _reason(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    said = str(error)
    if "locked" in said or "busy" in said:
        return _("another kernel has locked it")
    if "full" in said:
        return _("the disk is full")
    if "readonly" in said or "unable to open" in said:
        return _("it cannot be written")
    return said
