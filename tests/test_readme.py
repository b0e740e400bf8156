"""What the README says is true: its first cell runs as it stands, its tables are complete."""

import re
from pathlib import Path

import nbclient
import nbformat
import pytest

from aoai_magic import __version__
from aoai_magic.notebook.line_commands import COMMANDS
from aoai_magic.notebook.magics import parser
from aoai_magic.sandbox.limits import NAMES, read_limits
from aoai_magic.sandbox.protocol import Limits

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


def test_every_option_and_command_is_named():
    options = [action.option_strings[0] for action in parser()._actions if action.option_strings]
    assert [option for option in options if f"`{option}" not in README] == []
    listed = README[README.index("`%assistant status |") :].split("`")[1]
    named = listed.removeprefix("%assistant ").split(" | ")
    assert {name.split()[0] for name in named} == set(COMMANDS)


def test_every_limit_is_named_with_its_default():
    table = README[README.index("| name | default | bounds |") :].split("\n\n")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:3]] for row in table.splitlines()[2:]]
    named = {}
    for names, values in rows:
        named.update(zip(re.findall(r"\w+", names), re.findall(r"\d+\w*", values), strict=False))
    assert set(named) == set(NAMES)
    words = [f"{name}={value}" for name, value in named.items()]
    assert read_limits(Limits(), {}, words) == Limits()


def test_the_changelog_has_this_version():
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_notebooks_are_listed_and_hold_no_outputs():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert f"(notebooks/{path.name})" in README
        notebook = nbformat.read(path, as_version=4)
        assert all(not cell.get("outputs") for cell in notebook.cells)
