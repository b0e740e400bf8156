"""The whole path through a real kernel: what a user types, and what the notebook keeps."""

import json
import time

import nbclient
import nbformat
import psutil
import pytest

from aoai_magic.display.saved.turn_record import FILES_TYPE

pytestmark = pytest.mark.kernel

PLOT = """
turns:
  - when: (?i)plot
    replies:
      - text: "I look at **sales**."
        code: |
          # Revenue by region
          ax = sales.groupby("region")["revenue"].sum().plot.bar()
          sales.to_csv("/mnt/data/out.csv", index=False)
          print(sales["day"].dtype)
      - text: "See [the table](sandbox:/mnt/data/out.csv)."
  - when: (?i)again
    replies:
      - code: "print(len(sales))"
      - text: Four.
  - when: (?i)figure
    replies:
      - code: |
          import plotly.express as px
          px.bar(x=[1], y=[2], title="Bars").show()
      - text: Drawn.
  - when: (?i)where
    replies:
      - tool: {name: where, arguments: {}}
      - text: There.
  - when: (?i)break
    replies:
      - text: "Half of it"
        error: {message: "The model has gone away."}
  - when: (?i)for ever
    replies:
      - code: |
          import time
          print("counting", flush=True)
          time.sleep(300)
      - text: never
"""

LOAD = """
%load_ext aoai_magic
import pandas as pd
sales = pd.DataFrame({
    "region": ["North", "South"] * 2,
    "revenue": [1, 3, 2, 4],
    "day": pd.date_range("2025-01-01", periods=4, tz="Europe/Vienna"),
})
"""


@pytest.fixture
def run(engine, script, monkeypatch, tmp_path):
    """Run cells in a fresh kernel whose turns go to the shared engine; give the notebook."""
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_MODEL", script(PLOT))

    def execute(*cells, allow_errors=False):
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in (LOAD, *cells)]
        )
        resources = {"metadata": {"path": str(tmp_path)}}
        client = nbclient.NotebookClient(
            notebook, timeout=60, resources=resources, allow_errors=allow_errors
        )
        client.execute()
        nbformat.validate(notebook)
        return notebook

    return execute


def printed(cell):
    return "".join(o.text for o in cell.outputs if o.output_type == "stream")


def shown(cell):
    """All that a cell shows, as text, with a line's end behind each output; work unfolded."""
    data = [output["data"] for output in cell.outputs if "data" in output]
    folded = [one.get("text/markdown", "").startswith("<details>") for one in data]
    kinds = ["text/markdown" if is_folded else "text/plain" for is_folded in folded]
    return "".join(f"{one[kind]}\n" for one, kind in zip(data, kinds, strict=True))


def errors(cell):
    return [(o.ename, o.evalue, o.traceback) for o in cell.outputs if o.output_type == "error"]


def test_a_turn_is_shown_saved_and_bound(run):
    notebook = run(
        "%%assistant sales -o out\nPlot it.",
        "print(out.shape, out['region'].tolist(), _assistant.text, _assistant.code[:19])\n"
        "print(_assistant.charts[0].frame.to_dict('list'))",
        "%%aoai\nOnce again",
    )
    cell = notebook.cells[1]
    kinds = [list(o["data"]) for o in cell.outputs]
    assert not [o for o in cell.outputs if o.output_type == "stream"]
    assert any("image/png" in kind for kind in kinds)
    assert "application/vnd.aoai-magic.turn+json" in kinds[-1]
    assert all("text/html" not in kind for kind in kinds)
    assert "Europe/Vienna" in shown(cell)
    assert "widgets" not in notebook.metadata
    assert printed(notebook.cells[2]).startswith("(4, 3) ['North', 'South', 'North', 'South'] I")
    assert "# Revenue by region" in printed(notebook.cells[2])
    data = "{'region': ['North', 'South'], 'revenue': [3, 7]}"
    assert printed(notebook.cells[2]).strip().endswith(data)
    assert "```\n4\n```" in shown(notebook.cells[3])


def test_a_figure_of_plotly_is_shown_and_the_model_is_told_of_it(run):
    pytest.importorskip("plotly", reason="draws the figure; of the extra [test]")
    notebook = run(
        "%%assistant\nShow a figure.",
        "print(list(_assistant.files)); print(_assistant.logs)",
    )
    kinds = [list(output.get("data", {})) for output in notebook.cells[1].outputs]
    assert sum("application/vnd.plotly.v1+json" in kind for kind in kinds) == 1
    said = printed(notebook.cells[2])
    assert "figure-1.plotly.json" in said
    assert "Displayed a Plotly figure (bar): title 'Bars'" in said


def test_a_failed_turn_fails_the_cell_and_keeps_what_came(run):
    notebook = run(
        "%%assistant\nBreak, please.",
        "print(_assistant.status, _assistant.text)",
        "%%assistant --no-raise\nBreak, please.",
        "%assistant show",
        allow_errors=True,
    )
    ((name, text, traceback),) = errors(notebook.cells[1])
    assert (name, text) == ("TurnError", "The model has gone away.")
    assert traceback == ["TurnError: The model has gone away."]
    assert printed(notebook.cells[2]) == "failed Half of it\n"
    for cell in notebook.cells[3:5]:
        assert errors(cell) == []
        said = [o.text for o in cell.outputs if o.get("name") == "stderr"]
        assert said == ["The model has gone away.\n"]


def test_a_failed_turn_stops_a_headless_run(run):
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="gone away"):
        run("%%assistant\nBreak, please.")


def test_what_came_back_is_saved_and_linked_but_never_over_a_file(run, tmp_path):
    notebook = run(
        "%%assistant sales --save results\nPlot it.",
        "import pathlib; pathlib.Path('results/out.csv').open('a').write('mine')\n"
        "%config AssistantMagics.save = 'results'",
        "%%assistant\nPlot it.",
        "print(_assistant.status, len(_assistant.files))",
        "%%assistant --overwrite\nPlot it.",
        "%%assistant\nPlot it.",
        allow_errors=True,
    )
    listed = [o.data.get("text/markdown", "") for o in notebook.cells[1].outputs if "data" in o]
    assert any("(results/out.csv)" in text for text in listed)
    assert (tmp_path / "results" / "out.csv").read_text().startswith("region,revenue,day")
    ((name, text, _),) = errors(notebook.cells[3])
    assert (name, "--overwrite" in text) == ("AssistantError", True)
    assert printed(notebook.cells[4]) == "completed 1\n"
    assert errors(notebook.cells[5]) == []
    # Run again, with the same result: nothing of the user's is in the way.
    assert errors(notebook.cells[6]) == []


def test_nothing_shows_that_the_kernel_ran_a_widget(run):
    notebook = run("%%assistant sales\nPlot it.", "import sys; print('ipywidgets' in sys.modules)")
    assert printed(notebook.cells[2]) == "False\n"


def test_ask_shows_and_gives_the_turn(run):
    notebook = run(
        "import aoai_magic\naoai_magic.ask('Plot it.', sales, out='table')",
        "turn = await aoai_magic.aask('Once again')\nprint(turn.logs, table.shape)",
        "turn",
    )
    shown, awaited, again = notebook.cells[1:4]
    assert sum("image/png" in o.get("data", {}) for o in shown.outputs) == 1
    assert printed(awaited).endswith("4 (4, 3)\n")
    assert any("application/vnd.aoai-magic.turn+json" in o.get("data", {}) for o in again.outputs)


def test_a_stopped_cell_keeps_those_behind_it_from_running(run):
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="Count for ever"):
        run(
            "%%assistant sales\nOnce again",
            "import os, signal, threading\n"
            "threading.Timer(4.0, os.kill, (os.getpid(), signal.SIGINT)).start()",
            "%%assistant\nCount for ever",
            "print(1)",
        )


def test_a_saved_answer_is_hardly_larger_than_what_it_answers(run):
    cell = run("%%assistant sales -o out\nPlot it.").cells[1]
    *answer, _work, _footer = (output["data"] for output in cell.outputs)
    kinds = ("image/png", "text/markdown", FILES_TYPE)
    parts = [one[kind] for one in answer for kind in kinds if kind in one]
    assert len(parts) > 3
    assert len(json.dumps(cell.outputs)) < len(json.dumps(parts)) + 4096


@pytest.mark.parametrize("cell", ["%%assistant\nCount for ever", "%assistant Count for ever, OK?"])
def test_an_interrupted_cell_says_so_and_the_kernel_goes_on(run, cell):
    notebook = run(
        "%%assistant sales\nOnce again",  # from here on nothing is started or imported
        "import os, signal, threading\n"
        "threading.Timer(4.0, os.kill, (os.getpid(), signal.SIGINT)).start()",
        cell,
        "print(_assistant.status, len(sales))",
        allow_errors=True,
    )
    assert errors(notebook.cells[3]) == []
    assert "Stopped." in shown(notebook.cells[3])
    assert "counting" in shown(notebook.cells[3])
    assert printed(notebook.cells[4]) == "interrupted 4\n"


AGAIN = "%%assistant\nOnce again"
IN_A_CELL = f"get_ipython().run_cell({AGAIN!r}, store_history=False).raise_error()"
IN_AN_AWAITED_CELL = f"""
cell = get_ipython().transform_cell({AGAIN!r})
(await get_ipython().run_cell_async(cell, transformed_cell=cell)).raise_error()
"""
IN_A_FUNCTION = f"""
import aoai_magic
def inner():
    return aoai_magic.ask("Once again", quiet=True)
print("asked in a function:", inner().status)
{IN_A_CELL}
"""


def test_a_magic_that_the_kernel_does_not_await_runs_all_the_same(run, tmp_path):
    (tmp_path / "asking.ipy").write_text(AGAIN)
    notebook = run(
        "%%assistant sales\nOnce again",
        f"%%time\n{AGAIN}",
        f"%%timeit -n 1 -r 2\n{AGAIN}",
        f"%%prun -q\n{AGAIN}",
        IN_A_CELL,
        IN_AN_AWAITED_CELL,
        "%run asking.ipy",
        "%macro -q asking 2",
        "asking",
        "%autoawait off",
        AGAIN,
        "%autoawait asyncio",
        AGAIN,
        IN_A_FUNCTION,
        f"%%capture captured\n{AGAIN}",
        "captured.show()",
        "print(len(get_ipython().magics_manager.registry['AssistantMagics'].state.turns))",
    )
    for place in (1, 2, 4, 5, 6, 7, 9, 11, 13, 14, 16):
        assert "```\n4\n```" in shown(notebook.cells[place]), notebook.cells[place].source
    assert shown(notebook.cells[3]).count("```\n4\n```") == 2
    assert "CPU times" in printed(notebook.cells[2])
    assert notebook.cells[15].outputs == []
    assert [o for o in notebook.cells[16].outputs if "text/markdown" in o.get("data", {})]
    assert printed(notebook.cells[17]) == "14\n"


def test_only_a_cell_that_the_kernel_awaits_is_rewritten(run):
    # Seen from inside: an awaited turn runs in the kernel's own thread.
    where = "import threading\ndef where():\n    return threading.current_thread().name"
    notebook = run(
        where,
        "%%assistant --tool where\nWhere",
        f"%%time\n{'%%assistant --tool where'}\nWhere",
    )
    names = [printed_all(cell) for cell in notebook.cells[2:4]]
    assert "MainThread" in names[0]
    assert "MainThread" not in names[1]


def printed_all(cell):
    return str([o.get("data") or o.get("text") for o in cell.outputs])


@pytest.mark.slow
def test_the_local_engine_goes_on_after_a_restart_and_ends_with_its_kernel(run, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_TARGET", "local")
    cells = ("%%assistant sales -t report\nPlot it.", "%%assistant -t report\nOnce again")
    pid = "from aoai_magic.backends.local_engine import LAUNCHER; print(LAUNCHER.engine.pid)"
    first = run(cells[0], pid)
    second = run(cells[1], pid, "%assistant threads", "%assistant status")
    assert "```\n4\n```" in shown(second.cells[1])
    assert "report" in printed(second.cells[3])
    assert "isolation  namespaces" in printed(second.cells[4])
    for notebook in (first, second):
        assert gone(int(printed(notebook.cells[2])))


def gone(pid, seconds=10):
    deadline = time.monotonic() + seconds
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not psutil.pid_exists(pid)


def test_a_user_is_answered_in_their_language(run):
    notebook = run(
        "import os; os.environ['AOAI_MAGIC_LANG'] = 'ja'",
        "%%assistant --outt top\nPlot it.",
        "%assistant status",
        "%%assistant sale --dry-run\nPlot it.",
        "import os; os.environ['AOAI_MAGIC_LANG'] = 'zh_TW'",
        "%%assistant sale\nPlot it.",
        "%%assistant sales --dry-run\nPlot it.",
        "%assistant help",
        "from IPython.core.oinspect import getdoc\n"
        "print(getdoc(get_ipython().find_cell_magic('assistant')))",
        allow_errors=True,
    )
    ja, zh = notebook.cells[2:5], notebook.cells[6:]
    ((_, text, _),) = errors(ja[0])
    assert text == "'--outt' というオプションはありません。--out でしょうか?"
    first, second, *_ = printed(ja[1]).splitlines()
    # A wide character takes two columns: both values begin in the twelfth.
    assert (first[:9], second[:9]) == ("実行先     h", "送信先     エ")
    assert errors(ja[2])[0][1] == "変数 sale はありません。sales でしょうか?"
    assert errors(zh[0])[0][1] == "沒有變數 sale；您是指 sales 嗎？"
    assert printed(zh[1]).startswith("尚未傳送任何內容。目的地：引擎 http")
    assert "位元組（pandas.DataFrame sales）" in printed(zh[1])
    assert "%assistant status   顯示回合在何處執行及原因" in printed(zh[2])
    assert printed(zh[3]).startswith("::\n\n  %%assistant [-o NAME]")
    assert "顯示會傳送的內容，但不傳送" in printed(zh[3])


def test_an_effort_stands_in_the_last_line_and_in_the_record(run):
    notebook = run("%%assistant --effort high sales\nplot")
    footer = notebook.cells[-1].outputs[-1].data
    assert "effort: high" in footer["text/plain"]
    assert footer["application/vnd.aoai-magic.turn+json"]["effort"] == "high"
