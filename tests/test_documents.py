"""Turns as documents: they read like the turn, link to what is beside them, and do no harm."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

import nbformat
import pytest
from display import hostile, story
from markdown_it import MarkdownIt

from aoai_magic.display.markdown import to_mathml
from aoai_magic.errors import AssistantError
from aoai_magic.runner.turn import Turn
from aoai_magic.turn.view import (
    Code,
    File,
    Image,
    Input,
    Logs,
    Notice,
    Reasoning,
    Text,
    View,
)

NAMES = ("answer.md", "answer.html", "answer.ipynb")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_LANG", "en")
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Page(HTMLParser):
    """A page's tags, the addresses in it, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.urls, self.handlers, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.urls += [value for name, value in attrs if name in ("href", "src")]
        self.handlers += [name for name, value in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.text += data


INPUTS = {"sales.csv": Input("sales", True)}


ASKED = "Which **region** grew, in {{ unit }}?\n\nAnd <b>why</b>?"


def turn():
    return Turn(replace(story.final(story.turn()), inputs=INPUTS, question=ASKED))


def evil():
    parts = [
        *(Text(f"t{i}", text) for i, text in enumerate(hostile.PROSE)),
        *(Reasoning(f"r{i}", text) for i, text in enumerate(hostile.PROSE)),
        *(Code(f"c{i}", code, "done") for i, code in enumerate(hostile.CODE)),
        *(Logs(f"l{i}", "c0", text) for i, text in enumerate(hostile.LOGS)),
        *(Notice(f"n{i}", name) for i, name in enumerate(hostile.NAMES)),
        *(Image(f"i{i}", name, story.png()) for i, name in enumerate(hostile.NAMES)),
        Image("svg", "x.svg", b"<svg onload='window.pwned=1'/>", "image/svg+xml"),
        hostile.sources(),
    ]
    files = tuple(File(name, b"a,b\n<script>,2\n") for name in hostile.NAMES)
    view = View("t", hostile.PROSE[0], hostile.NAMES[2], parts=tuple(parts), files=files)
    return Turn(replace(view, question="\n\n".join(hostile.PROSE)))


@pytest.mark.parametrize("name", NAMES)
def test_a_document_says_everything_and_its_files_are_beside_it(folder, name):
    paths = turn().save(f"reports/{name}")
    assert [path.name for path in paths] == [name, "top.csv", "revenue.png"]
    assert (folder / "reports/answer_files/top.csv").read_bytes() == b"customer,revenue\nA,3\n"
    text = paths[0].read_text("utf-8")
    for said in ("North grew fastest", "Monthly revenue by region", "2026-10", "KeyError"):
        assert said in text
    assert text.index("in {{ unit }}?") < text.index("Monthly revenue")
    assert "<b>" not in text
    assert "answer_files/top.csv" in text
    assert "1 row × 2 columns" in text
    assert "gpt-4o · code ran on this machine" in text


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_written_over_what_is_there(folder, name):
    (folder / "answer_files").mkdir()
    (folder / "answer_files/top.csv").write_text("mine")
    with pytest.raises(AssistantError, match="overwrite=True"):
        turn().save(name)
    assert not (folder / name).exists()
    assert (folder / "answer_files/top.csv").read_text() == "mine"
    turn().save(name, overwrite=True)
    turn().save(name, overwrite=True)
    assert (folder / "answer_files/top.csv").read_text() != "mine"


def test_a_turn_without_files_is_one_document(folder):
    assert [str(path) for path in Turn(View(parts=(Text("t", "Hi."),))).save("a.md")] == ["a.md"]
    assert [path.name for path in folder.iterdir()] == ["a.md"]
    assert (
        folder / "a.md"
    ).read_text() == "Hi.\n\n**Cut off when the kernel ended. Partial answer above.**\n"


def test_markdown_shows_pictures_and_files_by_links_that_lead_somewhere(folder):
    evil_names = turn().save("my answer.md")[0].read_text()
    page = Page(MarkdownIt("commonmark").enable("table").render(evil_names))
    relative = [unquote(url) for url in page.urls if not url.startswith("http")]
    assert relative == ["my answer_files/revenue.png", "my answer_files/top.csv"]
    assert all((folder / path).is_file() for path in relative)


def test_a_notebook_runs_on_the_notebooks_own_variables(folder):
    view = View(
        parts=(
            Code("c0", "boom", "failed", error="NameError"),
            Reasoning("r", " "),
            Code("c1", "import pandas as pd\nprint(pd.read_csv('/mnt/data/sales.csv'))", "done"),
            Logs("c1/logs", "c1", "[1, 2]\n", True),
            Text("t", "There are **two**."),
        )
    )
    path = Turn(replace(view, inputs=INPUTS)).save("a.ipynb")[0]
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds == ["markdown", "code", "markdown", "markdown"]
    assert "print(sales)" in notebook.cells[1].source
    assert notebook.cells[1].outputs[0].text == "[1, 2]\n"


@pytest.mark.parametrize("name", NAMES)
def test_hostile_texts_are_only_ever_text(folder, name):
    paths = evil().save(f"here/{name}")
    assert all(path.resolve().is_relative_to(folder / "here") for path in paths)
    assert not (folder.parent / "etc").exists()


def test_a_hostile_page_holds_no_tag_but_ours(folder):
    page = Page(evil().save("a.html")[0].read_text("utf-8"))
    allowed = {"a", "img", "meta", "style", "html", "head", "title", "body", "main", "footer"}
    allowed |= {"p", "div", "h1", "h2", "ul", "ol", "li", "blockquote", "hr", "br", "em", "strong"}
    allowed |= {"s", "sup", "code", "pre", "span", "details", "summary", "table", "caption", "tr"}
    assert set(page.tags) <= allowed | {"th", "td", "thead", "tbody"} | to_mathml.TAGS
    assert page.handlers == []
    pictures = ("data:image/png;base64,", "data:image/svg+xml;base64,")  # of img alone
    good = ("https://", "http://", "mailto:", "a_files/", *pictures)
    assert [url for url in page.urls if not url.startswith(good)] == []


def test_writing_a_document_imports_nothing_of_a_notebook_that_is_not_needed(folder):
    code = (
        "import sys; from aoai_magic.runner.turn import Turn\n"
        "from aoai_magic.turn.view import Text, View\n"
        "Turn(View(parts=(Text('t', 'x'),))).save('a.html')\n"
        "assert not {'nbformat', 'ipywidgets', 'pandas', 'nbconvert'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pictures_and_files_show_themselves(folder, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda value, **how: shown.append(value))
    view = View(
        parts=(
            Image("i", "a.png", story.png()),
            Image("j", "b.svg", b"<svg onload='window.pwned=1'/>", "image/svg+xml"),
        ),
        files=(
            File("x.csv", b"a,b\n1,2\n"),
            File("plot.png", story.png()),
            File("notes.txt", b"line \x1b[2J\n" * 100),
            File("blob.bin", b"\0\1\2"),
        ),
    )
    made = Turn(view)
    assert set(made.images[0]._repr_mimebundle_()) == {"image/png", "text/plain"}
    assert set(made.images[1]._repr_mimebundle_()) == {"text/plain"}
    for file in made.files.values():
        file._ipython_display_()
    assert list(shown[0].columns) == ["a", "b"]
    assert set(shown[1]) == {"image/png", "text/plain"}
    printed = capsys.readouterr().out
    assert printed.count("line") == 20
    assert "\x1b" not in printed
    assert printed.endswith("<File blob.bin, 3 bytes>\n")
