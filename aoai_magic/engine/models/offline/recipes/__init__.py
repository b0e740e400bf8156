"""Recipes: one for each kind of task, by the task's name."""

from __future__ import annotations

from collections.abc import Mapping

from .comparing import COMPARE, FRACTION, SHARE, TOP, TOTAL
from .describing import DISTRIBUTION, MISSING, OVERVIEW
from .figuring import FIGURES
from .listing import CONVERT, COUNT, JOIN, LIST
from .recipe import Recipe, ending
from .relating import CORRELATE, OUTLIERS
from .repeating import SEASON
from .solving import SOLVE
from .timing import GROWTH, TREND

__all__ = ["RECIPES", "Recipe", "ending"]

RECIPES: Mapping[str, Recipe] = {
    "compare": COMPARE,
    "convert": CONVERT,
    "correlate": CORRELATE,
    "count": COUNT,
    "distribution": DISTRIBUTION,
    "figures": FIGURES,
    "fraction": FRACTION,
    "growth": GROWTH,
    "join": JOIN,
    "list": LIST,
    "missing": MISSING,
    "outliers": OUTLIERS,
    "overview": OVERVIEW,
    "season": SEASON,
    "share": SHARE,
    "solve": SOLVE,
    "top": TOP,
    "total": TOTAL,
    "trend": TREND,
    "unique": COUNT,
}
