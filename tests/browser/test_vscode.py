"""A turn drawn by what VS Code draws widgets with."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from . import attacks
from . import lab as labs
from .test_display import IMPORTS, hostile

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

HERE = Path(__file__).parent
PACKED = HERE.parents[1] / "labextension/node_modules/.vscode"
LIVE = (
    IMPORTS
    + """
stopped = asyncio.Event()
screen = open_screen(on_stop=stopped.set)
happened = story.turn()
view = story.final(happened[:20])
screen.show(view)
"""
)
OPEN_WIDE = (
    IMPORTS
    + """
from display import everyone
screen = open_screen(on_stop=print)
screen.show(everyone.VIEW)
"""
)
CLOSE_WIDE = "screen.close(everyone.VIEW)"
# Of the themes "Dark Modern" and "Light Modern".
THEMES = {
    "dark": {
        "editor-background": "#1f1f1f",
        "editor-foreground": "#cccccc",
        "descriptionForeground": "#9d9d9d",
        "textCodeBlock-background": "#2b2b2b",
        "textLink-foreground": "#4daafc",
        "button-secondaryForeground": "#cccccc",
        "button-secondaryBackground": "#313131",
        "panel-border": "#2b2b2b",
        "symbolIcon-keywordForeground": "#cccccc",
        "symbolIcon-functionForeground": "#b180d7",
        "debugTokenExpression-string": "#ce9178",
        "debugTokenExpression-number": "#b5cea8",
    },
    "light": {
        "editor-background": "#ffffff",
        "editor-foreground": "#3b3b3b",
        "descriptionForeground": "#3b3b3b",
        "textCodeBlock-background": "#f8f8f8",
        "textLink-foreground": "#005fb8",
        "button-secondaryForeground": "#3b3b3b",
        "button-secondaryBackground": "#e5e5e5",
        "panel-border": "#e5e5e5",
        "symbolIcon-keywordForeground": "#3b3b3b",
        "symbolIcon-functionForeground": "#652d90",
        "debugTokenExpression-string": "#a31515",
        "debugTokenExpression-number": "#098658",
    },
}
STOP = "await asyncio.wait_for(stopped.wait(), 60)"
CLOSE = "screen.close(story.final(happened))"


def unpacked(pattern: str, member: str) -> str:
    """One file of an npm package."""
    found = sorted(PACKED.glob(pattern))
    if not found:
        pytest.skip("needs VS Code's widgets: scripts/frontend fetches them")
    with tarfile.open(found[0]) as archive:
        file = archive.extractfile(member)
        assert file is not None
        return file.read().decode("utf-8")


@pytest.fixture(scope="module")
def vscode(lab, browser):
    """A page with VS Code's widget manager and a kernel; ``runCell`` runs code in it."""
    page_context = browser.new_context(viewport={"width": 1200, "height": 900})
    parts = {
        "widgets": unpacked("vscode-jupyter-ipywidgets8-*.tgz", "package/dist/ipywidgets.js"),
        "require": unpacked("requirejs-*.tgz", "package/require.js"),
    }
    lab.write("vscode.ipynb", labs.make_notebook("1"))
    notebook = labs.open_notebook(page_context, lab, "vscode.ipynb")
    notebook.problems = notebook.page.evaluate_handle((HERE / "vscode.js").read_text(), parts)
    notebook.requests.clear()
    yield notebook
    notebook.page.evaluate("() => window.endVSCode()")
    page_context.close()


def run(notebook, code):
    assert notebook.page.evaluate("code => window.runCell(code)", code) == "ok"


def test_vs_code_draws_a_turn_live_hears_stop_and_keeps_every_part(vscode, lab):
    page = vscode.page
    run(vscode, LIVE)
    outputs = page.locator("#vscode .output")
    page.get_by_text("North grew fastest").wait_for()
    assert page.get_by_role("status").inner_text() == "Answering"
    page.evaluate("code => void (window.waits = window.runCell(code))", STOP)
    page.get_by_role("button", name="Stop").click()
    assert page.evaluate("() => window.waits") == "ok"

    run(vscode, CLOSE)
    page.locator("#vscode .widget-html").first.wait_for(state="detached")
    kinds = outputs.evaluate_all("all => all.map(one => one.dataset.kind || 'stream')")
    assert kinds == ["image/png", *["text/markdown"] * 5]
    assert "North grew fastest" in outputs.nth(1).inner_text()
    assert "customer" in outputs.nth(2).inner_text()
    assert "top.csv" in outputs.nth(3).inner_text()
    assert "Worked 3.2 s · 2 steps" in outputs.nth(4).inner_text()
    assert "gpt-4o" in outputs.nth(5).inner_text()
    assert vscode.problems.evaluate("read => read()") == []
    assert attacks.outward(vscode.requests, lab.url) == []


def test_a_live_turn_takes_the_colours_of_the_theme(vscode):
    page = vscode.page
    page.evaluate("() => document.getElementById('vscode').replaceChildren()")
    run(vscode, OPEN_WIDE)
    page.get_by_text("日本語").wait_for()
    page.get_by_role("button", name="Stop").wait_for()
    for theme in THEMES.values():
        page.evaluate("theme => window.setTheme(theme)", theme)
        assert labs.barriers(page, "#vscode") == []
    run(vscode, CLOSE_WIDE)


def test_nothing_hostile_comes_alive_there(vscode, lab):
    page = vscode.page
    for view in hostile.views():
        page.evaluate("() => document.getElementById('vscode').replaceChildren()")
        run(vscode, attacks.OPEN)
        page.get_by_text(view.parts[-1].text, exact=True).wait_for()
        expect(page.get_by_role("button")).to_have_count(1)
        assert attacks.alive(page, "#vscode .output") == []
        run(vscode, attacks.CLOSE)
        # What takes their place is text alone: VS Code's own Markdown is not drawn here.
        expect(page.locator("#vscode .output *")).to_have_count(0)
    assert vscode.problems.evaluate("read => read()") == []
    assert attacks.outward(vscode.requests, lab.url) == []
