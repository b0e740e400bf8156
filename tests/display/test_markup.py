"""The live view's HTML, read by a parser that notes every tag and attribute."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoai_magic.display.markdown import to_mathml
from aoai_magic.display.markdown.to_html import code_html, safe_html, text_html
from aoai_magic.display.markdown.to_markdown import LANGUAGES

from . import hostile
from .test_source import FRAGMENTS

TAGS = {
    *("div", "p", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "s", "code", "pre", "span"),
    *("a", "ul", "ol", "li", "blockquote", "hr", "br", "sup"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"class", "dir", "href", "title", "target", "rel", "style", "start", "tabindex"}
STYLES = {f"text-align:{side}" for side in ("left", "right", "center")}


class Inspector(HTMLParser):
    """Collects what is not expected."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if tag not in TAGS | to_mathml.TAGS:
            self.found.append(tag)
        for name, value in attrs:
            allowed = name in ATTRIBUTES
            if tag in to_mathml.TAGS:
                allowed = name in to_mathml.ATTRIBUTES and to_mathml.VALUE.fullmatch(value)
            if name == "href":
                allowed = value.startswith(("http://", "https://", "mailto:"))
            if name == "style":
                allowed = value in STYLES
            if not allowed:
                self.found.append((name, value))


def findings(html):
    inspector = Inspector()
    inspector.feed(html)
    return inspector.found


@pytest.mark.parametrize("text", hostile.PROSE)
def test_hostile_prose_gives_known_tags_only(text):
    assert findings(safe_html(text)) == []


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAGMENTS, max_size=24).map("".join))
def test_no_mixture_of_marks_gives_other_tags(text):
    assert findings(safe_html(text)) == []


@pytest.mark.parametrize("code", hostile.CODE)
def test_hostile_code_stays_code(code):
    assert findings(code_html(code)) == []
    assert findings(text_html(code)) == []


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_language_is_highlighted_or_plain(language):
    assert "<pre" in code_html("x = 1", language)


def test_a_link_opens_apart_and_tells_nothing():
    html = safe_html("[x](https://a.example/?a=1&b=2)")
    assert 'href="https://a.example/?a=1&amp;b=2"' in html
    assert 'rel="noopener noreferrer nofollow"' in html
    assert "(a.example)" in html


def test_code_is_highlighted_by_class_so_that_themes_decide():
    html = code_html("def f(): return 'x'")
    assert 'class="aoai-k"' in html
    assert "style=" not in html


def test_overrides_in_code_are_shown_instead_of_obeyed():
    assert "\\u202e" in code_html("s = '\u202e'")


def test_each_block_chooses_its_own_direction():
    html = safe_html("## مرحبا\n\n日本語\n\n- a\n\n| a |\n|---|\n| b |\n")
    assert '<h2 dir="auto">مرحبا</h2>\n<p dir="auto">日本語</p>\n<ul dir="auto">' in html
    assert html.count('dir="auto"') == 5
    assert safe_html("> - مرحبا\n>\n>   مرحبا").count('dir="auto"') == 1


def test_soft_breaks_footnotes_formulas_and_tasks_are_written():
    html = safe_html("a\nb[^1] \\(x<y\\)\n\n- [x] done\n\n[^1]: note")
    assert "a\nb<sup>1</sup>" in html
    assert "<mi>x</mi><mo>&lt;</mo><mi>y</mi>" in html
    assert "<li>☑ done</li>" in html
    assert '<hr><ol><li><p dir="auto">note</p>' in html
