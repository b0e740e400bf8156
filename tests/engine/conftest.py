"""A real engine for the tests, and the real SDK to drive it."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import postgres
import pytest
import uvicorn
import yaml
from openai import AsyncOpenAI, AzureOpenAI, NotFoundError, OpenAI

from aoai_magic.engine.config import EngineConfig
from aoai_magic.engine.server.app import create_app
from aoai_magic.engine.server.process import bind

from .conformance import Watched

TOKEN = "a-token-for-tests"


@dataclass
class Engine:
    """An engine that runs in a thread; its clients are closed at the end of a test."""

    url: str
    data_dir: Path
    watched: Watched
    database: str | None
    clients: ExitStack = field(default_factory=ExitStack)

    def openai(self, **options) -> OpenAI:
        return self.clients.enter_context(
            OpenAI(base_url=f"{self.url}/v1", api_key=TOKEN, max_retries=0, **options)
        )

    def azure(self, api_version: str = "2024-05-01-preview") -> AzureOpenAI:
        return self.clients.enter_context(
            AzureOpenAI(
                azure_endpoint=self.url, api_key=TOKEN, api_version=api_version, max_retries=0
            )
        )

    def asynchronous(self) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=TOKEN, max_retries=0)

    def clear(self) -> None:
        """Close clients, and end the sessions that a test left."""
        api = self.openai()
        for session in api.get("/engine", cast_to=object)["sessions"]:
            with suppress(NotFoundError):  # it has ended by itself
                api.delete(f"/engine/sessions/{session['thread_id']}", cast_to=object)
        self.clients.close()


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


@contextmanager
def _serve(data_dir: Path, **settings) -> Iterator[Engine]:
    script = data_dir / "silent.yaml"
    script.write_text("turns: []")
    settings = {"model": f"scripted:{script}", "request_models": True, **settings}
    watched = Watched(create_app(EngineConfig(data_dir=data_dir, token=TOKEN, **settings)))
    listening = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(watched, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        engine = Engine(url, data_dir, watched, settings.get("database"))
        with engine.clients:
            yield engine
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def _starting(tmp_path_factory, request) -> Iterator[Callable[..., Engine]]:
    with ExitStack() as running:

        def start(**settings) -> Engine:
            if request.config.getoption("--postgresql") and "data_dir" not in settings:
                settings.setdefault("database", "postgresql")
            if settings.get("database") == "postgresql":
                settings["database"] = request.getfixturevalue("postgresql").new_database()
            data_dir = settings.pop("data_dir", None) or tmp_path_factory.mktemp("engine")
            return running.enter_context(_serve(data_dir, **settings))

        yield start


@pytest.fixture
def start_engine(tmp_path_factory, request):
    """Start engines in threads; all of them stop at the end of the test."""
    with _starting(tmp_path_factory, request) as start:
        yield start


@pytest.fixture(scope="module")
def start_module_engine(tmp_path_factory, request):
    """Start engines for all tests of a module."""
    with _starting(tmp_path_factory, request) as start:
        yield start


@pytest.fixture
def on_sqlite(request):
    """Skip what is SQLite's alone: files that can be broken, and search by meaning."""
    if request.config.getoption("--postgresql"):
        pytest.skip("what this needs is with SQLite alone")


@pytest.fixture(scope="session")
def shared_engine(tmp_path_factory, request) -> Iterator[Engine]:
    with _starting(tmp_path_factory, request) as start:
        yield start()


@pytest.fixture
def engine(shared_engine):
    """An engine, whose answers have to conform to the published description."""
    shared_engine.watched.problems.clear()
    yield shared_engine
    shared_engine.clear()
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
