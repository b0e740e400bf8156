"""The line magic's commands: ``%assistant status`` and its like."""

from __future__ import annotations

import concurrent.futures
import difflib
import shlex
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from IPython.core.error import UsageError as IPythonUsageError

from aoai_magic.config import settings as settings_
from aoai_magic.errors import AssistantError, UsageError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later, ngettext
from aoai_magic.runner.cancel import END_SECONDS
from aoai_magic.runner.destination import destination
from aoai_magic.runner.event_loop import wait_for
from aoai_magic.runner.model_ends import announced_end
from aoai_magic.runner.options import Options
from aoai_magic.runner.remote_resources import RemoteResources
from aoai_magic.runner.turn import Turn
from aoai_magic.shared import hidden_packages, local_extra
from aoai_magic.shared.network import hide_credentials
from aoai_magic.state.database import open_database
from aoai_magic.text.width import line, pad, width

if TYPE_CHECKING:
    from aoai_magic.runner.background import PendingTurn
    from aoai_magic.runner.kernel_state import Assistant
    from aoai_magic.state.usage import Sum
    from aoai_magic.turn.events import Usage


class Cost(NamedTuple):
    """US dollars for tokens, by prices of the day ``as_of``, without ``unknown`` turns."""

    dollars: float
    as_of: str
    unknown: int


Command = Callable[["Assistant", Sequence[str]], "str | None"]


def run_command(state: Assistant, text: str) -> None:
    """Run the command of a line and print what it says; raise `UsageError` for no command."""
    name, *words = _split(text) or ["help"]
    command = COMMANDS.get(name)
    if command is None:
        raise UsageError(_unknown(name))
    _check(name, words)
    try:
        with hidden_packages.named():
            said = command(state, words)
    except KeyboardInterrupt:
        text = _("%assistant {command} was interrupted.")
        raise AssistantError(text.format(command=name)) from None
    for text in filter(None, (said, _trouble(state))):
        print(text)  # noqa: T201 - the notebook's own output


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        refused = _("%assistant {line} has a quote without its end: {error}.")
        raise UsageError(refused.format(line=text, error=error)) from error


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, COMMANDS, 1)
    if near:
        refused = _("%assistant has no command {name!r}; did you mean {near}?")
    else:
        refused = _(
            "%assistant has no command {name!r}; there are {names}. "
            "To ask something, write a whole question, or begin the cell with %%assistant."
        )
    return refused.format(name=name, near="".join(near), names=", ".join(COMMANDS))


def _check(name: str, words: Sequence[str]) -> None:
    """Raise `UsageError` for words and options that a command does not take."""
    plain = [word for word in words if not word.startswith("-")]
    unknown = [word for word in words if word.startswith("-") and word not in OPTIONS.get(name, ())]
    if not unknown and len(plain) <= MOST_WORDS.get(name, 0):
        return
    refused = _("%assistant {name} does not take {words}; %assistant help lists what it does.")
    extra = unknown or plain[MOST_WORDS.get(name, 0) :]
    raise UsageError(refused.format(name=name, words=" ".join(extra)))


def is_question(text: str) -> bool:
    """Return whether a line asks something, rather than names a command.

    A line is a question if it has several words and a question mark at its end, begins with
    an option or with letters beyond ASCII, or has more words than the command that it begins
    with takes: ``show me the mean`` asks, ``show`` does not.
    """
    words = text.split()
    if not words:
        return False
    asks = len(words) > 1 and text.rstrip().endswith("?")
    if asks or words[0].startswith("-") or not words[0].isascii():
        return True
    named = words[0] if words[0] in COMMANDS else _typing_error(words[0])
    plain = [word for word in words[1:] if not word.startswith("-")]
    # One word too many is an error in a command; two are the rest of a sentence.
    return len(plain) > (MOST_WORDS.get(named, 0) + 1 if named else 0)


def _typing_error(word: str) -> str:
    return "".join(difflib.get_close_matches(word, COMMANDS, 1, cutoff=0.75))


def _trouble(state: Assistant) -> str | None:
    """Return why the data directory could not be used, if it was and could not."""
    try:
        return open_database(state.settings().folder).take_trouble()
    except AssistantError:  # of settings, without which some commands work
        return None


def status(state: Assistant, words: Sequence[str]) -> str:
    """Show where turns go and why, which model answers, and how code is isolated."""
    settings = state.settings()
    target = settings_.resolve_target(settings)
    where = _("{target} ({why})").format(target=target.name, why=target.why)
    rows = [(_("target"), where), (_("goes to"), destination(target, settings))]
    notes = [_offline_note(target.model), wait_for(announced_end(target))]
    rows += [("", note) for note in notes if note]
    if RemoteResources(state).is_asleep:
        rows += [(_("engine"), _asleep())]
    else:
        rows += [(_("isolation"), _isolation(state, settings, target))]
    if settings.recordings:
        rows += [(_("recordings"), _recordings(settings))]
    rows += [(_("so far"), _kernel_usage(state))]
    rows += [(_("running"), _described(pending)) for pending in state.running()]
    return "\n".join(f"{pad(label, 10)} {text}" for label, text in rows)


def _asleep() -> str:
    if missing := local_extra.missing_packages():
        return local_extra.missing_sentence(missing)
    return _("not started yet; the first turn starts it")


def _recordings(settings: settings_.Settings) -> str:
    return _("{folder}, {mode} ({source})").format(
        folder=settings.recordings,
        mode=settings.recordings_mode,
        source=_(settings.sources["recordings"]),
    )


def _described(pending: PendingTurn) -> str:
    """Describe which turn in the background this is, and for how long it has run."""
    said = _("{thread} on {target}, {seconds:.0f} s")
    if pending.cell is not None:
        said = _("{thread} on {target}, {seconds:.0f} s, asked in cell [{cell}]")
    return said.format(
        thread=pending.thread or _("(this notebook)"),
        target=pending.target,
        seconds=pending.seconds,
        cell=pending.cell,
    )


def _offline_note(model: str) -> str:
    if model != "offline":
        return ""
    return _(
        "rules, not a language model: set OPENAI_API_KEY, AZURE_OPENAI_ENDPOINT or "
        "OPENAI_BASE_URL for a real one"
    )


def _isolation(state: Assistant, settings: settings_.Settings, target: settings_.Target) -> str:
    """Describe in words how code is isolated; its small print is the doctor's."""
    if target.name in settings_.SERVICES:
        return _("the service's container")
    status = wait_for(state.backend(settings, target).status())
    sandbox = status.get("sandbox") or {}
    if sandbox.get("error"):
        return _("none: {reason}").format(reason=sandbox["error"])
    return str(sandbox.get("level") or _("unknown"))


def threads(state: Assistant, words: Sequence[str]) -> str:
    """List the threads of this notebook, most recent first."""
    known = state.threads(state.settings()).all()
    if not known:
        return _("No threads yet; the first %%assistant cell starts one.")
    running = {(pending.target, pending.thread) for pending in state.running()}
    rows = [(_("thread"), _("target"), _("last used"), "id")]
    for thread in known:
        name, mark = thread.name or _("(this notebook)"), ""
        if (thread.target, thread.name) in running:
            mark = "  " + _("running")
        rows.append((name, thread.target, _when(thread.used), thread.id + mark))
    return "\n".join(line(row, (19, 10, 16)) for row in rows)


def stop(state: Assistant, words: Sequence[str]) -> str:
    """Stop the turns that run in the background, or the one of a thread."""
    running = [one for one in state.running() if not words or one.thread == words[0]]
    if not running and words:
        raise UsageError(
            _("No turn runs in the background in a thread {name!r}.").format(name=words[0])
        )
    for pending in running:
        pending.stop()
    concurrent.futures.wait([pending.future for pending in running], END_SECONDS)
    stopped, stopping = _("Stopped: {turn}."), _("Stopping: {turn}.")
    said = [(stopped if one.done else stopping).format(turn=_described(one)) for one in running]
    return "\n".join(said) or _("No turn runs in the background.")


def fork(state: Assistant, words: Sequence[str]) -> str:
    """Copy the last turn's thread, up to that turn, under a new name."""
    if len(words) != 1:
        raise UsageError(
            _("%assistant fork needs a name for the copy, e.g. %assistant fork attempt-2")
        )
    view = _last(state).view
    RemoteResources(state, view.target).fork(
        words[0], view.thread, [part.id for part in view.parts]
    )
    return _(
        "Thread copied with its files, without its variables. Continue with %%assistant -t {name}"
    ).format(name=shlex.quote(words[0]))


def share(state: Assistant, words: Sequence[str]) -> str:
    """Share DataFrames with MCP clients as copies, or list those shared; --stop ends it."""
    from aoai_magic.runner.share import Share

    names = [word for word in words if word != "--stop"]
    if "--stop" in words:
        stop_sharing(state)
        return _("Nothing is shared.")
    if state.share is None and not names:
        return _("Nothing is shared; name DataFrames: %assistant share NAME")
    shared = state.share or Share(state.namespace, state.settings().folder, state.place)
    try:
        shared.add(names)
    except UsageError:
        if state.share is None:
            shared.stop()
        raise
    state.share = shared
    return "\n".join(shared.lines())


def stop_sharing(state: Assistant) -> None:
    """Share nothing any more."""
    if state.share is not None:
        state.share.stop()
        state.share = None


def models(state: Assistant, words: Sequence[str]) -> str:
    """List the models and targets that -m and --on can name here, and the current model."""
    from aoai_magic.runner.list_models import current_model, describe, ending, missing, places

    settings = state.settings()
    target = settings_.resolve_target(settings)
    found = wait_for(places(target))
    rows = [describe(place, *words) for place in found]
    head = [_("current  {model}").format(model=current_model(settings, target))]
    for note in (missing(target, found), ending(target, found)):
        head += [f"         {note}"] if note else []
    return "\n".join([*head, "", *rows])


def config(state: Assistant, words: Sequence[str]) -> str:
    """List the settings, their values and where each came from."""
    settings = state.settings()
    rows = [(name, _shown(settings, name), _(settings.sources[name])) for name in settings_.NAMES]
    rows.insert(0, (_("setting"), _("value"), _("from")))
    how = _("Change one with %config AssistantMagics.NAME = VALUE or AOAI_MAGIC_NAME.")
    return "\n".join([*(line(row, (16, 29)) for row in rows), "", how])


def _shown(settings: settings_.Settings, name: str) -> str:
    return hide_credentials(str(getattr(settings, name)))


def show(state: Assistant, words: Sequence[str]) -> None:
    """Show the last turn again, e.g. after a page reload or a kernel restart."""
    from aoai_magic.display import show as show_view

    show_view(_last(state).view)


def usage(state: Assistant, words: Sequence[str]) -> str:
    """Show token use and cost of this notebook."""
    sums = state.usage_log(state.settings()).sums()
    rows = [(_("this kernel"), _kernel_usage(state))]
    for one in sums:
        since = _("since {date}").format(date=_when(one.since)[:10])
        name = _("{model} on {target}").format(
            model=one.model or _("default model"), target=one.target
        )
        rows.append((since, f"{name}: {_amounts(one)}"))
    longest = max(width(label) for label, _text in rows)
    lines = [f"{pad(label, max(longest, 13))}  {text}" for label, text in rows]
    return "\n".join([*lines, *_prices_note(state, sums)])


def _kernel_usage(state: Assistant) -> str:
    used, money = state.usage, cost(state)
    said = [_turns(len(state.turns)), *([_tokens(used)] if used.total_tokens else [])]
    return _(", ").join([*said, *([_dollars(money.dollars)] if money else [])])


def _amounts(one: Sum) -> str:
    said = [_turns(one.turns), *([_tokens(one.usage)] if one.usage.total_tokens else [])]
    if minutes := one.usage.container_minutes:
        said += [_("{minutes} min of a container").format(minutes=minutes)]
    if one.unpriced == one.turns:
        said += [_("price unknown")]
    elif one.unpriced:
        text = _("{cost} without {turns} of unknown price")
        said += [text.format(cost=_dollars(one.cost), turns=_turns(one.unpriced))]
    else:
        said += [_dollars(one.cost)]
    return _(", ").join(said)


def _dollars(cost: float) -> str:
    return _("about {amount}").format(amount=f"${cost:.4f}")


def _tokens(used: Usage) -> str:
    return _("{total:,} tokens ({input:,} in, {cached:,} of them cached; {output:,} out)").format(
        total=used.total_tokens,
        input=used.input_tokens,
        cached=used.cached_tokens,
        output=used.output_tokens,
    )


def cost(state: Assistant) -> Cost | None:
    """Estimate what this kernel's turns cost, None where no price is known."""
    from aoai_magic.config.prices import load

    prices, views = load(state.settings().folder), [turn.view for turn in state.turns]
    known = [view.cost for view in views if view.cost is not None]
    unknown = sum(view.cost is None and not prices.free(view.model) for view in views)
    return Cost(sum(known), prices.as_of, unknown) if known else None


def _turns(count: int) -> str:
    return ngettext("{count:,} turn", "{count:,} turns", count).format(count=count)


def _prices_note(state: Assistant, sums: Sequence[Sum]) -> list[str]:
    if not sums:
        return []
    from aoai_magic.config.prices import load

    prices = load(state.settings().folder)
    text = _("estimated with prices of {date}; correct them in {path}")
    return [text.format(date=prices.as_of, path=prices.path)]


def code(state: Assistant, words: Sequence[str]) -> None:
    """Insert the last turn's Python as a new cell that uses the notebook's variables."""
    from IPython import get_ipython

    cell = _last(state).view.cell
    if cell is None:
        raise AssistantError(_("The last turn ran no Python, so there is none to put into a cell."))
    get_ipython().set_next_input(cell)


def save(state: Assistant, words: Sequence[str]) -> str:
    """Save the last turn: files and pictures into a folder, all as .md, .html or .ipynb."""
    folders = [word for word in words if word != "--overwrite"]
    if len(folders) != 1:
        raise UsageError(
            _(
                "%assistant save needs one folder or document, e.g. %assistant save results or "
                "%assistant save answer.md"
            )
        )
    paths = _last(state).save(folders[0], overwrite="--overwrite" in words)
    return "\n".join(str(path) for path in paths) or _("The last turn made no files or pictures.")


def files(state: Assistant, words: Sequence[str]) -> str:
    """List uploaded files and the stores of searched documents."""
    return "\n\n".join(filter(None, [_uploads(state), _stores(state)]))


def _stores(state: Assistant) -> str:
    """List the vector stores of the current target; empty where there are none."""
    resources = RemoteResources(state)
    if resources.is_asleep:
        return ""
    try:
        stores = resources.stores()
    except AssistantError as error:
        return _("The stores of documents could not be listed. {reason}").format(reason=error)
    rows = [(_("store of documents"), _("documents"), _("bytes"), _("created"), _("expires"))]
    for one in stores:
        gone = _when(one.expires) if one.expires else _("never")
        size = (f"{one.documents:,}", f"{one.bytes:,}")
        rows.append((one.id, *size, _when(one.created), gone))
    return "\n".join(line(row, (29, -9, -14, 16, 16)) for row in rows) if stores else ""


def _uploads(state: Assistant) -> str:
    from aoai_magic.state.uploads import UploadLog

    entries = UploadLog(state.settings().folder).entries()
    if not entries:
        return _("You have no uploaded files.")
    rows = [(_("name"), _("bytes"), _("sent"), _("expires"), _("on"), "")]
    for e in entries:
        gone = _when(e.expires_at) if e.expires_at else _("never")
        rows.append((e.name, f"{e.bytes:,}", _when(e.sent_at), gone, e.target, e.file_id))
    return "\n".join(line(row, (29, -14, 16, 16, 10)) for row in rows)


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def cleanup(state: Assistant, words: Sequence[str]) -> str:
    """Delete what this notebook left at the current target, after asking; --all: of all."""
    from aoai_magic.runner.cleanup import delete, of_all, of_notebook
    from aoai_magic.runner.consent import ask_user

    settings = state.settings()
    target = settings_.resolve_target(settings)
    if RemoteResources(state).is_asleep and not settings.folder.exists():
        return _("There is nothing to delete.")
    backend = state.backend(settings, target)
    holdings = backend.holdings()
    if "--all" in words:
        found = wait_for(of_all(settings, target, holdings))
        title = _("Everything that this data directory has recorded at {target}:").format(
            target=target.name
        )
    else:
        found = of_notebook(settings, target, state.place, state.turns)
        title = _("What this notebook left at {target}:").format(target=target.name)
    if not found.count:
        return _("There is nothing to delete.") + _elsewhere(words)
    print("\n".join([title, *(f"  {line}" for line in found.lines())]))  # noqa: T201
    agreed = True if "--yes" in words else ask_user(_("Delete all of this? [y/N] "))
    if agreed is None:
        raise UsageError(_("Nothing was deleted because nobody can confirm here; add --yes."))
    if not agreed:
        return _("Nothing was deleted.")
    # One by one; what a slow server leaves over, the next call deletes.
    wait_for(delete(found, settings, holdings, state.threads(settings)), found.count)
    if "--all" in words:
        wait_for(backend.cleanup())  # containers that no thread names any more
    return _("Deleted.") + _elsewhere(words)


def _elsewhere(words: Sequence[str]) -> str:
    if "--all" in words:
        return ""
    return " " + _("%assistant cleanup --all covers all notebooks of this data directory.")


def doctor(state: Assistant, words: Sequence[str]) -> str:
    """Check the setup and show how to fix each gap; --try also makes one short turn."""
    from aoai_magic.runner.diagnostics import examine, report
    from aoai_magic.runner.trial import examine_and_try

    settings = state.settings(_tried_options(words))
    tries = "--try" in words
    return report(examine_and_try(settings, state.place) if tries else examine(settings))


def _tried_options(words: Sequence[str]) -> Options:
    """Return which model the doctor is to look at, and what its turn may take."""
    from aoai_magic.notebook.magics import parser

    try:
        given = vars(parser().parse_args([word for word in words if word != "--try"]))
    except (IPythonUsageError, TypeError) as error:
        raise UsageError(
            _("{error}; %assistant help lists what it does.").format(error=error)
        ) from error
    if given["items"]:
        raise UsageError(_("%assistant doctor takes only options, e.g. --try -m openai:MODEL."))
    names = ("model", "on", "effort", "timeout", "max_tokens", "max_cost")
    return Options(**{name: given[name] for name in names})


def help_(state: Assistant, words: Sequence[str]) -> str:
    """List the commands, or describe one."""
    if words and words[0] not in COMMANDS:
        raise UsageError(_unknown(words[0]))
    names = words or HELP
    rows = [line((f"%assistant {name}", _(HELP[name])), (18,)) for name in names]
    asking = _(
        "To ask something, write it after %assistant; %%assistant? shows the options of a question."
    )
    return "\n".join([*rows, "", asking])


def _last(state: Assistant) -> Turn:
    last = state.last
    if last is None:
        raise AssistantError(_("There is no turn yet in this notebook; ask something first."))
    return last


COMMANDS: dict[str, Command] = {
    "status": status,
    "show": show,
    "threads": threads,
    "stop": stop,
    "fork": fork,
    "share": share,
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

MOST_WORDS = {"stop": 1, "fork": 1, "share": 50, "models": 1, "save": 1, "help": 1, "doctor": 6}
"""How many words may follow a command; none follow the others."""

OPTIONS = {
    "cleanup": ("--all", "--yes"),
    "doctor": (
        "--try",
        "-m",
        "--model",
        "--on",
        "--effort",
        "--timeout",
        "--max-tokens",
        "--max-cost",
    ),
    "save": ("--overwrite",),
    "share": ("--stop",),
}
"""The options of the commands that have any."""

HELP = {
    "status": later("Show where turns go and why, which model answers, and how code is isolated."),
    "show": later("Show the last turn again, e.g. after a page reload or a kernel restart."),
    "threads": later("List the threads of this notebook, most recent first."),
    "stop": later("Stop the turns that run in the background, or the one of a thread."),
    "fork": later("Copy the last turn's thread, up to that turn, under a new name."),
    "share": later(
        "Share DataFrames with MCP clients as copies, or list those shared; --stop ends it."
    ),
    "files": later("List uploaded files and the stores of searched documents."),
    "models": later(
        "List the models and targets that -m and --on can name here, and the current model."
    ),
    "config": later("List the settings, their values and where each came from."),
    "usage": later("Show token use and cost of this notebook."),
    "code": later(
        "Insert the last turn's Python as a new cell that uses the notebook's variables."
    ),
    "save": later(
        "Save the last turn: files and pictures into a folder, all as .md, .html or .ipynb."
    ),
    "cleanup": later(
        "Delete what this notebook left at the current target, after asking; --all: of all."
    ),
    "doctor": later(
        "Check the setup and show how to fix each gap; --try also makes one short turn."
    ),
    "help": later("List the commands, or describe one."),
}
"""What each command does, in a line of the help."""
