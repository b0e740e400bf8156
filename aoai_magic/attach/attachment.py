"""One thing that goes with a question."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

MOUNT = "/mnt/data"
"""Where the interpreter finds what was attached."""

Origin = Literal["variable", "file"]


class Parcel:
    """A file that is made when it is first asked for, and then stays.

    What the server has already is described, but never packed.
    """

    def __init__(self, make: Callable[[], Path], estimate: int) -> None:
        self._make = make
        self._estimate = estimate
        self._path: Path | None = None
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """The file, made now if it was not made before."""
        with self._lock:
            if self._path is None:
                self._path = self._make()
            return self._path

    @property
    def bytes(self) -> int:
        """Size of the file; of the data in memory as long as there is no file."""
        return self._path.stat().st_size if self._path else self._estimate


@dataclass(frozen=True)
class Attachment:
    """Data or a file, ready to be sent.

    Attributes
    ----------
    name
        Variable's name, or the file's.
    kind
        What it is: ``pandas.DataFrame``, ``text``, ``csv``, …
    filename
        Name of the file in the interpreter's folder, unique among a question's items.
    sha256
        Hash of the content, of its types and of its name there, hexadecimal. Equal
        hashes need not be sent twice.
    card
        What the model is told of it.
    origin
        Whether a variable of the notebook or a file was attached.
    expression
        How the notebook has it where that is not its name, such as ``tables['sales']``.
    notice
        A sentence for the user on what could not be sent as it is; empty if all could.
    is_picture
        Whether a model that sees is shown it, besides.
    within
        Of a document: the argument by which it was found, with its whole path.
    """

    name: str
    kind: str
    filename: str
    sha256: str
    card: str = field(repr=False)
    origin: Origin
    parcel: Parcel = field(repr=False, compare=False)
    expression: str = ""
    notice: str = field(default="", compare=False)
    is_picture: bool = False
    within: str = ""

    @property
    def path(self) -> Path:
        """The file to send; a variable is packed when this is first read.

        Raises
        ------
        AttachError
            The file cannot be written or read.
        """
        return self.parcel.path

    @property
    def source(self) -> str:
        """Which document it is, whatever its content."""
        return self.expression or str(self.path)

    @property
    def bytes(self) -> int:
        """Bytes to send; of a variable not packed yet, its bytes in memory."""
        return self.parcel.bytes
