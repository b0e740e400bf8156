"""Formulas as MathML: browsers draw it by themselves, without script."""

from __future__ import annotations

import html
import re
from functools import lru_cache
from xml.etree import ElementTree as ET

from aoai_magic.text import sanitize

LONGEST = 2_000
"""Characters of TeX that are drawn; parsing takes time, and no formula is longer."""

TAGS = {
    *("math", "menclose", "mfrac", "mi", "mn", "mo", "mover", "mphantom", "mroot", "mrow"),
    *("mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr"),
    *("munder", "munderover"),
}
# No colour, size or negative space: they could hide or cover what stands around. `href`,
# `style`, `class` and `id` come from commands of the same names.
ATTRIBUTES = {
    *("accent", "columnalign", "display", "displaystyle", "fence", "form", "linethickness"),
    *("mathvariant", "movablelimits", "notation", "scriptlevel", "separator", "stretchy"),
    "width",
}
VALUE = re.compile(r"[a-z -]{1,40}|[0-4](\.\d{1,3})?(em|ex)?")


@lru_cache(maxsize=256)
def formula_html(tex: str, *, block: bool = False) -> str:
    """Return a formula as MathML; its source, as code, where it cannot be drawn.

    Parameters
    ----------
    tex
        What stands between the marks.
    block
        Whether it stands on a line of its own.
    """
    drawn = _mathml(tex, "block" if block else "inline") if len(tex) <= LONGEST else None
    return drawn or f'<code class="aoai-math" dir="ltr">{html.escape(sanitize.exact(tex))}</code>'


def _mathml(tex: str, display: str) -> str | None:
    from latex2mathml.converter import convert_to_element

    try:
        root = convert_to_element(sanitize.exact(tex), display=display)
        return ET.tostring(_harmless(root), "unicode")
    except Exception:
        # Of a formula that is half written, wrong or nested a thousand times, the parser
        # raises whatever comes; the source can be read in any case.
        return None


def _harmless(node: ET.Element) -> ET.Element:
    """Copy what is known to do nothing but draw; raise `ValueError` for anything else."""
    text = sanitize.exact(html.unescape(node.text or ""))
    if node.tag not in TAGS or text.startswith("\\"):
        raise ValueError(f"{node.tag} {text} is not drawn")
    named = [(name, value) for name, value in node.items() if name in ATTRIBUTES]
    kept = {name: value for name, value in named if VALUE.fullmatch(value)}
    copy = ET.Element(node.tag, kept)
    copy.text = text or None
    copy.extend(_harmless(child) for child in node)
    return copy
