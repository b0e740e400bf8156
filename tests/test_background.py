"""Turns in the background of a real kernel: what goes to which cell, and what ends them."""

from __future__ import annotations

import os

import nbclient
import nbformat
import pytest
from jupyter_client.manager import KernelManager
from test_pending import said

# Slow: the versions of ipykernel make the difference, and both ends of them are tried without
# the other versions of Python.
pytestmark = [pytest.mark.kernel, pytest.mark.slow]

SCRIPT = """
turns:
  - when: plot
    replies:
      - text: "I look at **sales**."
        tool: {name: gate, arguments: {}}
      - code: |
          print("counted", len(sales))
          ax = sales.plot()
          sales.to_csv("/mnt/data/out.csv", index=False)
      - text: "Done."
  - when: break
    replies:
      - text: "Half of it."
        tool: {name: gate, arguments: {}}
      - text: "More"
        error: {message: "The model has gone away."}
"""
LOAD = """
%load_ext aoai_magic
import asyncio, threading, time
import pandas as pd
sales = pd.DataFrame({"revenue": [1, 3]})
opened, called = threading.Event(), threading.Event()
async def gate() -> str:
    called.set()
    while not opened.is_set():
        await asyncio.sleep(0.01)
    return "open"
"""
WIDGET = "application/vnd.jupyter.widget-view+json"
TURN = "application/vnd.aoai-magic.turn+json"
BEHIND = "%%assistant sales --background --tool gate"


class Notebook:
    """A kernel, and the outputs of its cells as a front end would keep them."""

    def __init__(self, folder, environ):
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(folder), env={**os.environ, **environ})
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(60)
        self.outputs: dict[str, list] = {}
        self.buttons: list[str] = []
        self._shown: dict[str, list] = {}

    def run(self, code):
        """Run a cell to its end, as from a page where somebody could answer; give its id."""
        cell = self.begin(code)
        self.until_idle(cell)
        return cell

    def begin(self, code):
        """Have a cell run; give its id."""
        # Else the cells after one that fails could be dropped.
        cell = self.client.execute(code, stop_on_error=False)
        self.outputs[cell] = []
        return cell

    def until_idle(self, cell):
        """Read messages until a cell is over."""
        self.take(lambda kind, message, parent: is_idle(kind, message) and parent == cell)

    def take(self, until):
        """Read messages until one of which ``until`` is true."""
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            kind, parent = message["msg_type"], message["parent_header"].get("msg_id")
            self._take(kind, message["content"], parent)
            if until(kind, message, parent):
                return

    def _take(self, kind, content, parent):
        display_id = content.get("transient", {}).get("display_id")
        if kind in ("display_data", "stream", "error", "execute_result"):
            self.outputs[parent].append([kind, content])
            self._shown.setdefault(display_id, []).append(self.outputs[parent][-1])
        if kind == "update_display_data":
            for output in self._shown[display_id]:
                output[1] = content
        if kind == "comm_open" and "ButtonModel" in str(content["data"]):
            self.buttons.append(content["comm_id"])

    def press(self, button):
        content = {"comm_id": button, "data": {"method": "custom", "content": {"event": "click"}}}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", content))

    def until_over(self, cell):
        """Read messages until the turn that a cell asked stands frozen in it."""
        if TURN not in kinds(self.outputs[cell]):
            self.take(lambda kind, message, parent: TURN in message["content"].get("data", {}))

    def printed(self, code):
        """Run a cell and give what it printed; an error in it is the test's own."""
        outputs = self.outputs[self.run(code)]
        assert "error" not in [kind for kind, _ in outputs], outputs
        return text(outputs)

    def close(self):
        self.client.stop_channels()
        if self.manager.is_alive():
            self.manager.shutdown_kernel()


def is_idle(kind, message):
    return kind == "status" and message["content"]["execution_state"] == "idle"


def kinds(outputs):
    return {kind for _, content in outputs for kind in content.get("data", ())}


def text(outputs, name="stdout"):
    return "".join(c["text"] for kind, c in outputs if (kind, c.get("name")) == ("stream", name))


@pytest.fixture(scope="module")
def places(engine, tmp_path_factory):
    """What a kernel inherits: the shared engine and the script."""
    folder = tmp_path_factory.mktemp("background")
    (folder / "script.yaml").write_text(SCRIPT)
    return folder, {
        "AOAI_MAGIC_HOME": str(folder),
        "AOAI_MAGIC_TARGET": engine.url,
        "AOAI_MAGIC_TOKEN": engine.token,
        "AOAI_MAGIC_MODEL": f"scripted:{folder / 'script.yaml'}",
    }


@pytest.fixture(scope="module")
def kernel(places):
    made = Notebook(*places)
    made.printed(LOAD)
    yield made
    made.close()


@pytest.fixture
def notebook(kernel):
    """The one kernel of these tests, its gate closed."""
    kernel.printed("opened.clear(); called.clear()")
    return kernel


def test_a_turn_goes_on_beside_other_cells_and_stays_in_its_own(notebook):
    asked = notebook.run(f"{BEHIND} -o out\nplot")
    assert notebook.printed("print(_pending.status, 'out' in dir())") == "running False\n"
    listed = notebook.printed("%assistant status")
    assert "running    (this notebook) on http" in listed
    assert listed.endswith(" s, asked in cell [3]\n")
    assert WIDGET in kinds(notebook.outputs[asked])
    # This cell holds up the kernel's loop, and the turn ends meanwhile.
    busy = notebook.run(
        "opened.set(); done = _pending.result()\nprint(done.status, out.shape, _assistant is done)"
    )
    assert text(notebook.outputs[busy]) == "completed (2, 1) True\n"
    notebook.until_over(asked)
    outputs = notebook.outputs[asked]
    assert {"text/markdown", "image/png", TURN} <= kinds(outputs)
    assert WIDGET not in kinds(outputs)
    assert text(outputs) == ""
    assert any("counted 2" in str(content.get("data")) for _, content in outputs)
    assert [kind for kind, _ in notebook.outputs[busy]] == ["stream"]


def test_an_interrupt_ends_the_waiting_and_the_button_the_turn(notebook):
    asked = notebook.run(f"{BEHIND} --new\nplot")
    notebook.printed("called.wait()")
    waiting = notebook.begin("print('waiting')\nturn = await _pending")
    notebook.take(lambda kind, message, parent: kind == "stream" and parent == waiting)
    notebook.manager.interrupt_kernel()
    notebook.until_idle(waiting)
    assert "error" in [kind for kind, _ in notebook.outputs[waiting]]
    assert notebook.printed("print(_pending.status)") == "running\n"
    notebook.press(notebook.buttons[-1])
    notebook.until_over(asked)
    # What is shown is there a moment before what is bound.
    ended = notebook.printed("while not _pending.done: time.sleep(0.01)\nprint(_assistant.status)")
    assert ended == "interrupted\n"


def test_an_error_is_shown_where_it_was_asked_and_raised_where_it_is_awaited(notebook):
    asked = notebook.run(f"{BEHIND} --new\nbreak")
    awaited = notebook.run("opened.set()\nturn = await _pending")
    notebook.until_over(asked)
    errors = [content for kind, content in notebook.outputs[awaited] if kind == "error"]
    assert [(one["ename"], one["evalue"]) for one in errors] == [
        ("TurnError", "The model has gone away.")
    ]
    notebook.printed("pass")
    assert text(notebook.outputs[asked], "stderr") == "The model has gone away.\n"
    assert notebook.printed("print(_assistant.error)") == "The model has gone away.\n"


def test_what_runs_when_the_kernel_ends_is_ended_on_the_server(notebook, engine):
    notebook.run(f"{BEHIND} --new\nplot")
    thread = notebook.printed(
        "called.wait(); state = get_ipython().magics_manager.registry['AssistantMagics'].state\n"
        "print(state.threads(state.settings()).get('', _pending.target))"
    )
    notebook.close()  # so that this test is the last one
    assert said(engine, thread.strip()) == ["message", "function_call"]


def test_a_headless_run_waits_for_its_turns_and_fails_with_them(places, monkeypatch):
    folder, environ = places
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    cells = [
        LOAD + "opened.set()",
        f"{BEHIND}\nplot",
        "turn = await _pending\nprint(turn.status, _assistant is turn)",
        f"{BEHIND}\nbreak",
    ]
    run = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(run, timeout=60, resources={"metadata": {"path": str(folder)}})
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="gone away"):
        client.execute()
    shown = {kind for output in run.cells[1].outputs for kind in output.get("data", ())}
    assert {"text/markdown", "image/png", TURN} <= shown
    assert run.cells[2].outputs[0].text == "completed True\n"
