"""What every test stands on: an empty home, no keys, and no way out to the network."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys

import pytest

SECRETS = (
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_ENDPOINT",
    "OPENAI_API_KEY",
    "OPENAI_API_VERSION",
    "OPENAI_BASE_URL",
)
NOWHERE = "http://127.0.0.1:9"


def pytest_addoption(parser):
    """Let the engine's tests run on the other database too."""
    text = "the engines of the tests keep their objects in PostgreSQL instead of SQLite"
    parser.addoption("--postgresql", action="store_true", help=text)


@pytest.fixture(autouse=True)
def no_services(monkeypatch, tmp_path_factory):
    """Remove keys, settings and the user's data directory; child processes inherit this.

    The proxy variables make a child's call to a real service fail at once.
    """
    for name in list(os.environ):
        if name in SECRETS or name.startswith("AOAI_MAGIC_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AOAI_MAGIC_LANG", "en")
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("AOAI_MAGIC_HOME", str(home))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, NOWHERE)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    yield
    monkeypatch.undo()
    # They stay open as long as a kernel lives: here hundreds would pile up.
    if database := sys.modules.get("aoai_magic.state.database"):
        database.close_databases(30)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Make a connection to anything but this machine an error of the test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
            raise AssertionError(f"a test tried to reach {address[0]}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    """A running engine that opens whichever model a run names; shared by all tests."""
    from aoai_magic.backends.local_engine import start

    environ = {name: value for name, value in os.environ.items() if name not in SECRETS}
    running = start(tmp_path_factory.mktemp("engine"), "local", environ)
    yield running
    running.stop()


@pytest.fixture
def script(tmp_path):
    """Write a script for the scripted model and give its SPEC."""

    def write(text: str) -> str:
        path = tmp_path / "script.yaml"
        path.write_text(text, "utf-8")
        return f"scripted:{path}"

    return write


@pytest.fixture(scope="session")
def browser():
    """Chromium, without a window; one for all tests, since Playwright runs once a process."""
    lab = pytest.importorskip("browser.lab", reason="needs playwright: see the extra [test]")
    if lab.chromium() is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with lab.open_browser() as opened:
        yield opened
