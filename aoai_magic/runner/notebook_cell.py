"""The Python that turns ran, as a cell that the notebook itself can run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aoai_magic.results.notebook_code import Cell, as_cell
from aoai_magic.runner.request import Request
from aoai_magic.turn.view import Code, Input

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
        self._inputs.update((item.filename, _input(item)) for item in attachments)
        earlier = self._ran.setdefault(request.thread_key, [])
        if request.options.new:
            earlier.clear()
            self._shadowed.discard(request.thread_key)
        if _is_shadowed(attachments, request):
            self._shadowed.add(request.thread_key)
        codes = (part for part in view.parts if isinstance(part, Code) and part.done)
        ran = [Cell(part.code, wanted=part.state == "done") for part in codes]
        is_wanted = request.thread_key not in self._shadowed and any(cell.wanted for cell in ran)
        cell = as_cell([*earlier, *ran], self._inputs) if is_wanted else None
        earlier.extend(Cell(one.code, wanted=False) for one in ran)
        return replace(view, inputs=dict(self._inputs), cell=cell)


def _is_shadowed(attachments: Sequence[Attachment], request: Request) -> bool:
    """Return whether a variable of a function has the name of another one of the notebook.

    Python that reads the notebook's own variables would read the wrong one.
    """
    attached = {item.name for item in attachments if item.origin == "variable"}
    names = attached & request.data.keys() & request.notebook.keys()
    return any(request.notebook[name] is not request.data[name] for name in names)


def _input(item: Attachment) -> Input:
    """Return what an attached file is in the notebook: a variable, or a path from here."""
    if item.origin == "variable":
        return Input(item.name, is_variable=True, kind=item.kind, expression=item.expression)
    return Input(os.path.relpath(item.path), is_variable=False)
