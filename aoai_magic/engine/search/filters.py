"""Filters: which files of a store a search is about, told by their attributes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from aoai_magic.engine.storage.objects import Body

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "in": lambda held, wanted: held in wanted,
    "nin": lambda held, wanted: held not in wanted,
}


def fitting(condition: Body) -> Callable[[Body], bool]:
    """Make the test of a file's attributes that a request's ``filters`` describe."""
    if condition["type"] in ("and", "or"):
        tests = [fitting(one) for one in condition["filters"]]
        hold = all if condition["type"] == "and" else any
        return lambda attributes: hold(test(attributes) for test in tests)
    compare = _COMPARISONS[condition["type"]]
    key, wanted = condition["key"], condition["value"]

    def holds(attributes: Body) -> bool:
        if key not in attributes:
            return condition["type"] in ("ne", "nin")
        try:
            return compare(attributes[key], wanted)
        except TypeError:
            return False  # a text and a number have no order

    return holds
