"""An engine in a thread of the test's own process, for tests that need only its address."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
import yaml

from aoai_magic.engine.config import EngineConfig
from aoai_magic.engine.server.app import create_app

TOKEN = "a-token-for-tests"
OUTPUTS = ["code_interpreter_call.outputs"]


@contextmanager
def serving(
    data_dir: Path, wrap: Callable[[Any], Any] = lambda app: app, **settings
) -> Iterator[str]:
    """Return the URL of an engine that may be asked for any model SPEC.

    ``wrap`` puts an ASGI application of the test's around it, which can do it harm.
    """
    silent = data_dir / "silent.yaml"
    silent.write_text("turns: []")
    settings = {"model": f"scripted:{silent}", "request_models": True, **settings}
    app = create_app(EngineConfig(data_dir=data_dir, token=TOKEN, **settings))
    with serving_app(wrap(app)) as url:
        yield url


@contextmanager
def serving_app(app: Any, **settings: Any) -> Iterator[str]:
    """Return the URL of any ASGI application."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="auto", **settings))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


def run_code(client: Any, folder: Path, container: Any, code: str) -> str:
    """Run code in a container, by the SDK's client; gives what it printed."""
    model = write_script(folder, {"when": "", "replies": [{"code": code}, {"text": "."}]})
    tool = {"type": "code_interpreter", "container": container}
    response = client.responses.create(model=model, input="Go.", tools=[tool], include=OUTPUTS)
    assert response.status == "completed", response.error
    return "".join(output.logs for output in response.output[0].outputs)


def write_script(folder: Path, *turns) -> str:
    """Write the turns of a model; gives its SPEC."""
    path = folder / f"script-{len(list(folder.iterdir()))}.yaml"
    path.write_text(yaml.safe_dump({"turns": list(turns)}, allow_unicode=True))
    return f"scripted:{path}"
