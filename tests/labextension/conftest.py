"""JupyterLab with the extension as it was built, and notebooks with saved answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import lab as labs
from playwright.sync_api import Browser, BrowserContext

BUILT = Path(__file__).parents[2] / "aoai_magic" / "labextension"


@pytest.fixture(scope="session")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for JUPYTER_PATH that holds the extension of this checkout."""
    if not (BUILT / "package.json").is_file():
        pytest.skip("needs the built extension: npm ci && npm run build in labextension/")
    folder = tmp_path_factory.mktemp("share")
    (folder / "labextensions").mkdir()
    (folder / "labextensions" / "aoai-magic").symlink_to(BUILT)
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where JupyterLab keeps its data, such as the signatures of trusted notebooks."""
    return tmp_path_factory.mktemp("lab-home")


@pytest.fixture(scope="session")
def lab(
    extension: Path, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[labs.Lab]:
    """JupyterLab with the extension, serving an empty folder, with English texts."""
    root = tmp_path_factory.mktemp("lab-root")
    env = {"JUPYTER_PATH": str(extension), "AOAI_MAGIC_LANG": "en"}
    with labs.open_lab(root, home, env) as lab:
        yield lab


@pytest.fixture
def page_context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser profile of a laptop's size, which may use the clipboard."""
    context = browser.new_context(
        viewport={"width": 1200, "height": 900},
        permissions=["clipboard-read", "clipboard-write"],
    )
    yield context
    context.close()


@pytest.fixture
def open_notebook(
    lab: labs.Lab, page_context: BrowserContext
) -> Iterator[Callable[[str, dict[str, Any]], labs.Notebook]]:
    """Write a notebook into the server's folder and open it; its kernel ends with the test."""
    opened: list[labs.Notebook] = []

    def open_(name: str, notebook: dict[str, Any]) -> labs.Notebook:
        if not (lab.root / name).exists():
            lab.write(name, notebook)
        opened.append(labs.open_notebook(page_context, lab, name))
        return opened[-1]

    yield open_
    for notebook in opened:
        notebook.page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")
