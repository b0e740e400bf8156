"""A model in a GGUF file: llama.cpp in a child process, with no server, key or network."""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import json
import os
import secrets
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from aoai_magic.engine.models.base import Chunk, ModelError, Request
from aoai_magic.engine.models.local.llama_server import READY
from aoai_magic.engine.models.remote.endpoint import Help, compatible_endpoint
from aoai_magic.engine.models.remote.model import RemoteModel
from aoai_magic.shared.isolated_python import isolated, package_paths

EXTRA = "aoai-magic[gguf]"
SETTINGS = "AOAI_MAGIC_GGUF_"
"""What the variables of the bounds begin with: ``THREADS``, ``CONTEXT`` (tokens), ``MEMORY``
(bytes beside the file itself; 0 is no bound)."""

CONTEXT = 8192
MOST_THREADS = 8
START_SECONDS = 300.0
"""How long a large file may take to be read from a slow disk."""

_KEPT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMPDIR")
"""Environment variables that the child gets: it needs no keys."""


def open_gguf(argument: str) -> GgufModel:
    """Open the GGUF file at a path; it is loaded when it is first asked.

    Raises
    ------
    ModelError
        Where the extra is not installed, or there is no such file.
    """
    if not argument:
        raise ModelError("No file is named; write it as `gguf:PATH`.")
    if importlib.util.find_spec("xllamacpp") is None:
        raise ModelError(f"gguf: needs llama.cpp; install it with `pip install '{EXTRA}'`.")
    path = Path(argument).expanduser().absolute()
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check the path.") from error
    if start != b"GGUF":
        raise ModelError(f"{path} is not a GGUF file; gguf: takes models in llama.cpp's format.")
    return GgufModel(path, f"gguf:{argument}", _bounds())


@dataclass(frozen=True)
class Bounds:
    """What the child may use; ``memory`` is in bytes, 0 for no bound."""

    threads: int
    context: int
    memory: int


def _bounds() -> Bounds:
    import psutil

    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    return Bounds(
        threads=_number("THREADS", max(1, min(MOST_THREADS, cores))) or 1,
        context=_number("CONTEXT", CONTEXT),
        memory=_number("MEMORY", psutil.virtual_memory().total // 2),
    )


def _number(name: str, default: int) -> int:
    text = os.environ.get(SETTINGS + name, "")
    if not text:
        return default
    if not text.isdecimal():
        raise ModelError(f"{SETTINGS}{name} is {text!r}; set it to a whole number.")
    return int(text)


class GgufModel:
    """One file; its child process is started at the first question and again if it ended."""

    sees = False

    def __init__(self, path: Path, name: str, bounds: Bounds) -> None:
        self.name = name
        self._path = path
        self._bounds = bounds
        self._child: _Child | None = None
        # llama.cpp does either: what a model was opened for shows in its first use.
        self._embeds = False
        self._starting = threading.Lock()

    async def check(self) -> None:
        """Load the model; raise `ModelError` where that cannot be done."""
        await anyio.to_thread.run_sync(self._ensure)

    async def abilities(self) -> dict[str, Any]:
        """Return what its answers have shown; see `RemoteModel.abilities`."""
        child = await anyio.to_thread.run_sync(self._ensure)
        abilities = await child.model.abilities()
        return {**abilities, "pictures": self.sees, "context": self._bounds.context}

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return an embedding of each text; every error is a `ModelError`."""
        self._embeds = True
        child = await anyio.to_thread.run_sync(self._ensure)
        return await child.model.embed(texts)

    async def stream(self, request: Request) -> AsyncIterator[Chunk]:
        """Yield the model's answer; every error is a `ModelError` with one sentence."""
        if request.options.get("reasoning_effort") not in (None, "none"):
            raise ModelError(f"{self.name} takes no reasoning effort; leave it out.")
        options = {k: v for k, v in request.options.items() if k != "reasoning_effort"}
        request = Request(request.messages, request.tools, request.tool_choice, options)
        child = await anyio.to_thread.run_sync(self._ensure)
        try:
            async for chunk in child.model.stream(request):
                yield chunk
        except ModelError as error:
            await asyncio.sleep(0.1)  # its end is noticed a little after its connection's
            if child.process.poll() is None:
                raise
            raise ModelError(
                f"llama.cpp ended while it ran {self._path.name} ({child.last_words()}); give it "
                f"more room by {SETTINGS}MEMORY, or use a smaller model."
            ) from error

    def _ensure(self) -> _Child:
        with self._starting:
            if self._child is None or self._child.process.poll() is not None:
                self._child = _start(self._path, self.name, self._bounds, self._embeds)
            return self._child


@dataclass(frozen=True)
class _Child:
    """A running llama.cpp, and how it is asked."""

    process: subprocess.Popen[bytes]
    log: Path
    model: RemoteModel = field(repr=False)

    def last_words(self) -> str:
        """Return why it ended, as far as that is known."""
        code = self.process.poll()
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1][:200] if lines else f"exit code {code}"


def _start(path: Path, name: str, bounds: Bounds, embeds: bool) -> _Child:
    """Start the child and wait until its model is loaded; raise `ModelError`."""
    handle, log = tempfile.mkstemp(prefix="aoai-magic-llama-", suffix=".log")
    process = subprocess.Popen(  # noqa: S603 - our own module, no shell
        isolated("aoai_magic.engine.models.local.llama_server", package_paths()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=handle,
        env={key: os.environ[key] for key in _KEPT if key in os.environ},
    )
    os.close(handle)
    atexit.register(_end, process, log)
    key = secrets.token_urlsafe(32)
    settings = {
        "path": str(path),
        "alias": path.stem,
        "key": key,
        "threads": bounds.threads,
        "context": bounds.context,
        "memory": bounds.memory,
        "embeds": embeds,
    }
    url = _hand_over(process, settings)
    advice = Help("ask again", "check the path")
    endpoint = compatible_endpoint(path.stem, f"{url}/v1", key, advice)
    child = _Child(process, Path(log), RemoteModel(endpoint, name))
    if not url:
        process.kill()
        process.wait()
        raise ModelError(f"{path} could not be loaded ({child.last_words()}).")
    return child


def _hand_over(process: subprocess.Popen[bytes], settings: dict[str, object]) -> str:
    """Send the settings and wait for the URL; ``""`` if the child ends or is late."""
    assert process.stdin
    assert process.stdout
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    try:
        # Standard input stays open: the child ends with it, however this process ends.
        with suppress(OSError):
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            process.stdin.flush()
        for line in process.stdout:
            if line.startswith(READY.encode()):
                return str(json.loads(line[len(READY) :])["url"])
    finally:
        timer.cancel()
    return ""


def _end(process: subprocess.Popen[bytes], log: str) -> None:
    with suppress(OSError):
        process.kill()
    process.wait()
    Path(log).unlink(missing_ok=True)
