"""The extension in JupyterLab: prompts, answers, commands, and what it must not do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest
from browser import lab as labs
from display import hostile
from nbformat.sign import NotebookNotary
from playwright.sync_api import Locator, expect

from aoai_magic.turn.view import Text

from . import saved

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

PROMPT = """%%assistant sales @budget.xlsx -o top -t 'Q3 review'
Which **region** grew? See @sales and {{ 1 + 1 }}."""
LOAD = """%load_ext aoai_magic
import pandas as pd
sales = pd.DataFrame({"region": ["a", "b"], "revenue": [1.5, 2.5]})"""
NOTEBOOK = "window.jupyterapp.shell.currentWidget.content"
MARKDOWN, PYTHON = "text/x-ipythongfm", "text/x-ipython"

# A lone surrogate cannot be in a notebook that is signed.
NAMES = [name.encode("utf-8", "replace").decode() for name in hostile.NAMES]

Open = Callable[[str, dict[str, Any]], labs.Notebook]


def sources(notebook: labs.Notebook) -> list[str]:
    return notebook.page.evaluate(
        f"() => {NOTEBOOK}.widgets.map(cell => cell.model.sharedModel.getSource())"
    )


def languages(notebook: labs.Notebook) -> list[str]:
    return notebook.page.evaluate(f"() => {NOTEBOOK}.widgets.map(cell => cell.model.mimeType)")


def write(notebook: labs.Notebook, number: int, source: str) -> None:
    notebook.page.evaluate(
        f"([n, text]) => {NOTEBOOK}.widgets[n].model.sharedModel.setSource(text)", [number, source]
    )


def activate(notebook: labs.Notebook, number: int) -> None:
    notebook.page.evaluate(f"number => {{ {NOTEBOOK}.activeCellIndex = number }}", number)


def command(notebook: labs.Notebook, name: str) -> None:
    notebook.page.evaluate("name => window.jupyterapp.commands.execute(name)", f"aoai-magic:{name}")


def enabled(notebook: labs.Notebook, name: str) -> bool:
    return notebook.page.evaluate(
        "name => window.jupyterapp.commands.isEnabled(name)", f"aoai-magic:{name}"
    )


def action(notebook: labs.Notebook, text: str) -> Locator:
    return notebook.page.locator(".aoai-Action", has_text=text).first


def trust(path: Path, home: Path) -> None:
    """Sign a notebook, as it is when its author saves it."""
    notary = NotebookNotary(data_dir=str(home / "data"))
    notary.sign(nbformat.read(path, nbformat.NO_CONVERT))
    notary.store.close()


def test_a_prompt_is_edited_as_prose_and_nothing_of_that_is_saved(open_notebook: Open, lab):
    answered = saved.code_cell(0, PROMPT, saved.outputs(saved.turn()))
    notebook = open_notebook("prompt.ipynb", saved.notebook(answered, saved.code_cell(1, "x = 1")))
    cell = notebook.cell(0)

    assert languages(notebook) == [MARKDOWN, PYTHON]
    assert cell.locator(".aoai-Magic").inner_text() == "%%assistant"
    assert cell.locator(".aoai-Option").all_inner_texts() == ["-o", "-t"]
    assert cell.locator(".aoai-Item").all_inner_texts() == ["sales", "@budget.xlsx", "@sales"]
    assert cell.locator(".aoai-Expression").all_inner_texts() == ["{{ 1 + 1 }}"]
    assert cell.locator(".aoai-Mark").inner_text() == "Q3 review · local"
    assert notebook.page.locator(".aoai-Mark").count() == 1
    notebook.save()
    # nbformat joins the lines again that JupyterLab saves apart.
    assert nbformat.read(lab.root / "prompt.ipynb", 4)["cells"][0] == answered

    write(notebook, 0, "x = 2")
    assert languages(notebook) == [PYTHON, PYTHON]
    assert cell.locator(".aoai-Mark, .aoai-Magic").count() == 0
    assert notebook.errors == []


def test_an_answer_can_be_used_from_the_saved_notebook_alone(open_notebook: Open, lab):
    # By itself JupyterLab draws the first 50 outputs of a cell.
    step = {"output_type": "display_data", "data": {"text/plain": "step"}, "metadata": {}}
    outputs = [step] * 50 + saved.outputs(saved.turn())
    written = saved.notebook(saved.code_cell(0, PROMPT, outputs), saved.code_cell(1, "x = 1"))
    notebook = open_notebook("answer.ipynb", written)
    files, footer = notebook.page.locator(".aoai-Turn").all()
    assert "gpt-4o · code ran on this machine · 1,540 tokens" in footer.inner_text()
    assert files.inner_text().startswith("top.csv (1 row × 2 columns, 21 bytes)")
    assert notebook.page.locator(".jp-OutputArea").get_by_text("top.csv (").count() == 1
    assert notebook.page.get_by_role("img", name="Picture revenue.png, ").count() == 1
    assert labs.barriers(notebook.page, ".jp-OutputArea") == []
    assert notebook.page.get_by_text("Assistant: 1,540 tokens").is_visible()

    action(notebook, "Copy").click()
    copied = notebook.page.evaluate("() => navigator.clipboard.readText()")
    notebook.page.get_by_text("Answer copied.").wait_for()
    assert copied.startswith("I will look at the **sales** table first.\n\n## North grew fastest")

    action(notebook, "Enlarge").click()
    picture = notebook.page.get_by_role("dialog").get_by_role("img", name="revenue.png")
    assert picture.bounding_box()["height"] > 300
    notebook.page.keyboard.press("Escape")

    with notebook.page.expect_download() as downloaded:
        notebook.page.get_by_title("Download revenue.png").click()
    assert downloaded.value.suggested_filename == "revenue.png"
    assert Path(downloaded.value.path()).read_bytes().startswith(b"\x89PNG")

    action(notebook, "Continue").click()
    notebook.page.wait_for_function(f"() => {NOTEBOOK}.mode === 'edit'")
    notebook.page.keyboard.type("And why?")
    action(notebook, "Insert code").click()
    notebook.page.wait_for_function(f"() => {NOTEBOOK}.widgets.length === 4")
    assert sources(notebook) == [
        PROMPT,
        saved.CELL,
        "%%assistant -t 'Q3 review'\nAnd why?",
        "x = 1",
    ]

    code_block = notebook.page.get_by_text("Worked 3.2 s · 2 steps")
    assert code_block.is_visible()
    command(notebook, "toggle-code")
    assert not code_block.is_visible()
    assert notebook.page.get_by_role("heading", name="North grew fastest").is_visible()

    action(notebook, "Open").click()
    notebook.page.get_by_text("Saved as answer_files/top.csv").wait_for()
    notebook.page.locator(".jp-CSVViewer").wait_for()
    assert (lab.root / "answer_files/top.csv").read_bytes() == b"customer,revenue\nA,3\n"
    home = urlsplit(lab.url).netloc
    hosts = {urlsplit(url).netloc for url in notebook.requests if url.startswith("http")}
    assert hosts == {home}
    assert notebook.errors == []


def test_a_question_that_is_offered_goes_into_a_new_cell(open_notebook: Open):
    offered = replace(saved.turn(), questions=("Per <b>month</b>?", "Why?"))
    outputs = saved.outputs(offered)
    # As Plotly's renderer leaves its figure: with a picture, which is none of the turn's.
    drawn = next(output for output in outputs if "image/png" in output["data"])
    figure = {"application/vnd.plotly.v1+json": {"data": []}, **drawn["data"]}
    outputs.insert(0, {**drawn, "data": figure})
    notebook = open_notebook("next.ipynb", saved.notebook(saved.code_cell(0, PROMPT, outputs)))
    page = notebook.page
    assert page.locator(".aoai-Turn-name").all_inner_texts()[1:] == ["revenue.png"]
    questions = page.get_by_role("list", name="You could ask next").get_by_role("button")
    assert questions.all_inner_texts() == ["Per <b>month</b>?", "Why?"]
    assert labs.barriers(page, ".aoai-Turn") == []
    questions.first.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => {NOTEBOOK}.widgets.length === 2 && {NOTEBOOK}.mode === 'edit'")
    assert sources(notebook)[1] == "%%assistant -t 'Q3 review'\nPer <b>month</b>?"


@pytest.mark.parametrize("question", ["{{1}}", "@secret.txt", "!ls", "a\nb"])
def test_a_question_that_would_do_more_than_be_read_is_not_offered(open_notebook: Open, question):
    outputs = saved.outputs(saved.turn())
    saved.record(outputs)["questions"] = [question]
    name = f"not-offered-{len(question)}.ipynb"
    notebook = open_notebook(name, saved.notebook(saved.code_cell(0, PROMPT, outputs)))
    notebook.page.locator(".aoai-Turn-plain").wait_for()
    assert notebook.page.locator(".aoai-Turn-question").count() == 0


def test_the_table_of_an_answer_opens_as_a_grid_without_a_kernel(open_notebook: Open):
    rows = "\n".join(f"| r{n} | {n * 1000:,} |" for n in (2, 10, 1))
    text = Text("t", f"Totals:\n\n| name | sum |\n|---|--:|\n{rows}", done=True)
    view = replace(saved.turn(), parts=(text,), files=())
    notebook = open_notebook(
        "own.ipynb", saved.notebook(saved.code_cell(0, PROMPT, saved.outputs(view)))
    )
    page, grid = notebook.page, notebook.page.locator(".aoai-Grid")
    page.get_by_title("Show the table as a grid").click()
    expect(grid.get_by_role("status")).to_have_text("3 rows", timeout=30_000)
    grid.get_by_label("Sort by").select_option("sum")
    grid.get_by_role("button", name="Copy").click()
    page.get_by_text("3 rows copied.").wait_for()
    copied = page.evaluate("() => navigator.clipboard.readText()").splitlines()
    assert copied == ["name\tsum", "r1\t1,000", "r2\t2,000", "r10\t10,000"]
    assert labs.barriers(page, ".aoai-Grid") == []


def test_fork_without_a_kernel_says_so(open_notebook: Open):
    answered = saved.code_cell(0, PROMPT, saved.outputs(saved.turn()))
    notebook = open_notebook("no kernel.ipynb", saved.notebook(answered))
    shutdown = "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"
    notebook.page.evaluate(shutdown)
    action(notebook, "Fork").click()
    dialog = notebook.page.get_by_role("dialog")
    dialog.get_by_text("Could not fork the conversation").wait_for()
    assert "This notebook has no running kernel." in dialog.inner_text()


def test_a_hostile_record_is_only_ever_text(open_notebook: Open, lab, home: Path):
    evil = "<img src=x onerror=window.pwned=1>"
    outputs = saved.outputs(saved.turn())
    record = saved.record(outputs)
    record.update(thread=evil, target=evil, model=hostile.PROSE[0], error=evil, isolation=evil)
    record["files"] = [{"name": evil, "id": evil, "size": 1, "sha256": evil}]
    saved.files(outputs)["files"] = [
        {"name": name, "size": 1, "kind": evil, "way": evil, "data": "eA=="}
        for name in (*NAMES, "../../up.txt")
    ]
    broken = saved.outputs(saved.turn())
    saved.record(broken)["parts"] = [{"type": "code", "code": {"toString": evil}}, None]
    written = saved.notebook(
        saved.code_cell(0, f"%%assistant -t '{evil}'", outputs),
        saved.code_cell(1, "%%assistant", broken),
    )
    lab.write("evil.ipynb", written)
    trust(lab.root / "evil.ipynb", home)
    notebook = open_notebook("evil.ipynb", written)

    notebook.page.locator(".aoai-Turn-plain").wait_for()
    assert notebook.cell(1).locator(".aoai-Turn").last.locator(".aoai-Action").count() == 0
    footer = notebook.cell(0).locator(".aoai-Turn")
    assert footer.locator("img, script, a, iframe").count() == 0
    assert all(evil in text for text in footer.all_inner_texts())
    assert notebook.cell(0).locator(".aoai-Mark").inner_text().startswith(evil)
    footer.get_by_title("Save up.txt").click()
    notebook.page.locator(".jp-FileEditor").wait_for()
    assert (lab.root / "evil_files/up.txt").read_bytes() == b"x"
    assert notebook.page.evaluate("() => window.pwned") is None


def test_a_dead_view_shows_what_was_saved_beside_it(open_notebook: Open, lab, home: Path):
    view = {"version_major": 2, "version_minor": 0, "model_id": "0" * 32}
    data = {
        "application/vnd.jupyter.widget-view+json": view,
        "text/markdown": "*It was not finished.*",
        "text/plain": "It was not finished.",
    }
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    written = saved.notebook(saved.code_cell(0, PROMPT, [output]))
    lab.write("dead.ipynb", written)
    trust(lab.root / "dead.ipynb", home)
    notebook = open_notebook("dead.ipynb", written)
    notebook.cell(0).get_by_text("It was not finished.").wait_for()
    assert notebook.kinds(0) == ["text/markdown"]


LIVE = """
from functools import reduce
from aoai_magic.turn import events
from aoai_magic.display import open_screen
from aoai_magic.turn.view import View, fold
happened = [
    events.TextDelta("t", "North grew\\n\\n![x](https://trap.example/x) fastest ```"),
    events.CodeDelta("c", "# Count\\nprint(1)"),
    events.LogsDelta("c", "<b>one</b>\\n"),
]
screen = open_screen()
screen.show(reduce(fold, happened, View()))"""
KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


LEFT = """

import asyncio, pathlib
async def close():
    while not pathlib.Path("over").exists():
        await asyncio.sleep(0.1)
    screen.close(reduce(fold, happened, View()))
task = asyncio.create_task(close())"""


def test_what_a_live_view_shows_stays_when_its_kernel_dies(open_notebook: Open, lab):
    written = saved.notebook(saved.code_cell(0, LIVE), saved.code_cell(1, KILL))
    notebook = open_notebook("killed.ipynb", written)
    notebook.run(0)
    notebook.cell(0).locator(".aoai-printed").wait_for()
    notebook.start(1)
    assert_settled(notebook)
    # Of views that are gone ipywidgets may complain, with and without this extension.
    assert [text for text in notebook.errors if "jupyterlab-manager" not in text] == []
    notebook.save()
    outputs = lab.read("killed.ipynb")["cells"][0]["outputs"]
    assert all(set(one["data"]) == {"text/markdown", "text/plain"} for one in outputs)


@pytest.mark.parametrize("said", [True, False], ids=["in its cell", "in the background"])
def test_what_a_live_view_shows_stays_where_a_page_loaded_later_does_not_hear_the_end(
    open_notebook: Open, lab, said: bool
):
    end = saved.code_cell(1, "pathlib.Path('over').touch(); await task")
    notebook = open_notebook("loaded.ipynb", saved.notebook(saved.code_cell(0, LIVE + LEFT), end))
    notebook.run(0)
    notebook.cell(0).locator(".aoai-printed").wait_for()
    notebook.save()
    notebook.reload()
    notebook.cell(0).locator(".aoai-printed").wait_for()
    if said:
        notebook.run(1)
    else:
        (lab.root / "over").touch()
    assert_settled(notebook)
    (lab.root / "over").unlink()


def assert_settled(notebook: labs.Notebook) -> None:
    area = notebook.cell(0).locator(".jp-OutputArea").first
    area.locator("p", has_text="was not finished").nth(1).wait_for()
    assert notebook.kinds(0) == ["text/markdown", "text/markdown"]
    assert area.locator(".jupyter-widgets").count() == 0
    code, prose = area.locator("pre").all_inner_texts()
    assert "North grew" in prose
    assert prose.endswith("fastest ```")
    assert code == "Count\n# Count\nprint(1)\n<b>one</b>"
    assert area.get_by_text("was not finished").count() == 2
    assert not [url for url in notebook.requests if "trap" in url]


TABLES = """
turns:
  - - code: |
        import pandas as pd
        pd.DataFrame({"id": range(1000), "name": [f"n{i % 7}" for i in range(1000)]}).to_parquet(
            "/mnt/data/many.parquet"
        )
        pd.DataFrame({"who": ["a", "b", "c"], "sum": [9, 10, None]}).to_csv(
            "/mnt/data/few.csv", index=False
        )
    - text: "Saved."
"""


def test_a_table_is_sorted_filtered_and_copied_in_a_grid(open_notebook: Open, script):
    cells = [f"%load_ext aoai_magic\n%config AssistantMagics.model = {script(TABLES)!r}"]
    cells += ["%%assistant\nMake tables."]
    notebook = open_notebook(
        "grid.ipynb", saved.notebook(*(saved.code_cell(n, text) for n, text in enumerate(cells)))
    )
    notebook.run(0)
    notebook.run(1)
    page, grid = notebook.page, notebook.page.locator(".aoai-Grid")
    page.get_by_title("Show many.parquet as a grid").click()
    status = grid.get_by_role("status")
    expect(status).to_have_text("1,000 rows", timeout=60_000)
    grid.get_by_label("Filter rows").fill("n3")
    expect(status).to_have_text("143 of 1,000 rows", timeout=30_000)
    grid.get_by_label("Sort by").select_option("id")
    grid.get_by_role("button", name="Descending").click()
    grid.get_by_role("button", name="Copy").click()
    page.get_by_text("143 rows copied.").wait_for()
    copied = page.evaluate("() => navigator.clipboard.readText()").splitlines()
    assert (copied[:2], len(copied)) == (["id\tname", "997\tn3"], 144)
    assert labs.barriers(page, ".aoai-Grid") == []

    # Without a kernel what is saved is there still.
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.get_by_title("Show few.csv as a grid").click()
    expect(status).to_have_text("3 rows", timeout=30_000)
    grid.get_by_label("Sort by").select_option("sum")
    grid.get_by_role("button", name="Descending").click()
    grid.get_by_role("button", name="Copy").click()
    page.get_by_text("3 rows copied.", exact=True).wait_for()
    copied = page.evaluate("() => navigator.clipboard.readText()").splitlines()
    assert copied == ["who\tsum", "b\t10.0", "a\t9.0", "c\t"]
    page.get_by_title("Show many.parquet as a grid").click()
    page.get_by_text("The whole table is with the kernel").wait_for()


FIX = """
turns:
  - - text: "The key is a.\\n\\n```python\\nsales\\n{'a': 1}['a']\\n```\\n"
"""
FAILING = "sales\n{'a': 1}['b']  # @sales {{x}}"


def test_an_error_is_fixed_by_one_line_and_a_change_that_is_accepted(open_notebook: Open, script):
    model = f"%config AssistantMagics.model = {script(FIX)!r}"
    cells = [LOAD, FAILING, model]
    notebook = open_notebook(
        "ask.ipynb", saved.notebook(*(saved.code_cell(n, text) for n, text in enumerate(cells)))
    )
    activate(notebook, 1)
    assert not enabled(notebook, "fix")
    notebook.cell(1).get_by_title("Ask the assistant about this cell").click()
    notebook.page.wait_for_function(f"() => {NOTEBOOK}.widgets.length === 4")
    # The kernel has not run it, so that it is quoted.
    assert sources(notebook)[2].startswith("%%assistant --raw\n\n\nThe cell:")

    notebook.run(0)
    notebook.run(3)
    notebook.run(1)
    bar = notebook.cell(1).get_by_role("group", name="About this error")
    bar.get_by_role("button", name="Fix").click()
    changes = notebook.cell(1).get_by_role("group", name="Suggested change of this cell")
    changes.wait_for()
    assert sources(notebook)[2] == "%%assistant sales --about 3\nFix this error"
    for part in (".aoai-Changes", ".aoai-ErrorBar"):
        assert labs.barriers(notebook.page, part) == []
    changes.get_by_role("button", name="Reject").click()
    assert sources(notebook)[1] == FAILING
    action(notebook, "Show change").click()
    changes.get_by_role("button", name="Accept").click()
    assert sources(notebook)[1] == "sales\n{'a': 1}['a']"
    notebook.run(1)
    assert bar.count() == changes.count() == 0

    notebook.cell(2).locator(".aoai-Item", has_text="sales").first.hover()
    card = notebook.page.locator(".aoai-Card")
    card.wait_for()
    lines = card.inner_text().splitlines()
    assert (lines[0], lines[-1]) == ("sales: DataFrame, 2 × 2", "- revenue: float64")
    assert notebook.errors == []


def test_the_code_of_an_answer_is_inserted_and_runs_as_it_stands(open_notebook: Open):
    question = "%%assistant sales -o totals\nTotal revenue by region, as a bar chart"
    written = saved.notebook(
        saved.code_cell(0, LOAD.replace('"a", "b"', '"north", "south"')),
        saved.code_cell(1, question),
        saved.code_cell(2, ""),
    )
    notebook = open_notebook("carried.ipynb", written)
    notebook.run(0)
    notebook.run(1, timeout=120)
    activate(notebook, 1)
    action(notebook, "Insert code").click()
    notebook.page.wait_for_function(f"() => {NOTEBOOK}.widgets.length === 4")
    code = sources(notebook)[2]
    assert len(code.splitlines()) <= 4
    assert "/mnt/data" not in code
    notebook.run(2)
    notebook.cell(2).locator(".jp-OutputArea img").wait_for()
    notebook.cell(2).locator(".jp-OutputArea").get_by_text("region").first.wait_for()
    assert (
        notebook.cell(2).locator("[data-mime-type*=error], [data-mime-type*=stderr]").count() == 0
    )


def test_the_panel_shows_what_the_kernel_knows_and_attaches_it(open_notebook: Open):
    written = saved.notebook(saved.code_cell(0, LOAD), saved.code_cell(1, "%%aoai -o x\nWhy?"))
    notebook = open_notebook("panel.ipynb", written)
    panel = notebook.page.locator(".aoai-Panel")
    command(notebook, "show-panel")
    panel.get_by_text("run: %load_ext aoai_magic").wait_for()
    notebook.run(0)
    panel.get_by_text("DataFrame, 2 × 2").wait_for()
    assert panel.get_by_text("offline · code runs on this machine").is_visible()
    activate(notebook, 1)
    panel.get_by_title("Attach sales").click()
    panel.get_by_title("Attach sales").click()
    assert sources(notebook)[1] == "%%aoai -o x sales\nWhy?"
    activate(notebook, 0)
    panel.get_by_title("Attach sales").click()
    assert sources(notebook)[1] == "%%assistant sales\n"
    assert notebook.errors == []


def test_the_kernel_completes_what_a_prompt_can_name(open_notebook: Open):
    written = saved.notebook(saved.code_cell(0, LOAD), saved.code_cell(1, "%%assistant\nSee "))
    notebook = open_notebook("complete.ipynb", written)
    notebook.run(0)
    editor = notebook.cell(1).locator(".cm-content")
    editor.click()
    notebook.page.keyboard.press("Control+End")
    notebook.page.keyboard.type("@sal")
    notebook.page.keyboard.press("Tab")
    notebook.page.locator(".jp-Completer-item", has_text="@sales").wait_for()
    notebook.page.keyboard.press("Enter")
    assert sources(notebook)[1] == "%%assistant\nSee @sales"


def test_a_file_dragged_into_a_prompt_is_attached(open_notebook: Open, lab):
    (lab.root / "drag me.csv").write_text("a\n1\n")
    (lab.root / "drag.csv").write_text("a\n1\n")
    notebook = open_notebook("drag.ipynb", saved.notebook(saved.code_cell(0, "%%assistant\nSee")))
    place = notebook.cell(0).locator(".cm-line").nth(1).bounding_box()
    for name in ("drag.csv", "drag me.csv"):
        item = notebook.page.locator(".jp-DirListing-item", has_text=name)
        item.hover()
        notebook.page.mouse.down()
        notebook.page.mouse.move(place["x"] + 200, place["y"] + 5, steps=5)
        notebook.page.mouse.up()
    assert sources(notebook) == ["%%assistant '@drag me.csv'\nSee @drag.csv "]


def test_settings_are_obeyed(open_notebook: Open):
    outputs = saved.outputs(saved.turn())
    notebook = open_notebook("settings.ipynb", saved.notebook(saved.code_cell(0, PROMPT, outputs)))
    notebook.cell(0).locator(".aoai-Mark").wait_for()
    save = "text => window.jupyterapp.serviceManager.settings.save('aoai-magic:plugin', text)"
    notebook.page.evaluate(save, '{"mark": false, "hideCode": true}')
    notebook.page.reload()
    notebook.page.locator(".aoai-mod-prompt").wait_for()
    assert notebook.page.locator(".aoai-Mark").count() == 0
    assert not notebook.page.get_by_text("Worked 3.2 s · 2 steps").is_visible()
    notebook.page.evaluate(save, "{}")
