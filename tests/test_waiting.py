"""Commands that wait for a server which says nothing: they give up, and hear an interrupt."""

import nbclient
import nbformat
import pytest
from serving import serving_app
from starlette.applications import Starlette
from starlette.routing import Route

from aoai_magic.config.settings import Target
from aoai_magic.errors import ServiceError
from aoai_magic.notebook.line_commands import run_command
from aoai_magic.runner import diagnostics, event_loop
from aoai_magic.runner.event_loop import run_blocking
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.state.uploads import UploadLog


async def never(request):
    while (await request.receive())["type"] != "http.disconnect":
        pass


@pytest.fixture
def silent(monkeypatch):
    monkeypatch.setattr(event_loop, "COMMAND_SECONDS", 0.3)
    monkeypatch.setattr(diagnostics, "CHECK_SECONDS", 0.0)
    with serving_app(
        Starlette(routes=[Route("/{path:path}", never, methods=["GET", "DELETE"])])
    ) as url:
        monkeypatch.setenv("AOAI_MAGIC_TARGET", url)
        monkeypatch.setenv("AOAI_MAGIC_TOKEN", "token")
        yield url


@pytest.mark.parametrize("command", ["status", "cleanup --all --yes"])
def test_a_command_does_not_wait_for_ever(silent, command):
    state = Assistant({})
    UploadLog(state.settings().folder).record(silent, "sha", "file-1", "sales", 1, None)
    with pytest.raises(ServiceError, match=r"did not answer within [\d.]+ s; try again"):
        run_command(state, command)


def test_the_doctor_says_so(silent, capsys):
    run_command(Assistant({}), "doctor")
    assert "bad  The server did not answer within 0.3 s" in capsys.readouterr().out


def test_an_interrupt_ends_a_command(silent):
    interrupt = """
%load_ext aoai_magic
import os, signal, threading
from aoai_magic.runner import event_loop
event_loop.COMMAND_SECONDS = 600
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
%assistant status
"""
    cells = [nbformat.v4.new_code_cell(cell) for cell in (interrupt, "print('alive')")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=60, allow_errors=True).execute()
    [error] = [o for o in cells[0].outputs if o.output_type == "error"]
    assert error.traceback == ["AssistantError: %assistant status was interrupted."]
    assert cells[1].outputs[0].text == "alive\n"


def test_what_waits_for_a_turn_may_wait_within_one():
    async def inner():
        return 7

    async def outer():
        return run_blocking(inner())

    assert run_blocking(outer()) == 7


def test_the_doctor_waits_until_a_model_in_a_file_is_loaded(monkeypatch):
    waits = []

    def wait_for(coroutine, more=0.0):
        coroutine.close()
        waits.append(more)
        return {}

    monkeypatch.setattr(event_loop, "wait_for", wait_for)
    list(diagnostics._engine(Assistant({}).settings(), Target("local", "gguf:model.gguf", "")))
    assert waits[-1] == diagnostics.LOAD_SECONDS
