"""Names in written code that a variable of the session already has."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

SESSION = "__session_"
"""Stands before a name that means the session's variable, until `kept_apart` has run."""


def kept_apart(code: str, variables: Collection[str]) -> str:
    """Rename what the code assigns where the session's variables have these names.

    Code that binds ``df`` or ``result`` would take the user's own ``df`` out of use: the
    session loads a variable once, and not again when code has bound its name.
    """
    nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)]
    bound = {node.id for node in nodes if isinstance(node.ctx, ast.Store)}
    lines = code.encode().splitlines(keepends=True)
    for line, column, name in sorted(_places(nodes, bound & set(variables)), reverse=True):
        text = lines[line]
        lines[line] = text[:column] + f"{name}_".encode() + text[column + len(name.encode()) :]
    return b"".join(lines).decode().replace(SESSION, "")


def _places(nodes: Collection[ast.Name], names: Collection[str]) -> Iterator[tuple[int, int, str]]:
    for node in nodes:
        if node.id in names:
            yield node.lineno - 1, node.col_offset, node.id
