"""Figures that came back are drawn by the front end only where they load and run nothing."""

from __future__ import annotations

import json

import pytest

from aoai_magic.display.saved.bundles import bundles
from aoai_magic.display.saved.interactive import interactive
from aoai_magic.display.saved.turn_record import FILES_TYPE
from aoai_magic.turn.view import File, View

PLOTLY = "application/vnd.plotly.v1+json"
BAR = {"type": "bar", "x": ["月", "二"], "y": [1, 3], "hovertemplate": "x=%{x}<br><extra></extra>"}
LITE = "https://vega.github.io/schema/vega-lite/v5.json"


def drawn(name, figure):
    return [bundle for _, bundle in interactive([File(name, json.dumps(figure).encode())])]


def menu(*args):
    return {"updatemenus": [{"buttons": [{"label": "x", "method": "update", "args": list(args)}]}]}


@pytest.mark.parametrize(
    "figure",
    [
        {"data": [BAR], "layout": {"title": {"text": "Sales data: <b>2020</b>"}}},
        {"data": [{"type": "heatmap", "z": [[1]]}, {"type": "treemap", "labels": ["a"]}]},
        {"data": [{"type": "sankey", "link": {"source": [0, 1], "target": [1, 2]}}]},
        {"data": [BAR], "layout": {"template": {"layout": {"geo": {"bgcolor": "white"}}}}},
        {"data": [BAR], "layout": menu({"visible": [True, False]}, {"title.text": "<b>x</b>"})},
    ],
)
def test_a_figure_of_plotly_is_drawn(figure):
    (bundle,) = drawn("figure-1.plotly.json", figure)
    assert bundle.data[PLOTLY]["data"] == figure["data"]
    assert "text/html" not in bundle.data
    assert bundle.data["text/plain"].startswith("figure-1.plotly.json is a figure for JupyterLab")


def test_the_usual_figure_of_plotly_is_drawn():
    express = pytest.importorskip("plotly.express")
    for figure in (
        express.bar(x=[1], y=[2], title="T"),
        express.scatter(x=[1], y=[2], color=["a"]),
    ):
        assert drawn("figure-1.plotly.json", json.loads(figure.to_json()))


@pytest.mark.parametrize(
    "figure",
    [
        {"data": [{"type": "choropleth"}]},
        {"data": [{"type": "scattermapbox"}]},
        {"data": [{"type": "scattergeo"}]},
        {"data": [{"type": "image", "source": "https://evil.example/?q"}]},
        {"data": [{"type": "image", "source": "data:image/svg+xml,<svg/>"}]},
        {"data": [BAR], "layout": {"images": [{"source": "//evil.example/x.png"}]}},
        {"data": [BAR], "layout": {"images": [{"source": "/api/contents"}]}},
        {"data": [BAR], "layout": {"template": {"layout": {"images": [{"source": "x"}]}}}},
        {"data": [BAR], "layout": {"mapbox": {"style": "x"}}},
        {"data": [BAR], "layout": {"map2": {"style": "x"}}},
        {"data": [BAR], "layout": {"title": "<a href='https://evil.example'>x</a>"}},
        {"data": [BAR], "layout": {"title": "<img src=x onerror=alert(1)>"}},
        {"data": [BAR], "layout": {"font": {"family": "x;background:url(//evil.example)"}}},
        {"data": [BAR], "layout": menu({}, {"images[0].source": r"\\evil.example/x"})},
        {"data": [BAR], "layout": menu("images[0].source", "/logout")},
        {"data": [BAR], "layout": menu({"type": "scattergeo"})},
        {"data": [BAR], "layout": menu({"type": ["bar", "scattermap"]})},
        {"data": [BAR], "layout": menu({}, {"map.center.lat": 3})},
        {"data": [BAR], "layout": {"sliders": [{"steps": [{"args": ["mapbox.style", "x"]}]}]}},
        {"data": [{**BAR, "name": "<span style='cursor:&#117;rl(&#47;&#47;evil/x)'>a</span>"}]},
        {"data": [{**BAR, "name": r"<span style='cursor:\75rl(\2f\2f evil/x)'>a</span>"}]},
        {"data": [BAR], "layout": {"a": json.loads("[" * 900 + "]" * 900)}},
        {"data": [{"type": "image", "source": json.loads("[" * 900 + "]" * 900)}]},
        {"data": "x"},
    ],
)
def test_a_figure_of_plotly_that_could_load_something_is_only_named(figure):
    (bundle,) = drawn("figure-1.plotly.json", figure)
    assert list(bundle.data) == ["text/markdown", "text/plain"]
    assert bundle.data["text/plain"].startswith("figure-1.plotly.json is not drawn, because")
    assert bundle.data["text/markdown"].startswith("`figure-1.plotly.json` is not drawn, because")


def test_options_of_plotly_are_left_out():
    figure = {"data": [BAR], "config": {"topojsonURL": "https://evil.example"}, "frames": [1]}
    (bundle,) = drawn("x.plotly.json", figure)
    assert set(bundle.data[PLOTLY]) == {"data", "layout"}


CHART = {"$schema": LITE, "mark": "bar", "data": {"values": [{"a": 1}]}}


@pytest.mark.parametrize("version", [5, 6])
def test_a_chart_of_vega_lite_is_drawn_as_jupyterlab_can(version):
    chart = {**CHART, "$schema": LITE.replace("v5", f"v{version}")}
    chart |= {"usermeta": {"embedOptions": {"config": "https://evil.example"}}}
    (bundle,) = drawn("chart-1.vl.json", chart)
    assert bundle.data["application/vnd.vegalite.v5+json"] == CHART


@pytest.mark.parametrize(
    "more",
    [
        {"data": {"url": "https://evil.example"}},
        {"data": {"url": "data.csv"}},
        {"layer": [{"mark": "image", "encoding": {"url": {"field": "a"}}}]},
        {"encoding": {"href": {"field": "a"}}},
        {"transform": [{"calculate": "x", "as": "b"}]},
        {"transform": [{"filter": "datum.a > 1"}]},
        {"transform": [{"lookup": "a", "from": {"data": {"url": "x"}, "key": "a"}}]},
        {"params": [{"name": "p", "expr": "1"}]},
        {"params": [{"name": "p", "bind": {"input": "text", "element": "body"}}]},
        {"params": [{"name": "p", "bind": {"a": {"input": "text", "element": "body"}}}]},
        {"$schema": "https://evil.example/vega-lite/v9.json"},
    ],
)
def test_a_chart_of_vega_lite_that_could_load_or_run_something_is_only_named(more):
    (bundle,) = drawn("chart-1.vl.json", {**CHART, **more})
    assert list(bundle.data) == ["text/markdown", "text/plain"]


@pytest.mark.parametrize("name", ["on", "init", "expr", "url", "filter"])
def test_columns_of_a_chart_may_have_any_name(name):
    rows = [{name: "yes", "b": 1}]
    for data in ({"data": {"values": rows}}, {"data": {"name": "d"}, "datasets": {"d": rows}}):
        (bundle,) = drawn("chart-1.vl.json", {**CHART, **data})
        assert bundle.data["application/vnd.vegalite.v5+json"]["data"] == data["data"]
    rows[0][name] = "https://evil.example/x.png"
    (bundle,) = drawn("chart-1.vl.json", {**CHART, "data": {"values": rows}})
    assert list(bundle.data) == ["text/markdown", "text/plain"]


def test_a_figure_of_bokeh_is_named_and_a_large_one_is_too():
    (bundle,) = drawn("<b>.chart.json", {"title": "T"})
    assert bundle.data["text/markdown"].startswith("`<b>.chart.json` is a Bokeh figure")
    (bundle,) = drawn("a.vl.json", {**CHART, "description": "x" * (3 << 20)})
    assert bundle.data["text/plain"] == "a.vl.json is too large to be drawn here."


@pytest.mark.parametrize("data", [b"", b"[" * 100_000, b"\xff", b"null"])
def test_what_is_no_figure_is_only_a_file(data):
    view = View(files=(File("x.plotly.json", data), File("y.vl.json", data)))
    assert len(bundles(view)) == 2


def test_a_turn_shows_its_figures_above_its_files():
    view = View(files=(File("figure-1.plotly.json", json.dumps({"data": [BAR]}).encode()),))
    drawn_, *rest = bundles(view)
    assert PLOTLY in drawn_.data
    assert not any(FILES_TYPE in output.data for output in rest)  # it is one thing


def test_a_figure_that_is_only_named_stays_among_the_files():
    files = (File("a.csv", b"a\n1\n"), File("b.chart.json", b"{}"))
    [listed] = [output.data for output in bundles(View(files=files)) if FILES_TYPE in output.data]
    assert [file["name"] for file in listed[FILES_TYPE]["files"]] == ["a.csv", "b.chart.json"]
