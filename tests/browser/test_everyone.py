"""For those who cannot see or point well, read from the right, or have a narrow column."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from . import lab as labs
from .test_display import IMPORTS, PLAIN_LAB

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

# Runs until it is stopped, and draws all the time.
RUN = (
    IMPORTS
    + """
from dataclasses import replace
from display import everyone
stopped = asyncio.Event()
screen = open_screen(on_stop=stopped.set)
while not stopped.is_set():
    screen.show(everyone.VIEW)
    await asyncio.sleep(0.05)
screen.close(replace(everyone.VIEW, status='interrupted', seconds=1.0))
"""
)
OUTPUT = ".jp-OutputArea-output"
# What is cut off at the right, where nothing scrolls; MathJax's form for screen readers is meant
# to be.
CUT_OFF = """selector => [...document.querySelectorAll(`${selector} *`)].filter(one => {
  if (one.closest('mjx-assistive-mml')) return false;
  const { right, width } = one.getBoundingClientRect();
  for (let up = one.parentElement; width && up; up = up.parentElement) {
    const overflow = getComputedStyle(up).overflowX;
    if (overflow === 'auto' || overflow === 'scroll') return false;
    if (overflow !== 'visible' && right > up.getBoundingClientRect().right + 1) return true;
  }
  return right > innerWidth + 1;
}).map(one => one.outerHTML.slice(0, 200))"""
# How often an East Asian text breaks, and how often before what may not begin a line.
BREAKS = """paragraph => {
  const node = document.createTreeWalker(paragraph, NodeFilter.SHOW_TEXT).nextNode();
  const place = at => {
    const range = document.createRange();
    range.setStart(node, at);
    range.setEnd(node, at + 1);
    return range.getBoundingClientRect();
  };
  const begins = at => at && place(at).top > place(at - 1).top + 2;
  const starts = [...node.data].map((_, at) => at).filter(begins);
  return [starts.length, starts.filter(at => '、。」'.includes(node.data[at])).length];
}"""
THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"


def barriers(notebook):
    return labs.barriers(notebook.page, ".jp-OutputArea", without=PLAIN_LAB)


def dark(page):
    """Change to the dark theme and wait until it is drawn."""
    page.evaluate(THEME, "JupyterLab Dark")
    page.wait_for_function(
        "() => document.body.dataset.jpThemeLight === 'false' && "
        "getComputedStyle(document.body).getPropertyValue('--jp-layout-color0').trim() !== 'white'"
    )


def narrow(page):
    """Make the page as wide as a phone, without JupyterLab's list of files."""
    page.evaluate("() => window.jupyterapp.shell.collapseLeft?.()")
    page.set_viewport_size({"width": 360, "height": 900})
    page.wait_for_function(
        "selector => document.querySelector(selector)?.clientWidth < 360", arg=OUTPUT
    )


@pytest.mark.parametrize(("app", "key"), [("lab", "Enter"), ("notebooks", "Space")])
def test_a_turn_is_for_everyone_live_and_frozen(lab, page_context, app, key):
    if app == "notebooks":
        pytest.importorskip("notebook", reason="needs Notebook 7: pip install 'aoai-magic[test]'")
    name = f"everyone-{app}.ipynb"
    lab.write(name, labs.make_notebook(RUN))
    notebook = labs.open_notebook(page_context, lab, name, app=app)
    page, area = notebook.page, notebook.cell(0).locator(".jp-OutputArea").first
    notebook.start(0)
    area.get_by_text("日本語").wait_for()
    area.get_by_role("button", name="Stop").wait_for()

    assert barriers(notebook) == []
    # Nothing moves, so nobody has to ask for less motion.
    assert area.evaluate("one => one.getAnimations({ subtree: true }).length") == 0
    assert direction(area) == "rtl"
    page.emulate_media(forced_colors="active")
    button = area.get_by_role("button", name="Stop")
    assert button.evaluate("one => getComputedStyle(one).borderTopStyle") == "solid"
    page.emulate_media(forced_colors="none")
    dark(page)
    assert barriers(notebook) == []
    narrow(page)
    assert_fits(page, area)

    assert_speaks(area)
    stop_with_the_keyboard(page, button, area, key)
    notebook.wait(0)
    expect(area.locator(".jupyter-widgets")).to_have_count(0)
    area.locator("mjx-container").wait_for()
    assert direction(area) == "rtl"
    assert_fits(page, area)
    open_with_the_keyboard(page, area, key)
    page.set_viewport_size({"width": 1200, "height": 900})
    assert barriers(notebook) == []
    page.evaluate(THEME, "JupyterLab Light")


def direction(area):
    """Which way the heading, the list and the quotation read."""
    blocks = area.locator("h2, ul:has(> li:not(:has(code))), blockquote")
    ways = blocks.evaluate_all("all => all.map(one => getComputedStyle(one).direction)")
    return set(ways[:3]).pop() if len(set(ways[:3])) == 1 else ways


def assert_fits(page, area):
    """Nothing is cut off, and the page does not scroll to the side."""
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(CUT_OFF, OUTPUT) == []
    breaks, bad = area.locator("p", has_text="日本語").evaluate(BREAKS)
    assert breaks > 2
    assert bad == 0


def assert_speaks(area):
    """What goes on is said politely, and not again with each tick of the clock."""
    status = area.get_by_role("status")
    assert status.inner_text() == "Running the code"
    assert area.locator("[aria-live=assertive], [role=alert], [role=log]").count() == 0
    clock = area.locator(".aoai-clock")
    assert clock.get_attribute("aria-hidden") == "true"
    assert status.locator(".aoai-clock").count() == 0


def stop_with_the_keyboard(page, button, area, key):
    """Walk back to the button above, stay there while the clock ticks, and press it."""
    area.locator("a[href]").first.focus()
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        if button.evaluate("one => one === document.activeElement"):
            break
    expect(button).to_be_focused()
    before = area.locator(".aoai-clock").inner_text()
    expect(area.locator(".aoai-clock")).not_to_have_text(before)
    expect(button).to_be_focused()
    page.keyboard.press(key)


def open_with_the_keyboard(page, area, key):
    summary = area.locator("summary").first
    summary.focus()
    page.keyboard.press(key)
    expect(area.locator("details").first).to_have_attribute("open", "")
