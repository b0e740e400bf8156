"""Completion by the kernel's completer, as every front end asks for it."""

import warnings

import pandas as pd
import pytest
from IPython.core.completer import ProvisionalCompleterWarning
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from aoai_magic.notebook.magics import register, unregister


@pytest.fixture
def complete(monkeypatch, tmp_path):
    """Return the function that completes the end of a cell: texts to types."""
    monkeypatch.chdir(tmp_path)
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    magics = register(shell)
    shell.user_ns.update(sales=pd.DataFrame({"a": [1, 2]}), prices=[[1, 2]], price=lambda: 1, pd=pd)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "in.csv").touch()
    (tmp_path / "data" / ".hidden").touch()
    state = magics.state
    threads = state.threads(state.settings())
    threads.put("Q3 review", "local", "thread_1")
    threads.put("plain", "http://engine:1", "thread_2")

    def complete_(text):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ProvisionalCompleterWarning)
            found = list(shell.Completer.completions(text, len(text)))
        return {one.text: one.type for one in found}

    yield complete_
    unregister(shell)
    InteractiveShell.clear_instance()


def test_variables_with_their_size(complete):
    assert complete("%%assistant sal") == {"sales": "DataFrame,\u00a02\u00a0×\u00a01"}
    assert complete("%%aoai\nLook at @sa") == {"@sales": "DataFrame,\u00a02\u00a0×\u00a01"}
    assert "pd" not in complete("%%assistant p")


def test_files_after_an_at_sign(complete):
    assert complete("%%assistant\nRead @da") == {"@data/": "file"}
    assert complete("%%assistant @data/") == {"@data/in.csv": "file"}
    assert complete("%%assistant @data/.h") == {"@data/.hidden": "file"}


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("%%assistant --sch", {"--schema-only": "option"}),
        ("%%assistant -t pl", {"plain": "thread"}),
        ("%%assistant --thread ", {"plain": "thread", "'Q3 review'": "thread"}),
        ("%%assistant -m off", {"offline": "model"}),
        ("%%assistant sales -m openai:gpt-4o-m", {"openai:gpt-4o-mini": "model"}),
        ("%%assistant --on ", {"local": "target", "azure": "target", "http://engine:1": "target"}),
        ("%%assistant --save ", {"data": "folder"}),
        ("%%assistant --search da", {"data/": "file"}),
        ("%%assistant --search sal", {"sales.a": "column"}),
        ("%%assistant --search data/ sales.", {"sales.a": "column"}),
        ("%%assistant --tool pr", {"price": "function"}),
        ("%%assistant --back", {"--background": "option"}),
        ("%assistant thr", {"threads": "command"}),
        ("%assistant ", {"models": "command", "stop": "command"}),
    ],
)
def test_options_and_their_values(complete, line, some):
    assert some.items() <= complete(line).items()


def test_prose_is_not_completed_as_python(complete):
    for text in ("--sch", "pri", "@gone/"):
        assert complete(f"%%assistant\n{text}") == {text: "text"}
    assert set(complete("%%assistant\nLook at ")) == {"@sales", "@prices"}


def test_other_cells_are_completed_as_ever(complete):
    assert "sales" in complete("sal")


@pytest.mark.parametrize(
    ("text", "wanted", "start"),
    [
        ("%%assistant frame\nCompare the flip", "flipper_mm", 30),
        ("%%assistant\nCompare (FLI", "flipper_mm", 21),
        ("%%assistant\n平均flip", "flipper_mm", 14),
        ("%assistant compare the flip", "flipper_mm", 23),
        ("%%assistant\nPlot fra", "frame", 17),
        ("%%assistant frame\nthe mean", "mean", 22),
    ],
)
def test_tables_and_columns_in_a_question(complete, text, wanted, start):
    shell = InteractiveShell.instance()
    shell.user_ns.update(frame=pd.DataFrame({"flipper_mm": [1], "name": [2]}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ProvisionalCompleterWarning)
        found = list(shell.Completer.completions(text, len(text)))
    assert [(one.text, one.start) for one in found] == [(wanted, start)]
