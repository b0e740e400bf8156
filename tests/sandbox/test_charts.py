"""Charts of libraries that draw in the browser: their data, and a picture where one can be made."""

from __future__ import annotations

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
    assert list(figure.data) == ["application/vnd.plotly.v1+json"]


def test_what_cannot_be_drawn_has_no_picture():
    assert vegalite.draw({"text/plain": "x"}) is None
    assert vegalite.draw({"application/vnd.vegalite.v6+json": {"mark": "no such mark"}}) is None
    assert vegalite.draw({"application/vnd.vegalite.v6+json": {"data": "x" * (5 << 20)}}) is None
