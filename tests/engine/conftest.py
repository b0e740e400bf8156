"""A real engine for the tests, and the real SDK to drive it."""

from __future__ import annotations

import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import postgres
import pytest
import uvicorn
import yaml
from openai import AsyncOpenAI, AzureOpenAI, OpenAI

from aoai_magic.engine.config import EngineConfig
from aoai_magic.engine.server.app import create_app
from aoai_magic.engine.server.process import bind

from .conformance import Watched

TOKEN = "a-token-for-tests"


@dataclass
class Engine:
    """An engine that runs in a thread."""

    url: str
    data_dir: Path
    watched: Watched

    def openai(self, **options) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=TOKEN, max_retries=0, **options)

    def azure(self, api_version: str = "2024-05-01-preview") -> AzureOpenAI:
        return AzureOpenAI(
            azure_endpoint=self.url, api_key=TOKEN, api_version=api_version, max_retries=0
        )

    def asynchronous(self) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=TOKEN, max_retries=0)


@pytest.fixture(autouse=True)
def _no_deprecations():
    """The SDK deprecates every method of the Assistants API."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL server of the tests' own."""
    with postgres.running() as server:
        yield server


@pytest.fixture(scope="session")
def start_engine(tmp_path_factory, request):
    """Start engines in threads; all of them stop at the end."""
    running = []

    def start(**settings) -> Engine:
        if request.config.getoption("--postgresql") and "data_dir" not in settings:
            settings.setdefault("database", request.getfixturevalue("postgresql").new_database())
        data_dir = settings.pop("data_dir", None) or tmp_path_factory.mktemp("engine")
        script = data_dir / "silent.yaml"
        script.write_text("turns: []")
        settings = {"model": f"scripted:{script}", "request_models": True, **settings}
        watched = Watched(create_app(EngineConfig(data_dir=data_dir, token=TOKEN, **settings)))
        listening = bind("127.0.0.1", 0)
        server = uvicorn.Server(uvicorn.Config(watched, log_config=None, lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        running.append((server, thread))
        while not server.started:
            time.sleep(0.01)
        return Engine(f"http://127.0.0.1:{listening.getsockname()[1]}", data_dir, watched)

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def on_sqlite(request):
    """Skip what breaks the files of SQLite where the engines use none."""
    if request.config.getoption("--postgresql"):
        pytest.skip("PostgreSQL has no files in the data folder to break")


@pytest.fixture(scope="session")
def shared_engine(start_engine) -> Engine:
    return start_engine()


@pytest.fixture
def engine(shared_engine):
    """An engine, whose answers have to conform to the published description."""
    shared_engine.watched.problems.clear()
    yield shared_engine
    assert shared_engine.watched.problems == []


@pytest.fixture
def client(engine) -> OpenAI:
    return engine.openai()


@pytest.fixture
def script(tmp_path):
    """Write the turns of a model; gives its SPEC."""

    def write(*turns) -> str:
        path = tmp_path / f"script-{len(list(tmp_path.iterdir()))}.yaml"
        path.write_text(yaml.safe_dump({"turns": list(turns)}, allow_unicode=True))
        return f"scripted:{path}"

    return write


@pytest.fixture
def ask(client, script):
    """Ask once, on a new thread, and wait; gives the run."""

    def ask(*replies, tools=({"type": "code_interpreter"},), thread=None, **options):
        assistant = client.beta.assistants.create(
            model=script({"when": "", "replies": list(replies)}), tools=list(tools)
        )
        thread = thread or client.beta.threads.create(
            messages=[{"role": "user", "content": "Go on."}]
        )
        return client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20, **options
        )

    return ask
