"""What a kernel leaves of its last turn: one that was over, or that it died at."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from test_background import Notebook

from aoai_magic.errors import AssistantError
from aoai_magic.notebook.line_commands import run_command
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.state.crash_journal import Journal, kept, left_behind
from aoai_magic.state.database import worker
from aoai_magic.turn import events
from aoai_magic.turn.view import View

HAPPENED = [
    events.Started("thread_1", "local", "m"),
    events.TextDelta("t", "Look \ud800"),
    events.TextDelta("t", "here."),
    events.Progress("reading", 1),
    events.CodeDelta("c", "1/0"),
    events.LogsDelta("c", "one\n"),
    events.FileMade("a.bin", b"\xff\x00"),
]
OVER = View(status="completed", seconds=1.5, cell="1/0")
DIES = """
import os, pickle, sys
from pathlib import Path
from aoai_magic.state.crash_journal import Journal
from aoai_magic.state.database import worker

journal = Journal(Path(sys.argv[1]), "notebook.ipynb", 1, "Why?")
for event in pickle.loads(sys.stdin.buffer.read()):
    journal(event)
worker().submit(lambda: None).result(30)
os._exit(9)
"""


def die(folder):
    """Have a process die in the middle of a turn."""
    import pickle

    command = [sys.executable, "-c", DIES, str(folder)]
    assert subprocess.run(command, input=pickle.dumps(HAPPENED), timeout=60).returncode == 9


def watch(journal):
    """Have a turn watched; return what its observer gave."""
    seen = [journal(event) for event in HAPPENED]
    worker().submit(lambda: None).result(30)
    return seen


async def test_a_turn_outlives_its_process(tmp_path):
    die(tmp_path)
    (path,) = tmp_path.glob("journal/*")
    assert path.stat().st_mode & 0o777 == 0o600
    # A line that was being written when the process died.
    with path.open("a") as file:
        file.write('{"event": "Text')

    view = left_behind(tmp_path, "notebook.ipynb")
    assert (view.question, view.thread, view.status) == ("Why?", "thread_1", "running")
    assert view.text == "Look \ud800here."
    assert [type(part).__name__ for part in view.parts] == ["Text", "Code", "Logs"]
    assert view.files[0].data == b"\xff\x00"
    assert left_behind(tmp_path, "other.ipynb") is None


async def test_a_turn_that_is_over_or_goes_on_is_not_left_behind(tmp_path):
    journal = Journal(tmp_path, "notebook.ipynb", 1, "Why?")
    assert watch(journal) == HAPPENED
    assert len(list(tmp_path.glob("journal/*"))) == 1
    assert left_behind(tmp_path, "notebook.ipynb") is None
    assert kept(tmp_path, "notebook.ipynb") == []
    journal.close()
    assert list(tmp_path.glob("journal/*")) == []


async def test_the_last_turn_that_is_over_is_kept_for_the_next_kernel(tmp_path):
    for number, question in ((1, "What?"), (2, "Why?"), (3, "Nothing came.")):
        journal = Journal(tmp_path, "notebook.ipynb", number, question)
        if number < 3:
            watch(journal)
        journal.close(OVER)
    (path,) = kept(tmp_path, "notebook.ipynb")
    assert list(tmp_path.glob("journal/*")) == [path]
    assert left_behind(tmp_path, "notebook.ipynb") is None
    path.rename(path.with_name(path.name.replace(str(os.getpid()), "999999999")))
    view = left_behind(tmp_path, "notebook.ipynb")
    assert (view.question, view.status, view.seconds) == ("Why?", "completed", 1.5)
    assert (view.cell, view.text) == ("1/0", "Look \ud800here.")


async def test_a_new_turn_takes_the_place_of_what_was_left_behind(tmp_path):
    die(tmp_path)
    journal = Journal(tmp_path, "notebook.ipynb", 2, "And now?")
    assert watch(journal) == HAPPENED
    assert list(tmp_path.glob("journal/*")) == [journal.path]
    journal.close()


async def test_a_process_of_the_same_number_is_not_taken_for_the_dead_one(tmp_path):
    die(tmp_path)
    (path,) = tmp_path.glob("journal/*")
    reused = path.rename(
        path.with_name(path.name.replace(path.stem.split("-")[1], str(os.getpid())))
    )
    os.utime(reused, (1, 1))
    assert left_behind(tmp_path, "notebook.ipynb").question == "Why?"


async def test_what_cannot_be_kept_costs_no_turn(tmp_path):
    (tmp_path / "journal").write_text("no folder")
    journal = Journal(tmp_path, "notebook.ipynb", 1, "Why?")
    assert watch(journal) == HAPPENED
    journal.close()


async def test_the_next_kernel_shows_it_and_holds_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AOAI_MAGIC_HOME", str(tmp_path))
    monkeypatch.setenv("JPY_SESSION_NAME", "notebook.ipynb")
    with pytest.raises(AssistantError, match="no turn yet"):
        run_command(Assistant({}), "show")
    die(tmp_path)
    state = Assistant({})
    run_command(state, "show")
    assert "Cut off when the kernel ended. Partial answer above." in capsys.readouterr().out
    assert state.namespace["_assistant"].files["a.bin"].data == b"\xff\x00"
    assert state.turns == []


@pytest.mark.kernel
@pytest.mark.slow
def test_a_notebook_goes_on_after_a_restart(tmp_path):
    notebook = str(tmp_path / "n.ipynb")
    environ = {"JPY_SESSION_NAME": notebook, "AOAI_MAGIC_HOME": str(tmp_path / "home")}
    load = "%load_ext aoai_magic\nimport pandas as pd\nsales = pd.DataFrame({'revenue': [1, 3]})"
    ask = "%%assistant sales\nWhat is the total revenue?"
    threads = []
    for _ in range(2):
        kernel = Notebook(tmp_path, environ)
        try:
            kernel.run(load)
            if threads:
                assert "total revenue" in kernel.printed("print(_assistant.question)")
                assert "**4**" in str(kernel.outputs[kernel.run("%assistant show")])
            said = str(kernel.outputs[kernel.run(ask)])
            assert ("conversation goes on" in said) is bool(threads)
            threads.append(kernel.printed("print(_assistant.thread)"))
        finally:
            kernel.close()
    assert threads[0] == threads[1]
