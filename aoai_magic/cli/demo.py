"""``aoai-magic demo``: the quickstart, executed headless."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from aoai_magic.errors import AssistantError
from aoai_magic.locale import gettext as _
from aoai_magic.text.width import pad, width

HERE = Path(__file__).parents[1]
NOTEBOOK = "quickstart.ipynb"
OFFLINE = {"AOAI_MAGIC_TARGET": "local", "AOAI_MAGIC_MODEL": "offline"}
"""The demo asks no service, whatever is configured."""

EXTENSION = "share/jupyter/labextensions/aoai-magic"
"""Where JupyterLab finds our extension, below ``sys.prefix``."""


def run_demo(output: Path) -> int:
    """Execute the quickstart into ``output`` and say where the results are.

    Raises
    ------
    AssistantError
        If a cell fails, no chart was made, or what runs notebooks is not installed.
    """
    folder = output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(_examples() / "data", folder / "data", dirs_exist_ok=True)
    notebook = _executed(_examples() / NOTEBOOK, folder)
    charts = _charts(notebook)
    if not charts:
        raise AssistantError(_("The quickstart ran but made no chart; see aoai-magic doctor."))
    paths = _written(notebook, folder)
    print(_report(charts, paths))  # noqa: T201
    return 0


def _examples() -> Path:
    """Find the example notebooks: beside the package in a checkout, inside it in a wheel."""
    inside = HERE / "notebooks"
    return inside if inside.is_dir() else HERE.parent / "notebooks"


def _executed(path: Path, folder: Path) -> Any:
    try:
        import nbclient
        import nbformat
    except ImportError as error:
        raise AssistantError(
            _("The demo needs {name}; install it with pip install 'aoai-magic[demo]'.").format(
                name=error.name
            )
        ) from error
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": folder}}
    )
    try:
        client.execute(env={**os.environ, **OFFLINE})
    except nbclient.exceptions.CellExecutionError as error:
        raise AssistantError(
            _("A cell of the quickstart failed: {error}").format(error=error)
        ) from error
    return notebook


def _charts(notebook: Any) -> int:
    return sum(
        "image/png" in output.get("data", {})
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    )


def _written(notebook: Any, folder: Path) -> list[Path]:
    import nbformat
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter().from_notebook_node(notebook)
    paths = [folder / NOTEBOOK, folder / "quickstart.html"]
    paths[0].write_text(nbformat.writes(notebook), "utf-8")
    paths[1].write_text(page, "utf-8")
    return paths


def _report(charts: int, paths: list[Path]) -> str:
    made = _("The quickstart ran on the offline model and made {count} charts.")
    labels = [_("executed notebook"), _("as a page")]
    longest = max(map(width, labels))
    rows = [f"  {pad(label, longest)}  {path}" for label, path in zip(labels, paths, strict=True)]
    opening = [f"  {line}" for line in _opening(paths[0])]
    how = _("Open it in JupyterLab with:")
    return "\n".join([made.format(count=charts), *rows, how, *opening])


def _opening(notebook: Path) -> list[str]:
    """Return the commands that open the notebook; they need no activated environment."""
    jupyter = f"{shlex.quote(str(Path(sys.prefix, 'bin', 'jupyter')))} lab"
    lines = [f"{jupyter} {shlex.quote(str(notebook))}"]
    has_lab = importlib.util.find_spec("jupyterlab") is not None
    if not has_lab or not Path(sys.prefix, EXTENSION).is_dir():
        lines.insert(0, f"{shlex.quote(sys.executable)} -m pip install {_package()}")
    return lines


def _package() -> str:
    """Return what pip installs with JupyterLab and our extension in it, which pip builds."""
    checkout = HERE.parent
    if (checkout / "pyproject.toml").is_file():
        return f"-e {shlex.quote(f'{checkout}[lab]')}"
    return "'aoai-magic[lab]'"
