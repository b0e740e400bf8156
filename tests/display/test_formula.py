"""Formulas in the live view and in pages."""

from __future__ import annotations

import re

import pytest

from aoai_magic.display.markdown.to_html import safe_html
from aoai_magic.display.markdown.to_mathml import LONGEST, formula_html

from . import hostile


def test_a_formula_is_drawn_without_script():
    drawn = formula_html(r"\bar x = \frac{1}{n}\sum_{i=1}^n x_i")
    assert drawn.startswith('<math display="inline">')
    assert "<mfrac><mrow><mn>1</mn></mrow><mrow><mi>n</mi></mrow></mfrac>" in drawn


def test_both_kinds_are_drawn_in_prose_and_amounts_of_money_are_none():
    drawn = safe_html("From $1.2 to $3: \\(x^2\\)\n\n$$\\sqrt{y}$$\n")
    assert "From $1.2 to $3" in drawn
    assert '<math display="inline"><mrow><msup>' in drawn
    assert '<math display="block"><mrow><msqrt>' in drawn


@pytest.mark.parametrize("tex", [r"\foo{x}", "x_", "{" * 1_500, "x" * (LONGEST + 1), r"\frac"])
def test_what_cannot_be_drawn_is_shown_as_it_was_written(tex):
    assert formula_html(tex) == f'<code class="aoai-math" dir="ltr">{tex}</code>'


HOSTILE = [
    r"\href{javascript:alert(1)}{x}",
    r"\text{<script>alert(1)</script>}",
    r"\text{&lt;img src=x onerror=alert(1)&gt;}",
    r"\style{position:fixed}{x}",
    r"\class{jp-Button}{x}",
    r"\color{white}{x}\colorbox{white}{y}\rlap{z}",
    r"\rule{100em}{100em}\hspace{1000em}\hspace{-9em}",
    r"\text{&#x202e;lived}",
    *hostile.PROSE,
]


@pytest.mark.parametrize("tex", HOSTILE)
def test_a_formula_does_nothing_but_draw(tex):
    drawn = formula_html(tex)
    tags = set(re.findall(r"<(\w+)", drawn))
    assert tags <= {"code"} | {tag for tag in tags if tag.startswith("m")}
    names = set(re.findall(r"<\w+((?: [\w-]+=\"[^\"]*\")*)", drawn))
    assert not re.search(r"href|style=|class=\"jp|color|background|\d{3}em|-\d+em", " ".join(names))
    assert "\u202e" not in drawn
