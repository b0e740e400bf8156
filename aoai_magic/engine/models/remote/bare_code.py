"""Code that is a whole answer, or stands in fences that do not say what is in them."""

from __future__ import annotations

import ast
import builtins
import re

_FENCE = re.compile(r"^ {0,3}```[ \t]*\r?\n(.*?)^ {0,3}```[ \t]*$\n?", re.DOTALL | re.MULTILINE)
_LONGEST = 20_000
"""Characters that are looked at."""


def code_of_answer(text: str) -> tuple[str, str] | None:
    """Return the code that an answer consists of, and its words; None where it is no code."""
    if len(text) > _LONGEST:
        return None
    blocks = _FENCE.findall(text)
    if blocks and all(map(_is_code, blocks)):
        return "\n".join(blocks), _FENCE.sub("", text).strip()
    return (text, "") if _is_code(text) else None


def _is_code(text: str) -> bool:
    """Return whether a text is Python that does something: prose may parse as Python, too."""
    try:
        nodes = list(ast.walk(ast.parse(text.strip())))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return any(_does_something(node) for node in nodes)


def _does_something(node: ast.AST) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Assign):
        return True
    if not isinstance(node, ast.Call):
        return False
    func = node.func
    return isinstance(func, ast.Attribute) or (
        isinstance(func, ast.Name) and hasattr(builtins, func.id)
    )
