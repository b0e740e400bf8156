"""An engine in a thread of the test's own process, for tests that need only its address."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
import yaml

from aoai_magic.engine.app import create_app
from aoai_magic.engine.config import EngineConfig

TOKEN = "a-token-for-tests"


@contextmanager
def serving(data_dir: Path, **settings) -> Iterator[str]:
    """Give the URL of an engine that may be asked for any model SPEC."""
    silent = data_dir / "silent.yaml"
    silent.write_text("turns: []")
    settings = {"model": f"scripted:{silent}", "request_models": True, **settings}
    app = create_app(EngineConfig(data_dir=data_dir, token=TOKEN, **settings))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


def write_script(folder: Path, *turns) -> str:
    """Write the turns of a model; gives its SPEC."""
    path = folder / f"script-{len(list(folder.iterdir()))}.yaml"
    path.write_text(yaml.safe_dump({"turns": list(turns)}, allow_unicode=True))
    return f"scripted:{path}"
