"""Names in a question mean what they mean where it is asked: the caller's variables first."""

import asyncio
import subprocess
import sys

import pandas as pd
import pytest

import aoai_magic

df = pd.DataFrame({"a": range(5)})
HELPER = """
import aoai_magic
import pandas as pd

table = pd.DataFrame({"a": range(33)})

def ask_about(question, *names, **options):
    return aoai_magic.ask(question, *names, dry_run=True, **options)
"""


@pytest.fixture
def rows(capsys):
    """Return the rows of the frame that a call would have sent."""

    def read():
        words = capsys.readouterr().out.split()
        return int(words[words.index("rows") - 1].replace(",", ""))

    return read


def ask(*names, prompt="Sum?"):
    return aoai_magic.ask(prompt, *names, dry_run=True)


def test_the_callers_locals_come_first(rows):
    ask("df")
    assert rows() == 5
    df = pd.DataFrame({"a": range(7)})
    ask("df")
    assert rows() == 7
    ask(prompt="Sum of @df?")
    assert rows() == 7
    aoai_magic.ask("{{len(df)}} rows", dry_run=True, raw=False)
    del df


def test_so_do_those_of_functions_around_it_and_of_methods(rows):
    df = pd.DataFrame({"a": range(8)})

    class Report:
        def show(self, df):
            ask("df")

    def inner():
        ask("df")  # not one of its own names, since only the text names it

    inner()
    assert rows() == 8
    Report().show(df.head(3))
    assert rows() == 3
    for count in [ask("table") or len(table) for table in [df, df.head(2)]]:
        assert count in (8, 2)
    assert rows() == 8
    df.head(4).pipe(lambda part: ask("part"))
    assert rows() == 4
    # The library that calls the function is not asked.
    df.head(4).pipe(lambda part: ask("df"))
    assert rows() == 8


async def test_so_do_those_of_coroutines_also_as_tasks(rows):
    async def asking():
        df = pd.DataFrame({"a": range(9)})
        await aoai_magic.aask("Sum?", "df", dry_run=True)
        del df

    await asyncio.create_task(asking())
    assert rows() == 9
    df = pd.DataFrame({"a": range(11)})
    await asyncio.create_task(aoai_magic.aask("Sum?", "df", dry_run=True))
    assert rows() == 11
    await asyncio.gather(aoai_magic.aask("Sum?", df, dry_run=True))
    assert rows() == 11


def test_a_helper_of_another_module_may_be_handed_a_name(rows, tmp_path, monkeypatch):
    (tmp_path / "asking_helper.py").write_text(HELPER)
    monkeypatch.syspath_prepend(tmp_path)
    import asking_helper

    asking_helper.ask_about("Sum?", "table")
    assert rows() == 33
    table = pd.DataFrame({"a": range(6)})
    asking_helper.ask_about("Sum?", "table")
    assert rows() == 6
    del table


NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "aoai_magic")
shell.run_cell('''
import pandas as pd
df = pd.DataFrame({"a": range(5)})
def magic():
    df = pd.DataFrame({"a": range(7)})
    get_ipython().run_cell_magic("assistant", "df --dry-run", "Sum?")
def cell():
    df = pd.DataFrame({"a": range(8)})
    get_ipython().run_cell("%%assistant df --dry-run\\\\nSum?")
magic()
cell()
''').raise_error()
"""


def test_a_magic_within_a_function_reads_its_variables_and_a_cell_the_notebooks():
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK], capture_output=True, text=True, check=True
    )
    words = done.stdout.split()
    assert [words[i - 1] for i, word in enumerate(words) if word == "rows"] == ["7", "5"]


def test_a_cell_for_the_notebook_never_reads_another_frame_of_the_same_name(
    engine, script, monkeypatch
):
    from aoai_magic.notebook import python_api
    from aoai_magic.runner.kernel_state import Assistant

    spec = script('turns: [{when: ".", replies: [{code: "len(df)"}, {text: Done}]}]')
    for name, value in {"TARGET": engine.url, "TOKEN": engine.token, "MODEL": spec}.items():
        monkeypatch.setenv(f"AOAI_MAGIC_{name}", value)
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    monkeypatch.setattr(python_api, "_state", lambda: state)
    state = Assistant({"df": df})

    assert "df" in aoai_magic.ask("Rows?", "df").view.cell

    def shadowing(df):
        return aoai_magic.ask("Rows?", "df")

    assert shadowing(df.head(2)).view.cell is None
    assert aoai_magic.ask("Rows?").view.cell is None
    assert "df" in aoai_magic.ask("Rows?", "df", new=True).view.cell
