"""Emphasis beside Chinese, Japanese and Korean punctuation.

CommonMark takes ``**`` before a bracket for the end of emphasis unless a space stands before
it, and these languages are written without spaces: ``これは**「重要」**です``. Read is by the
rule that https://github.com/commonmark/commonmark-spec/issues/839 proposes: punctuation of
these languages does not count as punctuation, and their characters count as a space does.
Written is so that parsers of CommonMark's own rule, such as those of JupyterLab and GitHub,
see the same: with word joiners on both sides of the marks. To CommonMark these are no
punctuation, so the one within helps; to nbconvert's parser they are, so the one outside does.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline, emphasis, strikethrough
from markdown_it.rules_inline.state_inline import Scanned

JOINER = "\u2060"
_Rule = Callable[[StateInline, bool], bool]


def cjk_emphasis(parser: MarkdownIt) -> None:
    """Make a parser read emphasis and strikethrough by that rule."""
    parser.inline.ruler.at("emphasis", _with_own_state(emphasis.tokenize))
    parser.inline.ruler.at("strikethrough", _with_own_state(strikethrough.tokenize))


def marked(mark: str, inner: str, before: str, after: str) -> str:
    """Return ``inner`` between marks, so that any parser sees them between these neighbours.

    ``before`` and ``after`` are the characters there, a space at a line's edge.
    """
    # Marks within would make one longer run with these.
    apart = f"{JOINER}{mark}{JOINER}"
    start = apart if inner[0] == mark[0] or _clings(before, inner[0]) else mark
    end = apart if inner[-1] == mark[0] or _clings(after, inner[-1]) else mark
    return f"{start}{inner}{end}"


class _State(StateInline):
    """Tells by that rule what a run of marks may begin or end."""

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N802, N803
        end = start
        while end < self.posMax and self.src[end] == self.src[start]:
            end += 1
        before, after = _before(self.src, start), self.src[end] if end < self.posMax else " "
        opens, closes = _flanks(before, after), _flanks(after, before)
        can_open = opens and (canSplitWord or not closes or _is_punctuation(before))
        can_close = closes and (canSplitWord or not opens or _is_punctuation(after))
        return Scanned(can_open, can_close, end - start)


def _with_own_state(rule: _Rule) -> _Rule:
    def read(state: StateInline, silent: bool) -> bool:
        # The parser makes its state by itself, and only this method is to be another.
        state.__class__ = _State
        return rule(state, silent)

    return read


def _flanks(outside: str, inside: str) -> bool:
    """Return whether marks between these characters may enclose what is on the inside."""
    if inside.isspace():
        return False
    if not _is_punctuation(inside) or _is_cjk(inside):
        return True
    return _is_edge(outside) or _is_cjk(outside)


def _before(text: str, start: int) -> str:
    """Return the character before a place; a variation selector belongs to the one before it."""
    place = start - 1
    if place > 0 and unicodedata.name(text[place], "").startswith("VARIATION SELECTOR"):
        place -= 1
    return text[place] if place >= 0 else " "


def _clings(outside: str, inside: str) -> bool:
    return (inside == JOINER or _is_punctuation(inside)) and not _is_edge(outside)


def _is_edge(character: str) -> bool:
    return character.isspace() or _is_punctuation(character)


def _is_punctuation(character: str) -> bool:
    """Return whether a character is punctuation to CommonMark, where symbols are that too."""
    return unicodedata.category(character)[0] in "PS"


def _is_cjk(character: str) -> bool:
    """Return whether a character is one of these languages; emoji are as wide, but are not."""
    is_emoji = unicodedata.category(character) == "So" and not "\u2e80" <= character <= "\u33ff"
    wide = unicodedata.east_asian_width(character) in "WFH"
    return (wide and not is_emoji) or "\u1100" <= character <= "\u11ff"
