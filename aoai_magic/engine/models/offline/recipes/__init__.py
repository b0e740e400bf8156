"""Recipes: one for each kind of task, by the task's name."""

from __future__ import annotations

from collections.abc import Mapping

from aoai_magic.engine.models.offline.recipes.comparing import COMPARE, FRACTION, SHARE, TOP, TOTAL
from aoai_magic.engine.models.offline.recipes.describing import DISTRIBUTION, MISSING, OVERVIEW
from aoai_magic.engine.models.offline.recipes.figuring import FIGURES
from aoai_magic.engine.models.offline.recipes.listing import CONVERT, COUNT, JOIN, LIST
from aoai_magic.engine.models.offline.recipes.recipe import Recipe, ending
from aoai_magic.engine.models.offline.recipes.relating import CORRELATE, OUTLIERS
from aoai_magic.engine.models.offline.recipes.repeating import SEASON
from aoai_magic.engine.models.offline.recipes.solving import SOLVE
from aoai_magic.engine.models.offline.recipes.timing import GROWTH, TREND

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
