"""The extension in Notebook 7, which has neither status bar nor side panels."""

from __future__ import annotations

import pytest
from browser import lab as labs
from playwright.sync_api import BrowserContext, expect

from . import saved

pytest.importorskip("notebook", reason="needs Notebook 7: pip install notebook")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def test_prompts_and_answers_are_known_there_too(lab: labs.Lab, page_context: BrowserContext):
    answered = saved.code_cell(0, "%%assistant sales\nWhy?", saved.outputs(saved.turn()))
    lab.write("seven.ipynb", saved.notebook(answered))
    page = page_context.new_page()
    page.goto(f"{lab.url}/notebooks/seven.ipynb")
    page.locator(".aoai-Magic", has_text="%%assistant").wait_for()
    assert page.locator(".aoai-Mark").inner_text() == "local"
    page.locator(".aoai-Action", has_text="Continue").click()
    page.wait_for_function("() => document.querySelectorAll('.aoai-mod-prompt').length === 2")
    page.get_by_title("Show top.csv as a grid").click()
    expect(page.locator(".aoai-Grid").get_by_role("status")).to_have_text("1 row", timeout=30_000)
    canvas = page.locator(".aoai-Grid canvas").first.bounding_box()
    assert canvas["width"] > 200
    assert canvas["height"] > 40
    page.locator(".aoai-Action", has_text="Enlarge").click()
    page.get_by_role("dialog").get_by_role("img", name="revenue.png").wait_for()
