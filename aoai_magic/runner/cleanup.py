"""What is kept of the user's, here and on the server: shown, deleted, and let go when it is old.

`%assistant cleanup` deletes what this notebook, or any notebook of this data directory, left at
the current target. `tidy` deletes what the settings ``keep_days`` and ``keep_mb`` say is too
old or too much; only of the kernel's own engine, as a server may be shared, and services have
rules of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aoai_magic.backends.holdings import Holdings, RemoteFile
from aoai_magic.locale import gettext as _
from aoai_magic.locale import ngettext
from aoai_magic.runner.remote_resources import upload_store
from aoai_magic.state import crash_journal, result_files
from aoai_magic.state.database import NAME, open_database
from aoai_magic.state.search_stores import SearchStore, SearchStores
from aoai_magic.state.threads import StartedThread, forget_started, started_threads
from aoai_magic.state.uploads import Entry, UploadLog

if TYPE_CHECKING:
    from aoai_magic.backends.base import Backend
    from aoai_magic.config.settings import Settings, Target
    from aoai_magic.runner.turn import Turn
    from aoai_magic.state.threads import Threads

DAY = 24 * 3600.0
MEGABYTE = 1_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Leftovers:
    """What could be deleted.

    Attributes
    ----------
    uploads
        Files that were sent.
    threads
        Threads, each with its session and the messages in it.
    stores
        Vector stores that were made at a service.
    made
        Files that code made there.
    paths
        Files and folders of kernels that are no more, in the data directory.
    """

    uploads: Sequence[Entry] = ()
    threads: Sequence[StartedThread] = ()
    stores: Sequence[SearchStore] = ()
    made: Sequence[RemoteFile] = ()
    paths: Sequence[Path] = ()

    @property
    def count(self) -> int:
        """How many things these are."""
        kinds = (self.uploads, self.threads, self.stores, self.made, self.paths)
        return sum(map(len, kinds))

    def lines(self) -> list[str]:
        """Return what these are, in words, a line for each kind."""
        lines = (
            _uploads_line(self.uploads),
            _threads_line(self.threads),
            _stores_line(self.stores),
            _made_line(self.made),
            _paths_line(self.paths),
        )
        return [line for line in lines if line]


def _uploads_line(uploads: Sequence[Entry]) -> str:
    count, size = len(uploads), _size(one.bytes for one in uploads)
    text = ngettext("{count:,} uploaded file, {size}", "{count:,} uploaded files, {size}", count)
    return text.format(count=count, size=size) if count else ""


def _threads_line(threads: Sequence[StartedThread]) -> str:
    count = len(threads)
    text = ngettext("{count:,} thread with its session", "{count:,} threads with sessions", count)
    return text.format(count=count) if count else ""


def _stores_line(stores: Sequence[SearchStore]) -> str:
    count = len(stores)
    text = ngettext("{count:,} store of documents", "{count:,} stores of documents", count)
    return text.format(count=count) if count else ""


def _made_line(made: Sequence[RemoteFile]) -> str:
    count, size = len(made), _size(one.bytes for one in made)
    text = ngettext(
        "{count:,} file that code made, {size}", "{count:,} files that code made, {size}", count
    )
    return text.format(count=count, size=size) if count else ""


def _paths_line(paths: Sequence[Path]) -> str:
    count, size = len(paths), _size(map(size_of, paths))
    text = ngettext(
        "{count:,} unused item in the data directory, {size}",
        "{count:,} unused items in the data directory, {size}",
        count,
    )
    return text.format(count=count, size=size) if count else ""


def of_notebook(settings: Settings, target: Target, place: str, turns: Sequence[Turn]) -> Leftovers:
    """Return what one notebook left at the target."""
    store = upload_store(settings, target)
    uploads = UploadLog(settings.folder).entries(store)
    threads = [one for one in started_threads(settings.folder, place) if one.target == target.name]
    ids = {one.id for one in threads}
    made = {
        file.id: RemoteFile(file.id, file.name, file.blob.size)
        for turn in turns
        if turn.view.thread in ids
        for file in turn.view.files
        if file.id
    }
    return Leftovers(
        [entry for entry in uploads if entry.place == place],
        threads,
        SearchStores(settings.folder, store).stores(place),
        list(made.values()),
        crash_journal.kept(settings.folder, place),
    )


async def of_all(settings: Settings, target: Target, holdings: Holdings) -> Leftovers:
    """Return what all notebooks of the data directory left at the target."""
    store = upload_store(settings, target)
    uploads = await asyncio.to_thread(UploadLog(settings.folder).entries, store)
    known = await asyncio.to_thread(started_threads, settings.folder)
    threads = [one for one in known if one.target == target.name]
    made: list[RemoteFile] = []
    if target.is_embedded:
        # All that is there is this account's; a server may hold other people's.
        made = await holdings.files()
        ids = {one.id for one in threads}
        threads += [
            StartedThread(target.name, one.id, "", one.created)
            for one in await holdings.threads()
            if one.id not in ids
        ]
    stores = await asyncio.to_thread(SearchStores(settings.folder, store).stores)
    paths = await asyncio.to_thread(left_here, settings.folder)
    return Leftovers(uploads, threads, stores, made, paths)


def left_here(home: Path, before: float = float("inf")) -> list[Path]:
    """Return what kernels that are no more left in the data directory, last changed ``before``."""
    found = [
        *crash_journal.left_by_dead_kernels(home),
        *result_files.left_behind(home),
        *home.glob(f"{NAME}.broken-*"),
    ]
    return [path for path in found if _changed(path) < before]


async def delete(
    leftovers: Leftovers, settings: Settings, holdings: Holdings, threads: Threads
) -> None:
    """Delete it all; raise `ServiceError` where the server refuses, with the rest left."""
    for thread in leftovers.threads:
        await holdings.delete_thread(thread.id)
        await asyncio.to_thread(_forget, settings.folder, threads, thread)
    for store in leftovers.stores:
        await holdings.delete_store(store.id)
    for entry in leftovers.uploads:
        await holdings.delete_file(entry.file_id)
    for file in leftovers.made:
        await holdings.delete_file(file.id)
    await asyncio.to_thread(_remove, leftovers.paths)


def _forget(home: Path, threads: Threads, thread: StartedThread) -> None:
    forget_started(home, thread.target, thread.id)
    for known in threads.all():
        if known.id == thread.id:
            threads.forget(known.name, known.target)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()


async def tidy(settings: Settings, target: str, backend: Backend, threads: Threads) -> None:
    """Delete what is older than ``keep_days``, and the oldest of what is over ``keep_mb``.

    At most once a day for a data directory. What goes wrong is logged: nobody asked for it.
    """
    try:
        if not await asyncio.to_thread(_is_due, settings.folder):
            return
        holdings = backend.holdings()
        old = await _outdated(settings, target, holdings)
        await delete(old, settings, holdings, threads)
    except Exception:
        _log.info("What is old could not be deleted", exc_info=True)


async def _outdated(settings: Settings, target: str, holdings: Holdings) -> Leftovers:
    before = time.time() - settings.keep_days * DAY if settings.keep_days else 0.0
    uploads = await asyncio.to_thread(UploadLog(settings.folder).entries, target)
    made = await holdings.files()
    known = await asyncio.to_thread(started_threads, settings.folder)
    # Oldest first: a file that was sent or made is dispensable before one that is newer.
    files: list[tuple[float, Entry | RemoteFile]] = [
        *((entry.sent_at, entry) for entry in uploads),
        *((file.created, file) for file in made if file.created is not None),
    ]
    files.sort(key=lambda pair: pair[0])
    over = sum(file.bytes for _at, file in files) - settings.keep_mb * MEGABYTE
    gone: list[Entry | RemoteFile] = []
    for at, file in files:
        is_over = settings.keep_mb > 0 and over > 0
        if at < before or is_over:
            gone.append(file)
            over -= file.bytes
    return Leftovers(
        [file for file in gone if isinstance(file, Entry)],
        [one for one in known if one.target == target and one.used < before],
        [],
        [file for file in gone if isinstance(file, RemoteFile)],
        await asyncio.to_thread(left_here, settings.folder, before),
    )


def _is_due(home: Path) -> bool:
    database, now = open_database(home), time.time()
    last = database.read(lambda db: db.execute("SELECT MAX(at) FROM tidied").fetchone())[0]
    if last and now - last < DAY:
        return False
    database.write(lambda db: db.execute("INSERT INTO tidied VALUES (?)", (now,)))
    return True


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; links count nothing."""
    if path.is_symlink():
        return 0
    files = path.rglob("*") if path.is_dir() else [path]
    total = 0
    for file in files:
        with contextlib.suppress(OSError):
            total += file.lstat().st_size if file.is_file() and not file.is_symlink() else 0
    return total


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")


def _size(sizes: Iterable[int]) -> str:
    return in_megabytes(sum(sizes))


def in_megabytes(size: int) -> str:
    """Return a number of bytes for people."""
    if size < MEGABYTE:
        return ngettext("{count:,} byte", "{count:,} bytes", size).format(count=size)
    return _("{size:,.1f} MB").format(size=size / MEGABYTE)
