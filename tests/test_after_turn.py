"""After the stream has ended nothing loses the turn, whatever goes wrong with it."""

from __future__ import annotations

import io
import os
import signal
import sqlite3
import sys
import threading
from contextlib import closing

import pytest

from aoai_magic.errors import AssistantError
from aoai_magic.notebook.line_commands import run_command
from aoai_magic.runner import kernel_state
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options
from aoai_magic.state import database as databases

SCRIPT = """
turns:
  - when: "."
    replies:
      - code: |
          open("/mnt/data/totals.csv", "w").write("region,revenue\\nN,1\\nS,2\\n")
          print("done")
      - text: "See [the totals](sandbox:/mnt/data/totals.csv)."
        usage: {prompt_tokens: 9, completion_tokens: 2}
"""


@pytest.fixture
def assistant(engine, script, monkeypatch, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_MODEL", script(SCRIPT))
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    monkeypatch.setenv("AOAI_MAGIC_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(databases, "BUSY_SECONDS", 0.05)
    return Assistant({})


def is_kept(assistant, tmp_path):
    """Check that the turn is where the user looks for it, and kept once for the next kernel."""
    turn = assistant.namespace["_assistant"]
    assert turn is assistant.last
    assert (turn.status, turn.text.startswith("See")) == ("completed", True)
    assert list(turn.files) == ["totals.csv"]
    assert len(list((tmp_path / "home").glob("journal/*"))) <= 1
    notices = [part.text for part in turn.parts if hasattr(part, "text")]
    assert set(turn.troubles) <= set(notices)
    return turn


def is_bound(assistant):
    assert assistant.namespace["top"].revenue.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("x" * 300, "name too long"),
        ("~nobody-of-that-name/results", "not name a user"),
        ("file/results", "cannot be written"),
        ("/proc/none", "cannot be written"),
    ],
)
async def test_a_folder_that_cannot_be(assistant, tmp_path, folder, said):
    (tmp_path / "here" / "file").write_text("in the way")
    with pytest.raises(AssistantError) as caught:
        await assistant.ask("Totals?", Options(save=folder, out="top"))
    turn = is_kept(assistant, tmp_path)
    assert turn.troubles == [str(caught.value)]
    assert said.lower() in turn.troubles[0].lower()
    is_bound(assistant)
    # And nothing of it fails a cell that is not to fail.
    assert (await assistant.ask("Totals?", Options(save=folder, no_raise=True))).troubles


async def test_a_working_folder_that_is_gone(assistant, tmp_path):
    (tmp_path / "here").rmdir()
    with pytest.raises(AssistantError):
        await assistant.ask("Totals?", Options(save="results", out="top"))
    os.chdir(tmp_path)
    if "_assistant" in assistant.namespace:
        is_kept(assistant, tmp_path)
        is_bound(assistant)


async def test_a_working_folder_that_goes_meanwhile(assistant, tmp_path, monkeypatch):
    def with_cell(self, view, attachments, request):
        (tmp_path / "here").rmdir()
        return real(self, view, attachments, request)

    real = kernel_state.CellHistory.with_cell
    monkeypatch.setattr(kernel_state.CellHistory, "with_cell", with_cell)
    with pytest.raises(AssistantError):
        await assistant.ask("Totals?", Options(save="results", out="top"))
    os.chdir(tmp_path)
    assert "not saved" in is_kept(assistant, tmp_path).troubles[0]
    is_bound(assistant)


async def test_a_standard_output_that_is_closed(assistant, tmp_path, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "terminal")
    for name in ("stdout", "stderr"):
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr(sys, name, closed)
    turn = await assistant.ask("Totals?", Options(out="top"))
    monkeypatch.undo()
    os.chdir(tmp_path)
    assert "could not be shown" in turn.troubles[0]
    assert list(turn.files) == ["totals.csv"]
    is_bound(assistant)


async def test_a_data_directory_that_cannot_be_written(assistant, tmp_path):
    (tmp_path / "home").write_text("a file")
    turn = await assistant.ask("Totals?", Options(thread="report", out="top"))
    assert [("cannot be used" in one) for one in turn.troubles] == [True]
    is_bound(assistant)
    # The thread goes on all the same.
    again = await assistant.ask("Totals?", Options(thread="report"))
    assert again.thread == turn.thread


def test_a_command_says_what_it_could_not_read(assistant, tmp_path, capsys, monkeypatch):
    (tmp_path / "home").write_text("a file")
    run_command(assistant, "threads")
    assert "cannot be used (File exists)" in capsys.readouterr().out
    monkeypatch.setenv("AOAI_MAGIC_TIMEOUT", "soon")
    run_command(assistant, "help")
    assert "%assistant help" in capsys.readouterr().out


async def test_a_database_that_another_kernel_holds(assistant, tmp_path):
    first = await assistant.ask("Totals?", Options(thread="report"))
    assert first.troubles == []
    databases.worker().submit(databases.open_database(tmp_path / "home").close).result(5)
    path = tmp_path / "home" / databases.NAME
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        turn = await assistant.ask("Totals?", Options(thread="report", out="top"))
    assert "another kernel has locked it" in turn.troubles[0]
    assert turn.thread == first.thread
    is_bound(assistant)


async def test_the_database_is_never_asked_on_the_event_loop(assistant, monkeypatch):
    asked = set()
    real = databases.Database._on_disk

    def on_disk(self, work):
        asked.add(threading.current_thread())
        return real(self, work)

    monkeypatch.setattr(databases.Database, "_on_disk", on_disk)
    assistant.namespace["rows"] = {"a": 1}
    await assistant.ask("Totals?", Options(items=("rows",), thread="report", out="top"))
    assert asked
    assert threading.current_thread() not in asked


class Broken:
    """A screen that cannot draw."""

    def show(self, view):
        raise ValueError("no such colour")

    def close(self, view):
        raise OSError(28, "No space left on device")


async def test_a_screen_that_is_broken(assistant, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("aoai_magic.display.open_screen", lambda *_args, **_options: Broken())
    turn = await assistant.ask("Totals?", Options(out="top"))
    assert is_kept(assistant, tmp_path) is turn
    assert ["shown while it ran" in turn.troubles[0], "No space" in turn.troubles[1]] == [True] * 2
    assert "_assistant holds it" in capsys.readouterr().err
    is_bound(assistant)


async def test_an_observer_that_raises(assistant, tmp_path, monkeypatch):
    def fails(self, event):
        raise LookupError("a bug")

    monkeypatch.setattr(kernel_state.Journal, "__call__", fails)
    turn = await assistant.ask("Totals?", Options(out="top"))
    assert is_kept(assistant, tmp_path) is turn
    assert ["a bug" in one for one in turn.troubles] == [True]
    is_bound(assistant)


async def test_a_recording_that_cannot_be_written(assistant, tmp_path, monkeypatch):
    (tmp_path / "here" / "file").write_text("in the way")
    monkeypatch.setenv("AOAI_MAGIC_RECORDINGS", "file/recordings")
    with pytest.raises(AssistantError, match="could not be recorded"):
        await assistant.ask("Totals?", Options(out="top", save="results"))
    assert "could not be recorded" in is_kept(assistant, tmp_path).troubles[0]
    is_bound(assistant)
    assert (tmp_path / "here" / "results" / "totals.csv").exists()


async def test_a_table_that_did_not_come(assistant, tmp_path, monkeypatch, script):
    monkeypatch.setenv("AOAI_MAGIC_MODEL", script('turns: [{when: ".", replies: [{text: No.}]}]'))
    turn = await assistant.ask("Totals?", Options(out="top"))
    assert turn.text == "No."
    assert turn.troubles == ["No table was returned, so `top` was not set."]
    assert turn.parts[-1].text == turn.troubles[0]


@pytest.mark.parametrize("how", ["signal", "stop"])
async def test_an_interrupt_ends_what_hangs_and_nothing_else(assistant, tmp_path, monkeypatch, how):
    hangs = threading.Event()

    def save(turn, request):
        if how == "signal":
            os.kill(os.getpid(), signal.SIGINT)
        else:
            assistant.stop()
        hangs.wait(60)

    monkeypatch.setattr(kernel_state, "_save", save)
    with pytest.raises(AssistantError, match="interrupted"):
        await assistant.ask("Totals?", Options(out="top", save="results"))
    hangs.set()
    assert "not saved (interrupted)" in is_kept(assistant, tmp_path).troubles[0]
    is_bound(assistant)
    assert assistant.usage_log(assistant.settings()).sums()[0].turns == 1


async def test_a_full_disk(assistant, tmp_path, monkeypatch):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    real = kernel_state.run_turn

    async def filled(*given):
        outcome = await real(*given)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        return outcome

    monkeypatch.setattr(kernel_state, "run_turn", filled)
    try:
        with pytest.raises(AssistantError):
            await assistant.ask("Totals?", Options(out="top", save="results"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    troubles = is_kept(assistant, tmp_path).troubles
    # Tables are read by a process of its own, which needs some disk too.
    assert "top" in assistant.namespace or any("top" in one for one in troubles)


async def test_troubles_are_shown_below_the_answer(assistant, capsys):
    with pytest.raises(AssistantError):
        await assistant.ask("Totals?", Options(save="x" * 300))
    turn = assistant.last
    assert turn.parts[-1].text == turn.troubles[0]
    assert turn.troubles[0][:40] in capsys.readouterr().out
