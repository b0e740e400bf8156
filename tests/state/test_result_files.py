"""What turns bring back takes bounded memory, and is there all the same."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import psutil
import pytest

from aoai_magic.errors import AssistantError
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options
from aoai_magic.state import result_files
from aoai_magic.state.result_files import ResultFiles, left_behind
from aoai_magic.turn.blob import Blob

SIZE = 24 << 20
SCRIPT = f"""
turns:
  - when: "."
    replies:
      - code: |
          import os
          open("/mnt/data/large.bin", "wb").write(os.urandom(4096) * {SIZE // 4096})
      - text: "See [it](sandbox:/mnt/data/large.bin)."
"""


@pytest.fixture
def assistant(engine, script, monkeypatch, tmp_path):
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_MODEL", script(SCRIPT))
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    monkeypatch.setenv("AOAI_MAGIC_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(result_files, "MEMORY_BYTES", SIZE)
    return Assistant({})


def memory():
    return psutil.Process().memory_info().rss


async def test_a_kernel_with_many_turns_keeps_the_newest_files_in_memory(
    assistant, tmp_path, capsys
):
    await assistant.ask("Make it.", Options())
    before, hashes = memory(), []
    for _turn in range(6):
        turn = await assistant.ask("Make it.", Options())
        hashes.append(hashlib.sha256(turn.files["large.bin"].data).hexdigest())
    assert memory() - before < 3 * SIZE

    first = assistant.turns[1]
    assert not first.view.files[0].blob.is_in_memory
    assert assistant.last.view.files[0].blob.is_in_memory
    read = [hashlib.sha256(t.files["large.bin"].data).hexdigest() for t in assistant.turns[1:]]
    assert read == hashes
    first.save(tmp_path / "saved")
    assert (tmp_path / "saved" / "large.bin").stat().st_size == SIZE
    first._ipython_display_()
    assert "large.bin" in capsys.readouterr().out

    folder = tmp_path / "home" / "results"
    kept = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in kept:
        path.unlink()
    with pytest.raises(AssistantError, match="ask for it again"):
        _ = first.files["large.bin"].data
    # What is gone fails what needs it, and no turn.
    assert (await assistant.ask("Make it.", Options())).troubles == []


def test_what_cannot_be_moved_stays_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(result_files, "MEMORY_BYTES", 4)
    (tmp_path / "results").write_text("a file in the way")
    kept, blobs = ResultFiles(), [Blob(b"first"), Blob(b"second")]
    with pytest.raises(OSError, match="exists"):
        kept.add(blobs, tmp_path)
    assert [blob.read() for blob in blobs] == [b"first", b"second"]
    (tmp_path / "results").unlink()
    kept.add([Blob(b"3")], tmp_path)
    assert [blob.is_in_memory for blob in blobs] == [False, False]
    assert [blob.read() for blob in blobs] == [b"first", b"second"]


def test_the_folder_goes_with_its_process(tmp_path):
    code = """
import os, sys
from pathlib import Path
from aoai_magic.state import result_files
from aoai_magic.turn.blob import Blob
result_files.MEMORY_BYTES = 0
result_files.ResultFiles().add([Blob(b"x")], Path(sys.argv[1]))
assert list(Path(sys.argv[1]).rglob("1-*"))
if sys.argv[2] == "dies":
    os._exit(9)
"""

    def run(how):
        return subprocess.run([sys.executable, "-c", code, str(tmp_path), how]).returncode

    assert run("ends") == 0
    assert not list((tmp_path / "results").iterdir())
    assert run("dies") == 9
    assert left_behind(tmp_path) == list((tmp_path / "results").iterdir())
    assert len(left_behind(tmp_path)) == 1
    # The next one deletes what was left.
    assert run("ends") == 0
    assert not list((tmp_path / "results").iterdir())


def test_a_folder_in_use_is_not_left_behind(tmp_path):
    (tmp_path / "results" / str(os.getpid())).mkdir(parents=True)
    assert left_behind(tmp_path) == []
