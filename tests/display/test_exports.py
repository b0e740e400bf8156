"""Saved turns as others write them anew: GitHub's sanitiser, and LaTeX for a PDF."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser

import nbformat
import nh3
import pytest
from nbconvert import HTMLExporter, LatexExporter, MarkdownExporter

from aoai_magic.display.outputs import Bundle
from aoai_magic.display.saved.bundles import bundles
from aoai_magic.turn.view import (
    Code,
    File,
    Notice,
    Text,
    View,
)

from . import hostile, story

# What GitHub lets stand in a page of somebody else's (its gem html-pipeline,
# lib/html_pipeline/sanitization_filter.rb): no style, class, id or script.
GITHUB_TAGS = set(
    """
    h1 h2 h3 h4 h5 h6 br b i strong em a pre code img tt div ins del sup sub p picture ol ul
    table thead tbody tfoot blockquote dl dt dd kbd q samp var hr ruby rt rp li tr td th s strike
    summary details caption figure figcaption abbr bdo cite dfn mark small source span time wbr
    """.split()  # noqa: SIM905
)
GITHUB_ATTRIBUTES = {
    "a": {"href"},
    "img": {"src", "alt", "longdesc", "loading"},
    "*": {"align", "alt", "colspan", "dir", "lang", "open", "rowspan", "start", "title", "width"},
}
ATTACKS_IN_TEX = (
    r"$\input{/etc/passwd}$",
    r"$^^5cinput{/etc/passwd}$",
    r"$$\immediate\write18{rm x}$$",
    r"$\openout5=x.tex \write5{x}$",
    "$$\n\\begin{filecontents}{x.sty}\n\\end{filecontents}\n$$",
    r"$\lstinputlisting{/etc/passwd} \verbatiminput{/etc/passwd} \InputIfFileExists{x}{}{}$",
    r"\input{/etc/passwd} \write18{x} \begin{document}",
    r"$\end{document}$ $\directlua{os.execute()}$ $\csname input\endcsname{x}$",
)


def notebook(view):
    outputs = [
        nbformat.v4.new_output("display_data", data=output.data)
        if isinstance(output, Bundle)
        else nbformat.v4.new_output("stream", name="stdout", text=output.text)
        for output in bundles(view)
    ]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=outputs)])


def evil():
    parts = [Text(f"t{i}", text) for i, text in enumerate((*hostile.PROSE, *ATTACKS_IN_TEX))]
    parts += [Code(f"c{i}", code) for i, code in enumerate(hostile.CODE)]
    parts += [Notice(f"n{i}", name) for i, name in enumerate(hostile.NAMES)]
    files = tuple(File(name, b"a,b\n<b>,2\n") for name in hostile.NAMES)
    return View(model=hostile.PROSE[0], parts=tuple(parts), files=files)


def github(view):
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook(view))
    return nh3.clean(
        page,
        tags=GITHUB_TAGS,
        attributes=GITHUB_ATTRIBUTES,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel=None,
    )


def test_what_github_lets_through_still_says_everything():
    page = github(story.final(story.turn()))
    for said in (
        "<summary>Worked 3.2 s · 2 steps · 1 failed attempt",
        "attempt 1 failed: KeyError",
        "groupby",
        "2026-10  1.60   1.10",
        "North grew fastest",
        "34 %</td>",
        "☑ looked at all months",
        "$\\bar x = 3$",
        "from <span>$</span>1.2",
        'href="https://example.org/growth"',
        "1 row × 2 columns",
        "gpt-4o · code ran on this machine",
    ):
        assert said in page, said
    assert page.count("<details>") == page.count("</details>") == 2
    assert 'src="data:image/png;base64,' in page


class Links(HTMLParser):
    """Counts a page's pictures and lists where its links lead."""

    def __init__(self):
        super().__init__()
        self.pictures, self.urls = 0, []

    def handle_starttag(self, tag, attrs):
        self.pictures += tag == "img"
        self.urls += [value for name, value in attrs if name in ("href", "src")]


def test_nothing_hostile_passes_there():
    page = github(evil())
    links = Links()
    links.feed(page)
    assert links.pictures == 0
    # nbconvert gives headings an anchor of their own.
    allowed = ("http://", "https://", "mailto:", "#")
    assert links.urls
    assert [url for url in links.urls if not url.startswith(allowed)] == []


def test_markdown_has_the_same_parts():
    text, resources = MarkdownExporter().from_notebook_node(notebook(story.final(story.turn())))
    for said in ("**sales**", "<summary>Worked", "\n2026-10", "![png](", "| North | 34 % |"):
        assert said in text
    assert len(resources["outputs"]) == 1


@pytest.mark.lengthy
@pytest.mark.skipif(not shutil.which("pandoc"), reason="needs pandoc: apt-get install pandoc")
def test_latex_is_whole_and_reads_or_writes_no_file():
    text, _ = LatexExporter().from_notebook_node(notebook(story.final(story.turn())))
    for said in (r"\textbf{North}", r"\(\bar x = 3\)", r"\begin{longtable}", "2026-10  1.60"):
        assert said in text
    text, _ = LatexExporter().from_notebook_node(notebook(evil()))
    body = text.split(r"\begin{document}")[-1]
    assert body.count(r"\end{document}") == 1
    bad = r"(?<!\\)(?:\\\\)*\\(?:input|write|immediate|openout|include|csname|directlua|def)\b"
    assert re.findall(bad, body) == []
    assert "^^" not in re.sub(r"(?s)\\begin\{(Verbatim|verbatim)\}.*?\\end\{\1\}", "", body)
    assert r"\begin{filecontents}" not in body
