"""A turn's Python as a cell that runs in the notebook as it is.

In the sandbox files are in ``/mnt/data``; here attached items are the notebook's own
variables and paths, and what the code makes goes to the working folder.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

MOUNT = "/mnt/data"


@dataclass(frozen=True)
class Input:
    """What an attached file is in the notebook.

    Attributes
    ----------
    name
        The variable's name, or the path as it was given.
    is_variable
        Which of the two it is.
    """

    name: str
    is_variable: bool


def as_cell(cells: Iterable[str], inputs: Mapping[str, Input]) -> str:
    """Join cells of the sandbox into one for the notebook.

    ``inputs`` maps names of files in the sandbox to what they are here. Imports stand
    once, at the top.
    """
    imports: dict[str, None] = {}
    bodies = []
    for code in cells:
        here = _with_paths(_with_variables(code, inputs), inputs)
        found, body = _without_imports(here)
        imports.update(dict.fromkeys(found))
        if body.strip():
            bodies.append(body.strip("\n"))
    head = ["\n".join(imports)] if imports else []
    return "\n\n".join([*head, *bodies]) + "\n"


def _with_variables(code: str, inputs: Mapping[str, Input]) -> str:
    """Put the variable in the place of each call that reads its packed file."""
    for call, item in _reads(code, inputs):
        segment = ast.get_source_segment(code, call)
        if segment:
            code = code.replace(segment, item.name)
    return code


def _reads(code: str, inputs: Mapping[str, Input]) -> Iterator[tuple[ast.Call, Input]]:
    for node in ast.walk(_parsed(code)):
        if not (isinstance(node, ast.Call) and node.args):
            continue
        path, function = node.args[0], getattr(node.func, "attr", "")
        if isinstance(path, ast.Constant) and function.startswith("read_"):
            item = inputs.get(str(path.value).removeprefix(f"{MOUNT}/"))
            if item and item.is_variable:
                yield node, item


def _with_paths(code: str, inputs: Mapping[str, Input]) -> str:
    """Replace the sandbox's paths inside string literals, and nowhere else."""
    if not _parsed(code).body:  # magics and shell lines
        return _here(code, inputs)
    kinds = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)}
    lines = code.splitlines(keepends=True)
    tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    for token in reversed(tokens):
        if token.type in kinds and MOUNT in token.string and token.start[0] == token.end[0]:
            row, start, end = token.start[0] - 1, token.start[1], token.end[1]
            line = lines[row]
            lines[row] = line[:start] + _here(line[start:end], inputs) + line[end:]
    return "".join(lines)


def _here(text: str, inputs: Mapping[str, Input]) -> str:
    for name, item in inputs.items():
        if not item.is_variable:
            text = text.replace(f"{MOUNT}/{name}", item.name)
    return text.replace(f"{MOUNT}/", "").replace(MOUNT, ".")


def _without_imports(code: str) -> tuple[list[str], str]:
    """Give the top-level imports, and the code without them."""
    statements = _parsed(code).body
    lines = code.splitlines()
    # A line that holds something else too (import os; os.remove(…)) stays as it is.
    kept = {row for node in statements if not _is_import(node) for row in _rows(node)}
    imports = [node for node in statements if _is_import(node) and not kept & {*_rows(node)}]
    gone = {row for node in imports for row in _rows(node)}
    body = "\n".join(line for row, line in enumerate(lines) if row not in gone)
    return [ast.unparse(node) for node in imports], body


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _rows(node: ast.stmt) -> range:
    return range(node.lineno - 1, node.end_lineno or node.lineno)


def _parsed(code: str) -> ast.Module:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])
