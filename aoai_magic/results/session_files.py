"""Which files of the session a piece of Python reads and writes, as far as its text says.

A path may be put together: ``Path("/mnt/data") / "x.csv"``, ``f"{folder}/x.csv"``, or a name
that is one of these.
"""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterable, Iterator

from aoai_magic.results.session_paths import MOUNT


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


_READERS = words("""ExcelFile genfromtxt imread load loadtxt open_file read_bytes read_text""")
_WRITERS = words(
    """ExcelWriter imsave imwrite save savefig savetxt savez sink_csv sink_parquet to_csv to_excel
    to_feather to_file to_hdf to_html to_json to_latex to_markdown to_parquet to_pickle to_stata
    to_string to_xml write_bytes write_csv write_excel write_html write_image write_json
    write_parquet write_table write_text"""
)
_OWN = words("open read_bytes read_text write_bytes write_text")
"""Methods of the path itself."""
_LONGEST = 4096
"""Characters of a path that a name stands for."""
_PATHS = words("Path PosixPath PurePath str fspath open BytesIO")


class SessionFiles:
    """The paths that names in some pieces of code stand for.

    ``modules`` are the names that imports bind.
    """

    def __init__(self, trees: Iterable[ast.Module]) -> None:
        self._values: dict[str, list[ast.expr]] = {}
        self._paths_of: dict[str, str | None] = {}
        self.modules: set[str] = set()
        for tree in trees:
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    self.modules.update((n.asname or n.name).partition(".")[0] for n in node.names)
                for target, value in _bound(node):
                    self._values.setdefault(target, []).append(value)

    def used(self, node: ast.AST) -> Iterator[tuple[str, bool]]:
        """Yield the session's files that are named as read or written, and which of the two."""
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                function = name_of(call.func)
                for path in self._paths(call, function):
                    name = self.name(path)
                    if name:
                        yield from ((name, how) for how in _ways(call, function))

    def _paths(self, call: ast.Call, function: str) -> list[ast.expr]:
        if function in _OWN and isinstance(call.func, ast.Attribute):
            return [call.func.value]
        return [*call.args[:1], *(word.value for word in call.keywords if word.arg in _NAMED)]

    def name(self, node: ast.expr) -> str:
        """Return the file's path in the session's folder; empty for what is none, or unknown."""
        path = self.path(node)
        if path is None:
            return ""
        inside = posixpath.relpath(posixpath.join(MOUNT, path), MOUNT)
        return "" if inside.startswith((".", "/")) or "://" in path else inside

    def path(self, node: ast.expr, depth: int = 9) -> str | None:
        """Return the path that an expression says; None where it cannot be known."""
        if depth == 0:
            return None
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            return self._of_name(node.id, depth)
        if isinstance(node, ast.FormattedValue):
            return self.path(node.value, depth - 1)
        if isinstance(node, ast.JoinedStr):
            return self._all("", node.values, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Add):
            between = "/" if isinstance(node.op, ast.Div) else ""
            return self._all(between, [node.left, node.right], depth)
        if isinstance(node, ast.Call) and node.args:
            return self._called(node, depth)
        return None

    def _of_name(self, name: str, depth: int) -> str | None:
        """Return the path that a name stands for, which is worked out once: texts of texts grow."""
        if name not in self._paths_of:
            self._paths_of[name] = None
            values = self._values.get(name, [])
            path = self.path(values[0], depth - 1) if len(values) == 1 else None
            self._paths_of[name] = path if len(path or "") <= _LONGEST else None
        return self._paths_of[name]

    def _called(self, node: ast.Call, depth: int) -> str | None:
        function = name_of(node.func)
        if function == "join" and ast.unparse(node.func) == "os.path.join":
            return self._all("/", node.args, depth)
        if function == "open" and isinstance(node.func, ast.Attribute):
            return self.path(node.func.value, depth - 1)
        if function in _PATHS:
            parts = node.args if function.endswith("Path") else node.args[:1]
            return self._all("/", parts, depth)
        return None

    def _all(self, between: str, nodes: Iterable[ast.expr], depth: int) -> str | None:
        parts = [self.path(node, depth - 1) for node in nodes]
        known = [part for part in parts if part is not None]
        return between.join(known) if len(known) == len(parts) else None


_NAMED = ("excel_writer", "file", "fname", "io", "path", "path_or_buf", "filepath_or_buffer")


def _bound(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield names with the expression that they are bound to, by ``=`` or ``with … as``."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            for name in ast.walk(target):
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                    yield name.id, node.value if name is target else ast.Constant(None)
    elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
        yield node.optional_vars.id, node.context_expr
    elif isinstance(node, ast.arg):
        yield node.arg, ast.Constant(None)
    elif isinstance(node, ast.For | ast.comprehension | ast.AugAssign | ast.NamedExpr):
        for name in ast.walk(node.target):
            if isinstance(name, ast.Name):
                yield name.id, ast.Constant(None)


def name_of(function: ast.expr) -> str:
    """Return the last name of what is called."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def is_reading(function: str) -> bool:
    """Return whether a function of that name reads a table from its first argument."""
    return function.startswith(("read_", "scan_")) and not function.startswith("read_sql")


def _ways(call: ast.Call, function: str) -> Iterator[bool]:
    if function in ("open", "ZipFile"):
        place = 0 if function == "open" and isinstance(call.func, ast.Attribute) else 1
        modes = [*call.args[place : place + 1]]
        modes += [word.value for word in call.keywords if word.arg == "mode"]
        mode = str(modes[0].value) if modes and isinstance(modes[0], ast.Constant) else "r"
        yield any(letter in mode for letter in "wax+")
    elif function in _WRITERS:
        yield True
    elif function in _READERS or is_reading(function):
        yield False
