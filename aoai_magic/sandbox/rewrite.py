"""`/mnt/data` where there is none: paths in a cell's code become those of the real folder."""

from __future__ import annotations

import ast
import re

from .session import MOUNT

_MOUNT = re.compile(rf"(?<![\w./-]){re.escape(MOUNT)}(?![\w-])")


class FolderPaths(ast.NodeTransformer):
    """Replaces `MOUNT` in string constants, the parts of f-strings included.

    Paths that code composes out of smaller pieces are not seen.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """Rewrite one constant."""
        value = node.value
        if isinstance(value, str) and MOUNT in value:
            text = _MOUNT.sub(lambda _: self._folder, value)
            return ast.copy_location(ast.Constant(text, node.kind), node)
        if isinstance(value, bytes) and MOUNT.encode() in value:
            text = _MOUNT.sub(lambda _: self._folder, value.decode("latin-1"))
            return ast.copy_location(ast.Constant(text.encode("latin-1")), node)
        return node
