"""Variables of the notebook stay as they are, also where the session's code changed its own.

What such code works on is a copy under a name of its own.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aoai_magic.results import statements
from aoai_magic.results.session_variables import replaced, sparing
from aoai_magic.turn.view import Input


@dataclass(frozen=True)
class Body:
    """What stays of one cell's code.

    ``attached`` are the variables that the session was given anew before it ran.
    """

    code: str
    attached: frozenset[str] = frozenset()


def spare(bodies: Sequence[Body], variables: Mapping[str, Input]) -> tuple[list[Body], list[str]]:
    """Return the code that changes no variable of the notebook, and names that it changes still."""
    found, left = list(bodies), []
    for name, item in variables.items():
        for start, end in _spans(found, name):
            part = _Renaming(name, item, found[start:end])
            if part.is_needed:
                found[start:end] = part.bodies()
                left += [name] * part.is_refused
    return found, left


def _spans(bodies: Sequence[Body], name: str) -> list[tuple[int, int]]:
    """Return where the session worked on one and the same value of a variable."""
    starts = [n for n, body in enumerate(bodies) if n and name in body.attached]
    return list(zip([0, *starts], [*starts, len(bodies)], strict=True))


class _Renaming:
    """One variable in cells that worked on one value of it."""

    def __init__(self, name: str, item: Input, bodies: Sequence[Body]) -> None:
        self._name, self._item, self._bodies = name, item, bodies
        self._trees = [ast.parse(body.code) for body in bodies]
        self._all = [node for tree in self._trees for node in tree.body]
        self._nodes = [node for tree in self._trees for node in ast.walk(tree)]
        self._all_changed = {name for node in self._all for name in statements.changes(node)}
        taken = {n.id for n in self._nodes if isinstance(n, ast.Name)}
        self._new = f"{name}_copy"
        while self._new in taken:
            self._new += "_"
        self._first = next((n for n in self._all if self._touches(n)), None)
        if self._first is None and self._is_handed_on():
            self._first = next(n for n in self._all if name in _names(n))
        self.is_needed = self._first is not None
        self.is_refused = self.is_needed and not self._can_rename()

    def _touches(self, node: ast.stmt) -> bool:
        return self._name in statements.stored(node) | statements.changes(node) or self._alias(node)

    def _alias(self, node: ast.stmt) -> bool:
        """Whether a statement gives the value a second name, by which it is changed."""
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Name):
            return False
        return node.value.id == self._name and bool(statements.stored(node) & self._all_changed)

    def _is_handed_on(self) -> bool:
        """Whether a function or a loop that changes what it is given may be given it."""
        given = {n.arg for n in self._nodes if isinstance(n, ast.arg)}
        given |= {t for n in self._nodes if isinstance(n, ast.For) for t in _names(n.target)}
        return bool(given & self._all_changed) and any(map(self._hands_on, self._nodes))

    def _hands_on(self, node: ast.AST) -> bool:
        parts: Iterable[ast.expr] = ()
        if isinstance(node, ast.Call):
            parts = [*node.args, *(word.value for word in node.keywords)]
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            parts = node.elts
        elif isinstance(node, ast.Dict):
            parts = node.values
        return any(isinstance(part, ast.Name) and part.id == self._name for part in parts)

    def _can_rename(self) -> bool:
        quoted = any(f"@{self._name}" in text for n in self._all for text in statements.texts(n))
        bound = any(isinstance(n, ast.arg) and n.arg == self._name for n in self._nodes)
        outer = any(
            isinstance(n, ast.Global | ast.Nonlocal) and self._name in n.names for n in self._nodes
        )
        assert self._first is not None
        can_copy = bool(self._copy()) or self._is_made(self._first)
        return can_copy and not (quoted or bound or outer)

    def _copy(self) -> str:
        return sparing(self._item.kind, self._name)

    def bodies(self) -> list[Body]:
        """Return the cells with the copy, made before the first statement that needs it."""
        return [
            Body(self._changed(body.code, tree), body.attached)
            for body, tree in zip(self._bodies, self._trees, strict=True)
        ]

    def _changed(self, code: str, tree: ast.Module) -> str:
        texts: list[tuple[ast.expr | ast.stmt, str]] = []
        place = self._all.index(self._first)  # type: ignore[arg-type]
        if self._is_last_use(place):
            value = getattr(self._first, "value", None)
            return replaced(
                code, [(value, self._copy())] if value and self._first in tree.body else []
            )
        for node in tree.body:
            if self._all.index(node) >= place and not self.is_refused:
                own = node is self._first and self._is_made(node)
                texts += self._renamed(node, targets=own)
        changed = replaced(code, texts)
        return self._with_copy(changed) if self._first in tree.body else changed

    def _is_last_use(self, place: int) -> bool:
        """Whether the value has no name but the second one after that statement."""
        later = {name for node in self._all[place + 1 :] for name in _names(node)}
        defined = any(isinstance(node, statements.DEFINITIONS) for node in self._all[:place])
        return self._alias(self._all[place]) and self._name not in later and not defined

    def _is_made(self, node: ast.stmt) -> bool:
        """Whether the first statement itself makes the new value of the old one."""
        names = isinstance(node, ast.Assign) and all(isinstance(t, ast.Name) for t in node.targets)
        return names and self._name not in statements.changes(node)

    def _renamed(self, node: ast.stmt, *, targets: bool) -> Iterator[tuple[ast.expr, str]]:
        texts = [n for n in ast.walk(node) if isinstance(n, ast.JoinedStr)]
        inside = {id(n) for text in texts for n in ast.walk(text) if n is not text}
        for one in ast.walk(node):
            if id(one) in inside:
                continue
            if isinstance(one, ast.JoinedStr) and self._name in _names(one) and not targets:
                # Before Python 3.12 nothing says where in the text the name stands.
                yield one, ast.unparse(_Rename(self._name, self._new).visit(copy.deepcopy(one)))
                continue
            is_store = isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
            if isinstance(one, ast.Name) and one.id == self._name and is_store >= targets:
                yield one, self._new

    def _with_copy(self, code: str) -> str:
        assert self._first is not None
        if self._is_made(self._first) and not self.is_refused:
            return code
        made = self._copy()
        new = self._name if self.is_refused else self._new
        lines = code.split("\n")
        if made:
            lines.insert(statements.rows(self._first)[0], f"{new} = {made}")
        return "\n".join(lines)


class _Rename(ast.NodeTransformer):
    def __init__(self, name: str, new: str) -> None:
        self._name, self._new = name, new

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self._new if node.id == self._name else node.id, node.ctx)


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
