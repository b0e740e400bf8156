"""The child process of a ``gguf:`` model: llama.cpp's own server, on loopback, with bounds.

It is run as a module: its arguments are one JSON object on standard input's first line, it
prints one JSON line with its URL when the model is loaded, and it ends with its standard input.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

READY = "AOAI-MAGIC-READY "
"""What the line with the URL begins with: llama.cpp may print lines of its own."""


def main() -> None:
    """Serve until standard input ends."""
    settings = json.loads(sys.stdin.readline())
    _bound_memory(settings["memory"])
    import xllamacpp

    server = xllamacpp.Server(_parameters(xllamacpp, settings))
    line = READY + json.dumps({"url": server.listening_address})
    os.write(sys.stdout.fileno(), f"{line}\n".encode())
    while sys.stdin.buffer.read(4096):
        pass
    # llama.cpp's threads may still compute: nothing of this process is to be kept.
    os._exit(0)


def _bound_memory(size: int) -> None:
    """Bound what is allocated; the file itself is mapped, and shared by who else maps it."""
    if sys.platform == "win32" or not size:
        return
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def _parameters(xllamacpp: Any, settings: dict[str, Any]) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = settings["path"]
    parameters.model_alias = {settings["alias"]}
    parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    parameters.api_keys = [settings["key"]]
    parameters.n_ctx, parameters.n_parallel = settings["context"], 1
    parameters.cpuparams.n_threads = settings["threads"]
    parameters.cpuparams_batch.n_threads = settings["threads"]
    parameters.use_jinja = True
    parameters.ui = False
    # A memory of prompts that grows by gigabytes otherwise.
    parameters.cache_ram_mib = 0
    parameters.warmup = False
    if settings["embeds"]:
        # A text is embedded as a whole, so that a batch has to hold the longest.
        parameters.embedding = True
        parameters.n_batch = parameters.n_ubatch = settings["context"]
    return parameters


if __name__ == "__main__":
    main()
