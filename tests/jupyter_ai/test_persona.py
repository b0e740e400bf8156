"""The persona in a chat of JupyterLab, asked about a frame that a notebook shares."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from browser import lab as labs

pytestmark = [pytest.mark.jupyter_ai, pytest.mark.browser, pytest.mark.timeout(300)]

HOSTILE = "<script>stolen = 1</script> <img src=x onerror='stolen = 1'> ![x](http://127.0.0.1:9/x)"
SCRIPT = f"""
turns:
  - when: sales
    replies:
      - text: Let me look.
        code: |
          ax = sales.plot.bar(x='month', y='amount', title='Sales by month')
          sales[sales.amount > 3].to_csv('/mnt/data/best.csv', index=False)
      - text: "The best month was **March**. {HOSTILE}"
  - when: wait
    replies:
      - code: "import time\\ntime.sleep(200)"
      - text: It is over.
"""
SHARE = """%load_ext aoai_magic
import pandas
sales = pandas.DataFrame({'month': ['January', 'February', 'March'], 'amount': [3, 4, 9]})
%assistant share sales"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    home, root = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("root")
    script = home / "script.yaml"
    script.write_text(SCRIPT)
    (home / "config").mkdir()
    without = {"ServerApp": {"jpserver_extensions": {"jupyter_server_mcp": False}}}
    (home / "config/jupyter_server_config.json").write_text(json.dumps(without))
    env = {"AOAI_MAGIC_MODEL": f"scripted:{script}", "AOAI_MAGIC_LANG": "en"}
    with labs.open_lab(root, home, env) as lab:
        yield lab


@pytest.fixture
def page(lab, browser):
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{lab.url}/lab?reset")
    yield page
    context.close()


def ask(page, text):
    box = page.locator("textarea.MuiInputBase-input:not([readonly])").last
    box.fill(text)
    box.press("Enter")


def test_a_shared_frame_is_answered_about_in_a_chat(lab, page):
    page.locator(".jp-LauncherCard", has_text="Python 3").first.click()
    cell = page.locator(".jp-Notebook .jp-InputArea .cm-content").first
    cell.click()
    page.wait_for_function(labs._CONNECTED)
    page.keyboard.insert_text(SHARE)
    page.keyboard.press("Shift+Enter")
    page.get_by_text("Shared with your own MCP clients").wait_for()
    page.locator('[data-command="launcher:create"]').first.click()
    page.locator(".jp-LauncherCard", has_text="Chat").first.click()
    page.locator(".jp-chat-input-container", has_text="aoai-magic").wait_for()
    ask(page, "Which month of sales was best?")
    answer = page.locator(".jp-chat-message-container", has_text="March")
    answer.locator("summary", has_text="Worked").wait_for()
    assert "The best month was March. <script>" in answer.last.inner_text()
    assert page.evaluate("typeof stolen") == "undefined"
    assert answer.locator("img[src^=http]:not([src*=avatars])").count() == 0
    page.locator("img[src^='data:image/png']").wait_for()
    (folder,) = lab.root.glob("*_files/1")
    assert (folder / "best.csv").read_text() == "month,amount\nFebruary,4\nMarch,9\n"

    ask(page, "Please wait")
    page.get_by_text(re.compile("is running Python")).wait_for()
    page.locator(".jp-chat-stop-button, [aria-label*=Stop], [title*=Stop]").last.click()
    page.locator(".jp-chat-message-container", has_text="Stopped.").wait_for()
    assert not (folder.parent / "2").exists()


def test_the_magic_alone_imports_nothing_of_jupyter_ai():
    code = (
        "import sys; from IPython.testing.globalipapp import start_ipython; "
        "start_ipython().run_line_magic('load_ext', 'aoai_magic'); "
        "print([name for name in sys.modules if name.startswith(('jupyter_ai', 'jupyterlab'))])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip().endswith("[]")
