"""What goes with a question unasked: frames that it names, the project's guide, cells."""

import os

import pandas as pd
import pytest
from engine.models.chat_server import KEY, ChatServer, say, stream
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from aoai_magic.display import labels
from aoai_magic.errors import AttachError, UsageError
from aoai_magic.notebook.magics import register, unregister
from aoai_magic.runner.context import read_guide
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options
from aoai_magic.turn.view import Notice

COUNT = """
turns:
  - when: (?i)drop
    replies: [{code: "sales = sales.head(1)"}, {text: Dropped.}]
  - when: .
    replies: [{code: "print(len(sales))"}, {text: Counted.}]
"""


@pytest.fixture
def here(engine, script, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_MODEL", script(COUNT))
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    return Assistant({"sales": pd.DataFrame({"region": ["N", "S"], "revenue": [1, 2]})})


def notices(turn):
    return [part.text for part in turn.view.parts if isinstance(part, Notice)]


async def test_a_frame_that_the_question_names_is_attached_and_the_cell_says_so(here):
    turn = await here.ask("How many rows has sales?", Options())
    assert turn.logs == "2"
    assert notices(turn) == ["Attached, since the question names it: sales"]


async def test_what_code_did_to_it_stays_until_the_notebook_changes_it(here):
    await here.ask("Drop all of sales but the first row.", Options())
    again = await here.ask("How many rows has sales?", Options())
    assert (again.logs, notices(again)) == ("1", [])
    here.namespace["sales"] = pd.concat([here.namespace["sales"]] * 2)
    changed = await here.ask("How many rows has sales?", Options())
    assert changed.logs == "4"
    assert len(notices(changed)) == 1
    afresh = await here.ask("How many rows has sales?", Options(new=True))
    assert afresh.logs == "4"


async def test_the_setting_turns_it_off(here, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_ATTACH_NAMED", "false")
    turn = await here.ask("How many rows has sales?", Options(no_raise=True))
    said = "No data is attached. To ask about sales, write: %%assistant sales"
    assert notices(turn) == [said]
    assert "NameError" in turn.logs


async def test_a_series_is_not_attached_unasked_but_the_cell_says_how(here):
    here.namespace["revenue"] = here.namespace.pop("sales")["revenue"]
    turn = await here.ask("What is the total revenue?", Options(no_raise=True))
    said = "No data is attached. To ask about revenue, write: %%assistant revenue"
    assert notices(turn) == [said]
    turn = await here.ask("What is the total revenue?", Options(items=("@revenue",), no_raise=True))
    assert notices(turn) == []


async def test_a_variable_is_attached_with_a_sign_before_its_name_too(here):
    turn = await here.ask("How many rows?", Options(items=("@sales",)))
    assert (turn.logs, notices(turn)) == ("2", [])


async def test_a_dry_run_and_consent_count_it(here, capsys, monkeypatch):
    assert await here.ask("How many rows has sales?", Options(dry_run=True)) is None
    said = capsys.readouterr().out
    assert "sales.arrow" in said
    assert "Attached, since the question names it: sales" in said
    asked = []
    monkeypatch.setenv("AOAI_MAGIC_CONFIRM_UPLOAD", "true")
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "n")
    with pytest.raises(AttachError):
        await here.ask("How many rows has sales?", Options(on="https://engine.example.org"))
    assert "sales" in asked[0]


@pytest.fixture(scope="module")
def running():
    with ChatServer() as server:
        yield server


@pytest.fixture
def told(here, running, monkeypatch):
    """Return the function that asks in a shell; give what the model was told, and the turn."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"{running.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AOAI_MAGIC_TARGET", "local")
    monkeypatch.setenv("AOAI_MAGIC_MODEL", "openai:m")
    running.answer = lambda body: stream(say("Hi."))
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    register(shell)

    def ask(*cells):
        running.bodies.clear()
        with capture_output():
            for cell in cells:
                shell.run_cell(cell, store_history=True).raise_error()
        read = "\n".join(str(one["content"]) for one in running.bodies[-1]["messages"])
        return read, shell.user_ns["_assistant"]

    yield ask
    unregister(shell)
    InteractiveShell.clear_instance()


@pytest.mark.slow
def test_the_guide_is_read_and_the_footer_says_so(told, tmp_path):
    (tmp_path / "AGENTS.md").write_text("Never seen.")
    (tmp_path / "assistant.md").write_text("A fiscal year begins in April.")
    read, turn = told("%assistant Hello, you there")
    assert "A fiscal year begins in April." in read
    assert "Never seen." not in read
    assert turn.view.context == "assistant.md"
    assert "with assistant.md" in labels.facts(turn.view)
    (tmp_path / "assistant.md").unlink()
    (tmp_path / "AGENTS.md").unlink()
    (tmp_path / "assistant.md").symlink_to("/etc/passwd")
    read, turn = told("%assistant Hello, you there")
    assert "root:" not in read
    assert turn.view.context is None


@pytest.mark.slow
def test_cells_are_sent_without_those_that_ask(told):
    read, turn = told(
        "rate = 0.2", "%assistant Hello, you there", "x = '```'", "%%assistant --cells 2\nHello"
    )
    assert "rate = 0.2" in read
    assert "````python\nx = '```'\n````" in read
    assert read.count("%assistant") == 0
    assert turn.view.context == "2 cells"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"x" * 32_001, "more than 32,000 bytes"), (b"\xff\xfe", "cannot be read")],
)
async def test_a_guide_that_is_no_text_is_refused(here, tmp_path, content, sentence):
    (tmp_path / "assistant.md").write_bytes(content)
    with pytest.raises(UsageError, match=sentence):
        await here.ask("Hello", Options())


def test_a_pipe_is_no_guide_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "assistant.md")
    (tmp_path / "AGENTS.md").write_text("Revenue is net of tax.")
    guide = read_guide(tmp_path)
    assert guide.name == "AGENTS.md"
    assert guide.text.endswith("Revenue is net of tax.")
