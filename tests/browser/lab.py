"""JupyterLab on the loopback interface and Chromium, for tests that look at the page."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# The page is ready when the kernel answers: before that a run is ignored without a word,
# though the indicator says "idle" already.
_CONNECTED = """() => {
  const session = window.jupyterapp?.shell?.currentWidget?.sessionContext;
  const kernel = session?.session?.kernel;
  return session?.isReady && kernel?.connectionStatus === 'connected'
}"""

_FREE = """async () => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  let reply;
  do {
    reply = await kernel.requestExecute({ code: '', silent: true }).done;
  } while (reply.content.status !== 'ok');
}"""


def chromium() -> str | None:
    """The path of an installed Chromium, if there is one."""
    return next((path for name in ("chromium", "chromium-browser", "google-chrome")
                 if (path := shutil.which(name))), None)  # fmt: skip


@dataclass
class Lab:
    """A running server; ``root`` is the folder that it serves."""

    url: str
    root: Path

    def write(self, name: str, notebook: Mapping[str, Any]) -> None:
        """Put a notebook into the served folder."""
        (self.root / name).write_text(json.dumps(notebook), "utf-8")

    def read(self, name: str) -> dict[str, Any]:
        """Read a notebook as it was saved."""
        return json.loads((self.root / name).read_text("utf-8"))


@contextlib.contextmanager
def open_lab(root: Path, home: Path, env: Mapping[str, str] | None = None) -> Iterator[Lab]:
    """Start JupyterLab; ``home`` keeps its signatures, so that trust survives a restart."""
    port = _free_port()
    _write_settings(home)
    log = home / "lab.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            _command(port, root), stdout=out, stderr=out, env=_environment(home, env or {})
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, log)
        yield Lab(url, root)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            # It waits for kernels that are still starting; they end when it is gone.
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _write_settings(home: Path) -> None:
    plugin = home / "settings/@jupyterlab/apputils-extension"
    plugin.mkdir(parents=True, exist_ok=True)
    news = {"fetchNews": "false", "checkForUpdates": False}
    (plugin / "notification.jupyterlab-settings").write_text(json.dumps(news))


def _command(port: int, root: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *(f"--port={port}", "--ip=127.0.0.1", "--ServerApp.port_retries=0"),
        *("--IdentityProvider.token=", "--ServerApp.password="),
        "--ServerApp.disable_check_xsrf=True",
        f"--ServerApp.root_dir={root}",
        "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True",
        "--LabApp.news_url=None",
    ]


def _environment(home: Path, env: Mapping[str, str]) -> dict[str, str]:
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
        # A server that outlives a test is started without the home of that test.
        "AOAI_MAGIC_HOME": "assistant",
    }
    own = {name: str(home / folder) for name, folder in folders.items()}
    return {**os.environ, **own, **env}


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"{url}/api/status", timeout=5).close()
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start: {log.read_text()[-2000:]}")


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Chromium without a window."""
    path = chromium()
    assert path is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Notebook:
    """A notebook that is open in the page.

    Attributes
    ----------
    requests
        Every address that the page asked for, or tried to.
    errors
        What the page's console called an error.
    """

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def cell(self, number: int) -> Locator:
        """The cell at that place, counted from 0."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def outputs(self, number: int) -> Locator:
        """The outputs of a cell, each one element."""
        return self.cell(number).locator(".jp-OutputArea-child .jp-OutputArea-output")

    def start(self, number: int) -> None:
        """Run a cell, and do not wait for it."""
        self.cell(number).locator(".jp-InputArea .cm-content").click()
        # Shift+Enter in the last cell makes another, which takes the keyboard once it is drawn.
        self.page.keyboard.press("Control+Enter")

    def run(self, number: int, timeout: float = 60) -> None:
        """Run a cell until it is over."""
        self.start(number)
        self.wait(number, timeout)

    def wait(self, number: int, timeout: float = 60) -> None:
        """Wait until a cell is over."""
        prompt = self.cell(number).locator(".jp-InputPrompt")
        self.page.wait_for_function(
            "prompt => /\\[\\d+\\]/.test(prompt.textContent)",
            arg=prompt.element_handle(),
            timeout=timeout * 1000,
        )

    def save(self) -> None:
        """Save the notebook and wait until it is written."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")

    def reload(self) -> None:
        """Load the page again and wait until it has the kernel back, which may be busy."""
        self.page.reload()
        self.connect()

    def connect(self) -> None:
        """Wait until the page has a kernel."""
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        self.page.wait_for_function(_CONNECTED, timeout=60_000)

    def ready(self) -> None:
        """Wait until the kernel answers."""
        self.connect()
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.info"
        )

    def free(self) -> None:
        """Wait until nothing runs; what waits behind a cell that fails is given back undone."""
        self.page.evaluate(_FREE)

    def kinds(self, number: int) -> list[str]:
        """The MIME type by which each output of a cell is drawn."""
        return self.outputs(number).evaluate_all("all => all.map(one => one.dataset.mimeType)")


def open_notebook(context: BrowserContext, lab: Lab, name: str, app: str = "lab") -> Notebook:
    """Open a notebook and wait until its kernel answers; ``app`` is ``lab`` or ``notebooks``."""
    notebook = Notebook(context.new_page())
    notebook.page.on("request", lambda request: notebook.requests.append(request.url))
    notebook.page.on("console", lambda message: _note(notebook, message))
    place = f"lab/workspaces/{os.urandom(4).hex()}/tree" if app == "lab" else app
    notebook.page.goto(f"{lab.url}/{place}/{name}")
    notebook.ready()
    return notebook


def barriers(page: Page, part: str, without: tuple[str, ...] = ()) -> list[str]:
    """Serious barriers that axe finds in a part of the page, for those who cannot see or point."""
    from axe_playwright_python.sync_playwright import Axe

    rules = {name: {"enabled": False} for name in without}
    options = {"resultTypes": ["violations"], "rules": rules}
    found = Axe().run(page, context=part, options=options).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html']}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def _note(notebook: Notebook, message: Any) -> None:
    if message.type == "error":
        notebook.errors.append(message.text)


def make_notebook(*cells: str, outputs: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A notebook of code cells; ``outputs`` are those of the first."""
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {},
                "execution_count": None,
                "outputs": outputs if outputs and number == 0 else [],
                "source": source,
            }
            for number, source in enumerate(cells)
        ],
    }
