import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from aoai_magic.state.uploads import UploadLog


@pytest.fixture
def upload_log(tmp_path):
    return UploadLog(tmp_path / "data")


def test_what_was_recorded_is_found_again(upload_log, tmp_path):
    upload_log.record("azure", "d1", "file-1", "sales", 10, None)

    assert upload_log.lookup("azure", "d1") == "file-1"
    assert upload_log.lookup("openai", "d1") is None
    assert upload_log.lookup("azure", "d2") is None
    assert UploadLog(tmp_path / "data").lookup("azure", "d1") == "file-1"


def test_the_newest_of_a_content_is_given(upload_log):
    upload_log.record("azure", "d1", "file-1", "sales", 10)
    upload_log.record("azure", "d1", "file-2", "sales", 10)

    assert upload_log.lookup("azure", "d1") == "file-2"


def test_what_is_forgotten_is_gone(upload_log):
    upload_log.record("azure", "d1", "file-1", "sales", 10)
    upload_log.forget("azure", "file-1")
    upload_log.forget("azure", "never there")

    assert upload_log.lookup("azure", "d1") is None


def test_what_has_expired_is_neither_found_nor_listed(upload_log):
    upload_log.record("azure", "d1", "old", "sales", 10, time.time() - 1)
    upload_log.record("azure", "d2", "new", "sales", 10, time.time() + 60)

    assert upload_log.lookup("azure", "d1") is None
    assert [entry.file_id for entry in upload_log.entries()] == ["new"]


def test_entries_are_listed_by_target(upload_log):
    upload_log.record("azure", "d1", "file-1", "sales", 10)
    upload_log.record("local", "d1", "file-1", "売上", 2**40, time.time() + 60)

    assert [(e.target, e.name, e.bytes) for e in upload_log.entries()] == [
        ("azure", "sales", 10),
        ("local", "売上", 2**40),
    ]
    [entry] = upload_log.entries("azure")
    assert (entry.digest, entry.file_id, entry.expires_at) == ("d1", "file-1", None)
    assert abs(entry.sent_at - time.time()) < 60


def test_threads_write_side_by_side(upload_log):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: upload_log.record("t", f"d{n}", f"f{n}", "x", n), range(100)))

    assert len(upload_log.entries()) == 100


def test_kernels_write_side_by_side(tmp_path):
    code = """
import sys
from pathlib import Path
from aoai_magic.state.uploads import UploadLog
upload_log = UploadLog(Path(sys.argv[1]))
for n in range(40):
    upload_log.record("t", f"d{n}", f"{sys.argv[2]}-{n}", "x", n)
    assert upload_log.lookup("t", f"d{n}")
"""
    kernels = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(number)])
        for number in range(3)
    ]

    assert [kernel.wait(60) for kernel in kernels] == [0, 0, 0]
    assert len(UploadLog(tmp_path).entries()) == 120


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_others_cannot_read_it(upload_log):
    upload_log.record("azure", "d1", "file-1", "sales", 10)

    files = list(upload_log.folder.iterdir())
    assert files
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(upload_log.folder.stat().st_mode) == 0o700
