"""How Matplotlib's charts look unless the code says otherwise: readable on light and on dark.

A notebook's theme is not known here and may change, so charts are transparent, their text is
of a grey that reads on white and on black, and so does each colour of the cycle; people who are
colour-blind can tell the first five apart. Code that sets its own style gets just that.

What `finished` adds is there while a picture is drawn and gone afterwards: code never meets it.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator
from itertools import cycle, pairwise
from typing import Any

DPI = 110
_INK = "#757575"
_CYCLE = ("#1f7ac8", "#dd7a00", "#14a37c", "#cf2050", "#9a3cf0", "#8a7428", "#2f9bb3", "#808080")
_MOST_LABELLED = 8  # bars
_DARK = 0.1  # luminance below which a colour is lost on a dark page

RC = {
    "figure.dpi": DPI,
    "figure.max_open_warning": 0,
    "figure.facecolor": "none",
    "savefig.facecolor": "auto",
    "axes.facecolor": "none",
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.titlecolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlepad": 12,
    "grid.color": _INK,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.8,
    "boxplot.boxprops.color": _INK,
    "boxplot.capprops.color": _INK,
    "boxplot.flierprops.color": _INK,
    "boxplot.flierprops.markeredgecolor": _INK,
    "boxplot.whiskerprops.color": _INK,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "date.converter": "concise",
}


def install() -> None:
    """Set the style; Matplotlib is imported already."""
    from cycler import cycler
    from matplotlib import rcParams

    settings: Any = rcParams
    settings.update({**RC, "axes.prop_cycle": cycler(color=_CYCLE)})


VEGA: Any = {
    "background": "transparent",
    "title": {"color": _INK, "anchor": "start", "fontSize": 14},
    "axis": {
        "labelColor": _INK,
        "titleColor": _INK,
        "domainColor": _INK,
        "tickColor": _INK,
        "gridColor": _INK,
        "gridOpacity": 0.25,
    },
    "header": {"labelColor": _INK, "titleColor": _INK},
    "legend": {"labelColor": _INK, "titleColor": _INK},
    "text": {"color": _INK},
    "view": {"continuousWidth": 420, "continuousHeight": 280, "stroke": None},
    "mark": {"color": _CYCLE[0]},
    "range": {"category": list(_CYCLE)},
}
"""The same style as a configuration of Vega-Lite."""


def vega(chart: Any) -> dict[str, Any]:
    """Return a chart of Vega-Lite in our style, beneath what the chart sets itself."""
    return {**chart, "config": _beneath(chart.get("config") or {}, VEGA)}


# What Altair's own default theme writes into every chart.
_ALTAIRS = {"continuousWidth": 300, "continuousHeight": 300}


def _beneath(given: Any, style: Any) -> Any:
    if given == _ALTAIRS:
        return style
    if not isinstance(given, dict) or not isinstance(style, dict):
        return given
    more = {key: _beneath(given[key], style[key]) for key in given.keys() & style.keys()}
    return {**style, **given, **more}


def plotly(figure: Any) -> Any:
    """Return a figure of Plotly in our style where its style is Plotly's usual one."""
    layout = figure.get("layout") or {}
    template = layout.get("template") or {}
    usual = template.get("layout") or {}
    if usual.get("plot_bgcolor") != "#E5ECF6":
        return figure
    ours = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "colorway": list(_CYCLE),
        "font": {**(usual.get("font") or {}), "color": _INK},
        **{axis: {**(usual.get(axis) or {}), **_PLOTLY_AXIS} for axis in ("xaxis", "yaxis")},
    }
    template = {**template, "layout": {**usual, **ours}}
    colours = {one.lower(): ours for one, ours in zip(usual["colorway"], cycle(_CYCLE))}
    data = _recoloured(figure.get("data") or [], colours)
    return {**figure, "data": data, "layout": {**layout, "template": template}}


def _recoloured(value: Any, colours: dict[str, str]) -> Any:
    """Return traces in our colours where Plotly Express has written the usual ones into them."""
    if isinstance(value, list):
        return [_recoloured(one, colours) for one in value]
    if isinstance(value, dict):
        return {
            key: _recoloured(one, colours)
            if key in ("marker", "line", "color", "fillcolor")
            else one
            for key, one in value.items()
        }
    return colours.get(value.lower(), value) if isinstance(value, str) else value


_PLOTLY_AXIS = {
    "gridcolor": "rgba(117,117,117,0.25)",
    "linecolor": _INK,
    "zerolinecolor": "rgba(117,117,117,0.5)",
}


@contextlib.contextmanager
def finished(figure: Any) -> Iterator[None]:
    """Make a figure ready to be drawn: grid, values on few bars, room, a background that serves."""
    with contextlib.ExitStack() as undo:
        for step in (_add_grids, _label_bars, _outline_texts, _make_room, _add_background):
            with contextlib.suppress(Exception):  # what defies a step is drawn without it
                step(figure, undo)
        yield


def _plain(figure: Any) -> list[Any]:
    """Return axes with nothing special: no map or pie, no picture, no scale of colours."""
    return [
        axes
        for axes in figure.axes
        if axes.name == "rectilinear"
        and axes.axison
        and axes.get_frame_on()
        and not (axes.images or _has_mesh(axes) or hasattr(axes, "_colorbar"))
    ]


def _has_mesh(axes: Any) -> bool:
    return any(type(one).__name__ == "QuadMesh" for one in axes.collections)


def _bars(axes: Any) -> list[Any]:
    return [one for one in axes.containers if type(one).__name__ == "BarContainer" and len(one)]


def _add_grids(figure: Any, undo: contextlib.ExitStack) -> None:
    """Add lines to read values by, unless there are some, or the values are read on the right."""
    for axes in _plain(figure):
        lies = any(bar.orientation == "horizontal" for bar in _bars(axes))
        axis = axes.xaxis if lies else axes.yaxis
        lines = [*axes.xaxis.get_gridlines(), *axes.yaxis.get_gridlines()]
        if axes.yaxis.get_ticks_position() != "right" and not any(map(_is_visible, lines)):
            axis.grid(visible=True)
            undo.callback(axis.grid, visible=False)


def _is_visible(line: Any) -> bool:
    return bool(line.get_visible())


def _label_bars(figure: Any, undo: contextlib.ExitStack) -> None:
    """Write values at the ends of bars where these are few, apart, and stand on the axis."""
    places = [axes.get_position().bounds for axes in figure.axes]
    for axes in _plain(figure):
        containers = _bars(axes)
        alone = places.count(axes.get_position().bounds) == 1
        if alone and not axes.texts and not axes.lines and _can_be_labelled(containers):
            _label(axes, containers, undo)


def _can_be_labelled(containers: list[Any]) -> bool:
    few = 0 < sum(map(len, containers)) <= _MOST_LABELLED
    return (
        few
        and all(container.errorbar is None for container in containers)
        and not _are_stacked_or_touch(containers)
    )


def _label(axes: Any, containers: list[Any], undo: contextlib.ExitStack) -> None:
    write = _writer([float(value) for container in containers for value in container.datavalues])
    for container in containers:
        texts = [write(float(value)) for value in container.datavalues]
        for label in axes.bar_label(container, texts, padding=3, fontsize="small"):
            undo.callback(label.remove)


def _are_stacked_or_touch(containers: list[Any]) -> bool:
    spans = []
    for container in containers:
        lies = container.orientation == "horizontal"
        for patch in container:
            if (patch.get_x() if lies else patch.get_y()) != 0:
                return True
            start, width = (
                (patch.get_y(), patch.get_height()) if lies else (patch.get_x(), patch.get_width())
            )
            spans.append((start, start + width))
    spans.sort()
    gaps = [start - end for (_, end), (start, _) in pairwise(spans)]
    # Bars of a histogram touch; those of a group do so too, but not all of them.
    return any(gap < -1e-9 for gap in gaps) or (len(gaps) > 1 and all(gap < 1e-9 for gap in gaps))


def _writer(values: list[float]) -> Callable[[float], str]:
    """Return what writes values, all with as many digits as tell something of the largest."""
    finite = [abs(value) for value in values if math.isfinite(value)]
    largest = max(finite, default=0) or 1
    whole = all(value == int(value) for value in finite)
    digits = 0 if whole else max(0, 2 - math.floor(math.log10(largest)))
    kind = ".2g" if digits > 6 else f",.{digits}f"
    return lambda value: format(value, kind) if math.isfinite(value) else ""


def _outline_texts(figure: Any, undo: contextlib.ExitStack) -> None:
    """Turn texts of no colour of their own that stand on something white, with an outline."""
    from matplotlib.patheffects import withStroke

    for text in _texts_on_fills(figure):
        if _rgba(text.get_color()) == _rgba(_INK) and not text.get_path_effects():
            undo.callback(text.set_color, text.get_color())
            undo.callback(text.set_path_effects, [])
            text.set_color("white")
            text.set_path_effects([withStroke(linewidth=1.5, foreground="#404040")])


def _texts_on_fills(figure: Any) -> Iterator[Any]:
    for axes in figure.axes:
        fills = [patch for patch in axes.patches if patch.get_facecolor()[3] > 0.5]
        for text in axes.texts:
            if axes.images or _has_mesh(axes):
                yield text
            elif fills and text.get_ha() == "center" and text.get_va().startswith("center"):
                place = text.get_transform().transform(text.get_position())
                if any(patch.contains_point(place) for patch in fills):
                    yield text


def _make_room(figure: Any, undo: contextlib.ExitStack) -> None:
    """Keep labels of several axes out of each other's way, unless the code has placed them."""
    if len(figure.axes) < 2 or figure.get_layout_engine() is not None:
        return
    names = ("left", "right", "bottom", "top", "wspace", "hspace")
    from matplotlib import rcParams

    usual: Any = rcParams
    placed = {name: getattr(figure.subplotpars, name) for name in names}
    if any(placed[name] != usual[f"figure.subplot.{name}"] for name in names):
        return
    undo.callback(figure.subplots_adjust, **placed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure.tight_layout()


def _add_background(figure: Any, undo: contextlib.ExitStack) -> None:
    """Put white under a transparent figure that has colours which are lost on a dark page."""
    if _rgba(figure.get_facecolor())[3] == 0 and any(map(_is_dark, _colours(figure))):
        undo.callback(figure.set_facecolor, figure.get_facecolor())
        figure.set_facecolor("white")


def _colours(figure: Any) -> Iterator[Any]:
    """Yield the colours of what stands on a figure's background."""
    yield from (text.get_color() for text in figure.texts)
    for axes in figure.axes:
        if _rgba(axes.get_facecolor())[3] > 0.5:
            continue
        over = axes.images or _has_mesh(axes)
        yield from (line.get_color() for line in axes.lines if any(map(math.isfinite, _ys(line))))
        yield from (patch.get_facecolor() for patch in axes.patches)
        yield from (text.get_color() for text in axes.texts if not over)
        yield from (axes.title.get_color(), axes._left_title.get_color())
        for collection in axes.collections:
            scaled = collection.get_array() is not None and not over
            yield from collection.cmap((0.0, 1.0)) if scaled else collection.get_facecolor()[:1000]


def _ys(line: Any) -> list[float]:
    return [float(value) for value in line.get_ydata(orig=False)[:1000]]


def _is_dark(colour: Any) -> bool:
    red, green, blue, alpha = _rgba(colour)
    return alpha > 0.5 and 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 < _DARK


def _rgba(colour: Any) -> tuple[float, float, float, float]:
    from matplotlib.colors import to_rgba

    rgba: tuple[float, float, float, float] = to_rgba(colour)
    return rgba
