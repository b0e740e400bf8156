"""Harmless tokens written as Markdown that every front end reads alike.

JupyterLab (marked), VS Code (markdown-it), GitHub (cmark-gfm), nbconvert (mistune) and
Jupyter's own search for formulas before the parser disagree on the odd cases, and a
place where one sees code and another sees a tag is a hole. So the model's own source is
not patched: what was understood of it is written anew with few, plain constructs, and
every character that means something in Markdown is escaped everywhere else.

Fenced code always begins in the first column where it holds a dollar sign: only there
does JupyterLab's search for formulas know that it is code.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterable
from itertools import groupby
from urllib.parse import quote

from markdown_it.tree import SyntaxTreeNode

from aoai_magic.display.markdown.cjk_emphasis import JOINER, marked
from aoai_magic.display.markdown.parse import cited, parse, superscript
from aoai_magic.text import sanitize

# Front ends highlight these. Any other name is dropped: some *draw* what a fence holds
# (mermaid, geojson, topojson, stl, math), and a drawing may fetch things.
LANGUAGES = frozenset(
    """
    bash c cpp csharp css csv diff dockerfile go graphql haskell html ini java javascript js
    json jsx julia kotlin latex lua makefile markdown matlab md perl php powershell py python
    python3 r ruby rust scala sh shell sql swift text toml ts tsx typescript xml yaml yml
    """.split()  # noqa: SIM905 - a page of quoted names reads worse
)
_ESCAPED = re.compile(r"[\\`*_\[\]$~|<>&]")
_LINE_START = re.compile(r"^(?:[-+=#:]|(\d{1,9})([.)]))")
# U+2060 (word joiner) keeps a backslash from beginning a formula in what is *rendered*:
# MathJax searches the finished page for \( and \begin.
_BACKSLASH = "\\\\\u2060"
# MathJax finds "$" there too, however it was escaped, but never across an element's edge.
_DOLLAR = "<span>\\$</span>"
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "\\": _BACKSLASH, "$": _DOLLAR}
# Front ends make links of addresses in text, each its own way: those that `parse` left as
# text (ftp, letters that look like others, cut ones) shall be none.
_ADDRESS = re.compile(r"(?:https?|ftp):(?=//)|(?<!\S)/(?=/\S)", re.IGNORECASE)
_TICKS = re.compile(r"`+")
_URL_UNSAFE = re.compile(r"[^A-Za-z0-9\-._/:?#@!&+,;=%']")


def safe_markdown(text: str) -> str:
    """Return Markdown that reads like ``text`` and does nothing anywhere."""
    nodes = SyntaxTreeNode(parse(cited(text))).children
    runs = ((rtl, _blocks(run)) for rtl, run in groupby(nodes, _reads_from_right))
    return "\n\n".join(_from_right(text) if rtl else text for rtl, text in runs if text)


def escape(text: str) -> str:
    """Escape plain text for a line of Markdown."""
    text = _ADDRESS.sub("\\g<0>\u2060", " ".join(text.split("\n")))
    return _ESCAPED.sub(lambda m: _ENTITIES.get(m.group(), "\\" + m.group()), text)


def escape_html(text: str) -> str:
    """Escape plain text for a line of HTML that stands in Markdown."""
    text = html.escape(" ".join(text.split("\n"))).replace("\\", "&#92;\u2060")
    return text.replace("$", "<span>&#36;</span>")


def code_span(text: str) -> str:
    """Return ``text`` as code within a line."""
    text = " ".join(text.split("\n")) or " "
    ticks = "`" * (1 + max((len(run) for run in _TICKS.findall(text)), default=0))
    # A space at both ends is taken off again by every parser.
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def link(text: str, path: str) -> str:
    """Return a link to a file beside the notebook; the path cannot be read as a URL."""
    return f"[{escape(text)}]({quote(path, safe='/')})"


def fence(code: str, language: str = "") -> str:
    """Return ``code`` as a block that nothing in it can end."""
    longest = max((len(run) for run in _TICKS.findall(code)), default=0)
    marks = "`" * max(3, longest + 1)
    name = language.strip().lower()
    name = name if name in LANGUAGES else ""
    return f"{marks}{name}\n{sanitize.exact(code).rstrip()}\n{marks}"


def _reads_from_right(node: SyntaxTreeNode) -> bool:
    return _is_rtl("".join(n.content for n in node.walk() if n.type == "text"))


def _from_right(text: str) -> str:
    # Not "rtl", of which pandoc makes LaTeX that needs a package of its own.
    return f'<div dir="auto">\n\n{text}\n\n</div>'


def _is_rtl(text: str) -> bool:
    strong = (unicodedata.bidirectional(character) for character in text)
    return next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L"


def _blocks(nodes: Iterable[SyntaxTreeNode], tight: bool = False) -> str:
    written = (_block(node) for node in nodes)
    return ("\n" if tight else "\n\n").join(text for text in written if text)


def _block(node: SyntaxTreeNode) -> str:
    writer = _BLOCKS.get(node.type)
    return writer(node) if writer else _blocks(node.children)


def _paragraph(node: SyntaxTreeNode) -> str:
    lines = _inline(node.children).split("\n")
    return "\n".join(_directed(_guard(line.strip())) for line in lines)


def _directed(line: str) -> str:
    """Set a line that begins right to left apart: front ends lay out from the left."""
    if not _is_rtl(line):
        return line
    # U+2067 and U+2069 (isolate); a backslash before a line's end must stay there.
    return f"\u2067{line.removesuffix(chr(92))}\u2069{chr(92) if line.endswith(chr(92)) else ''}"


def _guard(line: str) -> str:
    """Keep a line of text from beginning a list, heading, rule or table."""
    match = _LINE_START.match(line)
    if not match:
        return line
    if match.group(1):
        return f"{match.group(1)}\\{line[len(match.group(1)) :]}"
    return f"\\{line}"


def _heading(node: SyntaxTreeNode) -> str:
    text = " ".join(_inline(node.children).split("\n"))
    return f"{'#' * int(node.tag[1])} {_directed(text)}"


def _fence(node: SyntaxTreeNode) -> str:
    return fence(node.content, node.info.split(" ")[0] if node.type == "fence" else "")


def _math_block(node: SyntaxTreeNode) -> str:
    return f"$$\n{node.content}\n$$"


def _quote(node: SyntaxTreeNode) -> str:
    return _hoist(node, lambda text: "\n".join(f"> {line}".rstrip() for line in text.split("\n")))


def _list(node: SyntaxTreeNode) -> str:
    # Two lists with the same mark in a row would become one; ours are told apart by the
    # paragraph or rule that stands between them in any text that makes sense.
    start = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
    items = []
    tight = _is_tight(node)
    for number, item in enumerate(node.children):
        mark = "- " if start is None else f"{start + number}. "
        items.append(_item(item, mark, tight))
    return ("\n" if tight else "\n\n").join(items)


def _is_tight(node: SyntaxTreeNode) -> bool:
    paragraphs = [p for item in node.children for p in item.children if p.type == "paragraph"]
    return all(paragraph.hidden for paragraph in paragraphs)


def _item(item: SyntaxTreeNode, mark: str, tight: bool) -> str:
    indent = " " * len(mark)

    def within(text: str, first: bool) -> str:
        lines = [f"{indent}{line}".rstrip() for line in text.split("\n")]
        return mark + lines[0].removeprefix(indent) if first else "\n".join(lines)

    return _hoist_item(item, within, tight) or mark.rstrip()


def _hoist_item(item: SyntaxTreeNode, within: Callable[[str, bool], str], tight: bool) -> str:
    pieces = []
    for place, child in enumerate(item.children):
        text = _block(child)
        pieces.append(text if _stands_alone(child) else within(text, place == 0))
    apart = "\n\n" if not tight or any(map(_stands_alone, item.children)) else "\n"
    return apart.join(pieces)


def _hoist(node: SyntaxTreeNode, within: Callable[[str], str]) -> str:
    """Write a block's children ``within`` it, but fences with dollar signs at the margin."""
    pieces: list[str] = []
    inner: list[SyntaxTreeNode] = []
    for child in node.children:
        if _stands_alone(child):
            pieces += [within(_blocks(inner))] if inner else []
            pieces.append(_block(child))
            inner = []
        else:
            inner.append(child)
    pieces += [within(_blocks(inner))] if inner else []
    return "\n\n".join(pieces)


def _stands_alone(node: SyntaxTreeNode) -> bool:
    return any(
        n.type in ("fence", "code_block") and "$" in n.content
        for n in node.walk()
        if n.is_nested is False
    )


def _table(node: SyntaxTreeNode) -> str:
    rows = [row for part in node.children for row in part.children]
    lines = [_row(row) for row in rows]
    rule = [_alignment(cell) for cell in rows[0].children]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]])


def _row(row: SyntaxTreeNode) -> str:
    cells = [" ".join(_inline(cell.children, in_table=True).split("\n")) for cell in row.children]
    return f"| {' | '.join(cells)} |"


def _alignment(cell: SyntaxTreeNode) -> str:
    style = str(cell.attrs.get("style", ""))
    return {"center": ":---:", "right": "---:", "left": ":---"}.get(style.split(":")[-1], "---")


def _footnotes(node: SyntaxTreeNode) -> str:
    notes = []
    for number, note in enumerate(node.children, 1):
        notes.append(f"{superscript(number)} {_blocks(note.children)}".strip())
    return "\n\n".join(["---", *notes])


def _inline(nodes: Iterable[SyntaxTreeNode], in_table: bool = False, edge: str = " ") -> str:
    """Write what stands in a line; ``edge`` is the character on both sides of it."""
    spans = [(node, _span(node, in_table)) for node in nodes]
    written = ""
    for place, (node, span) in enumerate(spans):
        if span.strip() and (mark := _MARKS.get(node.type)):
            # Marks side by side would make one longer run.
            written += JOINER if written.endswith(mark[0]) else ""
            after = next((_first(*one) for one in spans[place + 1 :] if one[1]), edge)
            span = marked(mark, span, written[-1:] or edge, after)
        # Before a link, an exclamation mark would make a picture of it.
        if span.startswith("[") and written.endswith("!"):
            written = f"{written[:-1]}\\!"
        written += span
    return written


def _span(node: SyntaxTreeNode, in_table: bool) -> str:
    if node.type == "text":
        return escape(node.content)
    if node.type == "code_inline":
        span = code_span(sanitize.exact(node.content))
        return span.replace("|", "\\|") if in_table else span
    if node.type in ("math_inline", "math_inline_double"):
        return _formula(node, in_table)
    if node.type == "footnote_ref":
        return superscript(int(node.meta["id"]) + 1)
    if node.type in _BREAKS:
        return " " if in_table else _BREAKS[node.type]
    if node.type == "link":
        inner = _inline(node.children, in_table).replace(":\u2060//", "://")
        return f"[{inner}]({_url(str(node.attrs['href']))})"
    # Its marks are put around it in `_inline`, which knows what stands beside it; to what is
    # emphasized within they are no space.
    return _inline(node.children, in_table, edge="x" if node.type in _MARKS else " ")


def _first(node: SyntaxTreeNode, span: str) -> str:
    """Return the character that a span will begin with; marks have a joiner before them."""
    return JOINER if node.type in _MARKS else span[0]


def _formula(node: SyntaxTreeNode, in_table: bool) -> str:
    tex = " ".join(node.content.split())
    if not tex:
        return ""
    mark = "$" if node.type == "math_inline" else "$$"
    # A bar would end the cell.
    return f"{mark}{tex.replace('|', chr(92) + 'vert ') if in_table else tex}{mark}"


def _url(url: str) -> str:
    return _URL_UNSAFE.sub(lambda m: "".join(f"%{b:02X}" for b in m.group().encode()), url)


_BREAKS = {"softbreak": "\n", "hardbreak": "\\\n"}
_MARKS = {"strong": "**", "em": "*", "s": "~~"}
_BLOCKS: dict[str, Callable[[SyntaxTreeNode], str]] = {
    "inline": lambda node: _inline(node.children),
    "paragraph": _paragraph,
    "heading": _heading,
    "fence": _fence,
    "code_block": _fence,
    "math_block": _math_block,
    "amsmath": _math_block,
    "hr": lambda node: "---",
    "blockquote": _quote,
    "bullet_list": _list,
    "ordered_list": _list,
    "table": _table,
    "footnote_block": _footnotes,
}
