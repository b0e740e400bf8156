"""The parts that readers came for, each picture once."""

from __future__ import annotations

import base64
import io

import pytest
from matplotlib.figure import Figure

from aoai_magic.display.answer import answer, final_answer
from aoai_magic.display.picture_title import picture_title
from aoai_magic.display.saved.bundles import answer_output, bundles
from aoai_magic.runner.embedded_pictures import with_embedded
from aoai_magic.turn.view import File, Image, Text, View

from . import story

PICTURE = Image("i", "chart-1.png", story.png())
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
EMBED = "See:\n\n![Trend](sandbox:/mnt/data/trend%20line.png)\n\nIt rises."


def names(parts):
    return [part.name for part in parts if isinstance(part, Image)]


def test_a_picture_drawn_twice_is_shown_once():
    again = Image("j", "chart-2.png", story.png())
    other = Image("k", "chart-3.png", story.png(30, 30))
    assert names(answer(View(parts=(PICTURE, again, other)))) == ["chart-1.png", "chart-3.png"]


def test_pictures_that_were_only_saved_are_shown():
    files = (File("a.csv", b"x"), File("trend.png", story.png()), File("same.png", story.png()))
    assert names(answer(View(files=files))) == ["trend.png"]
    assert names(answer(View(parts=(PICTURE,), files=files))) == ["chart-1.png"]


def test_text_leaves_out_a_picture_that_stands_beside_it_and_no_other():
    text = Text("t", EMBED, True)
    assert final_answer(View(parts=(text,))) == [text]
    files = (File("trend line.png", story.png()),)
    shown, picture = final_answer(View(parts=(text,), files=files))
    assert shown.text == "See:\n\n\nIt rises."
    assert picture.name == "trend line.png"
    code = Text("t", f"```\n{EMBED}\n```", True)
    assert final_answer(View(parts=(code,), files=files))[0] == code


def test_a_picture_of_an_earlier_turn_is_shown_in_the_turn_that_embeds_it():
    old = View("thread", files=(File("trend line.png", b"old"),))
    new = View("thread", files=(File("trend line.png", story.png()),))
    other = View("other", files=(File("trend line.png", b"other"),))
    view = with_embedded(View("thread", parts=(Text("t", EMBED, True),)), [old, new, other])
    assert [part.data for part in view.parts if isinstance(part, Image)] == [story.png()]
    own = View("thread", parts=view.parts[:1], files=new.files)
    assert with_embedded(own, [old]).parts == own.parts


def test_svg_is_a_picture_and_never_markup():
    output = answer_output(Image("i", "a<b>.svg", SVG, "image/svg+xml")).data
    assert set(output) == {"text/markdown", "text/plain"}
    encoded = base64.b64encode(SVG).decode()
    source = f"data:image/svg+xml;base64,{encoded}"
    assert output["text/markdown"].startswith('<img alt="Picture a&lt;b&gt;.svg, ')
    assert output["text/markdown"].endswith(f' src="{source}">')


@pytest.mark.parametrize("title", ["Monthly revenue", "Größe", "月別売上"])
def test_the_title_of_a_chart_is_its_text_alternative(title):
    out = io.BytesIO()
    Figure(figsize=(1, 1)).savefig(out, format="png", metadata={"Title": title})
    assert picture_title(out.getvalue()) == title
    output = bundles(View(parts=(Image("i", "a.png", out.getvalue()),)))[0]
    assert output.metadata == {"alt": title}
    assert output.data["text/plain"] == title


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", story.png(), story.png()[:40], b"\x89PNG\r\n\x1a\n\xff"]
)
def test_a_picture_without_a_title_has_none(data):
    assert picture_title(data) == ""
