"""A turn in JupyterLab: while it runs, when it has ended, reopened, and under attack."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import expect

from aoai_magic.display.outputs import Bundle
from aoai_magic.display.saved.bundles import bundles
from aoai_magic.runner.turn import Turn
from aoai_magic.turn.view import View

from . import attacks
from . import lab as labs

sys.path.insert(0, str(Path(__file__).parents[1]))
from display import hostile

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

IMPORTS = """
import asyncio
from display import story
from aoai_magic.turn import events
from aoai_magic.display import open_screen
from aoai_magic.display.detect import kind_here
from aoai_magic.turn.view import fold
"""
# Shows the turn up to the event before the one given, and leaves it there.
UP_TO = (
    IMPORTS
    + """
screen = open_screen()
happened = story.turn()
view = story.final(happened[:{count}])
screen.show(view)
print(kind_here(), end='')
"""
)
FINISH = "screen.close(story.final(happened))"
STOP = (
    IMPORTS
    + """
stopped = asyncio.Event()
screen = open_screen(on_stop=stopped.set)
view = story.final(story.turn()[:9])
while not stopped.is_set():
    screen.show(view)
    await asyncio.sleep(0.05)
screen.close(fold(view, events.Finished('interrupted', 'stopped', 1.0)))
"""
)
CDN = "cdnjs.cloudflare.com"
RECORD = "application/vnd.aoai-magic.turn+json"
# JupyterLab draws pictures without their words; our extension, tested apart, adds them.
PLAIN_LAB = ("image-alt",)
STDOUT = "application/vnd.jupyter.stdout"
# Picture, text, table, files, the work in one fold, the last line.
FROZEN_KINDS = ["image/png", *["text/markdown"] * 5]


def test_a_turn_streams_and_is_frozen_in_place(open_notebook):
    notebook = open_notebook("live.ipynb", labs.make_notebook(UP_TO.format(count=21), FINISH))
    notebook.run(0)
    live = notebook.cell(0).locator(".jp-OutputArea")
    live.get_by_text("North grew fastest").wait_for()
    assert live.get_by_role("status").inner_text() == "Answering"
    work = notebook.outputs(0).first
    assert work.locator("summary", has_text="Monthly revenue by region").count() == 1
    assert work.get_by_text("region   North  South").count() == 1
    assert not work.get_by_text("region   North  South").is_visible()
    assert notebook.outputs(0).nth(3).locator(".widget-html").count() > 0
    assert notebook.outputs(0).last.inner_text() == "live"
    assert labs.barriers(notebook.page, ".jp-OutputArea", without=PLAIN_LAB) == []
    notebook.run(1)
    live.locator(".widget-html").wait_for(state="detached")
    kinds = notebook.kinds(0)
    assert [kind for kind in kinds if kind != STDOUT][:4] == FROZEN_KINDS[:4]
    assert live.locator(".jupyter-widgets").count() == 0
    assert labs.barriers(notebook.page, ".jp-OutputArea", without=PLAIN_LAB) == []
    assert notebook.errors == []


def test_a_turn_streams_and_is_frozen_in_notebook_7_too(lab, page_context):
    pytest.importorskip("notebook", reason="needs Notebook 7: pip install 'aoai-magic[test]'")
    lab.write("seven.ipynb", labs.make_notebook(UP_TO.format(count=21), FINISH))
    notebook = labs.open_notebook(page_context, lab, "seven.ipynb", app="notebooks")
    notebook.run(0)
    live = notebook.cell(0).locator(".jp-OutputArea").first
    live.get_by_text("North grew fastest").wait_for()
    assert live.get_by_role("status").inner_text() == "Answering"
    notebook.run(1)
    live.locator(".widget-html").first.wait_for(state="detached")
    live.locator("table td").first.wait_for()
    assert [kind for kind in notebook.kinds(0) if kind != STDOUT][:4] == FROZEN_KINDS[:4]
    assert live.locator(".jupyter-widgets").count() == 0
    live.locator("table td").get_by_text("A", exact=True).wait_for()
    assert live.locator("table td").all_inner_texts()[-2:] == ["A", "3"]
    assert labs.barriers(notebook.page, ".jp-OutputArea", without=PLAIN_LAB) == []


def test_what_is_saved_shows_everything_again_without_kernel_or_widgets(open_notebook, lab):
    cell = IMPORTS + (
        "screen = open_screen()\n"
        "for view in story.views(story.turn()): screen.show(view); await asyncio.sleep(0.02)\n"
        "screen.close(view)"
    )
    notebook = open_notebook("saved.ipynb", labs.make_notebook(cell))
    notebook.run(0)
    notebook.outputs(0).nth(5).wait_for()
    assert notebook.kinds(0) == FROZEN_KINDS
    notebook.save()
    saved = lab.read("saved.ipynb")
    assert "widgets" not in saved["metadata"]
    metadata = [output.get("metadata", {}) for output in saved["cells"][0]["outputs"]]
    assert all(set(one) <= {"alt"} for one in metadata)
    again = labs.open_notebook(notebook.page.context, lab, "saved.ipynb")
    assert_shows_the_story(again)
    # A changed output breaks the signature: now the notebook is not trusted.
    saved["cells"][0]["outputs"][0]["data"]["text/plain"] += "changed"
    lab.write("untrusted.ipynb", saved)
    untrusted = labs.open_notebook(notebook.page.context, lab, "untrusted.ipynb")
    assert_shows_the_story(untrusted)
    assert again.page.evaluate(TRUSTED) is True
    assert untrusted.page.evaluate(TRUSTED) is False


TRUSTED = "() => window.jupyterapp.shell.currentWidget.content.widgets[0].model.trusted"


def assert_shows_the_story(notebook):
    area = notebook.cell(0).locator(".jp-OutputArea").first
    area.locator("table").first.wait_for()
    assert notebook.kinds(0) == FROZEN_KINDS
    cells = ["North", "34 %", "South", "12 %", "A", "3"]
    assert area.locator("table td").all_inner_texts() == cells
    area.locator("mjx-container").wait_for()
    assert "from $1.2 to $1.6 million" in area.inner_text()
    assert area.locator("summary").first.inner_text().startswith("Worked 3.2 s · 2 steps")
    code, failed = area.locator("details > pre").last, area.locator("details details pre").nth(0)
    assert not code.is_visible()
    area.locator("summary").nth(0).click()
    assert "2026-10" in code.inner_text()
    assert "attempt 1 failed: KeyError: 'Month'" in area.locator("summary").nth(1).inner_text()
    assert not failed.is_visible()
    area.locator("summary").nth(1).click()
    assert "sales.groupby('Month')" in failed.inner_text()
    image = area.locator("img")
    assert image.evaluate("one => one.naturalWidth") == 240
    assert "_assistant.files['top.csv']" in area.inner_text()
    assert "model not found" not in area.inner_text()


def test_stop_is_heard_while_the_cell_runs(open_notebook):
    notebook = open_notebook("stop.ipynb", labs.make_notebook(STOP))
    notebook.start(0)
    button = notebook.cell(0).get_by_role("button", name="Stop")
    button.click()
    notebook.wait(0, timeout=20)
    area = notebook.cell(0).locator(".jp-OutputArea")
    area.get_by_text("Stopped.").last.wait_for()
    assert button.count() == 0


def test_interrupting_the_kernel_keeps_what_came(open_notebook):
    cell = IMPORTS + (
        "screen = open_screen()\nview = story.final(story.turn()[:9])\n"
        "try:\n    while True:\n        screen.show(view); await asyncio.sleep(0.05)\n"
        "finally:\n    screen.close(fold(view, events.Finished('interrupted', 'x', 1.0)))"
    )
    notebook = open_notebook("interrupt.ipynb", labs.make_notebook(cell))
    notebook.start(0)
    notebook.cell(0).get_by_text("Writing code").wait_for()
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
    notebook.wait(0, timeout=20)
    area = notebook.cell(0).locator(".jp-OutputArea")
    area.locator("summary", has_text="Worked").wait_for()
    assert area.locator(".jupyter-widgets").count() == 0


@pytest.mark.parametrize("app", ["lab", "notebooks"])
def test_nothing_hostile_comes_alive_live_or_frozen(lab, page_context, app):
    if app == "notebooks":
        pytest.importorskip("notebook", reason="needs Notebook 7: pip install 'aoai-magic[test]'")
    name = f"hostile-{app}.ipynb"
    lab.write(name, labs.make_notebook(attacks.OPEN, attacks.CLOSE))
    notebook = labs.open_notebook(page_context, lab, name, app=app)
    for view in hostile.views():
        assert_harmless(notebook, view)
    assert attacks.outward(notebook.requests, lab.url) == []
    notebook.save()
    assert_nothing_saved_that_runs(lab.read(name))


def assert_harmless(notebook, view):
    area = notebook.cell(0).locator(".jp-OutputArea").first
    notebook.start(0)
    area.get_by_text(view.parts[-1].text, exact=True).wait_for()
    expect(area.locator(".jp-OutputArea-output button")).to_have_count(1)
    # JupyterLab gives headings an anchor of their own.
    assert attacks.alive(notebook.page, ".jp-OutputArea-output", own_links=("#",)) == []
    notebook.start(1)
    expect(area.locator(".jp-OutputArea-output button")).to_have_count(0, timeout=30_000)
    # Formulas are drawn last, and what draws them could fetch things too.
    area.locator("mjx-container").first.wait_for()
    notebook.page.wait_for_load_state("networkidle")
    area.locator("summary").evaluate_all("all => all.forEach(one => one.click())")
    assert attacks.alive(notebook.page, ".jp-OutputArea-output", own_links=("#",)) == []


def evil() -> View:
    turns = hostile.views()
    return replace(turns[0], parts=tuple(part for view in turns for part in view.parts))


def test_nothing_hostile_comes_alive_in_a_turn_saved_as_a_page(page_context, tmp_path):
    (page_file, *_) = Turn(evil()).save(tmp_path / "page.html")
    page, asked = page_context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    page.wait_for_load_state("networkidle")
    page.locator("summary").evaluate_all("all => all.forEach(one => one.click())")
    assert page.evaluate("() => window.pwned") is None
    assert asked == [page_file.as_uri()]
    assert page.locator("table").count() > 0
    assert page.locator("script, iframe, form, object, embed, svg, link").count() == 0
    assert page.locator("img").get_attribute("src").startswith("data:image/svg+xml;base64,")
    assert labs.barriers(page, "main") == []


def test_nothing_hostile_comes_alive_in_an_exported_page(page_context, tmp_path):
    view = evil()
    outputs = [
        nbformat.v4.new_output("display_data", output.data)
        for output in bundles(view)
        if isinstance(output, Bundle)
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=outputs)])
    page_file = tmp_path / "page.html"
    page_file.write_text(HTMLExporter().from_notebook_node(notebook)[0], "utf-8")
    page, asked = page_context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    # nbconvert's own page fetches MathJax and others from a CDN; nothing is let out here.
    page.route("http*://**", lambda route: route.abort())
    page.goto(page_file.as_uri())
    page.wait_for_load_state("networkidle")
    assert page.evaluate("() => window.pwned") is None
    assert page.locator(".jp-OutputArea-output").count() == len(outputs)
    assert [url for url in asked if "127.0.0.1" in url or "example" in url] == []
    assert {url.split("/")[2] for url in asked if url.startswith("http")} <= {CDN}
    area = page.locator(".jp-OutputArea")
    assert area.locator("script, iframe, form, object, embed, style, svg").count() == 0
    assert area.locator("img").get_attribute("src").startswith("data:image/svg+xml;base64,")


def assert_nothing_saved_that_runs(saved):
    outputs = [output for cell in saved["cells"] for output in cell["outputs"]]
    shown = [
        (kind, data)
        for output in outputs
        for kind, data in output.get("data", {"stream": output.get("text")}).items()
    ]
    assert shown
    assert "text/html" not in {kind for kind, data in shown}
    # The record beside the last line is data, and keeps what was said as it was.
    assert not [data for kind, data in shown if kind != RECORD and "\\u001b]" in json.dumps(data)]
