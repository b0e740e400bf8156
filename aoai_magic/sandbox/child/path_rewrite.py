"""`/mnt/data` where there is none: paths in a cell's code become those of the real folder."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping


class FolderPaths(ast.NodeTransformer):
    """Replaces paths in string constants, the parts of f-strings included.

    ``places`` says what stands for what; only whole components of a path are replaced.
    Paths that code composes out of smaller pieces are not seen.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places
        names = "|".join(map(re.escape, places))
        self._pattern = re.compile(rf"(?<![\w./-])(?:{names})(?![\w-])")

    def _rewrite(self, text: str) -> str:
        return self._pattern.sub(lambda match: self._places[match[0]], text)

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """Rewrite one constant."""
        value: object = node.value
        if isinstance(value, str):
            value = self._rewrite(value)
        elif isinstance(value, bytes):
            # Byte by byte, whatever the encoding; paths of folders are ASCII or UTF-8.
            value = self._rewrite(value.decode("utf-8", "surrogateescape")).encode(
                "utf-8", "surrogateescape"
            )
        if value == node.value:
            return node
        return ast.copy_location(ast.Constant(value, node.kind), node)  # type: ignore[arg-type]
