"""The database of the notebook's side: whatever happens to its file, the kernel goes on."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from aoai_magic.state import database as databases
from aoai_magic.state.container_copies import ContainerCopies, Kept
from aoai_magic.state.database import NAME, open_database
from aoai_magic.state.threads import Threads
from aoai_magic.state.uploads import UploadLog
from aoai_magic.state.usage import UsageLog
from aoai_magic.turn.events import Usage
from aoai_magic.turn.view import View

LOCKS = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("PRAGMA locking_mode=EXCLUSIVE")
held.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    """Let a file that could not be used be tried again at once."""
    monkeypatch.setattr(databases, "REST_SECONDS", 0.0)
    monkeypatch.setattr(databases, "BUSY_SECONDS", 0.05)


@pytest.fixture
def locked(tmp_path):
    """Have another process hold the file; call what it gives to end that."""
    open_database(tmp_path).write(lambda connection: None)
    databases.worker().submit(open_database(tmp_path).close).result(5)
    command = [sys.executable, "-c", LOCKS, str(tmp_path / NAME)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"locked\n"

        def release():
            holder.stdin.close()
            holder.wait(20)

        yield release
        release()


def test_what_is_written_while_another_kernel_holds_the_file_is_there_and_written_later(
    tmp_path, locked
):
    threads = Threads(tmp_path, "a.ipynb")
    threads.put("report", "local", "thread_1")
    UsageLog(tmp_path, "a.ipynb").add(View(model="m", usage=Usage(1, 2)))
    UploadLog(tmp_path).record("local", "d", "file-1", "sales", 1)

    assert threads.get("report", "local") == "thread_1"
    assert UploadLog(tmp_path).lookup("local", "d") == "file-1"
    assert UsageLog(tmp_path, "a.ipynb").sums()[0].turns == 1
    trouble = open_database(tmp_path).take_trouble()
    assert "another kernel has locked it" in trouble
    assert str(tmp_path) in trouble

    locked()
    assert threads.get("report", "local") == "thread_1"
    assert open_database(tmp_path).take_trouble() is None
    with closing(sqlite3.connect(tmp_path / NAME)) as database:
        assert database.execute("SELECT name, id FROM threads").fetchall() == [
            ("report", "thread_1")
        ]
        # Once each, however often it was tried.
        assert database.execute("SELECT COUNT(*) FROM usage").fetchone() == (1,)
        assert database.execute("SELECT file_id FROM uploads").fetchall() == [("file-1",)]


def test_a_file_in_use_is_not_waited_for_again_and_again(tmp_path, locked, monkeypatch):
    monkeypatch.setattr(databases, "REST_SECONDS", 600.0)
    threads = Threads(tmp_path, "a.ipynb")
    threads.put("report", "local", "thread_1")
    asked = []
    monkeypatch.setattr(databases.Worker, "submit", lambda *given: asked.append(given))
    assert threads.get("report", "local") == "thread_1"
    assert asked == []


def test_a_disk_that_does_not_answer_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(databases, "WAIT_SECONDS", 0.05)
    stuck = databases.Worker()
    monkeypatch.setattr(databases, "worker", lambda: stuck)
    import threading

    answers = threading.Event()
    stuck.submit(answers.wait)
    threads = Threads(tmp_path, "a.ipynb")
    threads.put("report", "local", "thread_1")
    assert threads.get("report", "local") == "thread_1"
    assert "does not answer" in open_database(tmp_path).take_trouble()
    answers.set()


def in_the_way(folder):
    folder.write_text("a file")
    return "File exists"


def of_another_account(folder):
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder of another account")
    folder.mkdir(mode=0o777)
    os.chown(folder, 12345, 12345)
    return "belongs to another account"


def a_link(folder):
    folder.mkdir()
    (folder.parent / "elsewhere").write_bytes(b"")
    (folder / NAME).symlink_to(folder.parent / "elsewhere")
    return "symbolic links"


@pytest.mark.parametrize("spoil", [in_the_way, of_another_account, a_link])
def test_a_folder_that_cannot_be_used_is_named_and_nothing_is_written(tmp_path, spoil):
    folder = tmp_path / "home"
    said = spoil(folder)
    threads = Threads(folder, "a.ipynb")
    threads.put("report", "local", "thread_1")
    assert threads.get("report", "local") == "thread_1"
    assert [known.name for known in threads.all()] == ["report"]
    assert said in open_database(folder).take_trouble()
    assert not (tmp_path / "elsewhere").exists() or not (tmp_path / "elsewhere").read_bytes()


def test_a_full_disk_costs_nothing_but_the_file(tmp_path):
    code = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
from aoai_magic.state.database import open_database
from aoai_magic.state.threads import Threads
threads = Threads(Path(sys.argv[1]), "a.ipynb")
threads.put("report", "local", "thread_1")
print(threads.get("report", "local"), open_database(Path(sys.argv[1])).take_trouble())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("thread_1 ")
    assert "cannot be used" in done.stdout
    assert 'Traceback (most recent call last):\n  File "<string>"' not in done.stderr


def test_a_broken_file_is_set_aside(tmp_path):
    (tmp_path / NAME).write_bytes(b"this is no database but a text of some length" * 50)
    threads = Threads(tmp_path, "a.ipynb")
    threads.put("report", "local", "thread_1")
    assert "was damaged" in open_database(tmp_path).take_trouble()
    assert len(list(tmp_path.glob(f"{NAME}.broken-*"))) == 1
    with closing(sqlite3.connect(tmp_path / NAME)) as database:
        assert database.execute("SELECT id FROM threads").fetchall() == [("thread_1",)]


def test_a_file_that_was_deleted_under_the_kernel_is_made_again(tmp_path):
    threads = Threads(tmp_path, "a.ipynb")
    threads.put("one", "local", "thread_1")
    for file in tmp_path.iterdir():
        file.unlink()
    threads.put("two", "local", "thread_2")
    with closing(sqlite3.connect(tmp_path / NAME)) as database:
        assert database.execute("SELECT id FROM threads").fetchall() == [("thread_2",)]


def test_names_that_are_no_unicode_are_kept(tmp_path):
    UploadLog(tmp_path, "n\udcff.ipynb").record("local", "d", "file-1", "s\udcff.csv", 1)
    assert [entry.name for entry in UploadLog(tmp_path).entries()] == ["s?.csv"]


OLD = {
    "threads.sqlite": (
        "CREATE TABLE threads (place TEXT, target TEXT, name TEXT, id TEXT, used REAL, "
        "PRIMARY KEY (place, target, name));"
        "INSERT INTO threads VALUES ('a.ipynb', 'local', 'report', 'thread_1', 5.0);"
    ),
    "usage.sqlite": (
        "CREATE TABLE turns (place TEXT, at REAL, target TEXT, model TEXT, input INTEGER, "
        "cached INTEGER, output INTEGER, minutes INTEGER, cost REAL);"
        "INSERT INTO turns VALUES ('a.ipynb', 5.0, 'local', 'm', 3, 0, 4, 0, 0.5);"
    ),
    "uploads.sqlite3": (
        "CREATE TABLE uploads (target TEXT NOT NULL, digest TEXT NOT NULL, file_id TEXT NOT NULL,"
        " name TEXT NOT NULL, bytes INTEGER NOT NULL, sent_at REAL NOT NULL, expires_at REAL,"
        " PRIMARY KEY (target, file_id));"
        "INSERT INTO uploads VALUES ('local', 'd', 'file-1', 'sales', 7, 5.0, NULL);"
    ),
}
MANIFEST = (
    '[{"digest": "d", "name": "x.csv", "path": "/mnt/data/x.csv", "id": "cfile_1", '
    '"blob": "0a", "sent": true}]'
)


def test_what_earlier_versions_kept_is_read_once(tmp_path):
    for name, schema in OLD.items():
        with closing(sqlite3.connect(tmp_path / name)) as old, old:
            old.executescript(schema)
    copies = ContainerCopies(tmp_path, "https://service/v1")
    folder = copies.folder / "cntr_1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(MANIFEST)
    (folder / "0a").write_bytes(b"a,b\n")

    for _kernel in range(2):
        assert Threads(tmp_path, "a.ipynb").get("report", "local") == "thread_1"
        assert UsageLog(tmp_path, "a.ipynb").sums()[0].usage == Usage(3, 4)
        assert UploadLog(tmp_path).lookup("local", "d") == "file-1"
        kept = Kept("d", "x.csv", "/mnt/data/x.csv", "cfile_1", "0a", sent=True)
        assert copies.entries("cntr_1") == [kept]
        assert copies.blob("cntr_1", kept).read_bytes() == b"a,b\n"
        assert copies.used("cntr_1") > 0
        databases.worker().submit(open_database(tmp_path).close).result(5)
    assert not [name for name in OLD if (tmp_path / name).exists()]
    assert not list(tmp_path.rglob("manifest.json"))


def test_an_old_file_that_is_broken_stays_and_stops_nothing(tmp_path):
    (tmp_path / "threads.sqlite").write_text("no database at all, but a text of some length")
    Threads(tmp_path, "a.ipynb").put("report", "local", "thread_1")
    assert open_database(tmp_path).take_trouble() is None
    assert (tmp_path / "threads.sqlite").exists()


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_nobody_else_can_read_it(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir(mode=0o755)
    (folder / NAME).touch(mode=0o644)
    Threads(folder, "a.ipynb").put("report", "local", "thread_1")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
