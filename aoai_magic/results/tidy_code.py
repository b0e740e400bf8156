"""What a person would not write into a notebook: looks at the data, and tables as text."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from aoai_magic.results import statements
from aoai_magic.results.session_files import SessionFiles, is_reading, name_of, words
from aoai_magic.results.session_paths import MOUNT
from aoai_magic.turn.view import Input

_LOOK_CALLS = words(
    """dict dir display enumerate isinstance len list max min print range repr round set sorted str
    sum tuple type zip open Path"""
)
_GLANCES = words(
    """exists glob head info is_file isfile iterdir listdir rglob sample stat tail walk"""
)
_GLANCED = words("columns dtypes shape")
_COUNTED = words("duplicated isna isnull notna notnull")
_AS_TEXT = words("to_csv to_markdown to_string")
_TABLES = words(
    """describe drop drop_duplicates dropna fillna head merge nlargest nsmallest pivot pivot_table
    query rename reset_index round set_index sort_index sort_values stack tail to_frame unstack
    value_counts"""
)
_FIGURES = words(
    """agg aggregate count first last max mean median min nunique quantile size std sum var"""
)
_MUTED = (
    "matplotlib.use",
    "mpl.use",
    "plt.ioff",
    "plt.switch_backend",
    "warnings.filterwarnings",
    "warnings.simplefilter",
    "pd.set_option",
    "pandas.set_option",
)
"""Settings for the sandbox alone; in a notebook they would change what else it shows."""
_PLAIN = words(
    """base64 collections copy dataclasses decimal operator pickle pyarrow pyarrow.feather
    pyarrow.parquet shutil tempfile uuid zipfile csv datetime functools glob io itertools json
    math matplotlib matplotlib.pyplot numpy os pandas pathlib polars random re statistics string
    sys textwrap time typing warnings"""
)
"""Modules whose import does nothing else."""


class Looks:
    """Which statements only look at what was sent, or fetch it.

    ``sources`` are the names that stand for what was sent, or for a path.
    """

    def __init__(
        self, trees: Sequence[ast.Module], variables: Iterable[Input], files: SessionFiles
    ) -> None:
        self._files = files
        self._sources = {item.name for item in variables}
        self._as_read = {item.as_read for item in variables if item.as_read}
        self.changed = {name for tree in trees for name in statements.changes(tree)}
        every = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.stmt)]
        for _ in range(3):  # a name of a name
            self._sources |= self._fetched(every) - self._computed(every)

    def _fetched(self, every: Sequence[ast.stmt]) -> set[str]:
        found = [node for node in every if isinstance(node, ast.Assign) and self.is_fetch(node)]
        return {name for node in found for name in statements.stored(node)}

    def _computed(self, every: Sequence[ast.stmt]) -> set[str]:
        """Names that anything else binds too."""
        simple = (ast.Assign, ast.AugAssign, ast.AnnAssign)
        found = [node for node in every if isinstance(node, simple) and not self.is_fetch(node)]
        return {name for node in found for name in statements.stored(node)}

    def is_fetch(self, node: ast.stmt) -> bool:
        """Return whether a statement only names a constant, a path or a table that was sent.

        Left out where nobody needs the name.
        """
        if not isinstance(node, ast.Assign):
            return False
        if not all(isinstance(target, ast.Name) for target in node.targets):
            return False
        value = node.value
        if isinstance(value, ast.Call) and name_of(value.func) in ("copy", "to_pandas"):
            value = value.func.value if isinstance(value.func, ast.Attribute) else value
        if isinstance(value, ast.Constant) or self._files.path(value) is not None:
            return True
        if isinstance(value, ast.Name):
            return value.id in self._sources
        if ast.unparse(value) in self._as_read:
            return True
        called = name_of(value.func) if isinstance(value, ast.Call) else ""
        return is_reading(called) or called in ("glob", "listdir", "iterdir", "Path")

    def is_look(self, node: ast.stmt) -> bool:
        """Return whether a statement only prints what was sent, and how it is made up."""
        if not isinstance(node, ast.Expr | ast.For | ast.With | ast.If):
            return False
        inner = set(statements.stored(node))
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - inner
        modules = {"os", "glob", "pd", "Path", "sys", "np"}
        known = names <= self._sources | modules | _LOOK_CALLS
        changed = statements.changes(node) - inner
        return known and not changed and all(map(_only_looks, ast.walk(node)))

    def is_glance(self, node: ast.stmt) -> bool:
        """Return whether a statement shows some rows, the columns or the paths of what was sent."""
        if not isinstance(node, ast.Expr) or not self.is_look(node):
            return False
        if statements.uses(node, self._files) & self.changed:
            return False
        return any(_is_glance(child) for child in ast.walk(node))


def _only_looks(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr in ("sum", "any", "mean"):
            return isinstance(function.value, ast.Call) and name_of(function.value.func) in _COUNTED
        if isinstance(function, ast.Attribute):
            return statements.is_look(function.attr)
        return name_of(function) in _LOOK_CALLS
    if isinstance(node, ast.Subscript):
        return not any(isinstance(n, ast.Compare | ast.BinOp) for n in ast.walk(node.slice))
    simple = (ast.FunctionDef, ast.Lambda, ast.Delete, ast.Raise, ast.Assert, ast.Await)
    return not isinstance(node, simple)


def _is_glance(node: ast.AST) -> bool:
    called = isinstance(node, ast.Call) and name_of(node.func) in _GLANCES
    return called or (isinstance(node, ast.Attribute) and node.attr in _GLANCED)


def is_muted(node: ast.stmt) -> bool:
    """Return whether a statement only sets up the sandbox."""
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and ast.unparse(call.func) in _MUTED


def is_heading(node: ast.stmt) -> bool:
    """Return whether a statement prints nothing but a text of its own."""
    call = node.value if isinstance(node, ast.Expr) else None
    printed = isinstance(call, ast.Call) and name_of(call.func) == "print" and not call.keywords
    return printed and all(isinstance(one, ast.Constant) for one in call.args)  # type: ignore[union-attr]


def is_plain_import(node: ast.stmt) -> bool:
    """Return whether an import does nothing but bind its names."""
    if isinstance(node, ast.ImportFrom):
        return node.module in _PLAIN and node.names[0].name != "*"
    return isinstance(node, ast.Import) and all(name.name in _PLAIN for name in node.names)


# Tables

FRAMES = ("pandas.DataFrame", "pandas.Series", "polars.DataFrame")
_LISTS = words("glob iterdir listdir rglob scandir walk")


def shown(
    code: str, tables: Collection[str], before_others: bool
) -> Iterator[tuple[ast.expr, str]]:
    """Yield calls that print a table as text, with what shows it as a table.

    In a cell ``before_others`` the last expression is not shown by itself.
    """
    tree = ast.parse(code)
    for node in ast.walk(tree):
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and (table := _printed(call, tables)):
            yield call, f"display({table})"
        elif isinstance(call, ast.Call) and ast.unparse(call.func) == "plt.close":
            # A figure that is closed is not drawn in a notebook; this draws and closes it.
            yield call, "plt.show()"
    last = tree.body[-1] if tree.body else None
    if before_others and isinstance(last, ast.Expr):
        value = last.value
        text = ast.get_source_segment(code, value) or ""
        is_value = isinstance(value, ast.Name | ast.Attribute) or is_table(value, tables)
        if is_value and not text.startswith("__line_"):
            yield value, f"display({text})"


def is_count(node: ast.stmt, following: Sequence[ast.stmt]) -> bool:
    """Return whether a statement prints the number of rows of a table that the next one prints."""
    found = re.fullmatch(r"print\(len\((\w+)\)\)", ast.unparse(node))
    return bool(found and following) and bool(
        re.match(rf"print\({found[1]}\b[\w.()]*\.to_csv\(", ast.unparse(following[0]))  # type: ignore[index]
    )


def draws(nodes: Iterable[ast.stmt]) -> bool:
    """Return whether statements draw on a figure that the next ones would draw on too."""
    names = {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)}
    called = {n.attr for node in nodes for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    return bool(names & {"plt", "sns"} or called & {"plot", "hist", "boxplot"})


def lists_folder(node: ast.AST, files: SessionFiles) -> bool:
    """Return whether a call lists the session's folder."""
    if not isinstance(node, ast.Call) or name_of(node.func) not in _LISTS:
        return False
    own = node.func.value if isinstance(node.func, ast.Attribute) else None
    paths = [files.path(one) for one in (*node.args[:1], own) if one is not None]
    return any(path is not None and path.startswith(MOUNT) for path in paths)


def _printed(call: ast.Call, tables: Collection[str]) -> str:
    """Return the table that a call prints; empty where it may be anything else."""
    if ast.unparse(call.func) != "print" or len(call.args) != 1 or call.keywords:
        return ""
    (value,) = call.args
    function = value.func if isinstance(value, ast.Call) and not value.args else None
    if isinstance(function, ast.Attribute) and function.attr in _AS_TEXT:
        return ast.unparse(function.value)
    return ast.unparse(value) if is_table(value, tables) else ""


def tables(tree: ast.Module, frames: Collection[str]) -> set[str]:
    """Return names that are tables wherever they are bound."""
    every = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    loops = (ast.For, ast.comprehension, ast.withitem, ast.arguments)
    inner = [node for node in ast.walk(tree) if isinstance(node, loops)]
    bound = {name for node in inner for name in _bound(node)}
    found = set(frames) - bound
    for _ in range(5):  # a name of a name
        kinds = [(is_table(node.value, found), statements.stored(node)) for node in every]
        made = {name for is_one, names in kinds if is_one for name in names}
        other = {name for is_one, names in kinds if not is_one for name in names}
        found = (found | made) - other - bound
    return found


def _bound(node: ast.AST) -> set[str]:
    arguments = {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    return statements.stored(node) | arguments


def is_table(node: ast.expr, tables: Collection[str]) -> bool:
    """Return whether an expression is a table for certain, as far as pandas names it."""
    if isinstance(node, ast.Name):
        return node.id in tables
    if isinstance(node, ast.Subscript):
        lists = isinstance(node.slice, ast.List | ast.Compare)
        return lists and is_table(node.value, tables)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    name, value = node.func.attr, node.func.value
    if name in ("DataFrame", "concat", "crosstab", "read_csv", "read_excel", "read_feather"):
        return isinstance(value, ast.Name) and value.id == "pd"
    if name in _FIGURES:
        return _is_grouped(value)
    if name in _TABLES:
        return _is_grouped(value) or is_table(value, tables) or name in ("to_frame", "pivot_table")
    return name in ("copy", "assign") and is_table(value, tables)


def _is_grouped(node: ast.expr) -> bool:
    """Whether it is groups of a table, or columns of these."""
    if isinstance(node, ast.Subscript):
        return _is_grouped(node.value)
    grouped = ("groupby", "resample")
    return isinstance(node, ast.Call) and name_of(node.func) in grouped
