"""Charts of libraries that draw in the browser: their data, and a picture where one can be made."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from aoai_magic.sandbox.child import chart_style, html_tables, vegalite
from aoai_magic.sandbox.protocol import CHART

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
    picture = Image.open(io.BytesIO(chart.data["image/png"])).convert("RGBA")
    assert picture.getpixel((0, 0))[3] == 0


async def test_a_figure_of_plotly_comes_as_data_and_not_as_a_page(make_sandbox):
    session = await (await make_sandbox()).open("a")
    code = "import plotly.graph_objects as go\ngo.Figure(go.Bar(x=['月'], y=[1]))"
    (figure,) = (await run(session, code, 100)).displays
    assert sorted(figure.data) == ["application/vnd.plotly.v1+json", "text/plain"]
    assert figure.data["text/plain"].startswith("Displayed a Plotly figure (bar).")
    (file,) = await session.files()
    with session.open(file.name) as stream:
        assert json.load(stream)["data"][0]["x"] == ["月"]


@pytest.mark.parametrize("titled", ["ax.set_title(T, loc='left')", "fig.suptitle(T)"])
async def test_the_picture_of_a_figure_holds_its_title(make_sandbox, titled):
    session = await (await make_sandbox()).open("a")
    setup = "import matplotlib.pyplot as plt\nT = 'Größe, 月'\nfig, ax = plt.subplots()\n"
    figure = (await run(session, f"{setup}_ = {titled}", 100)).displays[-1]
    assert "Größe, 月".encode() in figure.data["image/png"]


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
         "Image.new('RGB', (4, 4)).save(b, 'gif')\nShown(b.getvalue(), format='gif')", ["gif"]),
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


PLOT = ["IPython", "matplotlib.pyplot"]
START = "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\n"


async def drawn(session, code):
    """Draw a chart; return its picture and what the code printed."""
    outcome = await run(session, code, 60)
    (picture,) = outcome.pictures
    return Image.open(io.BytesIO(picture)).convert("RGBA"), outcome.text


BACKGROUNDS = [
    ("ax.plot([1, 2]); ax.set_title('月')", 0),
    ("ax.boxplot([[1, 2, 9]])", 0),
    ("ax.imshow([[1, 2]]); ax.text(0, 0, 'x', color='black')", 0),
    ("ax.plot([1, 2], color='black')", 255),
    ("ax.text(0.5, 0.5, 'x', color='navy')", 255),
    ("ax.scatter([1, 2], [1, 2], c=[1, 2])", 255),
    ("plt.close('all'); plt.style.use('ggplot'); plt.plot([1])", 255),
]


async def test_a_chart_is_transparent_unless_a_dark_page_would_swallow_it(make_sandbox):
    session = await (await make_sandbox(preload=PLOT)).open("a")
    for code, alpha in BACKGROUNDS:
        picture, _ = await drawn(session, START + code)
        assert picture.getpixel((0, 0))[3] == alpha, code


async def test_the_codes_own_settings_hold(make_sandbox):
    session = await (await make_sandbox(preload=PLOT)).open("a")
    code = "plt.rcParams['figure.facecolor'] = '#102030'\nfig = plt.figure(); plt.plot([1, 2])"
    picture, _ = await drawn(session, f"{START}plt.close('all')\n{code}")
    assert picture.getpixel((0, 0)) == (0x10, 0x20, 0x30, 255)


BARS = "bars = ax.bar(['a', 'b', 'c'], [1.25, 2, 3])\n"
LEFT = "\nplt.show(); print(len(ax.texts), ax.yaxis.get_gridlines()[0].get_visible())"


LABELLED = [
    (True, ""),
    (False, "ax.bar_label(bars)"),
    (False, "ax.plot([0, 1, 2], [1, 2, 3])"),
    (False, "ax.bar(['a', 'b', 'c'], [1, 1, 1], bottom=[1.25, 2, 3])"),
    (False, "ax.clear(); ax.hist([1, 2, 2, 3], bins=3)"),
    (False, "ax.bar(list('defghi'), range(6))"),
    (False, "ax.twinx().plot([1, 2, 3])"),
]


async def test_few_bars_show_their_values_which_the_code_never_meets(make_sandbox):
    session = await (await make_sandbox(preload=PLOT)).open("a")
    spy = "lambda *a, **k: labelled.append(a[2:]) or label(*a, **k)"
    await run(session, "from matplotlib.axes import Axes; labelled = []; label = Axes.bar_label")
    await run(session, f"Axes.bar_label = {spy}")
    for labelled, more in LABELLED:
        _, printed = await drawn(session, f"{START}{BARS}{more}\nlabelled.clear(){LEFT}")
        assert printed == f"{3 if 'bar_label(bars)' in more else 0} False\n"
        values = (await run(session, "labelled")).result
        assert values == ("[(['1.25', '2.00', '3.00'],)]" if labelled else "[]"), more


async def test_several_axes_get_room_and_keep_what_the_code_placed(make_sandbox):
    session = await (await make_sandbox(preload=PLOT)).open("a")
    code = """
import matplotlib.pyplot as plt
def of(**more):
    fig, axes = plt.subplots(2, 2)
    for ax in axes.flat: ax.set_title("title"); ax.set_xlabel("label")
    if more: fig.subplots_adjust(**more)
    return fig
def touching(fig):
    boxes = [ax.get_tightbbox() for ax in fig.axes]
    return boxes[0].overlaps(boxes[2])
draw = plt.Figure.draw
seen = []
plt.Figure.draw = lambda fig, renderer: (draw(fig, renderer), seen.append(touching(fig)))[0]
for more in ({}, {"hspace": 0}):
    fig = of(**more); plt.show(); print(seen[-1], fig.subplotpars.hspace); plt.close("all")
"""
    outcome = await run(session, code, 60)
    assert outcome.text == "False 0.2\nTrue 0\n"


async def test_a_chart_that_sets_its_layout_is_drawn_without_a_warning(make_sandbox):
    session = await (await make_sandbox(preload=PLOT)).open("a")
    code = """
fig.colorbar(ax.scatter([1, 2], [1, 2], c=[1, 2]))
plt.tight_layout(); plt.subplots_adjust(left=0.2); plt.show()
fig, ax = plt.subplots(layout="constrained"); ax.plot([1, 2])
"""
    outcome = await run(session, START + code, 60)
    assert outcome.error is None
    assert outcome.text == ""
    assert len(outcome.pictures) == 2


FRAME = """
import pandas as pd, numpy as np
day = pd.date_range("2026-01-01", periods=3, freq="MS")
frame = pd.DataFrame({"North": [1, 2, 4], "South": [3.5, 2, 1]}, index=day)
"""
MONTHS = ["2026-01", "2026-02", "2026-03"]


DATA = (
    [
        ("ax.plot(['a', 'b'], [1, np.nan], label='l'); ax.set_xlabel('月')",
         {"月": ["a", "b"], "l": [1.0, None]}),
        ("ax.plot([1, 2], [3, 4]); ax.plot([5], [6], label='b'); ax.axhline(2)",
         {"series": ["series 1", "series 1", "b"], "x": [1, 2, 5], "y": [3, 4, 6]}),
        ("plt.close(); frame.plot()", {"x": MONTHS, "North": [1, 2, 4], "South": [3.5, 2, 1]}),
        ("plt.close(); frame.set_index(day.strftime('%Y-%m')).plot.bar(stacked=True)",
         {"x": MONTHS, "North": [1, 2, 4], "South": [3.5, 2, 1]}),
        ("plt.close(); frame.set_index(pd.Index(list('abc'), name='k')).plot.barh()",
         {"k": ["a", "b", "c"], "North": [1, 2, 4], "South": [3.5, 2, 1]}),
        ("ax.bar(day, [1, 2, 3], width=9); ax.set_ylabel('n')",
         {"x": [f"{month}-01T00:00:00" for month in MONTHS], "n": [1, 2, 3]}),
        ("ax.bar(['a', 'b'], [1, 2], yerr=[0.1, 0.2], capsize=3)", {"x": ["a", "b"], "y": [1, 2]}),
        ("ax.hist([1, 1, 2, 3], bins=2)", {"from": [1, 2], "to": [2, 3], "count": [2, 2]}),
        ("ax.scatter([1, 2], [3, 4]); ax.set_xlabel('a')", {"a": [1, 2], "y": [3, 4]}),
        ("ax.boxplot([[1, 2, 3], [1, 2, 99, 3, 2]]); ax.set_xticklabels(['p', 'q'])",
         {"box": ["p", "q"], "low": [1, 1], "q1": [1.5, 2], "median": [2, 2], "q3": [2.5, 3],
          "high": [3, 3], "outliers": [0, 1]}),
        ("ax.pie([3, 1], labels=['a', 'b'])", {"label": ["a", "b"], "share": [0.75, 0.25]}),
        ("ax.imshow([[1, 2], [3, 4]]); ax.set_xticks([0, 1], ['u', 'v'])",
         {"row": [0, 1], "u": [1, 3], "v": [2, 4]}),
        ("plt.close(); frame.plot.area()", None),
        ("ax.plot(range(30_000))", None),
    ]
)  # fmt: skip


async def test_the_data_of_a_chart_comes_with_its_picture(make_sandbox):
    session = await (await make_sandbox(preload=PLOT)).open("a")
    for code, table in DATA:
        outcome = await run(session, f"{START}{FRAME}{code}\nplt.title('T');", 60)
        (shown,) = outcome.displays
        chart = json.loads(shown.data[CHART])
        assert chart["title"] == "T"
        assert [one["columns"] for one in chart["tables"]] == ([] if table is None else [table])


async def test_each_of_several_axes_has_its_data_by_name(make_sandbox):
    session = await (await make_sandbox(preload=PLOT)).open("a")
    code = """
import matplotlib.pyplot as plt
fig, (a, b) = plt.subplots(1, 2)
a.plot([1, 2]); a.set_title("first"); b.bar(["x"], [1])
fig.suptitle("Both")
fig
"""
    (shown,) = (await run(session, code, 60)).displays
    chart = json.loads(shown.data[CHART])
    assert chart["title"] == "Both"
    assert [one["name"] for one in chart["tables"]] == ["first: lines", "axes 2: bars"]


async def test_a_picture_that_was_saved_alone_comes_with_its_data(make_sandbox):
    session = await (await make_sandbox(preload=PLOT)).open("a")
    code = "ax.plot([1, 2]); ax.set_title('T'); plt.savefig('a.png'); plt.close()"
    (shown,) = (await run(session, START + code, 60)).displays
    assert json.loads(shown.data[CHART])["title"] == "T"


KEPT = [
    (f"{START}ax.bar(['a'], [1]);", "_chart.axes[0].patches[0].set_color('red'); _chart"),
    ("import plotly.express as px\npx.bar(x=[1], y=[2]).show()",
     "_chart.update_layout(title='T')"),
    ("import altair as alt\nalt.Chart(pd.DataFrame({'a': [1]})).mark_bar().encode(x='a')",
     "_chart.mark_line()"),
]  # fmt: skip


async def test_the_last_chart_is_kept_to_be_changed(make_sandbox):
    session = await (await make_sandbox(preload=PLOT)).open("a")
    await run(session, "import pandas as pd", 60)
    shown = []
    for draw, change in KEPT:
        await run(session, draw, 60)
        (changed,) = (await run(session, change, 60)).displays
        shown.append(changed.data)
    assert ["image/png" in data for data in shown] == [True, False, True]
    assert "title 'T'" in shown[1]["text/plain"]
    assert '"line"' in "".join(data for mime, data in shown[2].items() if "vegalite" in mime)
    await run(session, "_chart = 5")
    await run(session, KEPT[0][0], 60)
    assert (await run(session, "_chart")).result == "5"


BOKEH = """
from bokeh.plotting import figure, show
from bokeh.io import output_notebook
output_notebook()
p = figure(title="T")
p.line([1, 2], [3, float("nan")])
show(p)
p
"""


async def test_a_figure_of_bokeh_is_described_and_its_data_kept(make_sandbox):
    pytest.importorskip("bokeh", reason="draws the figure; of the extra [test]")
    session = await (await make_sandbox()).open("a")
    outcome = await run(session, BOKEH, 100)
    assert (outcome.error, outcome.text) == (None, "")
    kinds = [sorted(shown.data) for shown in outcome.displays]
    assert kinds == [[CHART, "text/plain"]] * 2
    said = "Displayed a Bokeh figure (Line): title 'T'. It is in figure-1.chart.json."
    assert [shown.data["text/plain"] for shown in outcome.displays] == [said, said]
    (file,) = await session.files()
    with session.open(file.name) as stream:
        assert json.load(stream)["tables"] == [
            {"name": "Line", "columns": {"x": [1, 2], "y": [3, None]}}
        ]


def test_charts_of_vega_lite_are_styled_beneath_their_own_settings():
    usual = {"mark": "bar", "config": {"view": {"continuousWidth": 300, "continuousHeight": 300}}}
    assert chart_style.vega(usual)["config"] == chart_style.VEGA
    own = {"background": "black", "axis": {"labelColor": "white"}, "view": {"stroke": "red"}}
    config = chart_style.vega({"mark": "bar", "config": own})["config"]
    assert config["background"] == "black"
    assert config["axis"] == {**chart_style.VEGA["axis"], "labelColor": "white"}
    assert config["view"] == {**chart_style.VEGA["view"], "stroke": "red"}


def test_figures_of_plotly_are_styled_where_their_style_is_the_usual_one():
    express = pytest.importorskip("plotly.express")
    for template, background in (("plotly", "rgba(0,0,0,0)"), ("plotly_dark", "rgb(17,17,17)")):
        figure = express.bar(x=[1], y=[2], template=template).update_layout(title="T")
        styled = chart_style.plotly(json.loads(figure.to_json()))
        assert styled["layout"]["template"]["layout"]["paper_bgcolor"] == background
        assert styled["layout"]["title"]["text"] == "T"
    assert chart_style.plotly({"data": []}) == {"data": []}


def test_colours_that_plotly_express_chose_are_ours_and_those_of_the_code_stay():
    express = pytest.importorskip("plotly.express")
    ours, other = chart_style._CYCLE[0], chart_style._CYCLE[1]
    figure = express.line(x=[1, 2, 1, 2], y=[1, 2, 3, 4], color=["a", "a", "b", "b"])
    lines = chart_style.plotly(json.loads(figure.to_json()))["data"]
    assert [line["line"]["color"] for line in lines] == [ours, other]
    bars = json.loads(express.bar(x=[1], y=[2]).to_json())
    assert chart_style.plotly(bars)["data"][0]["marker"]["color"] == ours
    own = json.loads(express.line(x=[1], y=[2], color_discrete_sequence=["red"]).to_json())
    assert chart_style.plotly(own)["data"][0]["line"]["color"] == "red"


STYLER = """
import pandas as pd
frame = pd.DataFrame({"a": [1, 2], "b": [1.23456, None]}, index=pd.Index(["x", "y"], name="k"))
frame.style.format(precision=1, na_rep="-").set_caption("<b>T</b><script>x</script>")
"""
OWN = """
class Table:
    def _repr_html_(self):
        return "<script>x()</script><table><tr><td>1<td>2<tr><td>3<td>4</table>"
Table()
"""


@pytest.mark.parametrize(
    ("code", "rows"),
    [(STYLER, "k,a,b\r\nx,1,1.2\r\ny,2,-\r\n"), (OWN, "column 1,column 2\r\n1,2\r\n3,4\r\n")],
)
async def test_a_table_that_is_displayed_as_html_comes_as_its_values(make_sandbox, code, rows):
    session = await (await make_sandbox()).open("a")
    (shown,) = (await run(session, code, 100)).displays
    assert "It is in table-1.csv." in shown.data["text/plain"]
    (file,) = await session.files()
    with session.open(file.name) as stream:
        assert (file.name, stream.read().decode()) == ("table-1.csv", rows)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>none</p>", ""),
        ("<table><tr><th>a</table>", ""),
        (
            "<table><thead><tr><th colspan=2>Title<tr><th>a<th>b<tbody><tr><th colspan=2>Group"
            "<tr><th rowspan=2>p<td>1<tr><td>2</table><table><tr><td>9</table>",
            "a,b\np,1\np,2\n",
        ),
        (
            "<table><tr><th><th colspan=2>u<tr><th>k<th>a<th>b<tr><th>x<td>1,5<td>&lt;</table>",
            'k,u a,u b\nx,"1,5",<\n',
        ),
        (f"<table><tr><td colspan={10**9} rowspan={10**9}>1<td>2</table>", ""),
    ],
)
def test_cells_of_a_table_stand_where_they_are_drawn(html, expected):
    assert html_tables.as_csv(html).replace("\r\n", "\n") == expected
