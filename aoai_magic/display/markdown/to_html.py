"""HTML for the live view, written from harmless tokens alone."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from pygments import highlight
from pygments.filter import Filter
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.lexers.special import TextLexer
from pygments.token import Comment, Keyword, Literal, Name, Operator, Text
from pygments.util import ClassNotFound

from aoai_magic.display.markdown.parse import parse
from aoai_magic.display.markdown.to_markdown import LANGUAGES
from aoai_magic.display.markdown.to_mathml import formula_html
from aoai_magic.text import sanitize

Env = MutableMapping[str, Any]


def safe_html(text: str) -> str:
    """Return Markdown as HTML that holds no script, picture, style or hidden link."""
    tokens = parse(text)
    inside = 0
    for token in tokens:
        inside -= token.type in _LISTS_END
        # With a direction of its own, what stands inside would not count for the list's.
        if token.type in _DIRECTED and not inside:
            token.attrSet("dir", "auto")
        if token.type == "table_open":
            token.attrSet("tabindex", "0")
        inside += token.type in _LISTS
    written: str = _writer().render(tokens, _OPTIONS, {})
    # JupyterLab's own class: freezing then changes nothing that the eye sees.
    return f'<div class="aoai-prose jp-RenderedHTMLCommon">{written}</div>'


def code_html(code: str, language: str = "python") -> str:
    """Return program text, highlighted, as ``<pre>``."""
    # What may be too wide can be scrolled with the keyboard once it has the focus.
    inner = f"<code>{_highlight(code, language)}</code>"
    return f'<pre class="aoai-code" dir="ltr" tabindex="0">{inner}</pre>'


def printed_html(text: str) -> str:
    """Return what code printed, without its colours, as ``<pre>``."""
    plain = html.escape(sanitize.uncoloured(text))
    return f'<pre class="aoai-printed" dir="ltr" tabindex="0">{plain}</pre>'


def text_html(text: str) -> str:
    """Return plain text as HTML, in one line."""
    return html.escape(sanitize.line(text))


def _highlight(code: str, language: str) -> str:
    name = language.strip().lower()
    lexer = _lexer(name if name in LANGUAGES else "text")
    return str(highlight(sanitize.exact(code).rstrip("\n") + "\n", lexer, _FORMAT))


@lru_cache(maxsize=64)
def _lexer(name: str) -> Any:
    # stripnl=False: leading blank lines of a chunk belong to it.
    try:
        lexer = get_lexer_by_name(name, stripnl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False)
    lexer.add_filter(_Coloured())
    return lexer


class _Coloured(Filter):
    """Tells apart only what `live.css` colours: most names and all signs need no element."""

    def filter(self, lexer: Any, stream: Iterable[tuple[Any, str]]) -> Iterator[tuple[Any, str]]:
        """Yield each piece as the kind that has a colour, or as plain text."""
        for kind, text in stream:
            yield next((known for known in _COLOURED if kind in known), Text), text


class _Writer(RendererHTML):
    """The parser's own HTML, with code, links, formulas and notes written our way."""

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """Write code, highlighted."""
        return code_html(tokens[idx].content, tokens[idx].info.split(" ")[0])

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """Write indented code."""
        return code_html(tokens[idx].content, "")

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """Write a link that tells its target nothing of the page it is on."""
        url = html.escape(str(tokens[idx].attrGet("href")))
        return f'<a href="{url}" title="{url}" target="_blank" rel="noopener noreferrer nofollow">'

    def code_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """Write code within a line."""
        return f'<code dir="ltr">{html.escape(sanitize.exact(tokens[idx].content))}</code>'

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """Raise an error: no picture ever comes this far."""
        raise AssertionError("parse() leaves no picture")

    def math_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """Write a formula."""
        return formula_html(tokens[idx].content)

    def math_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        """Write a formula on a line of its own."""
        return formula_html(tokens[idx].content, block=True)

    math_inline_double = amsmath = math_block

    def footnote_ref(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env
    ) -> str:
        """Write a note's number."""
        return f"<sup>{int(tokens[idx].meta['id']) + 1}</sup>"

    def footnote_anchor(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env
    ) -> str:
        """Write nothing: there are no jumps within an output."""
        return ""

    def footnote_block_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env
    ) -> str:
        """Open the list of notes."""
        return "<hr><ol>"

    def footnote_block_close(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env
    ) -> str:
        """Close the list of notes."""
        return "</ol>"

    def footnote_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env
    ) -> str:
        """Open a note."""
        return "<li>"

    def footnote_close(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env
    ) -> str:
        """Close a note."""
        return "</li>"


@lru_cache(maxsize=1)
def _writer() -> _Writer:
    return _Writer()


# In CSS: k, ow, s, m, c, nb, bp.
_COLOURED = (
    Keyword,
    Operator.Word,
    Literal.String,
    Literal.Number,
    Comment,
    Name.Builtin.Pseudo,
    Name.Builtin,
)
# Each of these reads from the side from which its own first word does.
_DIRECTED = frozenset(
    f"{kind}_open"
    for kind in ("paragraph", "heading", "bullet_list", "ordered_list", "blockquote", "th", "td")
)
_LISTS = frozenset(f"{kind}_open" for kind in ("bullet_list", "ordered_list", "blockquote"))
_LISTS_END = frozenset(name.replace("open", "close") for name in _LISTS)
_FORMAT = HtmlFormatter(nowrap=True, classprefix="aoai-")
_OPTIONS = MarkdownIt("commonmark", {"html": False}).options
