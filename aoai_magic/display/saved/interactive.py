"""Figures of Plotly and Vega-Lite that came back, for front ends that draw them.

What code of a model wrote is drawn in a notebook that may be trusted, so only figures that
load nothing are: a specification can name addresses of pictures, tiles and data, and a
request carries away what its address says. The others stay files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from aoai_magic.display import labels
from aoai_magic.display.markdown import to_markdown
from aoai_magic.display.outputs import Bundle
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later
from aoai_magic.turn import chart
from aoai_magic.turn.view import File, Image

_PLOTLY, _VEGA_LITE, _DATA = ".plotly.json", ".vl.json", ".chart.json"
_LARGEST, _MOST, _DEEPEST = 2 << 20, 10, 60
# Traces whose maps are fetched when they are drawn, and what places pictures and layers.
_MAPS = re.compile(r"(map|mapbox|geo)\d*|(choropleth|densitymap|scattermap|scattergeo)\w*")
_FETCHING_KEYS = ("images", "source", "url", "src", "href", "layers")
_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]*://|^\s*//|url\s*\(|\bjavascript:|\bdata:[\w.+-]+/", re.IGNORECASE
)
# An entity or an escape in a style hides an address from the pattern above.
_STYLED = re.compile(r"<\s*span\b[^>]*[&\\]", re.IGNORECASE)
_MARKUP = re.compile(r"<\s*(?!/?(?:b|i|br|sub|sup|em|strong|extra|span)\b)[a-z/!]", re.IGNORECASE)
# Buttons and sliders of Plotly change a figure by paths, such as "images[0].source".
_CHANGES = ("args", "args2")
_LOADERS = re.compile(rf"images|source|{_MAPS.pattern}")
# A Vega expression is text that becomes code; an embedding option may name what to load.
_VEGA_CODE = ("expr", "labelExpr", "calculate", "signal", "signals", "on", "init", "test", "loader")


_NAME = to_markdown.escape("{name}")
_NEEDS_CHROME = later(
    "{name} is a figure for JupyterLab and VS Code; it has no still picture, for which Plotly "
    "needs Chrome."
)
_NEEDS_CONVERTER = later(
    "{name} is a chart for JupyterLab and VS Code; it has no still picture, for which Altair "
    "needs vl-convert-python."
)
_LOADS = later(
    "{name} is not drawn, because it would load something from elsewhere; its data is in "
    "_assistant.charts."
)
_SCRIPTS = later(
    "{name} is a Bokeh figure, which is not drawn because that would run scripts of its own; "
    "its data is in _assistant.charts."
)


def interactive(files: Iterable[File]) -> Iterator[tuple[File, Bundle]]:
    """Yield the files that are figures, with what draws them or a sentence on why nothing does."""
    figures = (file for file in files if file.name.endswith((_PLOTLY, _VEGA_LITE, _DATA)))
    for file in islice(figures, _MOST):
        if bundle := _bundle(file):
            yield file, bundle


def is_drawn(bundle: Bundle) -> bool:
    """Return whether a bundle of `interactive` draws its figure, and not only names it."""
    return not bundle.data.keys() <= {"text/markdown", "text/plain"}


def chart_of(picture: Image) -> dict[str, Any]:
    """Return what draws the chart in a picture, by its type, where that loads nothing."""
    described = chart.read(picture.chart)
    if not described.type.startswith("application/vnd.vegalite."):
        return {}
    found = _vega_lite(described.spec)
    return dict([found]) if found else {}


def _bundle(file: File) -> Bundle | None:
    name = labels.file_name(file.name)
    if file.blob.size > _LARGEST:
        return _sentence({}, _("{name} is too large to be drawn here."), name)
    try:
        figure = json.loads(file.data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(figure, dict):
        return None
    if file.name.endswith(_DATA):
        return _sentence({}, _(_SCRIPTS), name)
    is_plotly = file.name.endswith(_PLOTLY)
    drawn = _plotly(figure) if is_plotly else _vega_lite(figure)
    if drawn is None:
        return _sentence({}, _(_LOADS), name)
    return _sentence(dict([drawn]), _(_NEEDS_CHROME if is_plotly else _NEEDS_CONVERTER), name)


def _sentence(drawn: dict[str, Any], sentence: str, name: str) -> Bundle:
    """Return what draws a figure, with a sentence for front ends that cannot, or alone."""
    marked = to_markdown.escape(sentence).replace(_NAME, to_markdown.code_span(name))
    return Bundle({**drawn, "text/markdown": marked, "text/plain": sentence.format(name=name)})


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
    # JupyterLab 4.6 draws version 5 and not 6, which differ in nothing that is written here; what
    # draws version 6 draws 5 too. The address is a name that is never fetched.
    schema = "https://vega.github.io/schema/vega-lite/v5.json"
    return "application/vnd.vegalite.v5+json", {"$schema": schema, **kept}


def _loads_nothing(value: Any, refused: tuple[str, ...], depth: int = 0) -> bool:
    """Return whether nothing in a specification is an address, markup or code."""
    if depth > _DEEPEST:
        return False
    if isinstance(value, dict):
        return all(
            key not in refused
            and _loads_nothing(key, refused, depth + 1)
            # Before the others, which may take it that nothing is nested more deeply.
            and _loads_nothing(item, refused, depth + 1)
            and not (key in _FETCHING_KEYS and _names(item))
            and not (key in _CHANGES and not refused and _leads_to_a_loader(item))
            and not (key == "bind" and refused and _is_elsewhere(item))
            and not (key == "filter" and isinstance(item, str) and refused)
            for key, item in _without_rows(value, refused).items()
        )
    if isinstance(value, list):
        return all(_loads_nothing(item, refused, depth + 1) for item in value)
    patterns = (_ADDRESS, _MARKUP, _STYLED)
    return not isinstance(value, str) or not any(one.search(value) for one in patterns)


def _without_rows(value: dict[str, Any], refused: tuple[str, ...]) -> dict[str, Any]:
    """Return a Vega chart's object with the cells of its inline data, whose names are columns'."""
    if not refused:
        return value
    kept, data = dict(value), value.get("data")
    if isinstance(data, dict) and isinstance(data.get("values"), list):
        kept["data"] = {**data, "values": [*map(_cells, data["values"])]}
    if isinstance(value.get("datasets"), dict):
        kept["datasets"] = [[*map(_cells, rows)] for rows in value["datasets"].values()]
    return kept


def _cells(row: Any) -> Any:
    """Return a row without what may only be a name: cells are drawn, and never code."""
    return [*row, *row.values()] if isinstance(row, dict) else row


def _leads_to_a_loader(item: Any) -> bool:
    """Return whether a change of a figure of Plotly reaches, or makes, what is fetched."""
    if isinstance(item, dict):
        return any(map(_leads_to_a_loader, (*item, *item.values())))
    if isinstance(item, list):
        return any(map(_leads_to_a_loader, item))
    parts = re.split(r"[.\[\]]+", item) if isinstance(item, str) else ()
    return any(map(_LOADERS.fullmatch, parts))


def _is_elsewhere(bind: Any) -> bool:
    """Return whether an input of a Vega chart is to stand, or stands, outside of the chart."""
    if not isinstance(bind, dict):
        return False
    return "element" in bind or any(map(_is_elsewhere, bind.values()))


def _names(item: Any) -> bool:
    """Return whether a value may name something to load; a Sankey diagram's sources are numbers."""
    if isinstance(item, list):
        return any(map(_names, item))
    return bool(item) and isinstance(item, (str, dict))
