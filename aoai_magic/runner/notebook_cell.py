"""The Python that turns ran, as a cell that the notebook itself can run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from keyword import iskeyword
from typing import TYPE_CHECKING

from aoai_magic.results.notebook_code import Cell, as_cell
from aoai_magic.runner.request import Request
from aoai_magic.turn.view import Code, Input, Logs

if TYPE_CHECKING:
    from aoai_magic.attach.attachment import Attachment
    from aoai_magic.turn.view import View


@dataclass
class CellHistory:
    """What the kernel's earlier turns attached, and ran in each of its threads."""

    _inputs: dict[str, Input] = field(default_factory=dict)
    _ran: dict[tuple[str, str], list[Cell]] = field(default_factory=dict)
    _shadowed: set[tuple[str, str]] = field(default_factory=set)

    def with_cell(self, view: View, attachments: Sequence[Attachment], request: Request) -> View:
        """Return the view with its Python as the notebook can run it, with what it needs."""
        self._inputs.update((item.filename, _input(item, request)) for item in attachments)
        earlier = self._ran.setdefault(request.thread_key, [])
        if request.options.new:
            earlier.clear()
            self._shadowed.discard(request.thread_key)
        if _is_shadowed(attachments, request):
            self._shadowed.add(request.thread_key)
        ran = list(_cells(view, frozenset(i.name for i in attachments if i.origin == "variable")))
        is_wanted = request.thread_key not in self._shadowed and any(cell.wanted for cell in ran)
        cell = as_cell([*earlier, *ran], self._inputs) if is_wanted else None
        earlier.extend(replace(one, wanted=False) for one in ran)
        return replace(view, inputs=dict(self._inputs), cell=cell)


def _is_shadowed(attachments: Sequence[Attachment], request: Request) -> bool:
    """Return whether a variable of a function has the name of another one of the notebook.

    Python that reads the notebook's own variables would read the wrong one.
    """
    attached = {item.name for item in attachments if item.origin == "variable"}
    names = attached & request.data.keys() & request.notebook.keys()
    return any(request.notebook[name] is not request.data[name] for name in names)


def _cells(view: View, attached: frozenset[str]) -> Iterator[Cell]:
    """Yield what ran; the first cell found the variables that the turn attached."""
    printed = {part.code: part.text for part in view.parts if isinstance(part, Logs)}
    for part in view.parts:
        if isinstance(part, Code) and part.done:
            failed = 0
            if part.state == "failed":
                failed = _failed_at(part.code, printed.get(part.id, ""))
            yield Cell(part.code, part.state == "done", failed, attached)
            attached = frozenset()


def _failed_at(code: str, printed: str) -> int:
    """Return the line of a cell at which its traceback begins; -1 where it does not say."""
    # IPython takes away empty lines at the start.
    left_out = len(code[: len(code) - len(code.lstrip())].splitlines())
    traceback = printed.rpartition("Traceback (most recent call last)")[2]
    found = re.search(r'(?:File "<cell \d+>"|Cell In\[\d+\]), line (\d+)', traceback)
    return int(found[1]) + left_out if found else -1


def _input(item: Attachment, request: Request) -> Input:
    """Return what an attached file is in the notebook: a variable, or a path from here."""
    if item.origin != "variable":
        return Input(os.path.relpath(item.path), is_variable=False)
    value = request.namespace.get(item.name)
    as_sent = _as_sent(item.name, value)
    as_read = as_sent or _as_read(item, value)
    return Input(item.name, True, item.kind, item.expression, as_read, as_sent)


_ROWS = {
    ("polars", "LazyFrame"): "collect()",
    ("duckdb", "DuckDBPyRelation"): "fetch_arrow_table()",
    ("_duckdb", "DuckDBPyRelation"): "fetch_arrow_table()",
    ("dask", "DataFrame"): "compute()",
}
"""How what holds no rows itself yields them, as the session has them."""


def _as_sent(name: str, value: object) -> str:
    kind = type(value)
    rows = _ROWS.get((kind.__module__.partition(".")[0], kind.__name__))
    return f"{name}.{rows}" if rows else ""


def _as_read(item: Attachment, value: object) -> str:
    """Return Python for what a variable's file holds, which has the index as a column."""
    name, index = item.name, getattr(value, "index", None)
    if item.kind == "pandas.Series":
        frame = f"{name}.to_frame()" if getattr(value, "name", None) else ""
    else:
        frame = name if item.kind == "pandas.DataFrame" else ""
    if not frame or index is None or item.expression:
        return ""
    if getattr(index, "nlevels", 1) > 1:
        return f"{frame}.reset_index()"
    is_plain = type(index).__name__ == "RangeIndex" and (index.start, index.step) == (0, 1)
    if is_plain and index.name is None:
        return "" if frame == name else frame
    label = index.name if isinstance(index.name, str) else "index"
    is_word = label.isidentifier() and not iskeyword(label)
    column = f"{label}={name}.index" if is_word else f"**{{{label!r}: {name}.index}}"
    return f"{frame}.assign({column}).reset_index(drop=True)"
