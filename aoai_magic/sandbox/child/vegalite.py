"""Pictures of Vega-Lite charts and SVG, drawn by vl-convert where that is installed.

It is drawn in a process of its own: the JavaScript engine in vl-convert takes its process
with it when it lacks memory.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

_DRAW = """
import json, sys
sys.path += sys.argv[1:]
import vl_convert
given = json.load(sys.stdin)
draw = vl_convert.svg_to_png if isinstance(given, str) else vl_convert.vegalite_to_png
sys.stdout.buffer.write(draw(given, scale=1.5))
"""
_SECONDS = 20.0
_LARGEST = 4 << 20  # characters of a specification, data included


def draw(bundle: Mapping[str, Any]) -> bytes | None:
    """Return a PNG of the chart in a MIME bundle; None where none can be made."""
    chart = next((bundle[mime] for mime in bundle if "vnd.vegalite" in mime), None)
    return None if chart is None else _draw(json.dumps(chart, default=str))


def draw_svg(drawing: str) -> bytes | None:
    """Return a PNG of an SVG drawing; None where none can be made."""
    return _draw(json.dumps(drawing))


def _draw(words: str) -> bytes | None:
    if len(words) > _LARGEST or importlib.util.find_spec("vl_convert") is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603  (this Python, our own words)
            [sys.executable, "-I", "-c", _DRAW, *sys.path],
            input=words.encode(),
            capture_output=True,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None  # the chart itself is there all the same
    return done.stdout or None
