"""A turn in a terminal, with and without rich."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from aoai_magic.display.screen import Pace
from aoai_magic.display.terminal import PlainPaper, RichPaper, TerminalScreen, open_terminal
from aoai_magic.turn import events
from aoai_magic.turn.view import Logs, Text, View

from . import hostile, story


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(Pace, "due", lambda self: True)


def run(paper, happened):
    screen = TerminalScreen(paper)
    for view in story.views(happened):
        screen.show(view)
    screen.close(view)
    screen.close(view)


def rich_output(happened):
    out = io.StringIO()
    run(RichPaper(Console(file=out, force_terminal=True, width=80)), happened)
    return out.getvalue()


def test_text_appears_as_it_comes(capsys):
    screen = TerminalScreen(PlainPaper())
    screen.show(story.final(story.turn()[:2]))
    assert capsys.readouterr().out == "I will look at the **sales** "
    screen.show(story.final(story.turn()[:3]))
    assert capsys.readouterr().out == "table first.\n\n"


def test_everything_is_there_in_order(capsys):
    run(PlainPaper(), story.turn())
    out = capsys.readouterr().out
    marks = ["first.", "attempt 1 failed", "Monthly", "2026-10", "Picture", "## North", "top.csv"]
    places = [out.index(mark) for mark in marks]
    assert places == sorted(places)
    assert out.endswith("isolation: namespaces\n")
    assert out.count("North grew fastest") == 1


def test_what_code_prints_comes_while_it_runs(capsys):
    screen = TerminalScreen(PlainPaper())
    begun = [events.CodeDelta("c", "print(1)"), events.CodeRunning("c")]
    screen.show(story.final(begun[:1]))
    assert capsys.readouterr().out == ""
    screen.show(story.final(begun))
    assert capsys.readouterr().out == "[1 line of Python]\nprint(1)\n\n"
    begun += [events.LogsDelta("c", "1\n"), events.ImageMade("i", "a.png", story.png())]
    screen.show(story.final(begun))
    assert capsys.readouterr().out == "1\n"
    begun += [events.LogsDelta("c", "2\n"), events.CodeDone("c", None, 0.5)]
    screen.show(story.final(begun))
    said = capsys.readouterr().out
    assert said.startswith("2\n[✓ done · 0.5 s]\n\nPicture a.png, ")
    screen.close(story.final([*begun, events.Finished("completed", None, 1)]))
    assert "done" not in capsys.readouterr().out


def test_rich_formats_and_ends_with_the_same_line():
    out = rich_output(story.turn())
    assert "\x1b[1m" in out
    assert "## North" not in out
    assert "North grew fastest" in out
    assert out.count("Revenue in the") == 1
    assert out.rstrip().endswith("isolation: namespaces")


def test_no_terminal_sequence_of_a_model_reaches_the_terminal(capsys):
    parts = [Text(f"t{i}", text, True) for i, text in enumerate(hostile.PROSE)]
    parts += [Logs(f"l{i}", "c", text, True) for i, text in enumerate(hostile.LOGS)]
    view = View(parts=tuple(parts), status="completed")
    TerminalScreen(PlainPaper()).close(view)
    out = capsys.readouterr().out
    assert not set(out) & set("\x07\x9b\x00\u202e")
    assert "\x1b]" not in out
    rich = io.StringIO()
    TerminalScreen(RichPaper(Console(file=rich, force_terminal=True, width=80))).close(view)
    # No OSC at all: it sets titles, fills the clipboard, makes links that lie.
    assert "\x1b]" not in rich.getvalue()
    assert "\x1b[2J" not in rich.getvalue()


def test_output_that_is_no_terminal_is_plain(capsys):
    open_terminal().close(story.final(story.turn()))
    assert "\x1b[" not in capsys.readouterr().out


@pytest.mark.parametrize("count", [1, 20])
def test_thoughts_stand_before_the_answer_cut_where_they_are_long(capsys, count):
    thoughts = "\n".join(f"Thought {n}." for n in range(count))
    run(PlainPaper(), [events.ReasoningDone("r", thoughts), events.TextDone("t", "North.")])
    out = capsys.readouterr().out
    assert out.startswith("[Reasoning]\nThought 0.\n")
    assert ("Thought 19." in out, "…" in out) == (False, count > 1)
    assert out.index("Thought 0.") < out.index("North.")
