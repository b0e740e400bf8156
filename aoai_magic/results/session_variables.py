"""Expressions that read a variable's packed file in the session become the variable."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from aoai_magic.results.session_files import SessionFiles, is_reading, name_of, words
from aoai_magic.turn.view import Input

_PREFIX = r"((c?file[-_]\w+|[0-9a-f]{16,})-)?"
"""What services put before the names of files."""
_TABLES = (".arrow", ".csv", ".parquet", ".zip")
_LIBRARIES = {"pd": "pandas", "pandas": "pandas", "pl": "polars", "polars": "polars"}
_CONVERSIONS = {
    ("pandas", "polars"): "{frame}.to_pandas()",
    ("pandas", "pyarrow"): "{frame}.to_pandas()",
    ("polars", "pandas"): "{module}.from_pandas({frame})",
    ("polars", "pyarrow"): "{module}.from_arrow({frame})",
    ("pyarrow", "pandas"): "pa.Table.from_pandas({frame}, preserve_index=False)",
}
_CHAINS = words("read read_all read_pandas to_pandas to_table collect")
_WHOLE = words("load loads read read_text read_bytes loadtxt")
_ANYHOW = words(
    """columns date_format dtype dtype_backend encoding engine header index_col low_memory
    memory_map nrows parse_dates sep try_parse_dates usecols"""
)
"""Options of readers that are kept here, or say what is so in the notebook anyhow."""


class SessionVariables:
    """The variables that were sent as files.

    ``copied`` says whether the user's own value is to be spared from changes; ``lost`` gathers
    options of readers that could not be kept.
    """

    def __init__(self, inputs: Mapping[str, Input], files: SessionFiles, copied: bool) -> None:
        self._inputs, self._files, self._copied = inputs, files, copied
        self.lost: dict[str, set[str]] = {}

    def here(self, code: str, tree: ast.Module) -> str:
        """Return code with the variable in the place of what reads its file."""
        reads = list(self._reads(tree))
        inside = {id(child) for node, _ in reads for child in ast.walk(node) if child is not node}
        outer = [(node, text) for node, text in reads if id(node) not in inside]
        return replaced(code, outer)

    def _reads(self, tree: ast.Module) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (text := self._read(node)):
                yield node, text
            elif isinstance(node, ast.With) and self._is_opening(node):
                yield from self._without_opening(node)

    def _read(self, call: ast.Call) -> str:
        """Return what stands for a call; empty where it reads no variable's file."""
        function = name_of(call.func)
        if function in _CHAINS and isinstance(call.func, ast.Attribute):
            return self._end_of_chain(call, call.func.value)
        item = self.item(_opened(call.args[0])) if call.args else None
        if item and is_reading(function):
            return self._frame(call, item)
        if item and function in _WHOLE and item.kind and "." not in item.kind:
            return self._spared(item, item.name)
        if function == "read_text" and isinstance(call.func, ast.Attribute):
            item = self.item(call.func.value)
            return item.name if item and item.kind == "text" else ""
        return ""

    def _end_of_chain(self, call: ast.Call, start: ast.expr) -> str:
        """Return the variable for ``pq.read_table(path).to_pandas()`` and its like."""
        while isinstance(start, ast.Call | ast.Attribute):
            if isinstance(start, ast.Call) and start.args and (item := self.item(start.args[0])):
                frame = item.kind.startswith("pandas.") or not item.kind
                if name_of(call.func) == "read" and item.kind == "text":
                    return item.name
                pandas = name_of(call.func) in ("to_pandas", "read_pandas")
                return self._spared(item, item.as_read or item.name) if frame and pandas else ""
            start = start.func if isinstance(start, ast.Call) else start.value
        return ""

    def _is_opening(self, node: ast.With) -> bool:
        """Whether a ``with`` only opens the file of a variable whose reads all go."""
        (first, *more) = node.items
        name = first.optional_vars
        if more or not isinstance(name, ast.Name) or not self.item(first.context_expr):
            return False
        gone = {id(n) for call, _ in self._calls(node) for n in ast.walk(call)}
        left = [n for n in ast.walk(node) if isinstance(n, ast.Name) and id(n) not in gone]
        return [n.id for n in left].count(name.id) == 1 and not _is_nested_text(node)

    def _calls(self, node: ast.AST) -> Iterator[tuple[ast.Call, str]]:
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and (text := self._read(call)):
                yield call, text

    def _without_opening(self, node: ast.With) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
        """Yield the body in the place of the whole statement."""
        yield node, _Body(self, node).text

    def item(self, path: ast.expr) -> Input | None:
        """Return the variable whose packed file has that path, in whatever form it was sent."""
        named = self._files.name(path)
        file = PurePosixPath(named)
        if not named or (named in self._inputs and not self._inputs[named].is_variable):
            return None
        for name, item in self._inputs.items():
            sent = PurePosixPath(name)
            alike = file.suffix in _TABLES if sent.suffix in _TABLES else file.suffix == sent.suffix
            pattern = _PREFIX + re.escape(sent.stem)
            if item.is_variable and alike and re.fullmatch(pattern, file.stem):
                return item
        return None

    def _frame(self, call: ast.Call, item: Input) -> str:
        """Return what stands for a call that reads a variable's file."""
        module = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        own = item.kind.partition(".")[0]
        library = _LIBRARIES.get(module, "pandas" if module in ("feather",) else "pyarrow")
        frame = item.as_read or item.name
        if form := _CONVERSIONS.get((library, own)):
            frame = form.format(frame=frame, module=module)
        elif library == own == "pandas":
            frame = self._spared(item, frame)
        return frame + self._options(call, item)

    def _options(self, call: ast.Call, item: Input) -> str:
        words = {word.arg or "**": ast.unparse(word.value) for word in call.keywords}
        lost = {name for name in words if name not in _ANYHOW}
        if lost:
            self.lost.setdefault(item.name, set()).update(lost)
        columns = words.get("columns", words.get("usecols"))
        text = f"[{columns}]" if columns else ""
        text += f".head({words['nrows']})" if "nrows" in words else ""
        return text + (f".set_index({words['index_col']})" if "index_col" in words else "")

    def _spared(self, item: Input, text: str) -> str:
        """Have a change not reach the user's own value."""
        is_own = text == item.name and self._copied
        return sparing(item.kind, text) or text if is_own else text


def sparing(kind: str, name: str) -> str:
    """Write a copy of a variable; empty where its kind has none that is known."""
    if kind.startswith(("pandas.", "numpy.")):
        return f"{name}.copy()"
    if kind.startswith("polars."):
        return f"{name}.clone()"
    return f"copy.deepcopy({name})" if kind in ("dict", "list") else ""


def _opened(node: ast.expr) -> ast.expr:
    """Return the file or path whose whole content an expression reads."""
    function = node.func if isinstance(node, ast.Call) else None
    if isinstance(function, ast.Attribute) and function.attr.startswith("read"):
        return function.value
    return node


class _Body:
    """The body of a ``with`` that is not needed any more, moved to the left."""

    def __init__(self, variables: SessionVariables, node: ast.With) -> None:
        self._variables, self._node = variables, node

    @property
    def text(self) -> str:
        """Its statements; the first stands where the ``with`` stood."""
        calls = dict(self._variables._calls(self._node))
        body = [_Swap(calls).visit(one) for one in self._node.body]
        lines = "\n".join(map(ast.unparse, body)).split("\n")
        return f"\n{' ' * self._node.col_offset}".join(lines)


class _Swap(ast.NodeTransformer):
    def __init__(self, calls: Mapping[ast.Call, str]) -> None:
        self._calls = calls

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if node in self._calls:
            return ast.parse(self._calls[node], mode="eval").body
        return self.generic_visit(node)


def _is_nested_text(node: ast.With) -> bool:
    """Whether a text of several lines stands in it, which cannot be moved to the left."""
    texts = (n for n in ast.walk(node) if isinstance(n, ast.Constant | ast.JoinedStr))
    return any(text.lineno != text.end_lineno for text in texts)


def replaced(code: str, texts: list[tuple[ast.expr | ast.stmt, str]]) -> str:
    """Replace nodes by texts; their columns are counted in bytes of UTF-8."""
    # From the last to the first, so that places before stay as they are.
    for node, text in sorted(texts, key=_place, reverse=True):
        if not _is_there(code, node):
            continue
        lines = code.encode().splitlines(keepends=True)
        last = (node.end_lineno or node.lineno) - 1
        before = [*lines[: node.lineno - 1], lines[node.lineno - 1][: node.col_offset]]
        after = [lines[last][node.end_col_offset :], *lines[last + 1 :]]
        code = b"".join([*before, text.encode(), *after]).decode()
    return code


def _is_there(code: str, node: ast.expr | ast.stmt) -> bool:
    """Whether the node stands where it says; before Python 3.12 one of an f-string does not."""
    if isinstance(node, ast.stmt):
        return True
    try:
        found = ast.parse(f"({ast.get_source_segment(code, node)})", mode="eval")
    except (SyntaxError, ValueError):
        return False
    return ast.unparse(found) == ast.unparse(node)


def _place(replacement: tuple[ast.expr | ast.stmt, str]) -> tuple[int, int]:
    return replacement[0].lineno, replacement[0].col_offset
