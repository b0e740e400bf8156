"""Questions about a cell: what goes along, and what is answered where no model is there."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from aoai_magic.errors import UsageError
from aoai_magic.runner.about_cell import about_cell, failed, source_of
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options


@pytest.fixture
def run():
    """Run cells in a shell with a table in it; return the number of each."""
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.user_ns["penguins"] = pd.DataFrame({"species": ["Adelie"], "mass": [1.0]})

    def run_cell(source):
        result = shell.run_cell(source, store_history=True)
        return result.execution_count

    yield run_cell
    InteractiveShell.clear_instance()


@pytest.mark.parametrize(
    ("source", "near"),
    [
        ("penguins.groupby('specie')", "There is no column 'specie'; did you mean 'species'?"),
        ("penguins[['mas', 'species']]", "There is no column 'mas'; did you mean 'mass'?"),
        ("pengins", "There is no variable 'pengins'; did you mean 'penguins'?"),
        ("penguins.groupbuy()", "There is no attribute 'groupbuy'; did you mean 'groupby'?"),
        ("penguins['zzz']", ""),
        ("1/0", ""),
    ],
)
def test_a_near_miss_is_named_without_a_model(run, source, near):
    assert about_cell(run(source)).hint == near


def test_the_cell_and_its_error_go_along_without_the_frames_of_libraries(run):
    number = run("x = 1\npenguins.groupby('specie').mean()")
    assert failed(number)
    text = about_cell(number).text
    assert "```python\nx = 1\npenguins.groupby('specie').mean()\n```" in text
    assert "line 2: penguins.groupby('specie').mean()\nKeyError: 'specie'" in text
    assert "site-packages" not in text
    run("f(")
    assert not failed(number)
    assert "error" not in about_cell(number).text.lower()


def test_an_error_is_sent_in_bounds(run):
    """A recursion passes the same line many times, and a message may hold all the data."""
    # Not a thousand times: IPython prints that the slower, the more modules are loaded.
    text = about_cell(run("def f(n):\n    1 / (60 - n)\n    f(n + 1)\nf(0)")).error
    assert text.count("f(n + 1)") == 19
    assert text.count("1 / (60 - n)") == 1
    text = about_cell(run("raise ValueError('begin ' + 'x' * 1_000_000 + ' end')")).error
    assert "ValueError: begin x" in text
    assert text.endswith("x end")
    assert len(text) < 5000


def test_a_syntax_error_is_of_its_cell(run):
    number = run("f(")
    # Python 3.13 has a name of its own for it.
    assert re.search("SyntaxError|IncompleteInputError", about_cell(number).error)


def test_a_cell_that_was_not_run_is_refused(run):
    run("1")
    assert source_of(99) is None
    with pytest.raises(UsageError, match=r"No cell \[99\] was run"):
        about_cell(99)


def test_offline_says_that_a_language_model_is_needed(run, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("AOAI_MAGIC_HOME", str(tmp_path))
    namespace = InteractiveShell.instance().user_ns
    number = run("penguins.groupby('specie').mean()")
    capsys.readouterr()
    state = Assistant(namespace)
    options = Options(model="offline", on="local", about=number)
    assert state.ask_now("Fix this error", options) is None
    near, needs = capsys.readouterr().out.splitlines()
    assert "did you mean 'species'?" in near
    assert needs.startswith("Explaining and fixing code needs a language model")
    assert state.turns == []


def test_what_is_sent_holds_the_cell_and_what_was_typed_does_not(run, capsys):
    number = run("print('{{1 + 1}} @penguins')")
    capsys.readouterr()
    state = Assistant(InteractiveShell.instance().user_ns)
    options = Options(model="openai:m", on="local", about=number, dry_run=True)
    state.ask_now("Explain this cell", options)
    said = capsys.readouterr().out
    assert "{{1 + 1}} @penguins" in said
    assert "penguins.arrow" not in said
