"""Starting the embedded engine as a process of its own, and ending it with the kernel."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aoai_magic.errors import EngineError
from aoai_magic.locale import gettext as _
from aoai_magic.shared import local_extra
from aoai_magic.shared.isolated_python import isolated, package_paths
from aoai_magic.shared.private_files import open_new, private_folder

OURS = {"AOAI_MAGIC_LIFELINE": "stdin", "AOAI_MAGIC_REQUEST_MODELS": "1"}
"""What tells an engine that it belongs to a kernel."""

UPLOADS = {"AOAI_MAGIC_UPLOAD_BYTES": str(4 << 30)}
"""Bytes; on the user's own machine a frame may be larger than the API's rule for files."""

SESSION_MEMORY = 2 << 30
"""Bytes that a session may hold where half of the machine's memory is less."""

_CGROUPS = ("memory.max", "memory/memory.limit_in_bytes")
"""Where Linux says what a container may hold (versions 2 and 1), below /sys/fs/cgroup."""

NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""Keeps Windows from showing a console for a program that a kernel starts."""

START_SECONDS = 60.0
"""How long an engine may take until it says that it is ready."""

EMBEDDINGS = "AOAI_MAGIC_EMBEDDINGS"
"""Names the model with which file search compares meanings."""

KEYS = (
    EMBEDDINGS,
    "AOAI_MAGIC_PICTURES",
    "AZURE_OPENAI_AD_TOKEN",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_ENDPOINT",
    "OLLAMA_HOST",
    "OPENAI_API_KEY",
    "OPENAI_API_VERSION",
    "OPENAI_BASE_URL",
)
"""Variables that a model reads; an engine that was started with others is replaced."""

SESSIONS = "AOAI_MAGIC_SESSION_"
"""What the variables of the sandbox's limits begin with; the same holds for them."""

GGUF = "AOAI_MAGIC_GGUF_"
"""What the variables of the bounds of ``gguf:`` models begin with; and for them."""


@dataclass(frozen=True)
class Engine:
    """A running engine.

    Attributes
    ----------
    url
        Its base, without a path.
    token
        The key that it wants; never shown.
    log
        Where it writes its log.
    """

    url: str
    token: str = field(repr=False)
    pid: int
    log: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self.process.poll() is None

    def stop(self) -> None:
        """Stop it: its lifeline, which is its standard input, is closed."""
        if self.process.stdin:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


Start = Callable[[Path, str, Mapping[str, str], Callable[[subprocess.Popen[bytes]], None]], Engine]
"""What starts an engine, as `start` does."""


@dataclass
class Launcher:
    """Keeps one engine, started at the first use and replaced when it no longer fits."""

    engine: Engine | None = None
    _fits: object = field(default=None, repr=False)
    _newest: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def ensure(
        self,
        home: Path,
        sandbox: str,
        environ: Mapping[str, str] | None = None,
        begin: Start | None = None,
        embeddings: str = "",
    ) -> Engine:
        """Return a running engine over that data directory, with these SPECs.

        ``begin`` starts one, as `start` does, which is meant by None.

        Raises
        ------
        EngineError
            If it cannot be started; says why and where its log is.
        """
        env = dict(os.environ if environ is None else environ) | {EMBEDDINGS: embeddings}
        fits = (begin, str(home), sandbox, *read_by_an_engine(env))
        with self._lock:
            if self.engine and self.engine.alive and fits == self._fits:
                return self.engine
            self._stop()
            self.engine, self._fits = (begin or start)(home, sandbox, env, self._spawned), fits
            return self.engine

    def _spawned(self, process: subprocess.Popen[bytes]) -> None:
        self._newest = process

    def stop(self) -> None:
        """Stop the engine if there is one, and one that is being started."""
        # Its thread holds the lock until it is ready, and a kernel that ends does not wait.
        if self._lock.locked() and self._newest:
            self._newest.kill()
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        if self.engine:
            self.engine.stop()
        self.engine = None


def read_by_an_engine(env: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the variables of the environment that an engine reads, keys of models included."""
    begins = (SESSIONS, GGUF)
    return sorted(item for item in env.items() if item[0] in KEYS or item[0].startswith(begins))


LAUNCHER = Launcher()
"""The kernel's own; a kernel has one engine on this machine."""

atexit.register(LAUNCHER.stop)


def start(
    home: Path,
    sandbox: str,
    environ: Mapping[str, str],
    on_spawn: Callable[[subprocess.Popen[bytes]], None] | None = None,
) -> Engine:
    """Start an engine, hand its process to ``on_spawn``, and wait until it is ready.

    Raises
    ------
    EngineError
        If it cannot be started.
    """
    token = secrets.token_urlsafe(32)
    log = log_path(home)
    process = _spawn(home, sandbox, {**environ, "AOAI_MAGIC_TOKEN": token}, log)
    if on_spawn:
        on_spawn(process)
    ready = first_line(process)
    if ready is None:
        process.kill()
        process.wait()
        # Looked for only now: reading the metadata takes 50 ms, which each start would pay.
        if missing := local_extra.missing_packages():
            raise EngineError(local_extra.missing_sentence(missing))
        raise EngineError(
            _("The local engine could not be started ({reason}); its log is {log}.").format(
                reason=_last_words(log), log=log
            )
        )
    return Engine(ready["url"], token, int(ready["pid"]), log, process)


def log_path(home: Path) -> Path:
    """Return where a new engine writes its log; the oldest logs are deleted.

    Raises
    ------
    EngineError
        If the data directory cannot be written.
    """
    folder = home / "logs"
    try:
        private_folder(home)
        private_folder(folder)
    except OSError as error:
        raise EngineError(
            _(
                "The local engine could not be started because its data directory {home} "
                "cannot be written ({reason}); set AOAI_MAGIC_HOME to a folder of yours."
            ).format(home=home, reason=error.strerror)
        ) from error
    _sweep(folder)
    return folder / f"engine-{os.getpid()}-{time.time_ns()}.log"


def _sweep(folder: Path, keep: int = 20) -> None:
    """Delete all but the newest logs."""
    for old in sorted(folder.glob("engine-*.log"), key=lambda p: p.stat().st_mtime)[:-keep]:
        old.unlink(missing_ok=True)


def _spawn(
    home: Path, sandbox: str, environ: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    words = ["serve", "--port", "0", "--data-dir", str(home), "--sandbox", sandbox]
    command = isolated("aoai_magic.cli.main", package_paths(), *words)
    return spawn(command, {**_room(), **environ, **OURS}, log)


def spawn(
    command: Sequence[str], environ: Mapping[str, str] | None, log: Path
) -> subprocess.Popen[bytes]:
    """Start a program whose standard input is an engine's lifeline."""
    with open_new(log) as stderr:
        return subprocess.Popen(  # noqa: S603 - our own words, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environ,
            # A session of its own: the kernel's Ctrl-C is not meant for the engine.
            start_new_session=True,
            creationflags=NO_WINDOW,
        )


def _room() -> dict[str, str]:
    """Return sessions the room that the kernel's frames need: half of the memory there is."""
    memory = max(SESSION_MEMORY, machine_memory() // 2)
    return {**UPLOADS, f"{SESSIONS}MEMORY": str(memory)}


def machine_memory(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes that this machine has, or the container that this is."""
    import psutil

    sizes = [int(psutil.virtual_memory().total)]
    for name in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):  # none, or "max"
            sizes.append(int((cgroup / name).read_text()))
    return min(sizes)


def first_line(process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
    """Wait for the line that says that the engine is ready; None if it dies or is late."""
    assert process.stdout
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    try:
        ready: dict[str, Any] = json.loads(process.stdout.readline())
    except ValueError:
        return None
    finally:
        timer.cancel()
    return ready


def _last_words(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else _("it said nothing")
