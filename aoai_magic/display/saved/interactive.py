"""Figures of Plotly and Vega-Lite that came back, for front ends that draw them.

What code of a model wrote is drawn in a notebook that may be trusted, so only figures that
load nothing are: a specification can name addresses of pictures, tiles and data, and a
request carries away what its address says. The others stay files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from aoai_magic.display import labels
from aoai_magic.display.markdown import to_markdown
from aoai_magic.display.outputs import Bundle
from aoai_magic.turn import chart
from aoai_magic.turn.view import File, Image

_PLOTLY, _VEGA_LITE = ".plotly.json", ".vl.json"
_LARGEST, _MOST, _DEEPEST = 2 << 20, 10, 60
# Traces whose maps are fetched when they are drawn, and what places pictures and layers.
_MAPS = re.compile(r"(map|mapbox|geo)\d*|(choropleth|densitymap|scattermap|scattergeo)\w*")
_FETCHING_KEYS = ("images", "source", "url", "src", "href", "layers")
_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]*://|^\s*//|url\s*\(|\bjavascript:|\bdata:[\w.+-]+/", re.IGNORECASE
)
_MARKUP = re.compile(r"<\s*(?!/?(?:b|i|br|sub|sup|em|strong|extra|span)\b)[a-z/!]", re.IGNORECASE)
# A Vega expression is text that becomes code; an embedding option may name what to load.
_VEGA_CODE = ("expr", "labelExpr", "calculate", "signal", "signals", "on", "init", "test", "loader")


def interactive(files: Iterable[File]) -> Iterator[tuple[File, Bundle]]:
    """Yield the files that are figures which load nothing, with what draws them."""
    shown = 0
    for file in files:
        bundle = _bundle(file) if shown < _MOST else None
        if bundle is not None:
            shown += 1
            yield file, bundle


def chart_of(picture: Image) -> dict[str, Any]:
    """Return what draws the chart in a picture, by its type, where that loads nothing."""
    described = chart.read(picture.chart)
    if not described.type.startswith("application/vnd.vegalite."):
        return {}
    found = _vega_lite(described.spec)
    return dict([found]) if found else {}


def _bundle(file: File) -> Bundle | None:
    if not file.name.endswith((_PLOTLY, _VEGA_LITE)) or len(file.data) > _LARGEST:
        return None
    try:
        figure = json.loads(file.data)
    except (ValueError, RecursionError):
        return None
    drawn = _plotly(figure) if file.name.endswith(_PLOTLY) else _vega_lite(figure)
    if drawn is None:
        return None
    mime, content = drawn
    words = labels.file_name(file.name)
    return Bundle(
        {mime: content, "text/markdown": to_markdown.code_span(words), "text/plain": words}
    )


def _plotly(figure: Any) -> tuple[str, Any] | None:
    """Return the figure without the options that tell Plotly where to load from."""
    if not isinstance(figure, dict) or not isinstance(figure.get("data"), list):
        return None
    layout = figure.get("layout") or {}
    if not isinstance(layout, dict) or any(map(_MAPS.fullmatch, layout)):
        return None
    kept = {"data": figure["data"], "layout": {**layout, "template": _template(layout)}}
    kinds = [str(trace.get("type")) for trace in kept["data"] if isinstance(trace, dict)]
    if any(map(_MAPS.fullmatch, kinds)) or not _loads_nothing(kept, ()):
        return None
    return "application/vnd.plotly.v1+json", kept


def _template(layout: dict[str, Any]) -> dict[str, Any]:
    """Return the layout's style; the usual one styles maps too, which are not drawn here."""
    template = layout.get("template")
    style = template.get("layout") if isinstance(template, dict) else None
    if not isinstance(style, dict):
        return {}
    return {"layout": {key: style[key] for key in style if not _MAPS.fullmatch(key)}}


def _vega_lite(chart: Any) -> tuple[str, Any] | None:
    if not isinstance(chart, dict):
        return None
    version = re.search(r"/vega-lite/v([56])\b", str(chart.get("$schema", "")))
    kept = {key: value for key, value in chart.items() if key not in ("$schema", "usermeta")}
    if version is None or not _loads_nothing(kept, _VEGA_CODE):
        return None
    schema = f"https://vega.github.io/schema/vega-lite/v{version[1]}.json"  # a name: never fetched
    return f"application/vnd.vegalite.v{version[1]}+json", {"$schema": schema, **kept}


def _loads_nothing(value: Any, refused: tuple[str, ...], depth: int = 0) -> bool:
    """Return whether nothing in a specification is an address, markup or code."""
    if depth > _DEEPEST:
        return False
    if isinstance(value, dict):
        return all(
            key not in refused
            and not (key in _FETCHING_KEYS and _names(item))
            and not (key == "filter" and isinstance(item, str) and refused)
            and _loads_nothing(key, refused, depth + 1)
            and _loads_nothing(item, refused, depth + 1)
            for key, item in value.items()
        )
    if isinstance(value, list):
        return all(_loads_nothing(item, refused, depth + 1) for item in value)
    return not isinstance(value, str) or not (_ADDRESS.search(value) or _MARKUP.search(value))


def _names(item: Any) -> bool:
    """Return whether a value may name something to load; a Sankey diagram's sources are numbers."""
    if isinstance(item, list):
        return any(map(_names, item))
    return bool(item) and isinstance(item, (str, dict))
