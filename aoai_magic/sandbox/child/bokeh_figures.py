"""Figures of Bokeh: described, with their data, since only scripts of its own can draw them.

A notebook that draws one runs JavaScript that came with it, and a still picture needs a browser.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from typing import Any

from aoai_magic.sandbox.child.chart_data import values_of
from aoai_magic.sandbox.protocol import CHART

_IMPORT = re.compile(r"^\s*(?:from|import)\s+bokeh\b", re.MULTILINE)
_MOST_ROWS, _MOST_TABLES = 20_000, 20

Show = Callable[[dict[str, str]], None]


def attach(code: str, show: Show, keep: Callable[[Any], None]) -> None:
    """Redirect Bokeh's ``show`` to ``show`` and ``keep``, before code that imports Bokeh."""
    if not _IMPORT.search(code) or importlib.util.find_spec("bokeh") is None:
        return
    from bokeh.io.notebook import install_notebook_hook
    from bokeh.io.state import curstate

    def nothing(*args: Any, **kwargs: Any) -> None:
        """Load no scripts, and serve nothing."""

    def show_one(figure: Any, *args: Any, **kwargs: Any) -> None:
        keep(figure)
        show(bundle(figure))

    install: Any = install_notebook_hook
    install("jupyter", nothing, show_one, nothing, overwrite=True)
    curstate().output_notebook("jupyter")


def bundle(figure: Any) -> dict[str, str]:
    """Return title and data of a figure, or of a layout of several, as a MIME bundle."""
    plots = [one for one in figure.references() if hasattr(one, "renderers")]
    titles = [str(plot.title.text) for plot in plots if getattr(plot, "title", None)]
    renderers = [one for plot in plots for one in plot.renderers if hasattr(one, "data_source")]
    kinds = dict.fromkeys(type(one.glyph).__name__ for one in renderers if hasattr(one, "glyph"))
    title = next(filter(None, titles), "")
    said = f"Displayed a Bokeh figure ({', '.join(kinds) or 'empty'})"
    said += f": title {title!r}" if title else ""
    chart = {"library": "Bokeh", "title": title, "tables": _tables(renderers)}
    return {CHART: json.dumps(chart, default=str), "text/plain": f"{said}."}


def _tables(renderers: list[Any]) -> list[dict[str, Any]]:
    sources = {one.data_source.id: one for one in renderers}
    tables = []
    for one in sources.values():
        columns = {
            str(name): values_of(values)
            for name, values in one.data_source.data.items()
            if len(values) <= _MOST_ROWS
        }
        name = getattr(one, "name", None) or (type(one.glyph).__name__ if one.glyph else "data")
        tables.append({"name": str(name), "columns": columns})
    return tables[:_MOST_TABLES]
