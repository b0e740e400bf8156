"""What a statement of a turn's Python defines, changes and needs.

That is names; and files of the session's folder, as ``/name``, so that what writes a file
comes along with what reads it.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator

from aoai_magic.results.session_files import SessionFiles, words

BUILTINS = frozenset(dir(builtins)) | {"display", "get_ipython", "In", "Out", "_"}
_CHANGES = words("add append extend insert pop remove setdefault update")
_SHOWS = words("display help len print")
_DRAWS = words("boxplot hist plot")
IMPORTS = (ast.Import, ast.ImportFrom)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def defines(node: ast.stmt) -> set[str]:
    """Return the names that have nothing of an earlier value after the statement."""
    return stored(node) if isinstance(node, (*IMPORTS, *DEFINITIONS, ast.Assign)) else set()


def binds(node: ast.stmt, files: SessionFiles) -> set[str]:
    """Return the names and files that the statement defines, or whose value it changes."""
    written = {f"/{name}" for name, is_written in files.used(node) if is_written}
    # What is done to a module (plt.title, np.random.seed) is no value that others need.
    return stored(node) | (changes(node) - files.modules) | written


def uses(node: ast.stmt, files: SessionFiles) -> set[str]:
    """Return the names and files whose value the statement needs."""
    loaded = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not _is_store(n.ctx)}
    quoted = {name for text in texts(node) for name in re.findall(r"@(\w+)", text)}
    read = {f"/{name}" for name, is_written in files.used(node) if not is_written}
    return (loaded | quoted | read | (changes(node) - stored(node))) - BUILTINS


def stored(node: ast.AST) -> set[str]:
    """Return the names that are given a value."""
    if isinstance(node, IMPORTS):
        return {(name.asname or name.name).partition(".")[0] for name in node.names}
    if isinstance(node, DEFINITIONS):
        return {node.name}
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and _is_store(n.ctx)}


def changes(node: ast.AST) -> set[str]:
    """Return the names whose value is changed in place."""
    return {name for child in ast.walk(node) for name in _changed(child)}


def _changed(node: ast.AST) -> Iterator[str]:
    """Yield what ``x[…] = …``, ``x.a = …``, ``x.append(…)`` and calls for their effect change."""
    if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
        yield from _root(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        in_place = any(word.arg == "inplace" for word in node.keywords)
        if in_place or node.func.attr in _CHANGES:
            yield from _root(node.func)
    if isinstance(node, ast.Call):
        yield from (name for w in node.keywords if w.arg == "ax" for name in _root(w.value))
    if isinstance(node, ast.AugAssign):
        yield from _root(node.target)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield from _called(node.value)


def _called(call: ast.Call) -> Iterator[str]:
    """Yield what a call that is a statement may change: its object, or what a function is given."""
    if isinstance(call.func, ast.Attribute):
        name = call.func.attr
        # ax.plot(x, y) changes the axes; frame.plot() nothing of the frame.
        draws = _draws(call.func) or (name in _DRAWS and not call.args)
        if not (is_look(name) or name.startswith("to_") or draws):
            yield from _root(call.func)
    elif isinstance(call.func, ast.Name) and call.func.id not in _SHOWS:
        yield from (name for argument in call.args for name in _root(argument))


def _draws(function: ast.Attribute) -> bool:
    return isinstance(function.value, ast.Attribute) and function.value.attr in _DRAWS


def is_look(method: str) -> bool:
    """Return whether a method of a frame only shows what is in it."""
    return method in LOOKS


LOOKS = words(
    """DataFrame all any as_posix astype count describe duplicated endswith exists format getsize
    glob head info is_dir is_file isfile isna isnull items iterdir join keys listdir max
    memory_usage min notna notnull nunique read readline readlines resolve rglob sample
    splitlines startswith stat strip tail to_json to_list to_markdown to_string tolist unique
    values walk"""
)


def _root(node: ast.AST) -> Iterator[str]:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def _is_store(context: ast.expr_context) -> bool:
    return isinstance(context, ast.Store)


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts that stand in code."""
    for child in ast.walk(node):
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value


def undefined(tree: ast.Module) -> list[str]:
    """Return the names that the code needs, and nothing in it defines, in order."""
    known, loaded = set(BUILTINS), dict[str, None]()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            return []
        if isinstance(node, ast.Name) and not _is_store(node.ctx):
            loaded[node.id] = None
        known.update(_known(node))
    return [name for name in loaded if name not in known and not name.startswith("__")]


def _known(node: ast.AST) -> Iterable[str]:
    if isinstance(node, (ast.Name, *IMPORTS, *DEFINITIONS)):
        return stored(node)
    if isinstance(node, ast.arg):
        return [node.arg]
    name = getattr(node, "name", None)  # an exception's, or a pattern's
    return [name] if isinstance(name, str) else []


def rows(node: ast.stmt) -> range:
    """Return the lines of the statement, from 0, with its decorators."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    return range(first - 1, node.end_lineno or node.lineno)


def parse(code: str) -> ast.Module | None:
    """Parse code; None where it is no Python."""
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
