"""A turn in a terminal, with and without rich."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path

import pytest
from IPython.core.displaypub import DisplayPublisher
from IPython.core.getipython import get_ipython
from rich.console import Console

from aoai_magic.display.screen import Pace
from aoai_magic.display.terminal import PlainPaper, RichPaper, TerminalScreen, open_terminal
from aoai_magic.turn.events import TextDone
from aoai_magic.turn.view import Logs, Text, View

from . import hostile, story


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(Pace, "due", lambda self: True)


def run(paper, happened, detail="folded"):
    screen = TerminalScreen(paper, detail)
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
    screen.show(View(parts=(Text("t", "One line.\nThe **sa"),)))
    assert capsys.readouterr().out == "One line.\n"
    screen.show(View(parts=(Text("t", "One line.\nThe **sales** table.", True),)))
    assert capsys.readouterr().out == "The sales table.\n\n"


def test_without_rich_links_show_where_they_go_and_code_stays(capsys):
    text = (
        "See [the docs](https://a.example/x), [top.csv](sandbox:/mnt/data/top.csv), `a**b**`.\n"
        "```python\nx = a**b**c\n```\n**Done.** *Well*, 2 * 3 * 4, a*b*c."
    )
    run(PlainPaper(), [TextDone("t", text)])
    assert capsys.readouterr().out.startswith(
        "See the docs (https://a.example/x), top.csv, `a**b**`.\n"
        "```python\nx = a**b**c\n```\n"
        "Done. Well, 2 * 3 * 4, a*b*c.\n\n"
    )


def test_the_answer_is_there_in_order_and_the_work_is_named(capsys):
    run(PlainPaper(), story.turn())
    out = capsys.readouterr().out
    marks = ["first.", "Picture", "## North", "top.csv", "Worked 3.2 s · 2 steps"]
    places = [out.index(mark) for mark in marks]
    assert places == sorted(places)
    assert "(_assistant.code, .logs)" in out
    assert "Monthly" not in out
    assert "2026-10" not in out
    assert out.endswith("gpt-4o · code ran on this machine · 1,540 tokens\n")
    assert out.count("3.2 s") == 1
    assert out.count("North grew fastest") == 1


def test_quiet_writes_the_answer_alone_and_verbose_the_work_where_it_was_done(capsys):
    run(PlainPaper(), story.turn(), "quiet")
    out = capsys.readouterr().out
    assert "Worked" not in out
    assert "gpt-4o" not in out
    assert "North grew fastest" in out
    run(PlainPaper(), story.turn(), "verbose")
    out = capsys.readouterr().out
    marks = ["first.", "KeyError", "monthly = sales", "2026-10", "Picture", "## North"]
    marks.append("Worked 3.2 s")
    places = [out.index(mark) for mark in marks]
    assert places == sorted(places)


def test_a_picture_is_a_file_that_goes_with_the_process(capsys):
    run(PlainPaper(), story.turn())
    (line,) = (line for line in capsys.readouterr().out.split("\n") if "revenue.png" in line)
    path = Path(line.rpartition(": ")[2])
    assert path.read_bytes() == story.png()
    assert path.parent.stat().st_mode & 0o077 == 0
    run(PlainPaper(), story.turn())
    assert str(path) in capsys.readouterr().out
    code = (
        "from aoai_magic.display.terminal_pictures import picture_text\n"
        "from aoai_magic.turn.view import Image\n"
        "print(picture_text(Image('i', '../a.png', b'x')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    path = Path(done.stdout.strip().rpartition(": ")[2])
    assert path.name == "a.png"
    assert not path.parent.exists()


def test_a_picture_is_drawn_as_the_user_set_it_for_ipython(capsys, published):
    drawn = []
    shell = get_ipython()
    shell.mime_renderers = {"image/png": lambda data, metadata: drawn.append(data)}
    shell.display_pub = DisplayPublisher(parent=shell, shell=shell)
    run(PlainPaper(), story.turn())
    assert [base64.b64decode(data) for data in drawn] == [story.png()]
    assert "/" not in next(x for x in capsys.readouterr().out.split("\n") if "revenue.png" in x)


def test_rich_formats_and_ends_with_the_same_line():
    out = rich_output(story.turn())
    assert "\x1b[1m" in out
    assert "## North" not in out
    assert "North grew fastest" in out
    assert out.count("Revenue in the") == 1
    assert out.rstrip().endswith("code ran on this machine · 1,540 tokens")


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
