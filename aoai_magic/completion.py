"""Completion in assistant cells, by the kernel's own completer so that every front end has it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

if TYPE_CHECKING:
    from .assistant import Assistant
    from .magics import AssistantMagics

_CELL = re.compile(r"\s*%%(?:assistant|aoai)\s")
_LINE = re.compile(r"\s*%(?:assistant|aoai)\s+(\w*)$")
_FILE_LIMIT = 100


def complete(magics: AssistantMagics) -> Callable[[CompletionContext], Any]:
    """Give the matcher for ``IPCompleter.custom_matchers``."""

    def assistant_matcher(context: CompletionContext) -> dict[str, Any]:
        found = list(_completions(context, magics))
        fragment = _fragment(context)
        return {"completions": found, "matched_fragment": fragment, "suppress": bool(found)}

    matcher: Any = context_matcher()(assistant_matcher)
    matcher.of_assistant = True
    return cast("Callable[[CompletionContext], Any]", matcher)


def _completions(context: CompletionContext, magics: AssistantMagics) -> Iterable[SimpleCompletion]:
    fragment = _fragment(context)
    if _LINE.match(context.line_with_cursor[: context.cursor_position]):
        return _commands(fragment)
    if not _CELL.match(context.full_text):
        return ()
    state = magics.state
    if fragment.startswith("@"):
        return [*_variables(fragment, state, "@"), *_paths(fragment)]
    if context.cursor_line > 0:
        return ()
    if fragment.startswith("-"):
        return _options(fragment)
    if _value_of_option(context, "--search"):
        return _paths(f"@{fragment}", "")
    if _value_of_option(context, "--tool"):
        return _functions(fragment, state)
    if _value_of_option(context, "-t", "--thread"):
        return _threads(fragment, state)
    return _variables(fragment, state)


def _fragment(context: CompletionContext) -> str:
    """Give the word before the cursor, with a leading ``@`` or ``-``."""
    before = context.line_with_cursor[: context.cursor_position]
    found = re.search(r"\S*$", before)
    return found.group() if found else ""


def _value_of_option(context: CompletionContext, *names: str) -> bool:
    words = context.line_with_cursor[: context.cursor_position].split(" ")
    return len(words) > 1 and words[-2] in names


def _commands(fragment: str) -> list[SimpleCompletion]:
    from .commands import COMMANDS

    return [
        SimpleCompletion(name, type="command") for name in COMMANDS if name.startswith(fragment)
    ]


def _options(fragment: str) -> list[SimpleCompletion]:
    from .magics import parser

    names = [option for action in parser()._actions for option in action.option_strings]
    return [SimpleCompletion(name, type="option") for name in names if name.startswith(fragment)]


def _threads(fragment: str, state: Assistant) -> list[SimpleCompletion]:
    known = {thread.name for thread in state.threads(state.settings()).all() if thread.name}
    return [SimpleCompletion(n, type="thread") for n in sorted(known) if n.startswith(fragment)]


def _variables(fragment: str, state: Assistant, mark: str = "") -> list[SimpleCompletion]:
    from .attach.resolve import attachable

    found = []
    for name, value in list(state.namespace.items()):
        if name.startswith("_") or not f"{mark}{name}".startswith(fragment):
            continue
        described = attachable(value)
        if described:
            # The completer cuts a type at its first space; these are not to be seen.
            kind = described.replace(" ", "\u00a0")
            found.append(SimpleCompletion(f"{mark}{name}", type=kind))
    return found


def _functions(fragment: str, state: Assistant) -> list[SimpleCompletion]:
    found = [
        name
        for name, value in list(state.namespace.items())
        if name.startswith(fragment) and not name.startswith("_")
        if inspect.isroutine(value)
    ]
    return [SimpleCompletion(name, type="function") for name in found]


def _paths(fragment: str, mark: str = "@") -> list[SimpleCompletion]:
    typed = Path(fragment[1:])
    folder, start = (typed, "") if fragment.endswith("/") else (typed.parent, typed.name)
    if not folder.is_dir():
        return []
    found = sorted(path for path in folder.iterdir() if path.name.startswith(start))
    ends = [f"{path}/" if path.is_dir() else str(path) for path in found[:_FILE_LIMIT]]
    return [SimpleCompletion(f"{mark}{path}", type="file") for path in ends]
