"""One JupyterLab and one Chromium for all browser tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jupyterlab", reason="needs JupyterLab: pip install 'aoai-magic[test]'")
pytest.importorskip("playwright", reason="needs playwright: pip install 'aoai-magic[test]'")

from playwright.sync_api import Browser, BrowserContext

from . import lab as labs


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[labs.Lab]:
    """JupyterLab as it is without our extension, serving an empty folder, in English."""
    home = tmp_path_factory.mktemp("lab-home")
    config = home / "config/labconfig"
    config.mkdir(parents=True)
    (config / "page_config.json").write_text('{"disabledExtensions": {"aoai-magic": true}}')
    root = tmp_path_factory.mktemp("lab-root")
    tests = str(Path(__file__).parents[1])
    env = {"PYTHONPATH": tests, "AOAI_MAGIC_LANG": "en"}
    with labs.open_lab(root, home, env) as lab:
        yield lab


@pytest.fixture
def page_context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser profile of a laptop's size."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    yield context
    context.close()


@pytest.fixture
def open_notebook(
    lab: labs.Lab, page_context: BrowserContext
) -> Callable[[str, dict[str, Any]], labs.Notebook]:
    """Write a notebook into the server's folder and open it."""

    def open_(name: str, notebook: dict[str, Any]) -> labs.Notebook:
        lab.write(name, notebook)
        return labs.open_notebook(page_context, lab, name)

    return open_
