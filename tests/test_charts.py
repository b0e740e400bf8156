"""The charts of a turn: what a server says of them, and what a user gets of it."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from aoai_magic.display.saved.bundles import bundles
from aoai_magic.runner.turn import Turn
from aoai_magic.turn import chart, events
from aoai_magic.turn.view import File, View, fold

PNG = b"\x89PNG\r\n\x1a\n"
LITE = "application/vnd.vegalite.v5+json"
SPEC = {
    "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
    "title": {"text": "Sales"},
    "mark": "bar",
    "datasets": {"d": [{"day": "2026-01-01T00:00:00", "n": 1}, {"day": "2026-01-02", "n": 2}]},
}


def turn(said):
    text = chart.written(said)
    title = chart.read(text).title
    made = events.ImageMade("i", "chart-1.png", PNG, "image/png", title, text)
    return Turn(fold(View(), made))


def of_file(name, content):
    return Turn(View(files=(File(name, json.dumps(content).encode()),)))


def test_a_chart_has_its_picture_title_and_data():
    columns = {"day": ["2026-01-01T00:00:00", "2026-02-01T00:00:00"], "n": [1, None]}
    made = turn({"title": "Sales 売上", "tables": [{"name": "lines", "columns": columns}]})
    (drawn,) = made.charts
    assert (drawn.title, drawn.spec, drawn.problem) == ("Sales 売上", None, "")
    assert drawn.picture.data == PNG
    assert next(iter(drawn.frame["n"])) == 1
    assert str(drawn.frame["day"].dtype).startswith("datetime64")
    assert bundles(made.view)[0].data["text/plain"] == "Sales 売上"


def test_several_tables_are_a_dict():
    one = {"name": "a", "columns": {"x": [1]}}
    (drawn,) = turn({"title": "", "tables": [one, one]}).charts
    assert [list(frame["x"]) for frame in drawn.frame.values()] == [[1], [1]]
    assert len(drawn.frame) == 2


@pytest.mark.parametrize(
    "said",
    [
        None,
        "text",
        [],
        {"title": 5, "tables": "x", "spec": [], "type": 3},
        {
            "title": {"text": []},
            "tables": [5, {"columns": {"a": 1}}, {"columns": {"a": [1], "b": []}}],
        },
        {"tables": [{"columns": {}}]},
        {"spec": {"datasets": [], "data": {"url": "https://evil.example"}}, "type": LITE},
        {"spec": {"datasets": {"a": 3}}, "type": LITE},
        {"spec": {"datasets": {str(n): [{"a": 1}] for n in range(51)}}, "type": LITE},
        {"tables": [{"columns": {"a": [1]}}] * 51},
        {"title": "x" * (5 << 20)},
    ],
)
def test_nonsense_of_a_server_is_a_picture_and_no_more(said):
    made = turn(said)
    (drawn,) = made.charts
    assert drawn.frame is None
    assert drawn.problem
    assert list(bundles(made.view)[0].data) == ["image/png", "text/plain"]


@pytest.mark.parametrize("text", ["{", "[]", "5", "[" * 100_000])
def test_a_recording_with_a_broken_chart_is_a_picture_and_no_more(text):
    view = fold(View(), events.ImageMade("i", "chart-1.png", PNG, "image/png", "T", text))
    assert list(bundles(view)[0].data) == ["image/png", "text/plain"]
    assert Turn(view).charts[0].frame is None


def test_a_chart_of_vega_lite_shows_itself_above_its_picture():
    made = turn({"title": "", "type": LITE, "spec": SPEC})
    data = bundles(made.view)[0].data
    assert list(data) == [LITE, "image/png", "text/plain"]
    assert data["text/plain"] == "Sales"
    (drawn,) = made.charts
    assert (drawn.type, drawn.spec["mark"]) == (LITE, "bar")
    assert list(drawn.frame["n"]) == [1, 2]


def test_a_chart_that_could_load_something_is_its_picture_alone():
    made = turn({"type": LITE, "spec": {**SPEC, "data": {"url": "https://evil.example"}}})
    assert list(bundles(made.view)[0].data) == ["image/png", "text/plain"]
    assert made.charts[0].spec["mark"] == "bar"


FIGURE = {
    "data": [
        {"type": "bar", "name": "a", "x": ["p", "q"], "y": {"dtype": "i1", "bdata": "AQI="}},
        {"type": "bar", "x": ["p"], "y": [3], "z": [[1, 2]]},
        {"type": "bar", "name": "c", "x": ["p"], "y": [4]},
        {"type": "bar", "x": ["p", "q"], "y": [5]},
        {"type": "bar", "x": {"dtype": "O", "bdata": "!"}},
        {"type": "bar", "x": {"dtype": ["f8"], "bdata": "AAAA"}},
        {"type": "bar", "x": {"dtype": {"f8": 1}, "bdata": "AAAA"}},
        "nonsense",
    ],
    "layout": {"title": {"text": "T"}, "xaxis": {"title": {"text": "letter"}}},
}


def test_the_data_of_a_figure_of_plotly_is_that_of_its_traces():
    (drawn,) = of_file("figure-1.plotly.json", FIGURE).charts
    assert (drawn.title, drawn.picture) == ("T", None)
    wanted = {"series": ["a", "a", "c"], "letter": ["p", "q", "p"], "y": [1, 2, 4]}
    pd.testing.assert_frame_equal(drawn.frame, pd.DataFrame(wanted), check_dtype=False)


def test_the_data_of_plotlys_own_figures():
    express = pytest.importorskip("plotly.express")
    frame = pd.DataFrame({"x": [1, 2], "y": [3.5, 4], "kind": ["a", "b"]})
    figure = json.loads(express.scatter(frame, x="x", y="y", color="kind", title="T").to_json())
    (drawn,) = of_file("figure-1.plotly.json", figure).charts
    wanted = {"series": ["a", "b"], "x": [1, 2], "y": [3.5, 4]}
    pd.testing.assert_frame_equal(drawn.frame, pd.DataFrame(wanted), check_dtype=False)


@pytest.mark.parametrize(
    "content", ["[]", "{", "[" * 100_000, '{"data": 5}', '{"data": [{"x": 1}]}']
)
def test_what_is_no_figure_has_no_data(content):
    made = Turn(View(files=(File("x.plotly.json", content.encode()),)))
    assert [one.frame for one in made.charts] in ([], [None])


def test_the_data_of_a_figure_of_bokeh_is_what_its_file_says():
    said = {"title": "T", "tables": [{"name": "Line", "columns": {"x": [1, 2], "y": [3, None]}}]}
    (drawn,) = of_file("figure-1.chart.json", said).charts
    assert (drawn.title, drawn.picture, drawn.spec) == ("T", None, None)
    assert list(drawn.frame["x"]) == [1, 2]
