"""The options of a turn, the same for ``%%assistant`` and for `aoai_magic.ask`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from aoai_magic.errors import UsageError
from aoai_magic.locale import gettext as _


@dataclass(frozen=True)
class Options:
    """What a user may say about one turn.

    Attributes
    ----------
    items
        Names of variables, or ``@path`` and ``@glob`` for files.
    out
        Variable to which the tables that came back are bound.
    thread
        Name of the thread; named ones go on after a restart of the kernel.
    new
        Whether the thread begins afresh.
    model, on, effort, instructions, timeout, max_tokens, max_cost, save
        As the settings ``model``, ``target``, ``effort``, ``instructions``, ``timeout`` (seconds),
        ``max_tokens``, ``max_cost`` (US dollars) and ``save`` (a folder).
    search
        Files, globs and folders that are searched.
    tool
        Functions of the notebook that the model may call, by name or themselves.
    mcp
        MCP servers, by the names that ``.mcp.json`` gives them, whose tools the model may call.
    tool_choice
        ``auto``, ``none``, ``required``, ``code_interpreter``, ``file_search`` or a
        function's name.
    rows
        Attach a sample of so many rows.
    cells
        How many of the cells that ran before are sent as source, without those that asked.
    schema_only
        Describe attached data without any value.
    about
        Number of a cell whose source, and error if it was the last one, go with the question.
    overwrite
        Whether files in the folder that is saved to may be replaced.
    plan
        Whether the model says first what it intends, and waits for a yes.
    background
        Let the turn run while other cells do.
    dry_run
        Show what would be sent, and send nothing.
    no_raise
        Do not fail the cell when the turn fails.
    quiet, verbose
        Show the answer alone, without the work behind it; show that work unfolded.
    raw
        Leave ``{{…}}`` in the prompt as it is.
    mentions
        Whether ``@name`` and ``@path`` in the prompt attach; a keyword of calls alone.
    as_
        Type of the answer's value: ``int``, ``float``, ``str``, ``bool``, ``date``, ``list``,
        ``dict``, ``frame``, the path of a JSON schema, or the name of a variable that holds a
        schema or a pydantic model; in calls these themselves too, or any type.
    """

    items: tuple[str, ...] = ()
    out: str | None = None
    thread: str | None = None
    new: bool = False
    model: str | None = None
    on: str | None = None
    effort: str | None = None
    instructions: str | None = None
    search: tuple[str, ...] = ()
    tool: tuple[str | Callable[..., Any], ...] = ()
    mcp: tuple[str, ...] = ()
    tool_choice: str | None = None
    rows: int | None = None
    cells: int | None = None
    schema_only: bool = False
    about: int | None = None
    save: str | None = None
    overwrite: bool = False
    dry_run: bool = False
    plan: bool = False
    background: bool = False
    timeout: float | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    no_raise: bool = False
    quiet: bool = False
    verbose: bool = False
    raw: bool = False
    mentions: bool = True
    as_: Any = None

    def __post_init__(self) -> None:
        if self.out is not None and not self.out.isidentifier():
            raise UsageError(
                _("-o needs a variable name; {name!r} is not one.").format(name=self.out)
            )
        if self.quiet and self.verbose:
            raise UsageError(_("Use --quiet or --verbose, not both."))
        if self.rows is not None and self.rows < 1:
            raise UsageError(_("--rows must be at least 1, not {rows}.").format(rows=self.rows))

        if self.cells is not None and self.cells < 1:
            raise UsageError(_("--cells must be at least 1, not {count}.").format(count=self.cells))

    @property
    def settings(self) -> dict[str, Any]:
        """The options that override settings; None where not given."""
        return {
            "target": self.on,
            "model": self.model,
            "effort": self.effort,
            "instructions": self.instructions,
            "timeout": self.timeout,
            "max_tokens": self.max_tokens,
            "max_cost": self.max_cost,
            "save": self.save,
            "display": "quiet" if self.quiet else "verbose" if self.verbose else None,
        }


_LISTS = ("search", "tool", "mcp")

NAMES = tuple(f.name for f in fields(Options))


def from_keywords(items: tuple[str, ...], keywords: Mapping[str, Any]) -> Options:
    """Return the options of a call; raise `UsageError` with near matches for unknown ones."""
    for name in keywords:
        if name not in NAMES or name == "items":
            import difflib

            near = difflib.get_close_matches(name, NAMES, 1)
            if near:
                text = _("There is no option {name!r}; did you mean {near}?")
            else:
                text = _("There is no option {name!r}; there are {names}.")
            names = ", ".join(NAMES[1:])
            raise UsageError(text.format(name=name, near="".join(near), names=names))
    lists = {name: _several(keywords[name]) for name in _LISTS if name in keywords}
    return Options(items=items, **{**keywords, **lists})


def _several(given: Any) -> tuple[Any, ...]:
    """Return a list, also of a single value; paths become text."""
    many = list(given) if isinstance(given, list | tuple | set) else [given]
    return tuple(str(one) if isinstance(one, os.PathLike) else one for one in many)
