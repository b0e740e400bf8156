"""Characters that lie or break: controls, bidirectional overrides, unseen ones, surrogates."""

from __future__ import annotations

import re

_REPLACEMENT = 0xFFFD
_KEPT = {ord("\t"), ord("\n")}
# C0, DEL and C1 drive terminals; lone surrogates cannot be sent at all.
_BROKEN = {*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000)} - _KEPT
# These make text read otherwise than it runs ("Trojan source", CVE-2021-42574).
_OVERRIDES = {0x202A, 0x202B, 0x202D, 0x202E}
_ISOLATES = {0x202C, 0x2066, 0x2067, 0x2068, 0x2069}
# These take no room at all, so that two names differ and look alike. Marks and joiners that
# scripts and emoji need (U+200C to U+200F, U+FE0F) stay.
_UNSEEN = {
    *(0xAD, 0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x200B, 0x3164, 0xFEFF, 0xFFA0),
    *range(0x2060, 0x2065),
    *range(0x206A, 0x2070),
    *range(0xE0000, 0xE0080),
}
_LINES = {0x2028: "\n", 0x2029: "\n", 0x85: "\n"}

_PROSE = dict.fromkeys(_BROKEN, _REPLACEMENT) | dict.fromkeys(_OVERRIDES, None) | _LINES
_EXACT = dict.fromkeys(_BROKEN, _REPLACEMENT) | {
    code: f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    for code in _OVERRIDES | _ISOLATES | _UNSEEN | {0x2028, 0x2029}
}
# JupyterLab makes a link of whatever looks like an address in what a cell prints.
_LINKED = re.compile(
    r"(data(?=:\S)|(?:javascript|vbscript|file|blob|filesystem|vscode[\w-]*)(?=://))",
    re.IGNORECASE,
)
_COLOUR = re.compile(r"(\x1b\[[0-9;]{0,32}m)")


def prose(text: str) -> str:
    """Drop what reorders or breaks text; marks that right-to-left text needs stay."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_PROSE)


def exact(text: str) -> str:
    r"""Make every deceptive character visible (``\u202e``): for code and names."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_EXACT)


def line(text: str) -> str:
    """Return `exact` text as one line without outer blanks."""
    return " ".join(exact(text).split())


def printed(text: str) -> str:
    """Return clean text of what a program printed: of all terminal sequences only colours stay.

    A word joiner (U+2060) keeps addresses that could do harm from becoming links.
    """
    pieces = _COLOUR.split(text)
    return "".join(p if i % 2 else _LINKED.sub("\\1\u2060", exact(p)) for i, p in enumerate(pieces))


def uncoloured(text: str) -> str:
    """Drop colours too, for where they are not drawn."""
    return _COLOUR.sub("", text)


def cut(text: str, limit: int) -> str:
    """Return ``text`` cut to ``limit`` characters, marked by an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
