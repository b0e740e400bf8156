"""What a sandbox is: sessions of stateful Python, and the events that a cell yields.

The sandbox knows nothing of models or HTTP and can be used alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

MOUNT = "/mnt/data"
"""Where a session's code finds its files."""

CHART = "application/vnd.aoai-magic.chart+json"
"""A type in a `Display` with a picture of a chart: JSON with its ``title`` and its data.

``tables`` are objects with a ``name`` and ``columns``: values, all as many, by column name.
"""

CHART_NAME = "_chart"
"""The variable that holds the chart which a session has shown last."""


@dataclass(frozen=True)
class Stream:
    """Text printed by the cell, as it is printed."""

    name: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True)
class Display:
    """A rich display: MIME type to text, or to bytes for binary types.

    ``id`` is set for displays that can be updated; ``update`` marks a replacement
    of the earlier display with that id. ``result`` marks the cell's last value.
    """

    data: Mapping[str, str | bytes]
    id: str | None = None
    update: bool = False
    result: bool = False


@dataclass(frozen=True)
class Error:
    """The cell raised. ``traceback`` is plain text, trimmed to the user's frames."""

    name: str
    value: str
    traceback: str


@dataclass(frozen=True)
class Limit:
    """A limit struck.

    ``kind`` is ``memory``, ``cpu``, ``processes``, ``open_files``, ``disk``, ``output`` or
    ``time``; ``message`` is one sentence for the model and the user.
    """

    kind: str
    message: str


@dataclass(frozen=True)
class Ended:
    """The session died and its variables are lost; its files are kept."""

    message: str


@dataclass(frozen=True)
class Done:
    """The cell is over; always the last event. ``seconds`` is the time it took."""

    ok: bool
    seconds: float


Event = Stream | Display | Error | Limit | Ended | Done


@dataclass(frozen=True)
class FileInfo:
    """A regular file in a session's folder; ``name`` is relative, with ``/``."""

    name: str
    bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Limits:
    """Bounds of one session, but for ``sessions``, which bounds their number.

    Attributes
    ----------
    memory
        Bytes that its processes hold together.
    disk, file
        Bytes of all its files, and of one of them.
    processes, open_files
        Processes and threads at a time; descriptors of one process.
    output
        Bytes of text that a cell may print; pictures and tables may take 32 times that.
    cell_seconds, cpu_seconds
        How long a cell may take: by the clock, and in time of all processors together.
    life_seconds, idle_seconds
        After how long, and after how long without use, its interpreter is put away.
    sessions
        Living interpreters at a time; the one idle for longest makes room for another.
    most_memory
        Bytes that a client may ask for as the memory of one session, if the machine has them.
    """

    memory: int = 2 << 30
    disk: int = 1 << 30
    file: int = 512 << 20
    processes: int = 128
    open_files: int = 1024
    output: int = 1 << 20
    cell_seconds: float = 300.0
    cpu_seconds: float = 1200.0
    life_seconds: float = 3600.0
    idle_seconds: float = 1800.0
    sessions: int = 50
    most_memory: int = 64 << 30


@dataclass(frozen=True)
class Setup:
    """What one session has that others have not.

    Attributes
    ----------
    memory
        Bytes that its processes may hold together, in place of `Limits.memory`.
    folders
        Folders of the host that its code can read and not write, by where it finds them.
    """

    memory: int | None = None
    folders: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Isolation:
    """How strong the wall is: ``namespaces``, ``landlock`` or ``none``.

    ``gaps`` says what the level does not cover, ``tried`` why stronger ones are not
    available; one sentence each. ``lacks`` names what sessions do without and could have:
    ``cjk-fonts``.
    """

    level: str
    gaps: tuple[str, ...] = ()
    tried: tuple[str, ...] = field(default=())
    lacks: tuple[str, ...] = ()


NO_SETUP = Setup()


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the text is one sentence for the user."""


class Session(Protocol):
    """A stateful interpreter with a folder of its own at `MOUNT`."""

    key: str

    @property
    def alive(self) -> bool:
        """Whether variables of earlier cells are still there."""
        ...

    async def memory(self) -> int | None:
        """Measure the bytes of memory held now; None where nothing runs, or nobody can tell."""
        ...

    def run(self, code: str, timeout: float | None = None) -> AsyncIterator[Event]:
        """Run one cell and yield its events; closing the iterator interrupts the cell."""
        ...

    async def interrupt(self) -> None:
        """Stop the running cell within a second; the session survives where it can."""
        ...

    async def put(self, name: str, source: Path, *, bind: bool = True) -> None:
        """Make a host file appear as ``MOUNT/name``; the session cannot change the original.

        A file that `frame_codec.pack` wrote is from the next cell on the variable of its
        name as well, whatever that name meant before. With ``bind=False`` a file is put
        back: variables stay as they are, and the name may be a path.
        """
        ...

    async def alias(self, name: str, target: str) -> None:
        """Make ``MOUNT/target`` available as ``MOUNT/name`` too, without listing it twice."""
        ...

    async def files(self) -> list[FileInfo]:
        """List the folder's regular files, bounded in depth and number."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Open one of `files` for reading, trusting nothing that the session left there."""
        ...

    async def close(self) -> None:
        """End the interpreter; the files stay until `Sandbox.discard`."""
        ...


class Sandbox(Protocol):
    """Opens sessions; an entry point of ``aoai_magic.sandboxes.v1`` opens a sandbox.

    The entry point is a callable ``(argument, folder, limits)``: what follows the
    colon of the sandbox SPEC (``""`` if nothing does), the folder under which session
    folders are kept, and the `Limits`.
    """

    async def start(self) -> Isolation:
        """Get ready (idempotent); raise `SandboxError` where no isolation can be had."""
        ...

    async def open(self, key: str, setup: Setup = NO_SETUP) -> Session:
        """Return the session of that key: the live one, or a fresh one with the files kept.

        ``setup`` is given where a session is to have what others have not; raise
        `SandboxError` for what cannot be had.
        """
        ...

    async def discard(self, key: str) -> None:
        """Close that session if it is open and delete its files."""
        ...

    async def close(self) -> None:
        """End every session and helper process; the files stay."""
        ...
