"""A turn's Python as a cell that runs in the notebook as it is.

In the sandbox files are in ``/mnt/data``; here attached items are the notebook's own
variables and paths, and what the code makes goes to the working folder. A session keeps
its variables: what the turn's code needs of earlier code comes along.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from aoai_magic.results.session_paths import MOUNT, SessionPaths
from aoai_magic.turn.view import Input

_TABLES = (".arrow", ".csv", ".parquet", ".zip")
_PREFIX = re.compile(r"((c?file[-_]\w+|[0-9a-f]{16,})-)?")
"""What services put before the names of files."""

_LIBRARIES = {"pd": "pandas", "pandas": "pandas", "pl": "polars", "polars": "polars"}
_COPIES = {
    # The code may change what it read; the user's own frame is to stay as it is.
    ("pandas", "pandas"): "{name}.copy()",
    ("pandas", "polars"): "{name}.to_pandas()",
    ("pandas", "pyarrow"): "{name}.to_pandas()",
    ("polars", "pandas"): "{module}.from_pandas({name})",
    ("polars", "pyarrow"): "{module}.from_arrow({name})",
}
_CHANGES = frozenset(("add", "append", "extend", "insert", "pop", "remove", "setdefault", "update"))
_BUILTINS = frozenset(dir(builtins))


@dataclass(frozen=True)
class Cell:
    """Code that ran in the session.

    ``wanted`` code comes whole; of other code, which failed or is an earlier turn's, only
    what the wanted code needs.
    """

    code: str
    wanted: bool = True


def as_cell(cells: Iterable[Cell], inputs: Mapping[str, Input]) -> str:
    """Join cells of the session, in the order in which they ran, into one for the notebook.

    ``inputs`` maps names of files in the session to what they are here. Imports stand
    once, at the top.
    """
    ran = list(cells)
    files = _Files(inputs, [cell.code for cell in ran])
    imports: dict[str, None] = {}
    bodies = []
    for found, body in _sliced([(files.here(cell.code), cell.wanted) for cell in ran]):
        imports.update(dict.fromkeys(found))
        if body.strip():
            bodies.append(body.strip("\n"))
    # Those from __future__ must be first.
    ordered = sorted(imports, key=lambda line: not line.startswith("from __future__"))
    head = ["\n".join(ordered)] if ordered else []
    head += _definitions("\n".join(bodies), inputs.values())
    return "\n\n".join([*head, *bodies]) + "\n"


def _definitions(code: str, inputs: Iterable[Input]) -> list[str]:
    """Define those names that are no variables of the notebook, but parts of one."""
    named = {node.id for node in ast.walk(_parsed(code)) if isinstance(node, ast.Name)}
    lines = [f"{i.name} = {i.expression}" for i in inputs if i.expression and i.name in named]
    return ["\n".join(dict.fromkeys(lines))] if lines else []


class _Files:
    """The session's files as they are in the notebook."""

    def __init__(self, inputs: Mapping[str, Input], codes: Sequence[str]) -> None:
        self._inputs = inputs
        self._paths = dict(_named_paths(codes))
        files = {name: item.name for name, item in inputs.items() if not item.is_variable}
        self._session = SessionPaths(files)

    def here(self, code: str) -> str:
        """Return code with variables and paths of the notebook."""
        return self._session.here(self._with_variables(code))

    def _with_variables(self, code: str) -> str:
        """Put the variable in the place of each expression that reads its packed file."""
        # From the last to the first, so that places before stay as they are.
        places = sorted(self._reads(code), key=lambda read: _place(read[0]), reverse=True)
        for node, text in places:
            code = _replaced(code, node, text)
        return code

    def _reads(self, code: str) -> Iterator[tuple[ast.expr, str]]:
        for node in ast.walk(_parsed(code)):
            if isinstance(node, ast.Call) and node.args:
                function = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                item = self._variable(node.args[0]) if _is_reading(function) else None
                if item:
                    yield node, _expression(node, item)
                elif loaded := self._loaded(node):
                    yield node, loaded

    def _variable(self, path: ast.expr) -> Input | None:
        if isinstance(path, ast.Name):
            name = self._paths.get(path.id, "")
        else:
            name = str(path.value) if isinstance(path, ast.Constant) else ""
        return self._of(name)

    def _of(self, path: str) -> Input | None:
        """Return the variable whose packed file has that path, in whatever form it was sent."""
        file = PurePosixPath(path.removeprefix(f"{MOUNT}/"))
        if file.suffix not in _TABLES or str(file) in self._session.files:
            return None
        for name, item in self._inputs.items():
            stem = PurePosixPath(name).stem
            if item.is_variable and re.fullmatch(_PREFIX.pattern + re.escape(stem), file.stem):
                return item
        return None

    def _loaded(self, call: ast.Call) -> str | None:
        """Return the variable that ``exec(open("…/load_NAME.py").read())`` defines."""
        if not (isinstance(call.func, ast.Name) and call.func.id == "exec"):
            return None
        found = re.search(r"load_(\w+)\.py['\"]\)\.read\(\)$", ast.unparse(call.args[0]))
        names = {item.name for item in self._inputs.values() if item.is_variable}
        return found[1] if found and found[1] in names else None


def _place(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _replaced(code: str, node: ast.expr, text: str) -> str:
    """Put text in the place of an expression; its columns are counted in bytes of UTF-8."""
    lines = code.encode().splitlines(keepends=True)
    last = (node.end_lineno or node.lineno) - 1
    before = [*lines[: node.lineno - 1], lines[node.lineno - 1][: node.col_offset]]
    after = [lines[last][node.end_col_offset :], *lines[last + 1 :]]
    return b"".join([*before, text.encode(), *after]).decode()


def _is_reading(function: str) -> bool:
    return function.startswith(("read_", "scan_"))


def _expression(call: ast.Call, item: Input) -> str:
    """Return what stands for a call that reads a variable's file."""
    module = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    library, own = _LIBRARIES.get(module, ""), item.kind.partition(".")[0]
    form = _COPIES.get((library, own), "{name}")
    frame = form.format(name=item.name, module=module)
    columns = [word.value for word in call.keywords if word.arg in ("columns", "usecols")]
    return f"{frame}[{ast.unparse(columns[0])}]" if columns else frame


def _named_paths(codes: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield names to which a path is assigned."""
    for code in codes:
        for node in ast.walk(_parsed(code)):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        yield target.id, str(node.value.value)


def _sliced(cells: Sequence[tuple[str, bool]]) -> list[tuple[list[str], str]]:
    """Return the imports and the rest of each cell, from the last back to what that needs."""
    needed: set[str] = set()
    found = []
    for code, wanted in reversed(cells):
        statements = _parsed(code).body
        kept = []
        for node in reversed(statements):
            if wanted or _binds(node) & needed:
                kept.append(node)
                needed = (needed - _defines(node)) | _uses(node)
        if wanted or kept:
            left_out = [node for node in statements if node not in kept]
            found.append(_without_imports(code, statements, left_out))
    return found[::-1]


def _defines(node: ast.stmt) -> set[str]:
    """Names that have nothing of an earlier value after the statement."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Assign):
        return _stored(node)
    return set()


def _binds(node: ast.stmt) -> set[str]:
    """Names that the statement defines, or whose value it changes."""
    changed = {name for child in ast.walk(node) for name in _changed(child)}
    return _stored(node) | changed


def _stored(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(name.asname or name.name).partition(".")[0] for name in node.names}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and _is_store(n.ctx)}


def _is_store(context: ast.expr_context) -> bool:
    return isinstance(context, ast.Store)


def _changed(node: ast.AST) -> Iterator[str]:
    """Yield the name whose value is changed: by ``x[…] = …``, ``x.a = …``, ``x.append(…)``."""
    if isinstance(node, ast.Subscript | ast.Attribute) and _is_store(node.ctx):
        yield from _root(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        in_place = any(word.arg == "inplace" for word in node.keywords)
        if in_place or node.func.attr in _CHANGES:
            yield from _root(node.func)


def _root(node: ast.expr) -> Iterator[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def _uses(node: ast.stmt) -> set[str]:
    loaded = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not _is_store(n.ctx)}
    return (loaded | set(_binds(node) - _stored(node))) - _BUILTINS


def _without_imports(
    code: str, statements: Sequence[ast.stmt], left_out: Sequence[ast.stmt]
) -> tuple[list[str], str]:
    """Return the top-level imports, and the code without them and what is left out."""
    lines = code.splitlines()
    # A line that holds something else too (import os; os.remove(…)) stays as it is.
    others = [node for node in statements if not _is_import(node) and node not in left_out]
    kept = {row for node in others for row in _rows(node)}
    imports = [
        node
        for node in statements
        if _is_import(node) and node not in left_out and not kept & {*_rows(node)}
    ]
    gone = {row for node in (*imports, *left_out) for row in _rows(node)} - kept
    body = "\n".join(line for row, line in enumerate(lines) if row not in gone)
    return [ast.unparse(node) for node in imports], body


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _rows(node: ast.stmt) -> range:
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    return range(first - 1, node.end_lineno or node.lineno)


def _parsed(code: str) -> ast.Module:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module(body=[], type_ignores=[])
