"""JupyterLab with the extension as it was built, and notebooks with saved answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import lab as labs
from browser.conftest import browser, page_context  # noqa: F401 - fixtures
from playwright.sync_api import BrowserContext

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
def lab(extension: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[labs.Lab]:
    """JupyterLab with the extension, serving an empty folder, with English texts."""
    home = tmp_path_factory.mktemp("lab-home")
    root = tmp_path_factory.mktemp("lab-root")
    env = {"JUPYTER_PATH": str(extension), "AOAI_MAGIC_LANG": "en"}
    with labs.open_lab(root, home, env) as lab:
        yield lab


@pytest.fixture
def open_notebook(
    lab: labs.Lab,
    page_context: BrowserContext,  # noqa: F811
) -> Callable[[str, dict[str, Any]], labs.Notebook]:
    """Write a notebook into the server's folder and open it."""

    def open_(name: str, notebook: dict[str, Any]) -> labs.Notebook:
        lab.write(name, notebook)
        return labs.open_notebook(page_context, lab, name)

    return open_
