"""Nothing that a session leaves in its folder hurts the host that reads it."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from pathlib import Path

import pytest

from aoai_magic.sandbox.host import folder as folders
from aoai_magic.sandbox.host.folder import Folder, remove
from aoai_magic.sandbox.isolation import syscalls
from aoai_magic.sandbox.protocol import SandboxError

from . import ordinary

LARGEST = 1 << 20


@pytest.fixture(params=["openat2", "walking"])
def folder(request, tmp_path, monkeypatch):
    if request.param == "walking":

        def missing(*arguments):
            raise OSError(38, "no openat2")

        monkeypatch.setattr(syscalls, "open_beneath", missing)
    data = tmp_path / "session" / "data"
    data.mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    return Folder(data, LARGEST)


@contextlib.contextmanager
def _inside(path: Path):
    here = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(here)


def names(folder: Folder) -> list[str]:
    return [file.name for file in folder.files()]


def test_plain_files_are_listed_and_read(folder):
    (folder.path / "sub").mkdir()
    (folder.path / "sub" / "b.txt").write_text("b")
    (folder.path / "全角　空白.csv").write_text("a")
    assert names(folder) == ["sub/b.txt", "全角　空白.csv"]
    with folder.open("sub/b.txt") as stream:
        assert stream.read() == b"b"


@pytest.mark.parametrize(
    "name", ["../../secret", "/etc/passwd", "sub/../x", "", ".", "a//b", "a\0b"]
)
def test_names_that_lead_elsewhere_are_refused(folder, name):
    with pytest.raises(SandboxError):
        folder.open(name)


def test_links_are_neither_listed_nor_followed(folder, tmp_path):
    (folder.path / "link").symlink_to(tmp_path / "secret")
    (folder.path / "inner").mkdir()
    (folder.path / "outside").symlink_to(tmp_path)
    os.link(tmp_path / "secret", folder.path / "hard")
    assert names(folder) == []
    for name in ("link", "outside/secret", "hard"):
        with pytest.raises(SandboxError):
            folder.open(name)


def test_pipes_sockets_and_directories_do_not_block(folder):
    os.mkfifo(folder.path / "pipe")
    (folder.path / "directory").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        with _inside(folder.path):  # the path may be too long for a socket's address
            listener.bind("socket")
        assert names(folder) == []
        for name in ("pipe", "directory", "socket"):
            with pytest.raises(SandboxError):
                folder.open(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make device nodes")
def test_devices_are_not_opened(folder):
    os.mknod(folder.path / "zero", 0o20666, os.makedev(1, 5))
    assert names(folder) == []
    with pytest.raises(SandboxError):
        folder.open("zero")


def test_sparse_and_large_files_are_refused(folder):
    with (folder.path / "huge").open("wb") as stream:
        stream.truncate(1 << 40)
    assert names(folder) == []
    with pytest.raises(SandboxError):
        folder.open("huge")
    assert folder.used().bytes < LARGEST


def test_odd_names_are_left_out(folder):
    for name in (b"line\nend", b"bell\x07", b"no-utf8-\xff", "right\u202eleft".encode()):
        os.close(os.open(os.fsencode(folder.path) + b"/" + name, os.O_CREAT))
    (folder.path / "good").touch()
    assert names(folder) == ["good"]


def test_the_listing_is_bounded_in_depth_and_number(folder, monkeypatch):
    monkeypatch.setattr(folders, "MOST", 50)
    for i in range(100):
        (folder.path / f"{i}.txt").touch()
    assert len(names(folder)) == 50
    deep = folder.path
    for _ in range(folders.DEEPEST + 2):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "hidden.txt").touch()
    assert not any("hidden" in name for name in names(folder))


def test_a_file_that_turns_into_a_link_does_not_leak(folder, tmp_path):
    target = folder.path / "swap"
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            spare = folder.path / "spare"
            spare.symlink_to(tmp_path / "secret")
            spare.replace(target)
            spare.write_text("mine")
            spare.replace(target)

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    for _ in range(2000):
        try:
            with folder.open("swap") as stream:
                seen.add(stream.read())
        except SandboxError:
            continue
    stop.set()
    thread.join()
    assert seen <= {b"mine", b""}


def test_usage_counts_what_is_on_disk_and_says_when_it_cannot(folder):
    (folder.path / "full").write_bytes(b"x" * 200_000)
    usage = folder.used()
    assert usage.complete
    assert 200_000 <= usage.bytes < 300_000
    deep = folder.path
    for _ in range(folders.DEEPEST_MEASURED + 1):
        deep = deep / "d"
    deep.mkdir(parents=True)
    assert not folder.used().complete


def test_put_replaces_links_and_directories_and_touches_nothing_else(folder, tmp_path):
    source = tmp_path / "source"
    source.write_text("new")
    (folder.path / "a").symlink_to(tmp_path / "secret")
    (folder.path / "b").mkdir()
    (folder.path / "b" / "kept").touch()
    folder.put("a", source, None)
    folder.put("b", source, None)
    assert (tmp_path / "secret").read_text() == "secret"
    assert (folder.path / "a").read_text() == (folder.path / "b").read_text() == "new"
    assert (folder.path / "a").stat().st_nlink == 1
    assert [path.name for path in folder.path.glob("b.*/kept")] == ["kept"]
    assert [path.name for path in folder.path.parent.iterdir()] == ["data"]


@pytest.mark.parametrize("name", ["../x", "a/b", "", "..", "x\n"])
def test_put_refuses_other_names(folder, tmp_path, name):
    (tmp_path / "source").touch()
    with pytest.raises(SandboxError):
        folder.put(name, tmp_path / "source", None)


def test_put_says_what_is_missing(folder, tmp_path):
    with pytest.raises(SandboxError, match="No such file"):
        folder.put("x", tmp_path / "nowhere", None)


def test_any_tree_can_be_removed(folder, tmp_path):
    with _inside(folder.path):
        for _ in range(3000):  # deeper than a path can be long
            os.mkdir("d" * 20)  # noqa: PTH102
            os.chdir("d" * 20)
    (folder.path / "closed").mkdir()
    (folder.path / "closed" / "file").touch()
    (folder.path / "closed").chmod(0)
    (folder.path / "link").symlink_to(tmp_path)
    os.mkfifo(folder.path / "pipe")
    remove(folder.path.parent)
    assert not folder.path.parent.exists()
    assert (tmp_path / "secret").exists()
    remove(folder.path.parent)


CLOSED = """
import sys
from pathlib import Path
from aoai_magic.sandbox.host.folder import Folder, remove
session = Path(sys.argv[1])
data = session / "data"
folder = Folder(data, 1 << 20)
data.mkdir(parents=True)
(data / "a.txt").write_text("a")
for look in (folder.files, lambda: folder.open("a.txt").close(), folder.used):
    data.chmod(0)
    look()
data.chmod(0)
session.chmod(0)
remove(session)
print(session.exists())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_that_was_closed_is_looked_into_and_removed(open_folder):
    home = open_folder / "home"
    home.mkdir()
    (open_folder / "look.py").write_text(CLOSED)
    said = ordinary.run(home, str(open_folder / "look.py"), str(home / "session"))
    assert said == "False\n"


def test_file_has_a_second_name_that_is_neither_listed_nor_counted(folder):
    (folder.path / "a.csv").write_text("1" * 5000)
    used = folder.used()
    folder.alias("file-1", "a.csv")
    folder.alias("file-1", "b.csv")
    assert (folder.path / "file-1").read_text() == "1" * 5000
    assert names(folder) == ["a.csv"]
    assert folder.used() == used
    for name, target in (("../x", "a.csv"), ("x", "../secret"), ("x", "/etc/passwd")):
        with pytest.raises(SandboxError):
            folder.alias(name, target)
    with pytest.raises(SandboxError):
        folder.open("file-1")
