import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from aoai_magic.state.uploads import Ledger


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "data")


def test_what_was_recorded_is_found_again(ledger, tmp_path):
    ledger.record("azure", "d1", "file-1", "sales", 10, None)

    assert ledger.lookup("azure", "d1") == "file-1"
    assert ledger.lookup("openai", "d1") is None
    assert ledger.lookup("azure", "d2") is None
    assert Ledger(tmp_path / "data").lookup("azure", "d1") == "file-1"


def test_the_newest_of_a_content_is_given(ledger):
    ledger.record("azure", "d1", "file-1", "sales", 10)
    ledger.record("azure", "d1", "file-2", "sales", 10)

    assert ledger.lookup("azure", "d1") == "file-2"


def test_what_is_forgotten_is_gone(ledger):
    ledger.record("azure", "d1", "file-1", "sales", 10)
    ledger.forget("azure", "file-1")
    ledger.forget("azure", "never there")

    assert ledger.lookup("azure", "d1") is None


def test_what_has_expired_is_neither_found_nor_listed(ledger):
    ledger.record("azure", "d1", "old", "sales", 10, time.time() - 1)
    ledger.record("azure", "d2", "new", "sales", 10, time.time() + 60)

    assert ledger.lookup("azure", "d1") is None
    assert [entry.file_id for entry in ledger.entries()] == ["new"]


def test_entries_are_listed_by_target(ledger):
    ledger.record("azure", "d1", "file-1", "sales", 10)
    ledger.record("local", "d1", "file-1", "売上", 2**40, time.time() + 60)

    assert [(e.target, e.name, e.bytes) for e in ledger.entries()] == [
        ("azure", "sales", 10),
        ("local", "売上", 2**40),
    ]
    [entry] = ledger.entries("azure")
    assert (entry.digest, entry.file_id, entry.expires_at) == ("d1", "file-1", None)
    assert abs(entry.sent_at - time.time()) < 60


def test_threads_write_side_by_side(ledger):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: ledger.record("t", f"d{n}", f"f{n}", "x", n), range(100)))

    assert len(ledger.entries()) == 100


def test_kernels_write_side_by_side(tmp_path):
    code = """
import sys
from pathlib import Path
from aoai_magic.state.uploads import Ledger
ledger = Ledger(Path(sys.argv[1]))
for n in range(40):
    ledger.record("t", f"d{n}", f"{sys.argv[2]}-{n}", "x", n)
    assert ledger.lookup("t", f"d{n}")
"""
    kernels = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(number)])
        for number in range(3)
    ]

    assert [kernel.wait(60) for kernel in kernels] == [0, 0, 0]
    assert len(Ledger(tmp_path).entries()) == 120


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_others_cannot_read_it(ledger):
    ledger.record("azure", "d1", "file-1", "sales", 10)

    files = list(ledger.folder.iterdir())
    assert files
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(ledger.folder.stat().st_mode) == 0o700
