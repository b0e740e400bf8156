"""What one interpreter is to be: the request that goes from the host to the zygote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from aoai_magic.sandbox.protocol import MOUNT, Limits


@dataclass(frozen=True)
class Plan:
    """Everything that the zygote needs to know to confine one interpreter.

    ``level`` is one of `Isolation.level`; ``data`` the host path of the session's
    folder; ``uid`` the account to become where the host is root, else None; ``proc``
    whether the session gets a ``/proc`` of its own. The bounds are those of `Limits`.
    ``folders`` are host paths by where the session finds them, for reading only.
    ``group`` is the host path of the session's control group, if it has one.
    """

    level: str
    data: str
    uid: int | None
    proc: bool
    memory: int
    file: int
    processes: int
    open_files: int
    output: int
    folders: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None

    @classmethod
    def within(
        cls,
        limits: Limits,
        *,
        level: str,
        data: str,
        uid: int | None,
        proc: bool,
        folders: Mapping[str, str],
    ) -> Plan:
        """Make the plan of one interpreter from the limits of its session."""
        return cls(
            level=level,
            data=data,
            uid=uid,
            proc=proc,
            folders=folders,
            memory=limits.memory,
            file=limits.file,
            processes=limits.processes,
            open_files=limits.open_files,
            output=limits.output,
        )

    @property
    def isolated(self) -> bool:
        """Whether the interpreter has a file system of its own."""
        return self.level == "namespaces"

    @property
    def scratch(self) -> str:
        """Where a session without a file system of its own keeps home and temporary files."""
        return str(Path(self.data).parent / "scratch")

    @property
    def workdir(self) -> str:
        """The session's folder, as its code sees it."""
        return MOUNT if self.isolated else self.data

    def encode(self) -> bytes:
        """Serialise for the zygote's control socket."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, message: bytes) -> Plan:
        """Read what `encode` wrote."""
        return cls(**json.loads(message))
