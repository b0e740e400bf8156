"""Completion in assistant cells, by the kernel's own completer so that every front end has it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, cast

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from aoai_magic.config.settings import EMBEDDED, SERVICES

if TYPE_CHECKING:
    from aoai_magic.notebook.magics import AssistantMagics
    from aoai_magic.runner.kernel_state import Assistant

_CELL = re.compile(r"\s*%%(?:assistant|aoai)\s")
_LINE = re.compile(r"\s*%(?:assistant|aoai)\s+(\w*)$")
_QUESTION = re.compile(r"\s*%(?:assistant|aoai)\s+[^\s-]\S*\s")
_FILE_LIMIT = 100
_MOST_NAMES = 100


def complete(magics: AssistantMagics) -> Callable[[CompletionContext], Any]:
    """Return the matcher for ``IPCompleter.custom_matchers``."""

    def assistant_matcher(context: CompletionContext) -> dict[str, Any]:
        found = list(_completions(context, magics))
        fragment = _fragment(context)
        if not found and _is_prompt(context):
            fragment, found = _names(fragment, context.full_text, magics.state)
        if not found and fragment and _CELL.match(context.full_text):
            # Without any, the names of Python would be offered in the middle of prose.
            found = [SimpleCompletion(fragment, type="text")]
        return {"completions": found, "matched_fragment": fragment, "suppress": bool(found)}

    matcher: Any = context_matcher()(assistant_matcher)
    matcher.of_assistant = True
    return cast("Callable[[CompletionContext], Any]", matcher)


def _completions(context: CompletionContext, magics: AssistantMagics) -> Iterable[SimpleCompletion]:
    fragment = _fragment(context)
    if _LINE.match(context.line_with_cursor[: context.cursor_position]):
        return _commands(fragment)
    if not _CELL.match(context.full_text) and not _QUESTION.match(context.line_with_cursor):
        return ()
    state = magics.state
    if fragment.startswith("@"):
        return [*_variables(fragment, state, "@"), *_paths(fragment)]
    if _is_prompt(context):
        return () if fragment else _variables("@", state, "@")
    if fragment.startswith("-"):
        return _options(fragment)
    *before, _end = context.line_with_cursor[: context.cursor_position].split(" ")
    if next((word for word in reversed(before) if word.startswith("-")), "") == "--search":
        return [*_columns(fragment, state), *_paths(f"@{fragment}", "")]
    values = VALUES.get(before[-1] if before else "")
    if values is None:
        return _variables(fragment, state)
    kind, give = values
    known = sorted({name for name in give(state) if name and name.startswith(fragment)})
    return [SimpleCompletion(name, type=kind) for name in known]


def _is_prompt(context: CompletionContext) -> bool:
    """Return whether the cursor is in a question, rather than among items and options."""
    is_below = context.cursor_line > 0 and bool(_CELL.match(context.full_text))
    return is_below or bool(_QUESTION.match(context.line_with_cursor))


def _names(fragment: str, text: str, state: Assistant) -> tuple[str, list[SimpleCompletion]]:
    """Complete the end of a word of prose to tables and columns; give what is completed, too.

    Columns are those of the tables that the cell names, or else of all.
    """
    from aoai_magic.attach.named_frames import columns, tables

    known = list(tables(state.namespace))
    named = [name for name in known if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]
    words = dict.fromkeys(known, "table")
    for name in named or known:
        words.update(dict.fromkeys(columns(state.namespace[name]), f"column\u00a0of\u00a0{name}"))
    for start in _starts(fragment):
        end = fragment[start:].casefold()
        found = [(one, kind) for one, kind in words.items() if one.casefold().startswith(end)]
        if found:
            made = [SimpleCompletion(one, type=kind) for one, kind in found[:_MOST_NAMES]]
            return fragment[start:], made
    return fragment, []


def _starts(fragment: str) -> Iterator[int]:
    """Yield where a name may begin: not within a word, unless its script has no spaces."""
    for place, letter in enumerate(fragment):
        before = fragment[place - 1] if place else " "
        if not (_is_word(before) and _is_word(letter)):
            yield place


def _is_word(letter: str) -> bool:
    return letter.isascii() and (letter.isalnum() or letter == "_")


def _fragment(context: CompletionContext) -> str:
    """Return the word before the cursor, with a leading ``@`` or ``-``."""
    before = context.line_with_cursor[: context.cursor_position]
    found = re.search(r"\S*$", before)
    return found.group() if found else ""


def _commands(fragment: str) -> list[SimpleCompletion]:
    from aoai_magic.notebook.line_commands import COMMANDS

    return [
        SimpleCompletion(name, type="command") for name in COMMANDS if name.startswith(fragment)
    ]


def _options(fragment: str) -> list[SimpleCompletion]:
    from aoai_magic.notebook.magics import parser

    names = [option for action in parser()._actions for option in action.option_strings]
    return [SimpleCompletion(name, type="option") for name in names if name.startswith(fragment)]


def _threads(state: Assistant) -> Iterable[str]:
    return (quote(thread.name) for thread in state.threads(state.settings()).all() if thread.name)


def _targets(state: Assistant) -> Iterable[str]:
    used = (thread.target for thread in state.threads(state.settings()).all())
    return (*EMBEDDED, *SERVICES, state.settings().target, *used)


def _models(state: Assistant) -> Iterable[str]:
    """Return the kinds of models, those that were used, and those whose price is known."""
    from aoai_magic.config.prices import load

    kinds = {point.name for point in entry_points(group="aoai_magic.models.v1")}
    settings = state.settings()
    known = [f"openai:{name}" for name in load(settings.folder).models]
    used = (turn.view.model for turn in state.turns)
    return ("offline", *(f"{kind}:" for kind in kinds - {"offline"}), settings.model, *used, *known)


def _folders(state: Assistant) -> Iterable[str]:
    return (quote(path.name) for path in Path().iterdir() if path.is_dir() and _is_shown(path))


def _functions(state: Assistant) -> Iterable[str]:
    items = list(state.namespace.items())
    return (name for name, value in items if inspect.isroutine(value) and name[0] != "_")


VALUES: dict[str, tuple[str, Callable[[Assistant], Iterable[str]]]] = {
    **dict.fromkeys(("-t", "--thread"), ("thread", _threads)),
    **dict.fromkeys(("-m", "--model"), ("model", _models)),
    "--on": ("target", _targets),
    "--save": ("folder", _folders),
    "--tool": ("function", _functions),
}
"""What can follow an option: its kind, and how it is found."""


def _variables(fragment: str, state: Assistant, mark: str = "") -> list[SimpleCompletion]:
    from aoai_magic.notebook.lab_messages import attachable_names

    names = [name for name in list(state.namespace) if f"{mark}{name}".startswith(fragment)]
    return [
        # The completer cuts a type at its first space; these are not to be seen.
        SimpleCompletion(f"{mark}{name}", type=described.replace(" ", "\u00a0"))
        for name, described in attachable_names(names, state.namespace).items()
    ]


def _columns(fragment: str, state: Assistant) -> list[SimpleCompletion]:
    """Complete ``FRAME.COLUMN``."""
    from aoai_magic.attach.named_frames import columns, tables

    space = state.namespace
    known = (quote(f"{name}.{one}") for name in tables(space) for one in columns(space[name]))
    found = [one for one in known if one.startswith(fragment)]
    return [SimpleCompletion(one, type="column") for one in found[:_MOST_NAMES]]


def _paths(fragment: str, mark: str = "@") -> list[SimpleCompletion]:
    before, slash, start = fragment[1:].rpartition("/")
    folder = Path(before + slash).expanduser()
    if not folder.is_dir():
        return []
    found = sorted(
        path
        for path in folder.iterdir()
        if path.name.startswith(start) and (start or _is_shown(path))
    )
    ends = [path.name + "/" * path.is_dir() for path in found[:_FILE_LIMIT]]
    return [SimpleCompletion(f"{mark}{before}{slash}{name}", type="file") for name in ends]


def _is_shown(path: Path) -> bool:
    return not path.name.startswith(".")
