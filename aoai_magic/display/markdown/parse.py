"""Markdown that a model wrote, parsed once into tokens that can do no harm.

Both writers, `markup` (HTML for the live view) and `source` (Markdown for the saved
notebook), write these tokens alone. After `parse` there are no raw HTML, no images and
no link that goes elsewhere than http, https or mailto or hides where it goes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.amsmath import amsmath_block
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin

from aoai_magic.display.markdown.cjk_emphasis import cjk_emphasis
from aoai_magic.locale import gettext as _
from aoai_magic.text import sanitize

URL_CHARS = 200
# The parser bounds how deep blocks nest, not emphasis, which a tree would choke on.
INLINE_DEPTH = 12
FORMULA_LINES = 100
FORMULA_DEPTH = 24
_SANDBOX = re.compile(r"sandbox:/+(?:mnt/data/)?")
_PICTURE_LINE = re.compile(r"\s*!\[[^\]\n]{0,300}\]\(sandbox:/+(?:mnt/data/)?([^\n]{1,500})\)\s*")
_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_SANDBOX_LINK = re.compile(r"!?\[([^\]\n]{0,300})\]\(sandbox:/+(?:mnt/data/)?([^)\s]{0,500})\)")
_MARKS = re.compile(
    r"(`[^`\n]{1,500}`)|\*\*(?=\S)([^*\n]{1,1000}?)(?<=\S)\*\*"
    r"|\[([^\]\n]{1,300})\]\((https?://[^)\s]{1,2000})\)"
    r"|(?<![\w*])\*(?=[^\s*])([^*\n]{1,1000}?)(?<=\S)\*(?![\w*])"
)
_BARE_URL = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!&'()*+,;=%]*[A-Za-z0-9/#=&_\-]")
# TeX that leaves the formula: links, styles (a remote background is a request), sizes in
# the height (a bar of metres hides the notebook), definitions that outlive it, packages;
# and, in exported LaTeX, what reads and writes files. MathJax and KaTeX forbid some of them.
_FORBIDDEN_TEX = re.compile(
    r"\\(?=(?:href|url|style|class|cssId|data|require|include\w*|html\w*|unicode|bbox"
    r"|[egx]?def|let|futurelet|csname|catcode|(?:re)?new\w+|provide\w+|Declare\w+|\w*input\w*"
    r"|rule|(?-i:Space)|raise\w*|lower|move(?:left|right)|vskip|vspace|above\w*|genfrac|vcenter"
    r"|mathtip|texttip|toggle|mmlToken|error|special|write|immediate|(?:open|close)(?:in|out)"
    r"|read(?:line)?|directlua|lua\w+|pdf\w+|scantokens|expandafter|afterassignment|aftergroup"
    r"|everymath|everydisplay|everypar|usepackage|documentclass|shipout|output|font|jobname"
    r"|(?:upper|lower)case|\w*(?:message|file\w*))(?![a-z]))",
    re.IGNORECASE,
)
_ENVIRONMENTS = (
    "aligned|alignedat|align|alignat|array|cases|dcases|rcases|equation|eqnarray|flalign|gather"
    "|gathered|multline|split|subarray|(?:[pbvBV]|small)?matrix"
)
_FORBIDDEN_ENVIRONMENT = re.compile(
    rf"\\(?=(?:begin|end)(?![a-zA-Z])(?!\{{(?:{_ENVIRONMENTS})\*?\}}))"
)
_CITATION = re.compile(r"【\d+(?::\d+)?†([^【】\n]{1,200})】")
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_TASK = re.compile(r"^\[([ xX])\] ")
_ROW_GAP = re.compile(
    r"(\\(?:\\|cr|newline)\s*\*?\s*\[[^\]\d]*)(?:\d{2,}(?=[.\d]*\s*(?:e[mx]|[cm]m|in|pc))|\d{3,})"
)
_TEX_STRUCTURE = re.compile(r"[\\{}^_&#%]+")
_TEX_LEVEL = re.compile(
    r"(\{|\\(?:left|begin)(?![a-zA-Z]))|(\}|\\(?:right|end)(?![a-zA-Z]))|\\.", re.DOTALL
)
_TEX_TOKEN = re.compile(r"\\[{}$]|[{}]")


def parse(text: str) -> list[Token]:
    """Parse ``text`` into harmless tokens."""
    text = sanitize.prose(text)
    tokens = _parser(footnotes=True).parse(text)
    # The footnote plugin tears a note apart that is defined within a note's list.
    return tokens if _nests(tokens) else _parser(footnotes=False).parse(text)


def superscript(number: int) -> str:
    """Return the sign of a note."""
    return str(number).translate(_SUPERSCRIPT)


def numbered(text: str, names: dict[str, int]) -> str:
    """Replace citations by numbers; ``names`` holds those in use, and new ones are added."""
    return _CITATION.sub(lambda m: superscript(names.setdefault(m[1], len(names) + 1)), text)


def cited(text: str) -> str:
    """Make notes of the marks that assistants put where they cite: ``【4:0†report.pdf】``."""
    names: dict[str, int] = {}

    def mark(match: re.Match[str]) -> str:
        return f"[^cited-{names.setdefault(match[1], len(names) + 1)}]"

    text = _CITATION.sub(mark, text)
    notes = (f"\n\n[^cited-{number}]: {name}" for name, number in names.items())
    return text + "".join(notes)


def _nests(tokens: Sequence[Token]) -> bool:
    opened: list[str] = []
    for token in tokens:
        if token.nesting == 1:
            opened.append(token.type.removesuffix("_open"))
        elif token.nesting == -1 and opened[-1:] != [token.type.removesuffix("_close")]:
            return False
        elif token.nesting == -1:
            opened.pop()
    return not opened


def plain(text: str) -> str:
    """Return ``text`` for where Markdown is not drawn; a link into the session is its words."""
    words = _SANDBOX_LINK.sub(lambda match: match[1] or unquote(match[2]), text)
    return sanitize.prose(words).strip()


def without_marks(line: str) -> str:
    """Return a line of Markdown without the marks of emphasis, and links as words and address."""
    line = _SANDBOX_LINK.sub(lambda m: m[1] or unquote(m[2]), line)
    return _MARKS.sub(lambda m: m[1] or m[2] or m[5] or f"{m[3]} ({m[4]})", line)


def embedded(text: str) -> list[str]:
    """Return the names of the session's pictures that stand on lines of their own."""
    return [name for _line, name in _picture_lines(text) if name]


def without_pictures(text: str, names: Collection[str]) -> str:
    """Return ``text`` without the lines that embed these pictures of the session."""
    return "\n".join(line for line, name in _picture_lines(text) if name not in names)


def _picture_lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield each line, and the name of the picture that it embeds; none in code."""
    is_code = False
    for line in text.split("\n"):
        is_code ^= bool(_FENCE.match(line))
        match = None if is_code else _PICTURE_LINE.fullmatch(line)
        yield line, unquote(match[1]) if match else ""


@lru_cache(maxsize=2)
def _parser(*, footnotes: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.use(
        dollarmath_plugin,
        allow_labels=False,
        allow_space=False,
        allow_digits=False,
        double_inline=True,
    )
    interrupts = ["paragraph", "reference", "blockquote", "list", "footnote_def"]
    parser.block.ruler.before("blockquote", "amsmath", _amsmath, {"alt": interrupts})
    parser.use(cjk_emphasis)
    if footnotes:
        parser.use(footnote_plugin).disable("footnote_inline")
    parser.inline.ruler.before("escape", "bracket_math", _bracket_math)
    parser.core.ruler.push("harmless", _harmless)
    return parser


def _amsmath(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    # For each beginning, the plugin looks for an end through all that follows.
    found: bool = amsmath_block(state, start, min(end, start + FORMULA_LINES), silent)
    return found


def _bracket_math(state: StateInline, silent: bool) -> bool:
    r"""Read ``\(x\)`` and ``\[x\]``, the way in which most models write formulas."""
    opening = state.src[state.pos : state.pos + 2]
    if opening not in (r"\(", r"\["):
        return False
    end = state.src.find(r"\)" if opening == r"\(" else r"\]", state.pos + 2)
    if end < 0:
        return False
    if not silent:
        kind = "math_inline" if opening == r"\(" else "math_inline_double"
        state.push(kind, "math", 0).content = state.src[state.pos + 2 : end]
    state.pos = end + 2
    return True


def _harmless(state: StateCore) -> None:
    for place, token in enumerate(state.tokens):
        if token.type in ("math_block", "amsmath"):
            token.content = safe_tex(token.content)
        elif token.type == "inline":
            token.children = list(_safe_inline(token.children or []))
            if place >= 2 and state.tokens[place - 2].type == "list_item_open":
                _mark_task(token.children)


def _mark_task(tokens: Sequence[Token]) -> None:
    # VS Code shows "[ ]" as it stands; these signs read the same everywhere.
    if tokens and tokens[0].type == "text":
        tokens[0].content = _TASK.sub(
            lambda m: "☐ " if m[1] == " " else "☑ ", tokens[0].content, count=1
        )


def _safe_inline(tokens: Sequence[Token]) -> Iterator[Token]:
    place = 0
    while place < len(tokens):
        token = tokens[place]
        if token.type == "link_open":
            end = _link_end(tokens, place)
            yield from _safe_link(token, tokens[place + 1 : end])
            place = end
        elif token.type == "image":
            yield from _picture(token)
        elif token.type == "text":
            yield from _bare_links(token.content)
        elif token.nesting == 0 or token.level < INLINE_DEPTH:
            if token.type.startswith("math"):
                token.content = safe_tex(token.content)
            yield token
        place += 1


def _link_end(tokens: Sequence[Token], start: int) -> int:
    # Links do not nest in CommonMark, so the first end is this link's own.
    return next(i for i in range(start, len(tokens)) if tokens[i].type == "link_close")


def _safe_link(opening: Token, inner: Sequence[Token]) -> Iterator[Token]:
    url = str(opening.attrGet("href") or "")
    # Not through _safe_inline: a URL within a link's text must not become a link in it.
    content = [
        t for token in inner for t in (_picture(token) if token.type == "image" else [token])
    ]
    label = "".join(token.content for token in content).strip()
    if _SANDBOX.match(url):
        yield from _file_reference(label, url)
    elif (place := _destination(url)) is None:
        yield from content
        yield from _aside(url)
    else:
        yield from _link(url, content)
        if not _says(label, url, place):
            yield _text(f" ({place})")


def _link(url: str, content: Sequence[Token]) -> Iterator[Token]:
    yield Token("link_open", "a", 1, attrs={"href": url})
    yield from content
    yield Token("link_close", "a", -1)


def _destination(url: str) -> str | None:
    """Return the host or address that a link leads to; None where it may not lead."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme == "mailto" and not parts.netloc:
        return parts.path or None
    # "https://bank.example@evil.example/" goes to the latter and looks like the former.
    plain = parts.scheme in ("http", "https") and "@" not in parts.netloc
    return parts.netloc if plain and host else None


def _says(label: str, url: str, place: str) -> bool:
    bare = url.removeprefix("mailto:").rstrip("/")
    return label.rstrip("/") in (url.rstrip("/"), bare, bare.split("://")[-1], place)


def _bare_links(text: str) -> Iterator[Token]:
    """Make links of addresses in running text: every front end would, each its own way."""
    place = 0
    for match in _BARE_URL.finditer(text):
        if _destination(match.group()) is None:
            continue
        if match.start() > place:
            yield _text(text[place : match.start()])
        yield from _link(match.group(), [_text(match.group())])
        place = match.end()
    if place < len(text):
        yield _text(text[place:])


def _picture(image: Token) -> Iterator[Token]:
    """Put a picture's words in its place: fetching it would tell its host what is read."""
    url = str(image.attrGet("src") or "")
    alt = "".join(child.content for child in image.children or []) or _("picture")
    if _SANDBOX.match(url):
        yield from _file_reference(alt, url)
        return
    yield _text(alt)
    yield from _aside(url)


def _file_reference(label: str, url: str) -> Iterator[Token]:
    """Yield the words of a link into the session: its files stand below, others never were."""
    yield _text(label) if label else _code(unquote(_SANDBOX.sub("", url)))


def _aside(url: str) -> Iterator[Token]:
    yield _text(" (")
    yield _code(sanitize.cut(url, URL_CHARS))
    yield _text(")")


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _code(content: str) -> Token:
    return Token("code_inline", "code", 0, content=sanitize.line(content), markup="`")


def safe_tex(tex: str) -> str:
    r"""Return a formula that stays inert where it is *not* read as one.

    Front ends differ in what they take for a formula, so nothing in it may mean
    anything in Markdown or HTML: no tag, link, picture or code. Spaces within brackets
    mean nothing in TeX.
    """
    tex = " ".join(tex.split()) if "\n" not in tex.strip() else _lines(tex)
    tex = tex.replace("<", r"\lt ").replace(">", r"\gt ").replace("`", "'").replace("~", r"\ ")
    tex = re.sub(r"(?<!\\)\$", r"\\$", tex).replace("@@", "@ @")
    for pair in ("](", "][", "]:", "![", "[^", "//"):
        tex = tex.replace(pair, f"{pair[0]} {pair[1]}")
    # "^^5c" is a backslash to TeX.
    tex = tex.replace("^^", "^ ^")
    tex = _ROW_GAP.sub(r"\g<1>9", tex)
    tex = _FORBIDDEN_ENVIRONMENT.sub(r"\\text ", _FORBIDDEN_TEX.sub(r"\\text ", tex))
    if _too_deep(tex):
        return _TEX_STRUCTURE.sub(" ", tex)
    return tex if balanced(tex) else tex.replace("{", r"\{").replace("}", r"\}")


def _lines(tex: str) -> str:
    return "\n".join(line.strip() for line in tex.strip().splitlines() if line.strip())


def _too_deep(tex: str) -> bool:
    """Return whether a formula would nest so many elements that a browser's page crashes."""
    depth = 0
    for match in _TEX_LEVEL.finditer(tex):
        depth += bool(match[1]) - bool(match[2])
        if depth > FORMULA_DEPTH:
            return True
    return False


def balanced(tex: str) -> bool:
    """Return whether braces pair up, counted as JupyterLab does before it parses Markdown."""
    depth = 0
    for match in _TEX_TOKEN.finditer(tex):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth < 0:
            return False
    return depth == 0
