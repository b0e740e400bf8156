"""A turn that is going on, kept on disk so that it outlives its kernel.

One file for each turn, a line of JSON for each event, readable by the user alone. It goes
when the turn has ended and is shown; what a kernel that died has left behind is what
``%assistant show`` shows in the next one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import TextIO

import psutil

from aoai_magic.turn import events
from aoai_magic.turn.event_json import read, written
from aoai_magic.turn.view import View, fold

VERSION = 1
LARGEST = 16_000_000
"""Bytes of a file that are kept; a larger one stays on the far side alone."""


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
    _file: TextIO | None = field(default=None, init=False)

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder / "journal" / f"{_key(self.place)}-{os.getpid()}-{self.number}.jsonl"

    async def keep(
        self, stream: AsyncGenerator[events.Event, None]
    ) -> AsyncGenerator[events.Event, None]:
        """Yield the events of a stream, each once it is kept."""
        async with aclosing(stream):
            async for event in stream:
                self._write(event)
                yield event

    def close(self) -> None:
        """Forget the turn: it is over."""
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
            self.path.unlink(missing_ok=True)

    def _write(self, event: events.Event) -> None:
        is_passing = isinstance(event, events.Progress | events.Finished)
        if is_passing or len(getattr(event, "data", b"")) > LARGEST:
            return
        # A full disk must not cost the turn itself.
        with contextlib.suppress(OSError, ValueError):
            self._file = self._file or self._begun()
            self._file.write(json.dumps(written(event)) + "\n")
            self._file.flush()

    def _begun(self) -> TextIO:
        """Open the file, and forget what dead kernels left of this notebook's turns before."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in _left(self.folder, self.place):
            path.unlink(missing_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        file = os.fdopen(descriptor, "w", encoding="ascii")
        file.write(json.dumps({"version": VERSION, "question": self.question}) + "\n")
        return file


def left_behind(folder: Path, place: str) -> View | None:
    """Give the notebook's last turn that a kernel which died was at; None if there is none."""
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
    happened = (read(json.loads(line)) for line in lines[1:])
    return replace(reduce(fold, happened, View()), question=head["question"])


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
