"""The data that a figure of Matplotlib draws, read from the figure itself.

What a picture shows is known only roughly by looking at it; its artists have the numbers. Kinds
of artists whose numbers cannot be had as they were given are left out rather than guessed.
"""

from __future__ import annotations

import functools
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from aoai_magic.sandbox.protocol import CHART

_MOST_ROWS, _MOST_COLUMNS, _MOST_TABLES, _MOST_CHARS = 20_000, 50, 20, 1 << 20
_LONGEST = 200
_BOXES = "_aoai_magic_boxes"

Columns = dict[str, list[Any]]


def bundle(figure: Any) -> dict[str, str]:
    """Return title and data of a figure that has been drawn as a MIME bundle; `{}` on trouble."""
    try:
        text = json.dumps({"title": title(figure), "tables": _tables(figure)}, allow_nan=False)
        if len(text) > _MOST_CHARS:
            text = json.dumps({"title": title(figure), "tables": []})
    except Exception:  # of artists that code has made in ways of its own
        return {}
    return {CHART: text}


def title(figure: Any) -> str:
    """Return what stands above a figure, or above the first of its axes that has a title."""
    # figure.get_suptitle came with matplotlib 3.8.
    above = getattr(figure, "_suptitle", None)
    titles = [above.get_text() if above else "", *map(_title, figure.axes)]
    first = next((text for text in titles if text.strip()), "")
    return first[:_LONGEST].encode("utf-8", "replace").decode()


def remember_boxes(bxp: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``Axes.bxp`` keep what each box stands for, which no artist knows afterwards."""

    @functools.wraps(bxp)
    def draw(axes: Any, bxpstats: Any, *args: Any, **kwargs: Any) -> Any:
        drawn = bxp(axes, bxpstats, *args, **kwargs)
        artists = [artist for artists in drawn.values() for artist in artists]
        kept = getattr(axes, _BOXES, [])
        setattr(axes, _BOXES, [*kept, (list(bxpstats), list(drawn["medians"]), artists)])
        return drawn

    return draw


def _title(axes: Any) -> str:
    titles = map(axes.get_title, ("center", "left", "right"))
    return next(filter(str.strip, titles), "")


def _tables(figure: Any) -> list[dict[str, Any]]:
    tables = []
    drawn = [axes for axes in figure.axes if not hasattr(axes, "_colorbar")]
    for number, axes in enumerate(drawn, 1):
        for kind, columns in _of_axes(axes):
            rows = max(map(len, columns.values()), default=0)
            if rows and rows <= _MOST_ROWS and len(columns) <= _MOST_COLUMNS:
                of = _title(axes) or f"axes {number}" if len(drawn) > 1 else ""
                name = f"{of}: {kind}" if of else kind
                tables.append({"name": name[:_LONGEST], "columns": columns})
    return tables[:_MOST_TABLES]


def _of_axes(axes: Any) -> Iterator[tuple[str, Columns]]:
    if axes.name != "rectilinear":
        return
    yield "bars", _bars(axes)
    yield "lines", _series(axes, _lines(axes))
    yield "points", _series(axes, _points(axes))
    yield "boxes", _boxes(axes)
    yield "shares", _shares(axes)
    yield "cells", _cells(axes)


# Lines and points


def _lines(axes: Any) -> Iterator[tuple[str, list[Any], list[Any]]]:
    if any(hasattr(axes, f"_stacker_{sign}_prior") for sign in ("pos", "neg")):
        return  # areas of pandas: each line is the sum of those below it
    bars = any(type(one).__name__ == "BarContainer" for one in axes.containers)
    others = [artist for _, _, artists in getattr(axes, _BOXES, ()) for artist in artists]
    others += [cap for container in axes.containers for cap in _caps(container)]
    for line in axes.lines:
        is_data = line.get_transform() == axes.transData and line.get_visible()
        if not is_data or len(line.get_xdata()) > _MOST_ROWS or line in others:
            continue
        if bars and any(len(set(place)) < 2 for place in line.get_data()):
            continue  # a bar of errors, or a mark
        name = _named(axes, line.get_label(), line.get_color())
        xs, ys = line.get_xdata(orig=True), line.get_ydata(orig=True)
        yield name, values_of(xs, axes.xaxis), values_of(ys, axes.yaxis)


def _caps(container: Any) -> list[Any]:
    """Return the lines that are the caps of error bars."""
    is_errors = type(container).__name__ == "ErrorbarContainer"
    errors = container if is_errors else getattr(container, "errorbar", None)
    return list(errors.lines[1]) if errors is not None else []


def _points(axes: Any) -> Iterator[tuple[str, list[Any], list[Any]]]:
    for collection in axes.collections:
        places = collection.get_offsets()
        if type(collection).__name__ != "PathCollection" or len(places) > _MOST_ROWS:
            continue
        named = _groups(axes, collection, len(places))
        for name in dict.fromkeys(named):
            of = [place for place, its in zip(places, named, strict=True) if its == name]
            yield name, _at([x for x, _ in of], axes.xaxis), _at([y for _, y in of], axes.yaxis)


def _groups(axes: Any, collection: Any, count: int) -> list[str]:
    """Return of each point what the legend calls its colour, or else the points together."""
    colours = collection.get_facecolor()
    if len(colours) == count > 1 and collection.get_array() is None:
        names = [_named(axes, "", colour) for colour in colours]
        if all(names):
            return names
    return [_named(axes, collection.get_label(), colours[0] if len(colours) else "none")] * count


def _named(axes: Any, label: Any, colour: Any) -> str:
    """Return the name of a series: its label, or what the legend calls its colour."""
    from matplotlib.colors import to_hex

    legend, text = axes.get_legend(), str(label)
    if text and not text.startswith("_"):
        return text[:_LONGEST]
    for handle, its in zip(legend.legend_handles, legend.texts, strict=False) if legend else ():
        drawn = getattr(handle, "get_facecolor", getattr(handle, "get_color", None))
        if drawn is not None and to_hex(drawn() if len(drawn()) else "none") == to_hex(colour):
            return str(its.get_text())[:_LONGEST]
    return ""


def _series(axes: Any, series: Iterator[tuple[str, list[Any], list[Any]]]) -> Columns:
    """Return series side by side where all have the same places, else one below the other."""
    found = [(name or f"series {n}", xs, ys) for n, (name, xs, ys) in enumerate(series, 1)]
    x, y = axes.get_xlabel() or "x", axes.get_ylabel() or "y"
    if not found:
        return {}
    if len(found) == 1:
        name, xs, ys = found[0]
        return {x: xs, (y if name.startswith("series ") else name) + " " * (name == x): ys}
    if all(xs == found[0][1] for _, xs, _ in found) and len({n for n, _, _ in found}) == len(found):
        return {x: found[0][1], **{name: ys for name, _, ys in found}}
    return {
        "series": [name for name, xs, _ in found for _ in xs],
        x: [value for _, xs, _ in found for value in xs],
        y + " " * (y == x): [value for _, _, ys in found for value in ys],
    }


# Bars


def _bars(axes: Any) -> Columns:
    groups = [one for one in axes.containers if type(one).__name__ == "BarContainer" and len(one)]
    if not groups or sum(map(len, groups)) > _MOST_ROWS:
        return {}
    lies = groups[0].orientation == "horizontal"
    axis, other = (axes.yaxis, axes.xaxis) if lies else (axes.xaxis, axes.yaxis)
    series = []
    for number, group in enumerate(groups, 1):
        spans = [_span(patch, lies) for patch in group]
        heights = values_of(group.datavalues, other)
        name = _named(axes, group.get_label(), group[0].get_facecolor())
        series.append((name or f"series {number}", spans, heights))
    x, y = axis.get_label_text() or "x", other.get_label_text() or "y"
    if _is_histogram(axis, series):
        return _histogram(axis, series, y)
    rows: dict[Any, dict[str, Any]] = {}
    for name, spans, heights in series:
        column = y if len(series) == 1 and name.startswith("series ") else name
        for (start, width), height in zip(spans, heights, strict=True):
            rows.setdefault(_label(axis, start + width / 2), {})[column] = height
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    values = {name: [row.get(name) for row in rows.values()] for name in names}
    return {x + " " * (x in names): list(rows), **values}


def _span(patch: Any, lies: bool) -> tuple[float, float]:
    if lies:
        return float(patch.get_y()), float(patch.get_height())
    return float(patch.get_x()), float(patch.get_width())


def _is_histogram(axis: Any, series: list[Any]) -> bool:
    """Return whether the bars touch and stand on a scale, not on names."""
    touching = all(
        len(spans) > 1
        and all(
            math.isclose(a + width, b, rel_tol=1e-6, abs_tol=1e-9)
            for (a, width), (b, _) in pairwise(spans)
        )
        for _, spans, _ in series
    )
    return touching and _ticks(axis) is None


def _histogram(axis: Any, series: list[Any], y: str) -> Columns:
    columns: Columns = {} if len(series) == 1 else {"series": []}
    columns |= {"from": [], "to": [], "count" if y == "y" else y: []}
    for name, spans, heights in series:
        if "series" in columns:
            columns["series"] += [name] * len(spans)
        columns["from"] += _at([start for start, _ in spans], axis)
        columns["to"] += _at([start + width for start, width in spans], axis)
        columns["count" if y == "y" else y] += heights
    return columns


# Boxes, shares, cells


def _boxes(axes: Any) -> Columns:
    kept = [
        (stats, median)
        for many, medians, _ in getattr(axes, _BOXES, ())
        for stats, median in zip(many, medians, strict=False)
    ]
    if not kept:
        return {}
    names = {"low": "whislo", "q1": "q1", "median": "med", "q3": "q3", "high": "whishi"}
    stands = all(len(set(median.get_ydata())) == 1 for _, median in kept)
    axis = axes.xaxis if stands else axes.yaxis
    middles = [sum(median.get_xdata() if stands else median.get_ydata()) / 2 for _, median in kept]
    columns: Columns = {"box": [_label(axis, float(middle)) for middle in middles]}
    for name, key in names.items():
        columns[name] = [_plain(stats.get(key)) for stats, _ in kept]
    columns["outliers"] = [len(stats.get("fliers", ())) for stats, _ in kept]
    return columns


def _shares(axes: Any) -> Columns:
    wedges = [patch for patch in axes.patches if type(patch).__name__ == "Wedge"]
    if not wedges:
        return {}
    labels = [
        _named(axes, wedge.get_label(), wedge.get_facecolor()) or f"share {number}"
        for number, wedge in enumerate(wedges, 1)
    ]
    return {
        "label": labels,
        "share": [round(abs(wedge.theta2 - wedge.theta1) / 360, 6) for wedge in wedges],
    }


def _cells(axes: Any) -> Columns:
    meshes = [one for one in axes.collections if type(one).__name__ == "QuadMesh"]
    grids = [(one, 0.0) for one in axes.images] + [(one, 0.5) for one in meshes]
    if len(grids) != 1:
        return {}
    values, shift = grids[0][0].get_array(), grids[0][1]
    if values is None or values.ndim != 2 or values.size > _MOST_ROWS:
        return {}
    height, width = values.shape
    down, across = (_ticks(axes.yaxis), _ticks(axes.xaxis))
    columns: Columns = {
        axes.get_ylabel() or "row": [
            down.get(_key(n + shift), n) if down else n for n in range(height)
        ]
    }
    for n in range(width):
        name = str(across.get(_key(n + shift), n) if across else n)
        columns[name if name not in columns else f"{name} ({n})"] = values_of(values[:, n])
    return columns


# Values


def values_of(values: Any, axis: Any = None) -> list[Any]:
    """Return values as the code gave them, as JSON can hold them."""
    if axis is not None and hasattr(axis.get_major_formatter(), "freq"):
        # Matplotlib 3.7 hands on the periods themselves, later ones their numbers.
        return _at([float(getattr(value, "ordinal", value)) for value in values], axis)
    given = values.tolist() if hasattr(values, "tolist") and not _is_time(values) else list(values)
    return [_plain(value) for value in given]


def _is_time(values: Any) -> bool:
    return getattr(getattr(values, "dtype", None), "kind", "") in "mM"


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "item") and getattr(getattr(value, "dtype", None), "kind", "") in "biuf":
        return _plain(value.item())
    text = str(value.isoformat() if hasattr(value, "isoformat") else value)
    return None if text in ("NaT", "--") else text[:_LONGEST]


def _at(places: Any, axis: Any) -> list[Any]:
    """Return what places on an axis stand for: numbers, dates, or names."""
    return [_label(axis, float(place)) if place == place else None for place in places]


def _label(axis: Any, place: float) -> Any:
    from matplotlib import dates as matplotlib_dates

    dates: Any = matplotlib_dates
    ticks = _ticks(axis)
    if ticks is not None:
        near = min(ticks, key=lambda tick: abs(tick - place), default=None)
        return ticks[near] if near is not None and abs(near - place) <= 0.5 else _plain(place)
    if hasattr(axis.get_major_formatter(), "freq"):  # pandas counts periods
        period = sys.modules["pandas"].Period
        return str(period(ordinal=round(place), freq=axis.get_major_formatter().freq))
    kinds = (dates.AutoDateFormatter, dates.ConciseDateFormatter, dates.DateFormatter)
    if isinstance(axis.get_major_formatter(), kinds):
        when = dates.num2date(place).replace(tzinfo=None)
        return when.isoformat()
    return int(place) if place.is_integer() and abs(place) < 1 << 53 else _plain(place)


def _ticks(axis: Any) -> Mapping[float, str] | None:
    """Return the names on an axis by their place; None where it has a scale instead."""
    formatter = type(axis.get_major_formatter()).__name__
    if formatter == "StrCategoryFormatter":
        units = getattr(axis, "units", None)
        mapping = getattr(units, "_mapping", {})
        return {_key(place): str(name) for name, place in mapping.items()}
    if formatter != "FixedFormatter" and not _writes_names(axis.get_major_formatter()):
        return None
    texts = [text.get_text() for text in axis.get_ticklabels()]
    named = {_key(p): t for p, t in zip(axis.get_ticklocs(), texts, strict=False) if t}
    return named or None


def _writes_names(formatter: Any) -> bool:
    """Return whether a formatter is what ``set_ticklabels`` makes where ticks are fixed."""
    function = getattr(getattr(formatter, "func", None), "func", None)
    return getattr(function, "__name__", "") == "_format_with_dict"


def _key(place: float) -> float:
    return round(float(place), 6)
