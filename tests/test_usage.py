"""What a user may type wrong, and what they are told; in a shell without a kernel."""

import subprocess
import sys

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

ANSWER = """
turns:
  - {when: "(?i)hello", replies: [{text: Hello.}]}
"""


@pytest.fixture
def shell(engine, script, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_MODEL", script(ANSWER))
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.run_line_magic("load_ext", "aoai_magic")
    shell.user_ns["thing"] = object()
    shell.user_ns["sales"] = {"a": 1}
    yield shell
    shell.run_line_magic("unload_ext", "aoai_magic")
    InteractiveShell.clear_instance()


def run(shell, cell):
    """Run a cell; give what it printed and the exception that it raised."""
    with capture_output() as captured:
        result = shell.run_cell(cell)
    return captured.stdout, result.error_in_exec or result.error_before_exec


@pytest.mark.parametrize(
    ("cell", "name", "text"),
    [
        ("%%assistant salse\nPlot", "AttachError", "did you mean sales"),
        ("%%assistant @nothing.csv\nPlot", "AttachError", "nothing.csv"),
        ("%%assistant thing\nPlot", "AttachError", "thing"),
        ("%%assistant\n\n", "UsageError", "has no question"),
        ("%%assistant --colour\nPlot", "UsageError", "--colour"),
        ("%%assistant --outt x\nPlot", "UsageError", "did you mean --out"),
        ("%%assistant 'sales\nPlot", "UsageError", "quotation"),
        ("%%assistant -o 2x\nPlot", "UsageError", "needs a variable name"),
        ("%%assistant --rows 0\nPlot", "UsageError", "--rows"),
        ("%%assistant\n{{1/0}}", "UsageError", "division by zero"),
        ("%%assistant --on moon\nPlot", "SettingsError", "moon"),
        ("%%assistant --on local -m offlin\nHello", "UsageError", "did you mean offline"),
        ("%%assistant --on local -m gpt-x\nHello", "UsageError", "openai:gpt-x"),
        ("%assistant stauts", "UsageError", "did you mean status"),
        ("%assistant modles mini", "UsageError", "did you mean models"),
        ("%assistant status now", "UsageError", "status does not take now"),
        ("%assistant status --all", "UsageError", "does not take --all"),
        ("%assistant help stauts", "UsageError", "did you mean status"),
        ("%assistant penguins", "UsageError", "write a whole question"),
        ("%assistant save it's", "UsageError", "quote without its end"),
        ("%assistant save", "UsageError", "needs one folder"),
        ("%assistant show", "AssistantError", "no turn yet"),
    ],
)
def test_mistakes_are_one_sentence(shell, cell, name, text):
    _, error = run(shell, cell)
    assert type(error).__name__ == name
    assert text.lower() in str(error).lower()
    assert "\n" not in str(error)
    assert error._render_traceback_() == [f"{name}: {error}"]


@pytest.mark.parametrize(
    ("options", "question"),
    [
        ("", "Hello there, and show me the mean"),
        ("", "Hello, what is the mean?"),
        ("", "show me a hello in the middle"),
        ("-o top ", "hello"),
        ("--no-raise --rows 5 ", "What's in hello?"),
        ("", "平均は？hello"),
    ],
)
def test_a_line_asks(shell, options, question):
    assert run(shell, f"if True:\n    %assistant {options}{question}")[1] is None
    turn = shell.user_ns["_assistant"]
    assert (turn.question, turn.text) == (question, "Hello.")


def test_help_of_one_command(shell):
    assert "Show token use" in run(shell, "%assistant help usage")[0]
    assert "%assistant save" not in run(shell, "%assistant help usage")[0]


def test_a_dry_run_says_everything_and_sends_nothing(shell):
    printed, error = run(shell, "%%assistant sales --dry-run\nWhat is a?")
    assert error is None
    assert "Nothing was sent" in printed
    assert "What is a?" in printed
    assert "sales.json" in printed
    assert "_assistant" not in shell.user_ns
    assert "You have no uploaded files" in run(shell, "%assistant files")[0]


def test_a_sent_file_is_listed_and_can_be_taken_back(shell):
    assert run(shell, "%%assistant sales\nHello")[1] is None
    assert "sales" in run(shell, "%assistant files")[0]
    refused, error = run(shell, "%assistant cleanup")
    assert "1 uploaded file, 11 bytes\n  1 thread with its session\n" in refused
    assert "add --yes" in str(error)
    assert "sales" in run(shell, "%assistant files")[0]
    assert "Deleted." in run(shell, "%assistant cleanup --yes")[0]
    assert "You have no uploaded files" in run(shell, "%assistant files")[0]


def test_config_says_where_a_value_comes_from(shell):
    run(shell, "%config AssistantMagics.instructions = 'Be brief.'")
    rows = run(shell, "%assistant config")[0].splitlines()
    found = {row.split()[0]: row for row in rows if row.strip()}
    assert found["instructions"].endswith("%config")
    assert "Be brief." in found["instructions"]
    assert found["target"].endswith("environment")
    assert found["display"].endswith("default")


def test_help_lists_every_option_and_every_command(shell):
    from aoai_magic.notebook.line_commands import COMMANDS
    from aoai_magic.notebook.magics import parser
    from aoai_magic.runner.options import NAMES

    text = shell.find_cell_magic("assistant").__doc__
    for option in (o for action in parser()._actions for o in action.option_strings):
        assert option in text
    assert {action.dest for action in parser()._actions} == set(NAMES) - {"mentions"}
    listed = run(shell, "%assistant help")[0]
    assert all(f"%assistant {name}" in listed for name in COMMANDS)


def test_loading_is_light():
    code = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell;"
        "shell, before = InteractiveShell.instance(), set(sys.modules);"
        "shell.run_line_magic('load_ext', 'aoai_magic');"
        "heavy = {'openai', 'pandas', 'ipywidgets', 'pyarrow', 'aoai_magic.engine', 'difflib',"
        " 'aoai_magic.runner.turn'};"
        "print(heavy & (set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("%%assistant sa", "sales"),
        ("%%assistant sales --sch", "--schema-only"),
        ("%%assistant\nplot @sa", "@sales"),
        ("%%assistant @no", "@notes.txt"),
        ("%assistant sta", "status"),
    ],
)
def test_completion(shell, tmp_path, text, wanted):
    (tmp_path / "notes.txt").write_text("x")
    with provisionalcompleter():
        found = [completion.text for completion in shell.Completer.completions(text, len(text))]
    assert wanted in found


def test_cells_that_are_not_ours_are_left_alone():
    from aoai_magic.notebook.transformers import as_async_cell

    for cell in (["%%assistant?\n"], ["%%assistants\n"], ["x = 1\n"], []):
        assert as_async_cell(cell) == cell
