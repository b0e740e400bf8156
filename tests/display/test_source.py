"""Saved Markdown: read back by parsers that allow everything, it still does nothing."""

from __future__ import annotations

import re

import mistune
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from aoai_magic.display.markdown.parse import plain
from aoai_magic.display.markdown.to_html import safe_html
from aoai_magic.display.markdown.to_markdown import (
    code_span,
    escape,
    escape_html,
    fence,
    safe_markdown,
)

from . import hostile

# The most permissive readings that there are: raw HTML, tables, bare links, strikethrough.
PERMISSIVE = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
MISTUNE = mistune.create_markdown(
    escape=False, renderer="ast", plugins=["table", "strikethrough", "url", "footnotes", "math"]
)
OWN_TAGS = {"<span>", "</span>", '<div dir="auto">', "</div>"}
SCHEMES = ("http://", "https://", "mailto:")


def commonmark_findings(markdown):
    """What a CommonMark parser sees that could do something."""
    for block in PERMISSIVE.parse(markdown):
        for token in [block, *(block.children or [])]:
            if token.type in ("html_block", "html_inline", "image"):
                yield token.content.strip()
            elif token.type == "link_open":
                yield str(token.attrs["href"])


def mistune_findings(nodes):
    """The same for nbconvert's parser."""
    for node in nodes:
        if node["type"] in ("inline_html", "block_html", "image"):
            yield node.get("raw", "") or str(node)
        elif node["type"] == "link":
            yield node["attrs"]["url"]
        yield from mistune_findings(node.get("children") or [])


def assert_inert(markdown):
    found = [*commonmark_findings(markdown), *mistune_findings(MISTUNE(markdown))]
    for finding in found:
        assert finding.strip() in OWN_TAGS or finding.startswith(SCHEMES), (finding, markdown)


@pytest.mark.parametrize("text", hostile.PROSE)
def test_hostile_prose_is_inert_in_other_parsers(text):
    assert_inert(safe_markdown(text))


@pytest.mark.once
@pytest.mark.lengthy
@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", hostile.ENDLESS, ids=lambda text: ascii(text[:12]))
def test_no_text_is_too_deep_or_takes_for_ever(text):
    written = safe_markdown(text)
    assert len(written) < 12 * len(text) + 100
    assert safe_html(text)
    assert safe_html(f"${text}$")
    plain(text)


FRAGMENTS = st.sampled_from(
    [
        *("`", "``", "```", "~~~", "$", "$$", "\\", "\\(", "\\)", "\\[", "\\]", "{", "}", "\n"),
        *("\n\n", "    ", "\t", "- ", "1. ", "> ", "# ", "|", "\n---|---\n", "*", "_", "~~"),
        *("[", "]", "](", ")", "![", "<", ">", "&lt;", "&#96;", "&#10;", "@@0@@", "[^1]", "[^1]: "),
        *("<img src=x>", "<script>", "</script>", "<!--", "-->", "<details>", "javascript:x"),
        *("[a]: javascript:x", "http://e.example/a", "\\begin{equation}", "\\end{equation}"),
        *("word", "x", " ", "mermaid", "\\href{javascript:x}{y}", "[ ] ", "\r", "\u202e", "!"),
        *("\\!", "[x](http://e.example)", "<http://e.example>", "\\(\\)", "&#33;", "&#91;"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(FRAGMENTS, max_size=24).map("".join))
def test_no_mixture_of_marks_becomes_live(text):
    assert_inert(safe_markdown(text))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("# A *b* **c** ~~d~~ `e`", "# A *b* **c** ~~d~~ `e`"),
        ("a\\\nb  \nc", "a\\\nb\\\nc"),
        ("3. x\n4. y\n   - z", "3. x\n4. y\n   - z"),
        ("- a\n\n- b", "- a\n\n- b"),
        ("> a\n> - b", "> a\n>\n> - b"),
        ("| a | b |\n|:--|--:|\n| `x\\|y` | 1 |", "| a | b |\n| :--- | ---: |\n| `x\\|y` | 1 |"),
        ("```py\nx = 1\n```", "```py\nx = 1\n```"),
        ("    indented", "```\nindented\n```"),
        ("- [ ] a\n- [x] b", "- ☐ a\n- ☑ b"),
        ("***", "---"),
        ("<https://a.example/b_c>", "[https://a.example/b\\_c](https://a.example/b_c)"),
        ("write to me@a.example", "write to me@a.example"),
        ("[x](https://a.example/p)", "[x](https://a.example/p) (a.example)"),
        ("[x](mailto:me@a.example)", "[x](mailto:me@a.example) (me@a.example)"),
        ("1986\\. A year", "1986\\. A year"),
        ("\\- no list", "\\- no list"),
        ("日本語の**強調**です", "日本語の**強調**です"),
    ],
)
def test_ordinary_markdown_keeps_its_meaning(text, written):
    assert safe_markdown(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\\(x_1 < 2\\)", "$x_1 \\lt 2$"),
        ("\\[\n\\frac{a}{b}\n\\]", "$$\\frac{a}{b}$$"),
        ("$$\nx\n$$", "$$\nx\n$$"),
        ("\\begin{equation}\nx\n\\end{equation}", "$$\n\\begin{equation}\nx\n\\end{equation}\n$$"),
        ("$5 and $6", "<span>\\$</span>5 and <span>\\$</span>6"),
    ],
)
def test_formulas_are_told_from_prices(text, written):
    assert safe_markdown(text) == written


def test_a_link_says_where_it_goes_unless_its_text_does():
    assert "(evil.example)" in safe_markdown("[https://bank.example](https://evil.example/login)")
    assert safe_markdown("[a.example](https://a.example)").count("a.example") == 2


def test_a_link_with_a_user_in_its_address_is_no_link():
    assert "](" not in safe_markdown("[bank.example](https://bank.example@evil.example/)")


def test_a_picture_becomes_words():
    written = safe_markdown("![Growth](https://a.example/x.png)")
    assert written == "Growth (`https://a.example/x.png`)"


@pytest.mark.parametrize("link", ["[x](https://a.example)", "<https://a.example>"])
@pytest.mark.parametrize("before", ["\\!", "&#33;", "a!\\(\\)"])
def test_an_exclamation_mark_makes_no_picture_of_the_link_after_it(before, link):
    assert "\\![" in safe_markdown(before + link)
    assert "\\![" in safe_markdown("look!https://a.example/x.png")
    assert safe_markdown("Done!") == "Done!"


@pytest.mark.parametrize(
    "link",
    ["[Download](sandbox:/mnt/data/my%20top.csv)", "![Download](sandbox:/mnt/data/my%20top.csv)"],
)
def test_a_link_into_the_session_is_its_words(link):
    assert safe_markdown(link) == "Download"
    assert safe_markdown(link.replace("Download", "3700")) == "3700"
    assert safe_markdown("[](sandbox:/mnt/data/my%20top.csv)") == "`my top.csv`"


def test_lines_from_right_to_left_are_set_apart_and_others_not():
    def right(text):
        return f'<div dir="auto">\n\n{text}\n\n</div>'

    assert safe_markdown("مرحبا `x`\nhello") == right("\u2067مرحبا `x`\u2069\nhello")
    assert safe_markdown("مرحبا\\\nb") == right("\u2067مرحبا\u2069\\\nb")
    assert safe_markdown("# שלום\n\nשלום\n\nb\n\n```\nx\n```") == "\n\n".join(
        [right("# \u2067שלום\u2069\n\n\u2067שלום\u2069"), "b", "```\nx\n```"]
    )


def test_footnotes_are_numbered_and_stand_at_the_end():
    assert safe_markdown("a[^x] b[^y]\n\n[^x]: first\n[^y]: second") == (
        "a¹ b²\n\n---\n\n¹ first\n\n² second"
    )


def test_citations_are_numbered_by_what_they_cite():
    text = "Up【4:0†a.pdf】, down【4:1†<b>.pdf】, up again【5:0†a.pdf】."
    written = "Up¹, down², up again¹.\n\n---\n\n¹ a.pdf\n\n² &lt;b&gt;.pdf"
    assert safe_markdown(text) == written


def test_a_note_defined_within_a_note_costs_the_notes_not_the_text():
    assert "word" in safe_markdown("[^1]: - [^1]: word")


def test_a_language_that_front_ends_draw_is_dropped():
    assert safe_markdown("```mermaid\ngraph\n```") == "```\ngraph\n```"


def test_nested_code_with_dollar_signs_stands_at_the_margin():
    assert "\n```sh\necho $HOME\n```" in safe_markdown("1. do\n   ```sh\n   echo $HOME\n   ```")


def test_a_formula_never_holds_a_tag_or_an_unpaired_brace():
    formulas = re.findall(r"\$+([^$]+)\$+", safe_markdown("$a < {b$ and \\(c > d\\)"))
    assert formulas
    assert not any("<" in tex or tex.replace("\\{", "").count("{") for tex in formulas)


@given(st.text(max_size=40))
def test_a_fence_cannot_be_ended_from_within(code):
    block = PERMISSIVE.parse(fence(code + "\n```\n````", "python"))
    assert [token.type for token in block] == ["fence"]


@given(st.text(alphabet="`ab $|\\<\n", min_size=1, max_size=20))
def test_code_in_a_line_is_code_and_nothing_else(text):
    (inline,) = [t for t in PERMISSIVE.parse(f"x{code_span(text)}x") if t.type == "inline"]
    assert [t.type for t in inline.children] == ["text", "code_inline", "text"]


@given(st.text(max_size=60))
def test_escaped_text_means_nothing(text):
    assert_inert("x " + escape(text))
    assert "<" not in escape_html(text).replace("<span>", "").replace("</span>", "")
