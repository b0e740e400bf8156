"""The display in a real kernel, driven headless as nbconvert and nbmake do it."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest
from nbconvert import HTMLExporter, MarkdownExporter

pytestmark = pytest.mark.kernel

CELL = """
import sys
sys.path.insert(0, {tests!r})
from display import story
from aoai_magic.display import open_screen, show
from aoai_magic.display.detect import kind_here
screen = open_screen({kind!r})
for view in story.views(story.turn()):
    screen.show(view)
screen.close(view)
kind_here()
"""
SHOW = "show(view)"
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def executed():
    def execute(kind, *more):
        source = CELL.format(tests=str(Path(__file__).parents[1]), kind=kind)
        cells = [nbformat.v4.new_code_cell(text) for text in (source, *more)]
        notebook = nbformat.v4.new_notebook(cells=cells)
        nbclient.NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
        return notebook

    return execute


@pytest.fixture(scope="module")
def headless(executed):
    return executed("auto", SHOW)


def test_a_headless_client_gets_finished_outputs_and_no_widgets(headless):
    outputs = headless.cells[0].outputs
    assert outputs[-1]["data"]["text/plain"] == "'frozen'"
    assert {output.output_type for output in outputs[:-1]} == {"display_data"}
    assert "widgets" not in headless.metadata
    assert not [
        o for o in outputs if "application/vnd.jupyter.widget-view+json" in o.get("data", {})
    ]
    nbformat.validate(headless)


def test_a_turn_shown_again_looks_the_same(headless):
    first, again = (list(map(content, cell.outputs)) for cell in headless.cells)
    assert again == first[:-1]


def test_a_live_turn_is_saved_like_a_headless_one(executed, headless):
    outputs = executed("live").cells[0].outputs
    assert list(map(content, outputs)) == list(map(content, headless.cells[0].outputs))


def content(output):
    return dict(output.get("data", {"stream": output.get("text")}))


def test_every_export_shows_it(headless):
    page, _ = HTMLExporter(embed_images=True).from_notebook_node(headless)
    for text in (
        "North grew fastest",
        "<td",
        "<details>",
        "<summary>Worked",
        "2026-10",
        "top.csv",
    ):
        assert text in page
    assert 'src="data:image/png;base64,' in page
    assert "\\$</span>" not in page
    markdown, _ = MarkdownExporter().from_notebook_node(headless)
    assert "## North grew fastest" in markdown
