"""``--plan``: nothing runs before the user has said yes."""

import pandas as pd
import pytest

from aoai_magic.errors import AssistantError, UsageError
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options

MODEL = """
turns:
  - when: "with this change: by month"
    replies: [{code: "print(len(sales), 'by month')"}, {text: Changed.}]
  - when: Carry out your plan
    replies:
      - code: "sales.to_csv('/mnt/data/out.csv', index=False); print(len(sales))"
      - text: Done.
  - when: .
    replies: [{text: "1. Count the rows."}]
"""


@pytest.fixture
def here(engine, script, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_MODEL", script(MODEL))
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    return Assistant({"sales": pd.DataFrame({"region": ["N", "S"]})})


def answers(monkeypatch, words):
    monkeypatch.setattr("builtins.input", lambda question: words)


PLAN = Options(items=("sales",), plan=True, out="counted")


async def test_a_yes_carries_it_out_with_what_was_asked_for(here, monkeypatch):
    answers(monkeypatch, " Yes ")
    turn = await here.ask("How many?", PLAN)
    assert [one.text for one in here.turns] == ["1. Count the rows.", "Done."]
    assert turn.logs == "2"
    assert here.namespace["counted"].shape == (2, 1)


async def test_a_typed_value_is_that_of_the_work_and_not_of_the_plan(here, monkeypatch):
    answers(monkeypatch, "y")
    with pytest.raises(AssistantError, match="value"):
        await here.ask("How many?", Options(items=("sales",), plan=True, as_="int"))
    assert here.turns[0].text == "1. Count the rows."
    assert here.turns[1].text.startswith("Done.")


def test_words_change_it_also_from_code_that_is_not_asynchronous(here, monkeypatch):
    answers(monkeypatch, "by month")
    assert here.ask_now("How many?", PLAN).logs == "2 by month"


@pytest.mark.parametrize("words", ["n", ""])
async def test_a_no_runs_nothing(here, monkeypatch, capsys, words):
    answers(monkeypatch, words)
    turn = await here.ask("How many?", PLAN)
    assert turn.text == "1. Count the rows."
    assert turn.code == ""
    assert "counted" not in here.namespace
    assert "not carried out" in capsys.readouterr().out


async def test_without_a_user_nothing_runs_and_the_cell_fails(here, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda question: (_ for _ in ()).throw(EOFError))
    with pytest.raises(UsageError, match="nobody can answer"):
        await here.ask("How many?", PLAN)
    assert [one.code for one in here.turns] == [""]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"background": True}, "cannot be combined with --background"),
        ({"on": "local", "model": "offline"}, "needs a language model"),
    ],
)
async def test_what_cannot_plan_is_refused(here, options, sentence):
    with pytest.raises(UsageError, match=sentence):
        await here.ask("How many?", Options(plan=True, **options))
    assert here.turns == []
