"""The charts of a turn: pictures, what draws them elsewhere, and the data behind them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from aoai_magic.locale import gettext as _
from aoai_magic.turn import chart
from aoai_magic.turn import view as views
from aoai_magic.turn.view import View

if TYPE_CHECKING:
    from aoai_magic.runner.turn import Picture

TYPES = {
    ".plotly.json": "application/vnd.plotly.v1+json",
    ".vl.json": "application/vnd.vegalite+json",
    ".chart.json": "",
}
"""What draws a figure that came back as a file, by the end of the file's name; else nothing."""

MOST_TABLES = 50
"""Tables of a chart; each is read by itself, which takes a moment."""


class Chart:
    """A chart that a turn made; shows itself in a notebook.

    Attributes
    ----------
    title
        What stands above it; empty where nothing does.
    picture : Picture or None
        The picture; None where the chart came as a specification alone.
    """

    def __init__(
        self,
        described: chart.Described,
        shown: views.Image | views.File,
        picture: Picture | None,
        library: str = "pandas",
    ) -> None:
        self.title = described.title
        self.picture = picture
        self._described = described
        self._shown = shown
        self._library = library

    @property
    def type(self) -> str:
        """The MIME type of `spec`; empty for a chart that is a picture alone."""
        return self._described.type

    @property
    def spec(self) -> dict[str, Any] | None:
        """The chart as Vega-Lite or Plotly has it, as JSON; None for a picture alone."""
        return dict(self._described.spec) or None

    @property
    def frame(self) -> Any:
        """The data that it draws, as a DataFrame of the library that was attached.

        A chart of several kinds of marks, or of several axes, has a dict of them; one whose
        data cannot be had has None, and `problem` says why. Data of Plotly and Vega-Lite is
        that of the specification. Of Matplotlib's charts, also those of pandas and seaborn,
        lines, points, bars, histograms, boxes, shares and cells are read from what was drawn:
        at most 20,000 rows each.
        """
        return None if isinstance(self._frames, str) else self._frames

    @property
    def problem(self) -> str:
        """Why there is no `frame`; empty where there is one."""
        return self._frames if isinstance(self._frames, str) else ""

    @cached_property
    def _frames(self) -> Any:
        from aoai_magic.results.chart_tables import tables
        from aoai_magic.results.read_table import TableError

        given = tables(self._described)
        if len(given) > MOST_TABLES:
            return _("this chart has more than {most} tables").format(most=MOST_TABLES)
        try:
            frames = {name: self._read(values) for name, values in given.items()}
        except TableError as error:
            return str(error)
        if not frames:
            return _("the data of this chart cannot be read from it")
        return next(iter(frames.values())) if len(frames) == 1 else frames

    def _read(self, values: Any) -> Any:
        from aoai_magic.results.read_table import read_tables

        return read_tables(json.dumps(values).encode(), "chart.json", self._library).frame

    def __repr__(self) -> str:
        kind = self.type or (self.picture.media_type if self.picture else "")
        return f"<Chart {self.title or self._shown.name!r}, {kind}>"

    def _ipython_display_(self) -> None:
        from aoai_magic.display.outputs import publish
        from aoai_magic.display.saved import bundles, interactive

        if isinstance(self._shown, views.Image):
            outputs = [bundles.answer_output(self._shown)]
        else:
            outputs = [bundle for _, bundle in interactive.interactive([self._shown])]
        for output in filter(None, outputs):
            publish(output)


def charts(view: View, pictures: Mapping[str, Picture], library: str) -> list[Chart]:
    """Return the charts of a turn: its pictures, then what came as a specification alone."""
    images = [part for part in view.parts if isinstance(part, views.Image)]
    found = [
        Chart(chart.read(image.chart), image, pictures[image.name], library) for image in images
    ]
    for file in view.files:
        mime = next((mime for end, mime in TYPES.items() if file.name.endswith(end)), None)
        described = None if mime is None else _of_file(file, mime)
        found += [Chart(described, file, None, library)] if described else []
    return found


def _of_file(file: views.File, mime: str) -> chart.Described | None:
    if file.blob.size > chart.MOST_CHARS:
        return None
    text = file.data.decode("utf-8", "replace")
    return chart.read_figure(text, mime)
