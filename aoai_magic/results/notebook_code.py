"""A turn's Python as a cell that runs in the notebook as it is.

In the sandbox files are in ``/mnt/data``; here attached items are the notebook's own
variables and paths, and what the code makes goes to the working folder. A session keeps
its variables: what the turn's code needs of earlier code comes along. Looks at the data stay
behind.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aoai_magic.locale import gettext as _
from aoai_magic.results import statements, tidy_code
from aoai_magic.results.own_names import Body, spare
from aoai_magic.results.session_files import SessionFiles
from aoai_magic.results.session_paths import SessionPaths, free_mark
from aoai_magic.results.session_variables import SessionVariables, replaced
from aoai_magic.shared.value_file import VALUE_FILE
from aoai_magic.turn.view import Input

_MAGIC = re.compile(r"^([ \t]*(?:\w+[ \t]*=[ \t]*)?)([!%].*)$", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """Code that ran in the session.

    Attributes
    ----------
    wanted
        Whether the code comes whole; of other code, which failed or is an earlier turn's, only
        what the wanted code needs.
    failed_at
        The line, from 1, at which it failed; 0 where it did not, or nobody knows.
    attached
        Variables that the session was given anew before it ran.
    """

    code: str
    wanted: bool = True
    failed_at: int = 0
    attached: frozenset[str] = frozenset()


def as_cell(cells: Iterable[Cell], inputs: Mapping[str, Input], *, tidy: bool = True) -> str:
    """Join cells of the session, in the order in which they ran, into one for the notebook.

    ``inputs`` maps names of files in the session to what they are here. Imports stand
    once, at the top. Where something cannot be carried over, a comment there says so. Without
    ``tidy``, looks at the data and what is not used stay: other cells may need them.
    """
    ran = [replace(cell, code=_as_read(cell.code)) for cell in cells]
    try:
        return _as_cell(ran, inputs, tidy)
    except (RecursionError, MemoryError):  # of code that is nested deeply
        return _as_it_was(ran, inputs)


def _as_read(code: str) -> str:
    """Return code with the ends of lines that Python takes for some."""
    return code.replace("\r\n", "\n").replace("\r", "\n")


def _as_cell(ran: Sequence[Cell], inputs: Mapping[str, Input], tidy: bool) -> str:
    magics = _Magics(free_mark([cell.code for cell in ran]))
    hidden = [replace(cell, code=magics.hide(cell.code)) for cell in ran]
    trees = [statements.parse(cell.code) for cell in hidden]
    if any(tree is None and cell.wanted for tree, cell in zip(trees, ran, strict=True)):
        return _as_it_was(ran, inputs)
    readable = [(cell, tree) for cell, tree in zip(hidden, trees, strict=True) if tree is not None]
    paths = SessionPaths({name: one.name for name, one in inputs.items() if not one.is_variable})
    # A line for the shell may name anything: {path}, $path.
    made = _Joined(readable, inputs, tidy and not magics.lines).text()
    return magics.restore(paths.python(made), paths)


def _as_it_was(cells: Sequence[Cell], inputs: Mapping[str, Input]) -> str:
    note = _("The code as it ran in the sandbox; it could not be adapted to the notebook.")
    paths = SessionPaths({name: one.name for name, one in inputs.items() if not one.is_variable})
    bodies = [paths.here(cell.code).strip("\n") for cell in cells if cell.wanted]
    return "\n\n".join([f"# {note}", *bodies]) + "\n"


@dataclass
class _Magics:
    """Lines for the shell and of magics, which are no Python.

    ``mark`` begins the names that stand for them.
    """

    mark: str
    lines: list[str] = field(default_factory=list)

    def hide(self, code: str) -> str:
        """Replace each by a name, where the code is no Python with them."""
        return code if statements.parse(code) is not None else _MAGIC.sub(self._hidden, code)

    def _hidden(self, match: re.Match[str]) -> str:
        self.lines.append(match[2])
        return f"{match[1]}{self.mark}{len(self.lines) - 1}__"

    def restore(self, code: str, paths: SessionPaths) -> str:
        """Restore the lines, with the notebook's paths."""
        pattern = rf"{self.mark}(\d+)__"
        return re.sub(pattern, lambda match: paths.bare(self.lines[int(match[1])]), code)


@dataclass(frozen=True)
class _Step:
    """A cell whose reads of variables are the variables themselves."""

    cell: Cell
    code: str
    body: list[ast.stmt]
    is_look: bool


class _Joined:
    """The cells of one thread as one piece of code; ``notes`` is what it cannot carry over."""

    def __init__(
        self, cells: Sequence[tuple[Cell, ast.Module]], inputs: Mapping[str, Input], tidy: bool
    ) -> None:
        self._inputs, self._tidy = inputs, tidy
        self._variables = {one.name: one for one in inputs.values() if one.is_variable}
        self._files = SessionFiles([tree for _, tree in cells])
        self._steps = self._as_steps(cells)
        self._notes: dict[str, None] = {}

    def _as_steps(self, cells: Sequence[tuple[Cell, ast.Module]]) -> list[_Step]:
        copied = any(statements.changes(tree) for _, tree in cells)
        self._reads = SessionVariables(self._inputs, self._files, copied)
        codes = [self._reads.here(cell.code, tree) for cell, tree in cells]
        trees = [ast.parse(code) for code in codes]
        self._looks = tidy_code.Looks(trees, self._variables.values(), self._files)
        last = max((n for n, (cell, _) in enumerate(cells) if cell.wanted), default=-1)
        return [
            _Step(cell, code, tree.body, n != last and all(map(self._is_idle, tree.body)))
            for n, ((cell, _), code, tree) in enumerate(zip(cells, codes, trees, strict=True))
        ]

    def _is_idle(self, node: ast.stmt) -> bool:
        """Whether a statement of a step that only looks may go, unless a later one needs it."""
        simple = isinstance(node, (*statements.IMPORTS, *statements.DEFINITIONS))
        looks = self._looks
        return simple or looks.is_fetch(node) or looks.is_look(node) or tidy_code.is_heading(node)

    def text(self) -> str:
        """Return the code, with the session's paths."""
        kept = self._sliced(self._tidy)
        if not any(not _is_import(node) for _, nodes in kept for node in nodes):
            # Nothing but looks: they are the answer.
            kept = self._sliced(tidy=False)
        imports = [ast.unparse(n) for step, nodes in kept for n in _imports(step, nodes)]
        bodies, changed = spare(self._with_rows(self._bodies(kept)), self._variables)
        codes = [body.code.strip("\n") for body in bodies if body.code.strip()]
        whole = "\n\n".join(codes)
        missing = statements.undefined(ast.parse("\n".join([*imports, whole])))
        imports += [_MODULES[name] for name in missing if name in _MODULES]
        # Those from __future__ must be first.
        imports.sort(key=lambda line: not line.startswith("from __future__"))
        head = ["\n".join(dict.fromkeys(imports))] if imports else []
        head += self._definitions(whole)
        self._note(ast.parse("\n".join([*imports, *head, whole])), changed)
        notes = ["\n".join(f"# {note}" for note in self._notes)] if self._notes else []
        return "\n\n".join([*notes, *head, *codes]) + "\n"

    def _with_rows(self, bodies: list[Body]) -> list[Body]:
        """Fetch the rows of variables that hold none, where the code takes them for a table."""
        for name, sent in ((i.name, i.as_sent) for i in self._variables.values() if i.as_sent):
            for place, body in enumerate(bodies):
                tree = ast.parse(body.code)
                used = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == name]
                if len(used) > body.code.count(sent):
                    bodies[place] = replace(body, code=f"{name} = {sent}\n{body.code.lstrip()}")
                    break
        return bodies

    def _definitions(self, code: str) -> list[str]:
        """Define those names that are no variables of the notebook, but parts of one."""
        named = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
        items = self._variables.values()
        lines = [f"{i.name} = {i.expression}" for i in items if i.expression and i.name in named]
        return ["\n".join(lines)] if lines else []

    # What stays

    def _sliced(self, tidy: bool) -> list[tuple[_Step, list[ast.stmt]]]:
        """Return what stays of each step, from the last back to what that needs."""
        needed: set[str] = set()
        found = []
        for step in reversed(self._steps):
            kept: list[ast.stmt] = []
            left: ast.stmt | None = None
            for node in reversed(self._ran(step, needed)):
                if self._stays(step, node, needed, tidy, kept, left):
                    kept.insert(0, node)
                    needed = needed - statements.defines(node)
                    needed |= statements.uses(node, self._files)
                    left = None
                else:
                    left = node
            needed = needed - step.cell.attached
            found.append((step, kept))
        return found[::-1]

    def _ran(self, step: _Step, needed: set[str]) -> list[ast.stmt]:
        """Return the statements that ran to their end."""
        line = step.cell.failed_at
        if not line:
            return step.body
        if line < 0 and any(self._binds(node) & needed for node in step.body):
            self._notes[_("A step failed; what it had done by then may differ here.")] = None
        if line < 0:
            return step.body
        failed = [n for n in step.body if line - 1 in statements.rows(n)]
        if any(isinstance(n, _BLOCKS) and self._binds(n) & needed for n in failed):
            self._notes[_("A step failed; what it had done by then may differ here.")] = None
        return [n for n in step.body if (n.end_lineno or n.lineno) < line]

    def _binds(self, node: ast.stmt) -> set[str]:
        return statements.binds(node, self._files)

    def _stays(
        self,
        step: _Step,
        node: ast.stmt,
        needed: set[str],
        tidy: bool,
        kept: Sequence[ast.stmt],
        left: ast.stmt | None,
    ) -> bool:
        """Whether a statement stays; ``kept`` and ``left`` are what follows it."""
        if _is_itself(node) or self._loads(node) or self._leaves_value(node):
            return False
        if self._binds(node) & needed:
            return True
        if not step.cell.wanted:
            return False
        if not tidy:
            return True
        looks = self._looks
        idle = isinstance(node, statements.DEFINITIONS) or tidy_code.is_plain_import(node)
        if idle or looks.is_fetch(node) or tidy_code.is_muted(node) or looks.is_glance(node):
            return False
        if tidy_code.is_heading(node) and left is not None and looks.is_look(left):
            return False
        return not (step.is_look and self._is_idle(node)) and not tidy_code.is_count(node, kept)

    def _leaves_value(self, node: ast.stmt) -> bool:
        """Whether a statement writes the value of a typed answer, which the notebook has."""
        names = [name for name, is_written in self._files.used(node) if is_written]
        return any(map(VALUE_FILE.fullmatch, names))

    def _loads(self, node: ast.stmt) -> bool:
        """Whether a statement is ``exec(open("…/load_NAME.py").read())`` of a variable."""
        text = ast.unparse(node)
        found = re.fullmatch(r"exec\(open\(['\"][^'\"]*load_(\w+)\.py['\"]\)\.read\(\)\)", text)
        return found is not None and found[1] in self._variables

    # How it is written

    def _bodies(self, kept: Sequence[tuple[_Step, list[ast.stmt]]]) -> list[Body]:
        nodes = [node for _, nodes in kept for node in nodes]
        frames = [i.name for i in self._variables.values() if i.kind in tidy_code.FRAMES]
        tables = tidy_code.tables(ast.Module(nodes, []), frames)
        shown = [n for n, (step, nodes) in enumerate(kept) if step.cell.wanted and nodes]
        drawing = [n for n in shown if tidy_code.draws(kept[n][1])]
        bodies = []
        for n, (step, nodes) in enumerate(kept):
            body = _body(step, nodes)
            if self._tidy:
                body = replaced(body, list(tidy_code.shown(body, tables, n in shown[:-1])))
            if n in drawing[:-1] and not body.rstrip().endswith("plt.show()"):
                body += "\nplt.show()"
            bodies.append(Body(body, step.cell.attached))
        return bodies

    # What cannot be carried over

    def _note(self, tree: ast.Module, changed: Sequence[str]) -> None:
        notes = self._notes
        used = list(dict.fromkeys(self._files.used(tree)))
        written = {name for name, is_written in used if is_written}
        here = {name for name, one in self._inputs.items() if not one.is_variable}
        for name, is_written in used:
            if is_written and name in here:
                text = _("This replaces your file {name}.")
                notes[text.format(name=ascii(self._inputs[name].name))] = None
            elif not is_written and name not in written | here:
                text = _("{name} exists in the assistant's session only; save it here first.")
                notes[text.format(name=ascii(name))] = None
        if any(tidy_code.lists_folder(node, self._files) for node in ast.walk(tree)):
            notes[_("This lists the notebook's folder; the session's held other files.")] = None
        for name, options in self._reads.lost.items():
            text = _("{name} stands for its file, which was read with {options}.")
            notes[text.format(name=name, options=", ".join(sorted(options)))] = None
        for name in changed:
            notes[_("This changes {name}: run it once.").format(name=name)] = None
        parts = " ".join(f"{i.name} {i.expression}" for i in self._variables.values())
        known = re.findall(r"\w+", parts)
        missing = [name for name in statements.undefined(tree) if name not in known]
        if missing:
            text = _("Not defined here, but in an earlier session: {names}")
            notes[text.format(names=", ".join(missing))] = None


_BLOCKS = (ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.If)
_MODULES = {
    "copy": "import copy",
    "np": "import numpy as np",
    "pa": "import pyarrow as pa",
    "pd": "import pandas as pd",
    "pl": "import polars as pl",
    "plt": "import matplotlib.pyplot as plt",
}
"""What everybody calls a module; our own changes use some of them."""


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, statements.IMPORTS)


def _is_itself(node: ast.stmt) -> bool:
    """Whether a statement is ``x = x``."""
    return isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == [
        ast.unparse(node.value)
    ]


def _imports(step: _Step, kept: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Return imports that are to stand at the top, each on lines of its own."""
    others = {row for node in kept if not _is_import(node) for row in statements.rows(node)}
    return [n for n in kept if _is_import(n) and not others & {*statements.rows(n)}]


def _body(step: _Step, kept: Sequence[ast.stmt]) -> str:
    """Return the lines of the step without imports, what is left out, and comments on that."""
    if not kept:
        return ""
    lines = step.code.split("\n")  # as Python counts: a form feed ends none
    imports = _imports(step, kept)
    stays = {row for node in kept if node not in imports for row in statements.rows(node)}
    left = [node for node in step.body if node not in kept]
    gone = {row for node in (*imports, *left) for row in statements.rows(node)}
    for node in (*left, *(imports if step.is_look else ())):
        row = statements.rows(node)[0] - 1
        stays_above = _is_import(node) and not step.is_look
        while row >= 0 and lines[row].startswith("#") and not stays_above:
            gone.add(row)
            row -= 1
    body = "\n".join(line for row, line in enumerate(lines) if row not in gone - stays)
    return re.sub(r"\n{4,}", "\n\n\n", body)
