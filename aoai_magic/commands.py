"""The line magic's commands: ``%assistant status`` and its like."""

from __future__ import annotations

import concurrent.futures
import difflib
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from . import settings as settings_
from .blocking import run_blocking
from .conversation import STOP_SECONDS
from .errors import AssistantError, UsageError
from .farside import FarSide
from .plan import destination
from .turn import Turn

if TYPE_CHECKING:
    from .assistant import Assistant
    from .events import Usage
    from .pending import PendingTurn
    from .spent import Sum


class Cost(NamedTuple):
    """US dollars for tokens, by prices of the day ``as_of``, without ``unknown`` turns."""

    dollars: float
    as_of: str
    unknown: int


Command = Callable[["Assistant", Sequence[str]], "str | None"]


def run_command(state: Assistant, line: str) -> None:
    """Run the command of a line and print what it says; raise `UsageError` for no command."""
    words = shlex.split(line) or ["help"]
    command = COMMANDS.get(words[0])
    if command is None:
        near = difflib.get_close_matches(words[0], COMMANDS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}."
        raise UsageError(
            f"%assistant has no command {words[0]!r}; {hint} "
            "To ask something, begin the cell with %%assistant."
        )
    said = command(state, words[1:])
    if said:
        print(said)  # noqa: T201 - the notebook's own output


def status(state: Assistant, words: Sequence[str]) -> str:
    """Say where turns go and why, with which model, and how code is isolated."""
    settings = state.settings()
    target = settings_.resolve_target(settings)
    lines = [f"target     {target.name} ({target.why})"]
    lines += [f"model      {target.model or 'the default'}{_offline_note(target.model)}"]
    lines += [f"goes to    {destination(target, settings)}"]
    lines += _engine_lines(state, settings, target)
    if settings.recordings:
        mode, folder = settings.recordings_mode, settings.recordings
        lines += [f"recordings {folder}, {mode} ({settings.sources['recordings']})"]
    lines += [f"so far     {_kernel_usage(state)}"]
    lines += [f"running    {_described(pending)}" for pending in state.running()]
    return "\n".join(lines)


def _described(pending: PendingTurn) -> str:
    """Say which turn in the background this is, and for how long it has run."""
    cell = f", asked in cell [{pending.cell}]" if pending.cell is not None else ""
    return f"{pending.thread or '(this kernel)'} on {pending.target}, {pending.seconds:.0f} s{cell}"


def _offline_note(model: str) -> str:
    if model != "offline":
        return ""
    return (
        " (rules, not a language model: set OPENAI_API_KEY, AZURE_OPENAI_ENDPOINT or "
        "OPENAI_BASE_URL for a real one)"
    )


def _engine_lines(
    state: Assistant, settings: settings_.Settings, target: settings_.Target
) -> list[str]:
    if target.name in settings_.SERVICES:
        return ["isolation  the service's container"]
    if FarSide(state).is_asleep:
        return ["engine     not started yet; the first turn starts it"]
    backend = state.backend(settings, target)
    told = run_blocking(backend.status(), lambda: None)
    sandbox = told.get("sandbox") or {}
    lines = [f"engine     version {told.get('version', 'unknown')}"]
    if sandbox.get("error"):
        return [*lines, f"isolation  none: {sandbox['error']}"]
    lines += [f"isolation  {sandbox.get('level', 'unknown')}"]
    lines += [f"           not covered: {gap}" for gap in sandbox.get("gaps") or ()]
    lines += _limit_lines(told.get("limits") or {})
    return [*lines, f"sessions   {len(told.get('sessions') or ())} in this engine"]


def _limit_lines(limits: Mapping[str, Any]) -> list[str]:
    """Say what bounds a session; how to change it stands in the README."""
    if not limits:
        return []
    sizes = {name: f"{limits.get(name, 0) >> 20:,} MB" for name in ("memory", "disk")}
    times = {name: f"{limits.get(name, 0):g} s" for name in ("cell_seconds", "idle_seconds")}
    return [
        f"limits     a session has {sizes['memory']} of memory and {sizes['disk']} for files,",
        f"           a cell {times['cell_seconds']}; it ends when idle for {times['idle_seconds']}",
    ]


def threads(state: Assistant, words: Sequence[str]) -> str:
    """List the threads of this notebook, the last one first."""
    known = state.threads(state.settings()).all()
    if not known:
        return "No threads yet; the first %%assistant cell begins one."
    running = {(pending.target, pending.thread) for pending in state.running()}
    rows = [
        f"{thread.name or '(this kernel)':<20} {thread.target:<10} "
        f"{time.strftime('%Y-%m-%d %H:%M', time.localtime(thread.used))}  {thread.id}"
        f"{'  running' if (thread.target, thread.name) in running else ''}"
        for thread in known
    ]
    return "\n".join([f"{'thread':<20} {'target':<10} {'last used':<16}  id", *rows])


def stop(state: Assistant, words: Sequence[str]) -> str:
    """Stop the turns that run in the background, or the one of a thread."""
    if len(words) > 1:
        raise UsageError("%assistant stop takes the name of one thread, or none for all turns.")
    running = [one for one in state.running() if not words or one.thread == words[0]]
    if not running and words:
        raise UsageError(f"No turn runs in the background in a thread {words[0]!r}.")
    for pending in running:
        pending.stop()
    concurrent.futures.wait([pending.future for pending in running], STOP_SECONDS)
    said = [f"{'Stopped' if one.done else 'Stopping'}: {_described(one)}." for one in running]
    return "\n".join(said) or "No turn runs in the background."


def fork(state: Assistant, words: Sequence[str]) -> str:
    """Copy the last turn's thread, up to that turn, under a new name."""
    if len(words) != 1:
        raise UsageError("%assistant fork wants the copy's name, e.g. %assistant fork attempt-2")
    view = _last(state).view
    FarSide(state, view.target).fork(words[0], view.thread, [part.id for part in view.parts])
    return (
        f"Copied with its files; variables of its session are not. Go on with "
        f"%%assistant -t {shlex.quote(words[0])}"
    )


def models(state: Assistant, words: Sequence[str]) -> str:
    """List what -m and --on can name here and now, and which model is in force."""
    from .models import describe, in_force, missing, places

    if len(words) > 1:
        raise UsageError(
            "%assistant models takes one word, of which names are shown: %assistant models mini"
        )
    settings = state.settings()
    target = settings_.resolve_target(settings)
    found = run_blocking(places(target), lambda: None)
    rows = [describe(place, *words) for place in found]
    head = [f"in force  {in_force(settings, target)}", missing(target, found)]
    return "\n".join([*filter(None, head), "", *rows])


def config(state: Assistant, words: Sequence[str]) -> str:
    """List the settings, their values and where each came from."""
    settings = state.settings()
    rows = [
        f"{name:<15} {getattr(settings, name)!s:<30} {settings.sources[name]}"
        for name in settings_.NAMES
    ]
    how = "Change one with %config AssistantMagics.NAME = VALUE or AOAI_MAGIC_NAME."
    return "\n".join([f"{'setting':<15} {'value':<30} from", *rows, "", how])


def show(state: Assistant, words: Sequence[str]) -> None:
    """Show the last turn again, e.g. after a reload of the page or the end of its kernel."""
    from .display import show as show_view

    show_view(_last(state).view)


def usage(state: Assistant, words: Sequence[str]) -> str:
    """Add up what this notebook's turns took, and what they cost where a price is known."""
    sums = state.spent(state.settings()).sums()
    lines = [f"this kernel    {_kernel_usage(state)}"]
    for one in sums:
        name = f"{one.model or 'default model'} on {one.target}"
        lines.append(f"since {_when(one.since)[:10]}  {name}: {_amounts(one)}")
    return "\n".join([*lines, *_prices_note(state, sums)])


def _kernel_usage(state: Assistant) -> str:
    used, told = state.usage, cost(state)
    priced = f", about ${told.dollars:.4f}" if told else ""
    return f"{_count(len(state.turns), 'turn')}, {_tokens(used)}{priced}"


def _amounts(one: Sum) -> str:
    said = f"{_count(one.turns, 'turn')}, {_tokens(one.usage)}"
    if one.usage.container_minutes:
        said += f", {one.usage.container_minutes} min of a container"
    if one.unpriced == one.turns:
        return f"{said}, price unknown"
    rest = f" without {_count(one.unpriced, 'turn')} of unknown price" if one.unpriced else ""
    return f"{said}, about ${one.cost:.4f}{rest}"


def _tokens(used: Usage) -> str:
    return (
        f"{used.total_tokens:,} tokens ({used.input_tokens:,} in, {used.cached_tokens:,} of them "
        f"cached; {used.output_tokens:,} out)"
    )


def cost(state: Assistant) -> Cost | None:
    """Estimate what this kernel's turns cost, None where no price is known."""
    from .backends.prices import load

    known = [turn.view.cost for turn in state.turns if turn.view.cost is not None]
    as_of = load(state.settings().folder).as_of
    return Cost(sum(known), as_of, len(state.turns) - len(known)) if known else None


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _prices_note(state: Assistant, sums: Sequence[Sum]) -> list[str]:
    if not sums:
        return []
    from .backends.prices import load

    prices = load(state.settings().folder)
    return [f"estimated by prices of {prices.as_of}; {prices.path} can put them right"]


def code(state: Assistant, words: Sequence[str]) -> None:
    """Put the last turn's Python into a new cell, reading the notebook's own variables."""
    from IPython import get_ipython

    cell = _last(state).view.cell
    if cell is None:
        raise AssistantError("The last turn ran no Python, so there is none to put into a cell.")
    get_ipython().set_next_input(cell)


def save(state: Assistant, words: Sequence[str]) -> str:
    """Write the last turn: files and pictures into a folder, all as .md, .html or .ipynb."""
    folders = [word for word in words if word != "--overwrite"]
    if len(folders) != 1:
        raise UsageError(
            "%assistant save wants one folder or document, e.g. %assistant save results or "
            "%assistant save answer.md"
        )
    paths = _last(state).save(folders[0], overwrite="--overwrite" in words)
    return "\n".join(str(path) for path in paths) or "The last turn made no files or pictures."


def files(state: Assistant, words: Sequence[str]) -> str:
    """List what is on the far side of what this data directory sent."""
    from .attach.ledger import Ledger

    entries = Ledger(state.settings().folder).entries()
    if not entries:
        return "Nothing of yours is on the far side."
    rows = [
        f"{e.name:<30} {e.bytes:>14,}  {_when(e.sent_at):<16}  "
        f"{_when(e.expires_at) if e.expires_at else 'never':<16}  {e.target:<10}  {e.file_id}"
        for e in entries
    ]
    return "\n".join([f"{'name':<30} {'bytes':>14}  {'sent':<16}  {'expires':<16}  on", *rows])


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def cleanup(state: Assistant, words: Sequence[str]) -> str:
    """Delete what was uploaded to the present target."""
    settings = state.settings()
    backend = state.backend(settings, settings_.resolve_target(settings))
    count = run_blocking(backend.cleanup(), lambda: None)
    return f"Deleted {count} uploaded files."


def doctor(state: Assistant, words: Sequence[str]) -> str:
    """Check everything that a turn needs, and say what to do about each gap."""
    from .doctor import examine

    return "\n".join(str(finding) for finding in examine(state.settings()))


def help_(state: Assistant, words: Sequence[str]) -> str:
    """List the commands."""
    rows = [f"%assistant {name:<9} {_first_line(command)}" for name, command in COMMANDS.items()]
    return "\n".join([*rows, "", "%%assistant? shows the options of a question."])


def _first_line(command: Command) -> str:
    return (command.__doc__ or "").splitlines()[0]


def _last(state: Assistant) -> Turn:
    last = state.last
    if last is None:
        raise AssistantError("There is no turn yet in this kernel; ask something first.")
    return last


COMMANDS: dict[str, Command] = {
    "status": status,
    "show": show,
    "threads": threads,
    "stop": stop,
    "fork": fork,
    "files": files,
    "models": models,
    "config": config,
    "usage": usage,
    "code": code,
    "save": save,
    "cleanup": cleanup,
    "doctor": doctor,
    "help": help_,
}
