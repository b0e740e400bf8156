"""Turns in the background, outside of a kernel: order, errors, and what the handle gives."""

import asyncio
import subprocess
import sys
import threading

import openai
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from aoai_magic.errors import AssistantError, AttachError, TurnError, TurnInterrupted, UsageError
from aoai_magic.notebook.line_commands import run_command
from aoai_magic.notebook.magics import register, unregister
from aoai_magic.runner.background import PendingTurn
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options

SCRIPT = """
turns:
  - when: wait
    replies:
      - text: "Half of it."
        tool: {name: gate, arguments: {}}
      - code: |
          open("/mnt/data/totals.csv", "w").write("region,revenue\\nN,1\\n")
      - text: "Whole."
  - when: break
    replies:
      - text: "Half of it."
        tool: {name: gate, arguments: {}}
      - text: "More"
        error: {message: "The model has gone away."}
  - when: "."
    replies:
      - text: Hello.
"""


class Gate:
    """A function of the notebook that holds a turn up until it is opened."""

    def __init__(self):
        self.opened = False
        self.called = threading.Semaphore(0)

    async def gate(self) -> str:
        self.called.release()
        while not self.opened:  # noqa: ASYNC110 - opened from another thread
            await asyncio.sleep(0.01)
        return "open"


@pytest.fixture
def gate():
    made = Gate()
    yield made
    made.opened = True  # lest a test that failed leave a turn


@pytest.fixture
def assistant(engine, script, gate, monkeypatch, tmp_path):
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_MODEL", script(SCRIPT))
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    monkeypatch.chdir(tmp_path)
    return Assistant({"gate": gate.gate})


def behind(**options):
    return Options(background=True, tool=("gate",), **options)


async def test_the_handle_is_there_while_the_turn_runs_and_then_gives_it(assistant, gate):
    pending = await assistant.ask("wait", behind(out="totals"))
    names = assistant.namespace
    assert (pending.status, pending.turn, pending.done) == ("running", None, False)
    assert (names["_pending"], assistant.running()) == (pending, [pending])
    assert names.keys().isdisjoint({"totals", "_assistant"})
    with pytest.raises(TimeoutError, match="still runs"):
        pending.result(0.01)
    gate.opened = True
    turn = await pending
    assert (turn.status, pending.status, assistant.running()) == ("completed", "completed", [])
    assert names["totals"].revenue.sum() == 1
    assert turn is pending.turn is pending.result() is names["_assistant"]


async def test_a_question_in_the_same_thread_waits_and_one_elsewhere_does_not(assistant, gate):
    first = await assistant.ask("wait", behind())
    second = asyncio.create_task(assistant.ask("then", Options()))
    other = await assistant.ask("hello", Options(thread="other"))
    afresh = await assistant.ask("hello", Options(new=True))
    assert (first.done, second.done(), other.text) == (False, False, "Hello.")
    gate.opened = True
    assert (await second).thread == (await first).thread != afresh.thread
    # The name means what was begun last under it, although that ended first.
    assert (await assistant.ask("and now", Options())).thread == afresh.thread


async def test_whoever_stops_waiting_does_not_stop_the_turn(assistant, gate):
    pending = await assistant.ask("wait", behind())
    waiting = asyncio.ensure_future(pending)
    await asyncio.sleep(0)
    waiting.cancel()
    assert (await asyncio.gather(waiting, return_exceptions=True))[0].__class__ is (
        asyncio.CancelledError
    )
    gate.opened = True
    assert (await pending).text == "Half of it.\n\nWhole."


async def test_a_turn_is_stopped_by_its_handle_and_by_the_command(assistant, gate, engine, capsys):
    one = await assistant.ask("wait", behind(thread="one"))
    two = await assistant.ask("wait", behind(thread="two"))
    for _ in (one, two):
        await asyncio.to_thread(gate.called.acquire)
    run_command(assistant, "threads")
    assert capsys.readouterr().out.count("  running\n") == 2
    one.stop()
    with pytest.raises(TurnInterrupted):
        await one
    with pytest.raises(UsageError, match="'nowhere'"):
        run_command(assistant, "stop nowhere")
    run_command(assistant, "stop")
    assert "Stopped: two on " in capsys.readouterr().out
    assert (two.status, two.turn.text) == ("interrupted", "Half of it.")
    run_command(assistant, "stop")
    assert capsys.readouterr().out == "No turn runs in the background.\n"
    for turn in (one.turn, two.turn):
        assert said(engine, turn.thread) == ["message", "function_call"]


async def test_an_error_after_the_beginning_is_said_and_kept(assistant, gate, capsys):
    pending = await assistant.ask("break", behind())
    gate.opened = True
    with pytest.raises(TurnError, match="gone away"):
        await pending
    assert capsys.readouterr().err == "The model has gone away.\n"
    assert (pending.status, assistant.last.error) == ("failed", "The model has gone away.")
    calm = await assistant.ask("break", behind(no_raise=True))
    assert (await calm).error == "The model has gone away."


async def test_what_cannot_be_saved_is_said_and_raised(assistant, capsys):
    pending = await assistant.ask("hello", Options(background=True, save="~nobody-at-all/x"))
    with pytest.raises(AssistantError, match="does not name a user"):
        await pending
    assert "does not name a user" in capsys.readouterr().err
    assert repr(pending) == "<PendingTurn completed>"
    assert assistant.namespace["_assistant"] is pending.turn


async def test_what_keeps_a_turn_from_beginning_fails_at_once(assistant, capsys):
    with pytest.raises(AttachError, match="nothing"):
        await assistant.ask("hello", Options(("nothing",), background=True))
    assert assistant.running() == []
    assert "_pending" not in assistant.namespace
    assert await assistant.ask("hello", Options(background=True, dry_run=True)) is None
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_the_answer_when_it_is_over(assistant, gate, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "auto")
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    register(shell)
    shell.user_ns["gate"] = gate.gate
    try:
        with capture_output() as captured:
            shell.run_cell("%%assistant --background --tool gate\nwait").raise_error()
        assert "its answer comes here when it has ended." in captured.stdout
        assert "Half of it." not in captured.stdout
        with capture_output() as captured:
            gate.opened = True
            shell.run_cell("turn = _pending.result()").raise_error()
        assert isinstance(shell.user_ns["_pending"], PendingTurn)
        assert "Whole." in captured.stdout
    finally:
        unregister(shell)
        InteractiveShell.clear_instance()


ENDING = """
import asyncio, threading, aoai_magic
from aoai_magic.notebook.python_api import _state
called = threading.Event()
async def gate() -> str:
    called.set()
    await asyncio.sleep(300)
pending = aoai_magic.ask("wait", background=True, tool=gate)
called.wait()
state = _state()
print(pending.status, state.threads(state.settings()).get("", pending.target))
"""


@pytest.mark.slow
def test_a_script_that_ends_stops_its_turn_and_says_so(engine, assistant):
    done = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True)
    status, thread = done.stdout.splitlines()[0].split()
    assert (done.returncode, status) == (0, "running")
    assert "1 turn was still running in the background" in done.stderr
    assert said(engine, thread) == ["message", "function_call"]


def said(engine, thread):
    """Return what the model said and called in a thread; nothing goes on at the server after it."""
    api = openai.OpenAI(base_url=f"{engine.url}/v1", api_key=engine.token)
    found = api.get(f"/conversations/{thread}/items?order=asc", cast_to=object)["data"]
    return [item["type"] for item in found if item.get("role") != "user"]
