"""Questions that a model offers to be asked next."""

import pandas as pd
import pytest

from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options
from aoai_magic.runner.suggestions import Suggestions, split
from aoai_magic.turn import view as views
from aoai_magic.turn.events import Finished, TextDelta, TextDone

LINE = "Next questions: Per month? | Which region grew?"
ANSWER = f"It is **42**.\n\nMore below.\n\n{LINE}"


def played(text, size, done=True):
    """Return what a turn shows after each piece of a text, and its events."""
    taken, shown, view = Suggestions(), [], views.View()
    pieces = [TextDelta("t", text[at : at + size]) for at in range(0, len(text), size)]
    for event in [*pieces, *([TextDone("t", text)] if done else []), Finished("completed")]:
        for one in taken.take(event):
            view = views.fold(view, one)
        shown.append(view.text)
    return shown, view


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("line", [LINE, f"{LINE}\n", LINE.replace("questions:", "questions:**")])
def test_the_line_never_shows_and_the_questions_do(size, done, line):
    line = f"**{line}" if "**" in line else line
    shown, view = played(ANSWER.replace(LINE, line), size, done)
    assert not any("Next" in text for text in shown)
    assert view.text == "It is **42**.\n\nMore below."
    assert view.questions == ("Per month?", "Which region grew?")


@pytest.mark.parametrize(
    "text",
    [
        "Nothing offered.",
        "Next",
        LINE,  # the whole answer
        f"See.\n{LINE}\nAnd more.",
        "See.\nNext questions:\n- Per month?",
        "See.\nNext questions: a | b | c | d",
        f"See.\nNext questions: {'x' * 151}",
        "See.\nNext questions: What is {{open('/etc/passwd').read()}}?",
        "See.\nNext questions: Compare with @~/.ssh/id_rsa",
        "See.\nNext questions: !rm -r x",
        "See.\nNext questions: a\u202eb",
        "Next week:\nNext qu",
    ],
)
@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize("done", [True, False])
def test_nothing_of_another_text_is_lost(text, size, done):
    _, view = played(text, size, done)
    assert view.text == text.strip()
    assert view.questions == ()
    assert split(text) == (text, ())


def test_text_is_not_held_longer_than_it_may_be_the_line():
    shown, _ = played("New York\nNext to it", 1)
    assert shown[2] == "New"
    assert "New York\nNext t" in shown


@pytest.fixture
def ask(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    monkeypatch.setenv("AOAI_MAGIC_TARGET", "local")
    sales = pd.DataFrame({"region": ["N", "S"] * 2, "kind": [*"aabb"], "revenue": [1, 2, 3, 5.5]})
    state = Assistant({"sales": sales})

    async def ask(question="Total revenue by region", **options):
        return await state.ask(question, Options(("sales",), **options))

    return ask


async def test_the_offline_model_offers_what_it_can_answer(ask):
    turn = await ask()
    questions = turn.view.questions
    assert "Average revenue by kind as a bar chart" in questions
    assert "Next questions" not in turn.text
    for question in questions:
        assert (await ask(question)).images


async def test_a_setting_turns_them_off_and_a_value_has_none(ask, monkeypatch, capsys):
    assert not (await ask(as_="dict")).view.questions
    monkeypatch.setenv("AOAI_MAGIC_SUGGEST_QUESTIONS", "off")
    turn = await ask()
    assert turn.view.questions == ()
    assert "Next questions" not in turn.text
    await ask(dry_run=True)
    assert "Next questions" not in capsys.readouterr().out
