"""How an engine is configured: one frozen value, made by the command line or a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from aoai_magic.sandbox.protocol import Limits


@dataclass(frozen=True)
class Bounds:
    """What one run and one request may use at most; characters, bytes, seconds, counts.

    ``history`` is in tokens, as `engine.tokens` counts them.
    """

    run_seconds: int = 600
    run_steps: int = 25
    failures_in_a_row: int = 8
    files_per_cell: int = 50
    tool_output: int = 16_000
    earlier_tool_output: int = 2_000
    search_output: int = 24_000
    history: int = 100_000
    body: int = 64 << 20
    upload: int = 512 << 20
    container_idle: float = 1200.0
    head_seconds: float = 10.0
    lease_seconds: float = 20.0


@dataclass(frozen=True)
class EngineConfig:
    """Everything that an engine needs to know before it starts.

    Attributes
    ----------
    host, port
        Where to listen; port 0 takes a free one.
    data_dir
        Folder of the database, the stored files and the sessions' files.
    model, sandbox
        SPECs of the configured model and sandbox, e.g. ``offline`` and ``local``.
    embeddings
        SPEC of the model that file search compares meanings with; empty: words alone.
    database
        SQLAlchemy URL of another database than the SQLite file in ``data_dir``.
    blobs
        URL of another place of the stored files than a folder in ``data_dir``, e.g. ``s3://…``.
    token
        What clients must present. Without one a fresh token is made and written to
        ``data_dir/token``, and only loopback is served.
    lenient
        Accept the known mistakes of the original documentation, with a warning in the log.
    request_models
        Let a run or assistant name a model SPEC of its own.
    limits
        Bounds of each sandbox session, lifetimes included.
    bounds
        Bounds of each run and each request.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8787
    model: str = "offline"
    embeddings: str = ""
    sandbox: str = "local"
    database: str | None = None
    blobs: str | None = None
    token: str | None = field(default=None, repr=False)
    lenient: bool = False
    request_models: bool = False
    limits: Limits = field(default_factory=Limits)
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def database_url(self) -> str:
        """The database's URL, by default the SQLite file in the data folder."""
        return self.database or f"sqlite:///{self.data_dir / 'engine.sqlite'}"
