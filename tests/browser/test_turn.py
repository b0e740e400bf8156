"""The product in JupyterLab: a cell is asked, streams, ends, is stopped, and is saved."""

from __future__ import annotations

import pytest

from . import lab as labs

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

SCRIPT = """
turns:
  - when: (?i)plot
    replies:
      - text: "I look at **sales** first."
        code: |
          # Revenue by region
          import time
          print("step one", flush=True)
          time.sleep(4)
          ax = sales.groupby("region")["revenue"].sum().plot.bar()
          sales.to_csv("/mnt/data/out.csv", index=False)
      - text: "South has **7**; see [the table](sandbox:/mnt/data/out.csv)."
  - when: (?i)for ever
    replies:
      - code: |
          # Count for ever
          import time
          print("counting", flush=True)
          time.sleep(300)
      - text: never
"""
LOAD = """
import os
os.environ["AOAI_MAGIC_TOKEN"] = {token!r}
%load_ext aoai_magic
%config AssistantMagics.target = {url!r}
%config AssistantMagics.model = {model!r}
import pandas as pd
sales = pd.DataFrame({{"region": ["North", "South"] * 2, "revenue": [1, 3, 2, 4]}})
"""


def test_a_turn_streams_is_frozen_and_saved(engine, script, lab, open_notebook):
    load = LOAD.format(token=engine.token, url=engine.url, model=script(SCRIPT))
    cells = (load, "%%assistant sales -o out\nPlot revenue by region.", "out.shape")
    notebook = open_notebook("turn.ipynb", labs.make_notebook(*cells))
    notebook.run(0)
    notebook.start(1)
    # Live: what the code has printed stands there while it still runs, beside a Stop button.
    notebook.cell(1).get_by_text("step one", exact=True).wait_for()
    assert notebook.cell(1).get_by_role("button", name="Stop").is_visible()
    notebook.wait(1)
    notebook.run(2)
    assert notebook.cell(1).get_by_role("button", name="Stop").count() == 0
    assert notebook.cell(1).locator("img").count() == 1
    assert "(4, 2)" in notebook.outputs(2).inner_text()

    notebook.save()
    saved = lab.read("turn.ipynb")
    kinds = [set(output.get("data", {})) for output in saved["cells"][1]["outputs"]]
    assert not any("application/vnd.jupyter.widget-view+json" in kind for kind in kinds)
    assert "widgets" not in saved["metadata"]
    assert any("image/png" in kind for kind in kinds)
    assert engine.token not in str(saved["cells"][1:])

    notebook.page.reload()
    notebook.page.get_by_text("South has").wait_for()
    assert notebook.cell(1).locator("img").count() == 1
    assert notebook.errors == []


def test_stop_ends_the_turn_and_keeps_what_came(engine, script, open_notebook):
    load = LOAD.format(token=engine.token, url=engine.url, model=script(SCRIPT))
    cells = (load, "%%assistant\nCount for ever", "print(_assistant.status, _assistant.logs)")
    notebook = open_notebook("stop.ipynb", labs.make_notebook(*cells))
    notebook.run(0)
    notebook.start(1)
    notebook.cell(1).get_by_text("counting", exact=True).wait_for()
    notebook.cell(1).get_by_role("button", name="Stop").click()
    notebook.wait(1, timeout=5)
    notebook.run(2)
    said = notebook.cell(1).locator(".jp-OutputArea").inner_text()
    assert said.count("Stopped.") == 1
    assert "Interrupted" not in said
    assert notebook.cell(1).locator("[data-mime-type*=stderr]").count() == 0
    assert notebook.outputs(2).inner_text().split() == ["interrupted", "counting"]


INTERRUPT = "() => window.jupyterapp.commands.execute('notebook:interrupt-kernel')"


def test_a_page_reloaded_in_the_middle_can_stop_the_turn_and_gets_it_back(
    engine, script, open_notebook
):
    load = LOAD.format(token=engine.token, url=engine.url, model=script(SCRIPT))
    ask = "%%assistant\nCount for ever"
    notebook = open_notebook("reload.ipynb", labs.make_notebook(load, ask, "%assistant show", ask))
    notebook.run(0)
    notebook.start(1)
    notebook.cell(1).get_by_text("counting", exact=True).wait_for()
    # With the notebook saved, its file holds a part that was never finished.
    notebook.save()
    notebook.reload()
    notebook.cell(1).get_by_role("button", name="Stop").click()
    notebook.free()
    assert_shown_again(notebook)
    # Without, the page has lost the button, and the kernel can still be interrupted.
    notebook.start(3)
    notebook.cell(3).get_by_text("counting", exact=True).wait_for()
    notebook.reload()
    notebook.page.evaluate(INTERRUPT)
    notebook.free()
    assert_shown_again(notebook)


def assert_shown_again(notebook):
    notebook.run(2)
    shown = notebook.cell(2).locator(".jp-OutputArea")
    shown.get_by_text("Stopped.", exact=True).wait_for()
    shown.locator("summary").evaluate_all("all => all.forEach(one => one.click())")
    assert shown.get_by_text("counting", exact=True).is_visible()
    assert shown.locator(".jupyter-widgets").count() == 0
