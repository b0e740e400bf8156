"""Charts of libraries that draw in the browser: their data, and a picture where one can be made."""

from __future__ import annotations

import json

import pytest

from aoai_magic.sandbox.child import vegalite

from .cells import run

pytestmark = pytest.mark.lengthy

ALTAIR = """
import altair as alt, pandas as pd
frame = pd.DataFrame({"月": ["一", "二"], "売上": [1, 3]})
alt.Chart(frame).mark_bar().encode(x="月", y="売上")
"""


@pytest.mark.slow
@pytest.mark.parametrize("level", ["namespaces", "landlock"])
async def test_a_chart_of_altair_comes_as_data_and_as_a_picture(make_sandbox, level):
    session = await (await make_sandbox(level=level)).open("a")
    outcome = await run(session, ALTAIR, 100)
    (chart,) = outcome.displays
    assert outcome.done.ok
    assert chart.result
    kinds = sorted(mime.partition(".v")[0] for mime in chart.data)
    assert kinds == ["application/vnd", "image/png", "text/plain"]
    assert chart.data["image/png"].startswith(b"\x89PNG")


async def test_a_figure_of_plotly_comes_as_data_and_not_as_a_page(make_sandbox):
    session = await (await make_sandbox()).open("a")
    code = "import plotly.graph_objects as go\ngo.Figure(go.Bar(x=['月'], y=[1]))"
    (figure,) = (await run(session, code, 100)).displays
    assert sorted(figure.data) == ["application/vnd.plotly.v1+json", "text/plain"]
    assert figure.data["text/plain"].startswith("Displayed a Plotly figure (bar).")
    (file,) = await session.files()
    with session.open(file.name) as stream:
        assert json.load(stream)["data"][0]["x"] == ["月"]


def test_what_cannot_be_drawn_has_no_picture():
    assert vegalite.draw({"text/plain": "x"}) is None
    assert vegalite.draw({"application/vnd.vegalite.v6+json": {"mark": "no such mark"}}) is None
    assert vegalite.draw({"application/vnd.vegalite.v6+json": {"data": "x" * (5 << 20)}}) is None


PICTURES = """
from PIL import Image
import matplotlib.pyplot as plt
"""


@pytest.mark.parametrize("level", ["namespaces", "landlock"])
@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        ("plt.plot([1, 2]); plt.savefig('a.png'); plt.close()", ["png"]),
        ("plt.plot([1, 2]); plt.savefig('a.png')", ["png"]),
        ("plt.plot([1, 2]); plt.savefig('/mnt/data/a.png'); plt.show()", ["png"]),
        ("fig, ax = plt.subplots(); ax.plot([1]); fig.savefig('a.jpg'); plt.close(fig)", ["jpeg"]),
        ("import os; os.makedirs('b'); Image.new('RGB', (4, 4)).save('b/a.gif')", ["gif"]),
        ("Image.new('RGB', (4, 4)).save('a.webp'); open('b.txt', 'w').write('x')", ["webp"]),
        ("open('empty.png', 'w').close()", []),
        ("from IPython.display import Image as Shown\nimport io\nb = io.BytesIO()\n"
         "Image.new('RGB', (4, 4)).save(b, 'gif')\nShown(b.getvalue())", ["gif"]),
    ],
)  # fmt: skip
async def test_a_picture_is_shown_once_whether_saved_or_drawn(make_sandbox, level, code, kinds):
    session = await (await make_sandbox(level=level)).open("a")
    await run(session, PICTURES, 60)
    outcome = await run(session, code, 60)
    shown = [mime for one in outcome.displays for mime in one.data if mime.startswith("image/")]
    assert shown == [f"image/{kind}" for kind in kinds]
    assert (await run(session, "1", 60)).displays[1:] == []


async def test_many_saved_pictures_are_shown_in_part_and_counted(make_sandbox):
    session = await (await make_sandbox()).open("a")
    code = f"{PICTURES}\nfor i in range(20): Image.new('RGB', (4, 4)).save(f'{{i:02}}.png')"
    outcome = await run(session, code, 60)
    assert len(outcome.pictures) == 8
    assert outcome.displays[-1].data["text/plain"] == "12 more pictures were saved."


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("HTML('<b>5</b><script>alert(1)</script> units')", "5 units"),
        ("HTML('<table><tr><th>a</th></tr><tr><td>1</td></tr></table>')", "a\n1"),
        ("Javascript('x')", "Displayed application/javascript"),
        ("JSON({'a': 1})", "Displayed application/json"),
        ("Markdown('# Head')", "# Head"),
        ("Math('x^2')", "x^2"),
        ("Audio(b'RIFF', rate=8000)", "Displayed as HTML"),
        ("display({'application/x-none': 'x'}, raw=True)", "Displayed application/x-none."),
    ],
)
async def test_whatever_is_displayed_is_told_in_words(make_sandbox, code, words):
    session = await (await make_sandbox()).open("a")
    outcome = await run(session, f"from IPython.display import *\n{code}", 60)
    (shown,) = outcome.displays
    assert words in shown.data["text/plain"]


async def test_the_same_display_is_kept_once_and_an_updated_one_in_its_place(make_sandbox):
    session = await (await make_sandbox()).open("a")
    code = """
from IPython.display import HTML, display
for _ in range(3): display(HTML("<i>same</i>"))
handle = display(HTML("<i>1</i>"), display_id=True)
for i in range(2, 5): handle.update(HTML(f"<i>{i}</i>"))
for i in range(100): display(HTML(f"<u>{i}</u>"))
"""
    outcome = await run(session, code, 60)
    names = [file.name for file in await session.files()]
    assert len(names) == 1 + 1 + 15  # 20 may be written, four of them under one name
    with session.open("display-2.html") as stream:
        assert stream.read() == b"<i>4</i>"
    assert outcome.displays[-1].data["text/plain"].startswith("99")


def test_an_svg_drawing_becomes_a_picture_where_that_can_be_drawn():
    pytest.importorskip("vl_convert", reason="draws SVG; of the extra [test]")
    drawing = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect width='5'/></svg>"
    assert vegalite.draw_svg(drawing).startswith(b"\x89PNG")
    assert vegalite.draw_svg("no drawing") is None
