"""The engine as a process: it listens, says where, and goes when it is not needed."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
from contextlib import suppress

import uvicorn

from aoai_magic.engine.config import EngineConfig
from aoai_magic.engine.early_sandbox import EarlySandbox
from aoai_magic.engine.server.app import create_app
from aoai_magic.engine.server.auth import is_loopback
from aoai_magic.engine.server.connections import (
    RepeatFilter,
    allow_many_files,
    bounded_protocol,
)

LIFELINE = "AOAI_MAGIC_LIFELINE"
"""Environment variable; ``stdin`` makes the engine stop when its standard input ends."""

_GRACE_SECONDS = 2


class Server(uvicorn.Server):
    """A server that prints one line of JSON, and no other, on stdout when it is ready.

    The URL in it ends with ``path``.
    """

    def __init__(self, config: uvicorn.Config, path: str = "") -> None:
        super().__init__(config)
        self._path = path

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say where."""
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            name = f"[{host}]" if ":" in host else host
            print(  # noqa: T201 - the line is the program's output
                json.dumps({"url": f"http://{name}:{port}{self._path}", "pid": os.getpid()}),
                flush=True,
            )


def serve(config: EngineConfig, sandbox: EarlySandbox | None = None) -> None:
    """Serve until a signal, or the end of the lifeline, says to stop.

    ``sandbox`` is what opens the sandbox, if that was begun before.

    Raises
    ------
    OSError
        When the address cannot be bound, or may not be without a configured token.
    SpecError, ModelError
        When the configured model cannot be had.
    StoreError
        When the database cannot be reached, or a newer engine has written it.
    SystemExit
        When the engine could not start; the log says why.
    """
    if config.token is None and not is_loopback(config.host):
        raise PermissionError(
            f"Without a token of your own only loopback is served, not {config.host}; "
            "set AOAI_MAGIC_TOKEN or use --token-file."
        )
    _configure_log()
    allow_many_files()
    bound = bind(config.host, config.port)
    settings = uvicorn.Config(
        create_app(config, sandbox),
        http=bounded_protocol(config.bounds.head_seconds),
        log_config=None,
        access_log=False,
        lifespan="on",
        ws_max_size=config.bounds.body,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = Server(settings)
    if os.environ.get(LIFELINE) == "stdin":
        threading.Thread(target=_watch_lifeline, args=(server,), daemon=True).start()
    with suppress(KeyboardInterrupt):
        server.run(sockets=[bound])
    if not server.started:
        raise SystemExit(3)


def _configure_log() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=_FORMAT)
    for handler in logging.getLogger().handlers:
        handler.addFilter(RepeatFilter())


_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def bind(host: str, port: int) -> socket.socket:
    """Bind an address, port 0 for a free one.

    Raises
    ------
    OSError
        When it cannot be had; the text names it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns off Nagle's delay (40 ms an answer) only where the protocol is named.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise OSError(
            f"The engine cannot listen on {host}:{port} ({error.strerror}); choose another port, "
            "or 0 for a free one."
        ) from error
    return bound


def _watch_lifeline(server: uvicorn.Server) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    server.should_exit = True
