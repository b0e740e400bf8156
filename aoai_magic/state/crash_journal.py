"""A notebook's last turn, kept on disk so that it outlives its kernel.

One file for each turn, a line of JSON for each event, readable by the user alone. A turn that
is over takes the place of the one before; what a kernel that is no more has left behind is
what ``%assistant show`` shows in the next one.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import BinaryIO

import psutil

from aoai_magic.shared.private_files import open_new, private_folder
from aoai_magic.state.database import WAIT_SECONDS, worker
from aoai_magic.turn import events
from aoai_magic.turn.event_json import read, written
from aoai_magic.turn.view import View, fold

VERSION = 1
LARGEST = 16_000_000
"""Bytes of a file that are kept; a larger one stays on the server alone."""


@dataclass
class Journal:
    """The file of one turn.

    Attributes
    ----------
    folder
        The data directory.
    place
        The notebook, as `threads.place` names it.
    number
        That of the turn in this kernel.
    question
        As it was typed.
    """

    folder: Path
    place: str
    number: int
    question: str
    _file: BinaryIO | None = field(default=None, init=False)
    _waiting: list[events.Event] = field(default_factory=list, init=False)

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder / "journal" / f"{_key(self.place)}-{os.getpid()}-{self.number}.jsonl"

    def __call__(self, event: events.Event) -> events.Event:
        """Have an event written; see `follow.Observer`."""
        is_passing = isinstance(event, events.Progress | events.Finished)
        if not is_passing and len(getattr(event, "data", b"")) <= LARGEST:
            self._waiting.append(event)
            if len(self._waiting) == 1:  # else the worker is on its way
                worker().submit(self._write)
        return event

    def close(self, view: View | None = None) -> None:
        """Keep the turn, which is over as ``view``, for the next kernel; forget one that is None.

        The turn that was kept before goes, unless of this one nothing happened.
        """
        with contextlib.suppress(concurrent.futures.TimeoutError):
            worker().submit(lambda: self._end(view)).result(WAIT_SECONDS)

    # In the worker's thread

    def _write(self) -> None:
        # A slice, as the event loop may add at any moment; what it adds is written here too,
        # or finds the list empty and sends the worker again.
        while happened := self._waiting[:]:
            # A full disk must not cost the turn itself.
            with contextlib.suppress(OSError, ValueError):
                self._file = self._file or self._open()
                lines = (json.dumps(written(event)) + "\n" for event in happened)
                self._file.write("".join(lines).encode("ascii"))
                self._file.flush()
            del self._waiting[: len(happened)]

    def _open(self) -> BinaryIO:
        """Open the file, and forget what dead kernels left of this notebook's turns before."""
        private_folder(self.folder)
        private_folder(self.path.parent)
        for path in _left(self.folder, self.place):
            path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        file = open_new(self.path)
        file.write(json.dumps({"version": VERSION, "question": self.question}).encode() + b"\n")
        return file

    def _end(self, view: View | None) -> None:
        try:
            if self._file is not None and view is not None:
                self._file.write(_ending(view))
            if self._file is not None:
                self._file.close()
        except (OSError, ValueError):  # what it still holds does not fit on the disk
            view = None
        notebook = (self.folder, self.place)
        with contextlib.suppress(OSError):
            if view is None:
                self.path.unlink(missing_ok=True)
            elif self._file is not None:
                before, _KEPT[notebook] = _KEPT.get(notebook), self.path
                if before:
                    before.unlink(missing_ok=True)


_KEPT: dict[tuple[Path, str], Path] = {}
"""What this process keeps of each notebook; only the worker changes it."""


def _ending(view: View) -> bytes:
    over = events.Finished(view.status, view.error, view.seconds)
    lines = [written(over), {"cell": view.cell}]
    return "".join(json.dumps(line) + "\n" for line in lines).encode("ascii")


def left_behind(folder: Path, place: str) -> View | None:
    """Return the last turn of the notebook's kernels that are no more; None if there is none."""
    paths = sorted(_left(folder, place), key=lambda path: path.stat().st_mtime)
    try:
        return _read(paths[-1]) if paths else None
    except (OSError, ValueError, LookupError, TypeError):
        # Of another version, or damaged: as good as none.
        return None


def _read(path: Path) -> View:
    with path.open(encoding="ascii") as file:
        # The last line may have been cut off.
        lines = [line for line in file if line.endswith("\n")]
    head = json.loads(lines[0])
    if head["version"] != VERSION:
        raise ValueError(f"version {head['version']}")
    records = [json.loads(line) for line in lines[1:]]
    happened = (read(line) for line in records if "event" in line)
    cell = next((line["cell"] for line in records if "cell" in line), None)
    return replace(reduce(fold, happened, View()), question=head["question"], cell=cell)


def left_by_dead_kernels(folder: Path) -> list[Path]:
    """Return the files of all notebooks' turns whose kernels are no more."""
    return [path for path in folder.glob("journal/*.jsonl") if not _is_written(path)]


def kept(folder: Path, place: str) -> list[Path]:
    """Return the files of a notebook's turns that are over."""
    own = _KEPT.get((folder, place))
    return [*_left(folder, place), *([own] if own and own.exists() else [])]


def _left(folder: Path, place: str) -> Iterator[Path]:
    paths = folder.glob(f"journal/{_key(place)}-*.jsonl")
    return (path for path in paths if not _is_written(path))


def _is_written(path: Path) -> bool:
    try:
        process = psutil.Process(int(path.stem.split("-")[1]))
    except psutil.NoSuchProcess:
        return False
    # A younger process has the dead one's number; in containers that is the rule.
    return process.create_time() <= path.stat().st_mtime


def _key(place: str) -> str:
    return hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()[:16]
