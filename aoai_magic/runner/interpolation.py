"""The prompt's one interpolation: ``{{expression}}`` becomes the value's text."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

from aoai_magic.errors import UsageError
from aoai_magic.locale import gettext as _

_OPEN = re.compile(r"\{\{")


def interpolate(prompt: str, namespace: Mapping[str, Any]) -> str:
    """Replace each ``{{expression}}``; everything else stays as typed.

    Raises
    ------
    UsageError
        If an expression is no Python, or fails.
    """
    return _replaced(prompt, lambda code: _text(code, namespace))


def without_expressions(prompt: str) -> str:
    """Return the prompt without each ``{{expression}}``: the user's own words alone.

    Raises
    ------
    UsageError
        If an expression is no Python.
    """
    return _replaced(prompt, lambda code: " ")


def _replaced(prompt: str, replacement: Callable[[str], str]) -> str:
    out, place = [], 0
    while opening := _OPEN.search(prompt, place):
        closing, code = _expression(prompt, opening.end())
        out += [prompt[place : opening.start()], replacement(code)]
        place = closing
    return "".join([*out, prompt[place:]])


def _expression(prompt: str, start: int) -> tuple[int, str]:
    """Return the shortest valid expression that ``}}`` closes, and where it ends."""
    end = prompt.find("}}", start)
    while end >= 0:
        code = prompt[start:end].strip()
        if _parses(code):
            return end + 2, code
        # A dict's own braces may stand before the closing pair: {{ {"a": 1}["a"] }}
        end = prompt.find("}}", end + 1)
    raise UsageError(
        _(
            "What follows {text!r} is not a Python expression; use --raw to send braces unchanged."
        ).format(text=prompt[start - 2 : start + 30])
    )


def _parses(code: str) -> bool:
    try:
        ast.parse(code, mode="eval")
    except (SyntaxError, ValueError):
        return False
    return True


def _text(code: str, namespace: Mapping[str, Any]) -> str:
    try:
        return str(eval(code, dict(namespace)))  # noqa: S307 - the user's own expression
    except Exception as error:
        raise UsageError(
            _(
                "{{{{{code}}}}} in the prompt failed ({type}: {error}); fix it, or use --raw to "
                "send braces unchanged."
            ).format(code=code, type=type(error).__name__, error=error)
        ) from error
