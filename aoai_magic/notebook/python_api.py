"""`aoai_magic.ask` and `aoai_magic.aask`: the magic's job as functions."""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Iterator, Mapping
from functools import cache
from typing import Any

from aoai_magic.notebook.caller import caller_variables
from aoai_magic.runner.background import PendingTurn
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options, from_keywords
from aoai_magic.runner.turn import Turn


def ask(
    prompt: str, items: tuple[Any, ...], options: Mapping[str, Any]
) -> Turn | PendingTurn | None:
    """Ask the assistant; see `aoai_magic.ask`."""
    state, given, data = _prepared(items, options)
    return state.ask_now(prompt, given, data)


def aask(
    prompt: str, items: tuple[Any, ...], options: Mapping[str, Any]
) -> Coroutine[Any, Any, Turn | PendingTurn | None]:
    """Ask the assistant; see `aoai_magic.aask`."""
    # Not a coroutine itself: who awaits it may be another than who calls it.
    state, given, data = _prepared(items, options)
    return state.ask(prompt, given, data)


def _prepared(
    items: tuple[Any, ...], options: Mapping[str, Any]
) -> tuple[Assistant, Options, dict[str, Any]]:
    state = _state()
    data = caller_variables(state.namespace)
    variables = {**state.namespace, **data}
    names = tuple(_name(item, variables, data) for item in items)
    # Raw by default: a prompt put together in Python may hold text of data, and braces
    # in that are not to be evaluated; Python has its own f-strings.
    return state, from_keywords(names, {"raw": True, **options}), data


def _state() -> Assistant:
    """Return the notebook's assistant, or outside IPython one for the main module."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_ipython() if get_ipython else None
    if shell is None:
        return _outside()
    from aoai_magic.notebook.magics import register

    return register(shell).state


@cache
def _outside() -> Assistant:
    return Assistant(vars(sys.modules["__main__"]))


def _name(item: Any, variables: dict[str, Any], data: dict[str, Any]) -> str:
    """Return the name by which the session will know an object; nameless ones get one."""
    if isinstance(item, str):
        return item
    for name, value in list(variables.items()):
        if value is item and not name.startswith("_"):
            return name
    name = next(name for name in _spare_names() if name not in variables)
    data[name] = variables[name] = item
    return name


def _spare_names() -> Iterator[str]:
    yield "data"
    yield from (f"data{number}" for number in range(2, 1_000_000))
