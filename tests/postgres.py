"""A real PostgreSQL for the tests: its own folder, a socket there, and no network."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

MISSING = (
    "The tests need PostgreSQL's programs initdb and postgres: apt-get install postgresql, "
    "as scripts/test does."
)


def _program(name: str) -> str:
    """Find a program; Debian keeps those of the server off the path."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or next(map(str, reversed(versions)), None)
    assert found is not None, MISSING
    return found


class Server:
    """A running server; the account is called as the tests', or postgres."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def new_database(self) -> str:
        """Make an empty database; gives its URL."""
        self._count += 1
        name = f"db{self._count}"
        with psycopg.connect(host=str(self._folder), user="tests", dbname="postgres") as admin:
            admin.autocommit = True
            admin.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://tests@/{name}?host={quote(str(self._folder))}"


@contextmanager
def running() -> Iterator[Server]:
    """Run a server, as somebody else where the tests are root's: PostgreSQL refuses root."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    account = {"user": "postgres", "group": "postgres", "extra_groups": []}
    options = account if os.geteuid() == 0 else {}
    if options:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    make = [_program("initdb"), "-D", data, "-U", "tests", "-A", "trust", "-N", "-E", "UTF8"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([*make, "--locale=C.UTF-8"], check=True, **quiet, **options)
    settings = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off"}
    command = [_program("postgres"), "-D", data]
    command += [part for pair in settings.items() for part in ("-c", "{}={}".format(*pair))]
    server = subprocess.Popen(command, **quiet, **options)
    try:
        _wait(folder, server)
        yield Server(folder)
    finally:
        server.send_signal(signal.SIGINT)  # SIGTERM would wait for clients to go
        server.wait(100)
        shutil.rmtree(folder)


def _wait(folder: Path, server: subprocess.Popen) -> None:
    while True:
        assert server.poll() is None, "PostgreSQL did not start"
        try:
            psycopg.connect(host=str(folder), user="tests", dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
