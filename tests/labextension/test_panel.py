"""What the panel and an answer's buttons do with an engine, by mouse and by keyboard."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import lab as labs
from playwright.sync_api import expect

from aoai_magic.backends.local_engine import start

from . import saved
from .test_lab import NOTEBOOK, action, activate, command, sources

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SCRIPT = """
turns:
  - - code: "import pandas as pd\\nsales['nothing']"
    - code: |
        import pandas as pd
        totals = pd.read_feather("/mnt/data/sales.arrow").groupby("region").sum()
    - code: |
        import pandas as pd
        totals.to_csv("/mnt/data/out.csv")
    - text: "South has **7**; see [the table](sandbox:/mnt/data/out.csv)."
      usage: {prompt_tokens: 1500, completion_tokens: 240, cached_tokens: 200}
  - - text: "It sold more."
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
PROMPT = "%%assistant sales -t review\nSum the revenue."
Open = Callable[[str, dict[str, Any]], labs.Notebook]


@pytest.fixture
def engine(tmp_path_factory):
    """An engine of the test's own: the panel lists all that an engine holds."""
    running = start(tmp_path_factory.mktemp("engine"), "local", os.environ)
    yield running
    running.stop()


def ready(open_notebook: Open, engine, script, name: str) -> labs.Notebook:
    load = LOAD.format(token=engine.token, url=engine.url, model=script(SCRIPT))
    texts = (load, PROMPT, "%%aoai\nWhy?")
    cells = [saved.code_cell(number, text) for number, text in enumerate(texts)]
    notebook = open_notebook(name, saved.notebook(*cells))
    notebook.run(0)
    notebook.run(1)
    command(notebook, "show-panel")
    notebook.page.locator(".aoai-Panel").get_by_text("out.csv").first.wait_for()
    return notebook


def test_the_panel_manages_remote_resources(open_notebook: Open, engine, script):
    notebook = ready(open_notebook, engine, script, "far.ipynb")
    page, panel = notebook.page, notebook.page.locator(".aoai-Panel")
    assert "This notebook: 1 turn · 1,740 tokens" in panel.inner_text()
    assert re.search(r"session \d.* MB · expires in \d+ min", panel.inner_text())
    assert not re.search(r"thread_|file-|sess", panel.inner_text().replace("session ", ""))
    # Other notebooks of this data directory may have sent some, too.
    panel.get_by_text(re.compile(r"^\d+ uploaded files?$")).click()
    with page.expect_download() as downloaded:
        panel.get_by_title("Download out.csv").first.click()
    assert Path(downloaded.value.path()).read_bytes() == b"region,revenue\nNorth,3\nSouth,7\n"

    # By keyboard; the focus stays where it was though everything is drawn anew.
    close = panel.get_by_role("button", name="Close the session of review")
    close.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Close the session?")
    dialog.wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    refresh = panel.get_by_role("button", name="Refresh")
    refresh.focus()
    page.keyboard.press("Enter")
    expect(refresh).to_be_focused()
    close.click()
    dialog.get_by_role("button", name="Close", exact=True).click()
    panel.get_by_text("expires in").wait_for(state="detached")

    panel.get_by_title("Delete the file sales").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    panel.get_by_title("Delete the file sales").wait_for(state="detached")

    activate(notebook, 2)
    panel.get_by_title("Continue in review", exact=True).click()
    assert sources(notebook)[2] == "%%aoai -t review\nWhy?"
    panel.get_by_title("Delete the conversation review", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    panel.get_by_text("No conversation yet.").wait_for()
    assert notebook.errors == []


def test_an_answer_is_forked_and_its_code_runs(open_notebook: Open, engine, script, lab):
    notebook = ready(open_notebook, engine, script, "fork.ipynb")
    page, panel = notebook.page, notebook.page.locator(".aoai-Panel")
    action(notebook, "Fork").click()
    page.wait_for_function(f"() => {NOTEBOOK}.widgets.length === 4")
    page.keyboard.type("And why?")
    assert sources(notebook)[2] == "%%assistant -t review-2\nAnd why?"
    panel.get_by_title("Continue in review-2").wait_for()
    notebook.run(2)
    notebook.cell(2).get_by_text("It sold more.").wait_for()

    action(notebook, "Insert code").click()
    page.wait_for_function(f"() => {NOTEBOOK}.widgets.length === 5")
    code = sources(notebook)[2]
    assert "import" not in code
    assert "nothing" not in code
    (lab.root / "out.csv").unlink(missing_ok=True)
    notebook.run(2)
    assert (lab.root / "out.csv").read_text() == "region,revenue\nNorth,3\nSouth,7\n"
    assert notebook.outputs(2).count() == 0  # no error

    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
        page.evaluate(change, theme)
        page.wait_for_function("name => document.body.dataset.jpThemeName === name", arg=theme)
        for part in (".aoai-Panel", ".aoai-Turn", ".aoai-mod-prompt .jp-InputArea", ".aoai-Status"):
            assert labs.barriers(page, part) == [], (theme, part)


def test_data_leaves_only_when_the_user_says_so(open_notebook: Open, lab, page_context):
    load = "%load_ext aoai_magic\nimport os\nos.environ['AOAI_MAGIC_TOKEN'] = 'x'\nsales = [[1]]"
    prompt = "%%assistant --on http://engine.invalid sales\nWhy?"
    cells = [saved.code_cell(0, load), saved.code_cell(1, prompt)]
    first = open_notebook("confirm.ipynb", saved.notebook(*cells))
    save = "text => window.jupyterapp.serviceManager.settings.save('aoai-magic:plugin', text)"
    first.page.evaluate(save, '{"confirmUpload": true}')
    try:
        notebook = labs.open_notebook(page_context, lab, "confirm.ipynb")
        notebook.run(0)
        notebook.start(1)
        notebook.cell(1).get_by_text(
            re.compile(r"engine at http://engine.invalid\b.*\[y/N\]")
        ).wait_for()
        notebook.page.keyboard.type("n")
        notebook.page.keyboard.press("Enter")
        notebook.cell(1).get_by_text("Nothing was sent, because the answer was not y").wait_for()
    finally:
        notebook.page.evaluate(save, "{}")
