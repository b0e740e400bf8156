"""What to do about code that failed: another way, or the end of trying."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from aoai_magic.engine.models.offline.task import Way

MOST_TRIES = 4
"""Runs of one task's code."""

_TRACE = "Traceback (most recent call last)"
_ERROR = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exception|Interrupt|Warning)): ?(.*)$", re.MULTILINE)


def failed(output: str) -> bool:
    """Whether the code raised."""
    return _TRACE in output


def reason(output: str) -> str:
    """Give the error's name and text, or the last line that was printed."""
    found = _ERROR.findall(output)
    if found:
        return ": ".join(filter(None, found[-1]))
    return next((line for line in reversed(output.split("\n")) if line.strip()), "no output")


def learned(outputs: Iterable[str]) -> Way:
    """Give the way that the libraries allow, as far as earlier failures tell."""
    way = Way()
    for output in outputs:
        way = _without(output, way) or way
    return way


def another_way(output: str, way: Way) -> Way | None:
    """Give a way that may do where this one failed; None if all were tried."""
    without = _without(output, way)
    if without:
        return without
    if way.variables and re.search(r"NameError|to_pandas|reset_index", reason(output)):
        return replace(way, variables=False)
    if not way.coerce:
        return replace(way, coerce=True)
    if way.chart:
        return replace(way, chart=False)
    return replace(way, variables=False) if way.variables else None


def _without(output: str, way: Way) -> Way | None:
    """Do without the library that is missing."""
    missing = re.search(r"(?:No module named|optional dependency|`Import) '?(\w+)", output)
    name = missing[1] if missing else ""
    if name in {"matplotlib", "PIL"} and way.chart:
        return replace(way, chart=False)
    if name == "openpyxl" and way.excel:
        return replace(way, excel=False)
    if name in {"sympy", "mpmath"} and way.sympy:
        return replace(way, sympy=False)
    return None
