"""What a cell displays beyond text and pictures: named in words, and kept as a file.

Figures of Plotly, charts without a picture, HTML, sound, PDF: whoever reads the outputs of a
cell as text is told what was displayed, and the file carries it on.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from aoai_magic.sandbox.child import html_tables, vegalite
from aoai_magic.sandbox.protocol import CHART

PLOTLY = "application/vnd.plotly.v1+json"
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_TEXTS = ("text/plain", "text/markdown", "text/latex")
_BARE = re.compile(r"<.*\bobject( at 0x[0-9a-f]+)?>|<.* at 0x[0-9a-f]+>", re.DOTALL)
_MOST_FILES = 20  # of one cell
_LONGEST_TEXT = 4000


class RichDisplays:
    """Keeps in ``folder`` what has no other place; `reset` begins a cell."""

    def __init__(self) -> None:
        self.folder = Path("/nonexistent")
        self._left = _MOST_FILES
        self._of_display: dict[str, str] = {}
        self._of_content: dict[bytes, str] = {}

    def reset(self) -> None:
        """Start a cell."""
        self._left = _MOST_FILES

    def described(self, bundle: Mapping[str, Any], identity: str | None) -> Mapping[str, Any]:
        """Return the bundle with a picture or words for it; what neither holds is kept."""
        if not _has_picture(bundle) and "image/svg+xml" in bundle:
            picture = vegalite.draw_svg(str(bundle["image/svg+xml"]))
            bundle = {**bundle, "image/png": picture} if picture else bundle
        if _has_picture(bundle):
            return bundle
        marked = bundle.get("text/markdown") or bundle.get("text/latex")
        if marked and _BARE.fullmatch(str(bundle.get("text/plain", "")).strip()):
            return {**bundle, "text/plain": str(marked)}
        for mime in bundle:
            said = _words(mime, bundle)
            if said is not None:
                stem, suffix, words = said
                table = html_tables.as_csv(str(bundle[mime])) if suffix == ".html" else ""
                stem, suffix = ("table", ".csv") if table else (stem, suffix)
                name = self._keep(stem, suffix, table or bundle[mime], identity)
                kept = f" It is in {name}." if name else ""
                return {**bundle, "text/plain": f"{words}{kept}"}
        return bundle

    def _keep(self, stem: str, suffix: str, content: Any, identity: str | None) -> str:
        """Write a file; return its name, or nothing where there are too many or no room."""
        data = _as_bytes(content)
        same = self._of_content.get(digest := hashlib.sha256(data).digest())
        if same and (self.folder / same).exists():
            return same
        if not suffix or not self._left:
            return ""
        self._left -= 1
        name = self._of_display.get(identity or "") or self._free(stem, suffix)
        try:
            (self.folder / name).write_bytes(data)
        except OSError:
            return ""
        self._of_content = {key: one for key, one in self._of_content.items() if one != name}
        self._of_content[digest] = name
        if identity:
            self._of_display[identity] = name
        return name

    def _free(self, stem: str, suffix: str) -> str:
        number = 1
        while (self.folder / f"{stem}-{number}{suffix}").exists():
            number += 1
        return f"{stem}-{number}{suffix}"


def _has_picture(bundle: Mapping[str, Any]) -> bool:
    return any(mime in bundle for mime in _PICTURES)


def _as_bytes(content: Any) -> bytes:
    if isinstance(content, (bytes, bytearray)):
        return bytes(content)
    text = content if isinstance(content, str) else json.dumps(content, default=str)
    return text.encode("utf-8", "replace")


def _words(mime: str, bundle: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return stem and suffix of a file for it and what to say; None where text says it all."""
    if mime == PLOTLY:
        return "figure", ".plotly.json", _of_plotly(bundle[mime])
    if mime == CHART:
        return "figure", ".chart.json", str(bundle.get("text/plain", ""))
    if "vnd.vegalite" in mime or "vnd.vega." in mime:
        return "chart", ".vl.json" if "lite" in mime else ".vg.json", "Displayed a Vega chart."
    if mime == "image/svg+xml":
        return "drawing", ".svg", "Displayed an SVG drawing."
    if mime in _TEXTS or not _bare(bundle):
        return None
    if mime == "text/html":
        text = as_text(str(bundle[mime]))
        return "display", ".html", f"{text}\n(Displayed as HTML.)" if text else "Displayed HTML."
    suffix = ".json" if mime.endswith("json") else mimetypes.guess_extension(mime) or ""
    return "display", suffix, f"Displayed {mime}."


def _bare(bundle: Mapping[str, Any]) -> bool:
    """Return whether the bundle's text says nothing but which object this is."""
    if "text/markdown" in bundle or "text/latex" in bundle:
        return False
    plain = bundle.get("text/plain", "")
    return not plain or _BARE.fullmatch(str(plain).strip()) is not None


def _of_plotly(figure: Any) -> str:
    """Describe what a figure shows: its kinds of traces, their names, its title."""
    figure = figure if isinstance(figure, Mapping) else {}
    traces = [trace for trace in figure.get("data") or () if isinstance(trace, Mapping)]
    kinds = list(dict.fromkeys(str(trace.get("type", "scatter")) for trace in traces))
    title = (figure.get("layout") or {}).get("title") or {}
    title = title.get("text") if isinstance(title, Mapping) else title
    names = list(dict.fromkeys(str(trace["name"]) for trace in traces if trace.get("name")))
    said = f"Displayed a Plotly figure ({', '.join(kinds) or 'empty'})"
    said += f": title {title!r}" if title else ""
    return f"{said}; traces: {', '.join(names[:20])}." if names else f"{said}."


class _Text(HTMLParser):
    """Gathers the text of HTML, a line for each row, paragraph or heading."""

    _LINES = ("p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "caption")
    _SILENT = ("script", "style", "template", "title")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._silent += tag in self._SILENT
        if tag in self._LINES:
            self.pieces.append("\n")
        elif tag in ("td", "th"):
            self.pieces.append(" | ")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in self._SILENT and self._silent > 0
        if tag in self._LINES:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.pieces.append(re.sub(r"\s+", " ", data))


def as_text(html: str) -> str:
    """Return what HTML says, as plain text: tables by rows, scripts and styles left out."""
    parser = _Text()
    parser.feed(html[: 1 << 20])
    parser.close()
    lines = (line.strip(" |").strip() for line in "".join(parser.pieces).split("\n"))
    return "\n".join(line for line in lines if line)[:_LONGEST_TEXT]
