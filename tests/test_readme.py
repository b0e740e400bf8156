"""What the README says is true: its first cell runs as it stands, its links lead somewhere."""

import re
from pathlib import Path

import nbclient
import nbformat
import pytest

from aoai_magic import __version__

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.kernel
def test_the_first_cell_runs_with_no_key(tmp_path):
    load, ask = re.findall(r"```(?:python)?\n(.*?)```", README, re.DOTALL)[:2]
    cells = [load, ask, "print(list(monthly.columns), len(monthly), monthly.North.sum())"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(
        notebook, timeout=90, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = notebook.cells[1].outputs
    assert any("image/png" in output.get("data", {}) for output in outputs)
    said = [output.text for output in notebook.cells[2].outputs if output.output_type == "stream"]
    assert "".join(said) == "['month', 'North', 'South'] 6 3700\n"


def test_the_changelog_has_this_version():
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_notebooks_are_listed_and_hold_no_outputs():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert f"(notebooks/{path.name})" in README
        notebook = nbformat.read(path, as_version=4)
        assert all(not cell.get("outputs") for cell in notebook.cells)


def test_every_link_leads_to_a_file():
    targets = re.findall(r"\]\(([^)#]+)\)|(?:src|srcset)=\"([^\"]+)\"", README)
    assert [one for pair in targets for one in pair if one and not (ROOT / one).exists()] == []
