"""The assistant of one kernel: its threads, its turns, and what is kept between them."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aoai_magic.config import settings as settings_
from aoai_magic.config.settings import Settings, Target
from aoai_magic.errors import AssistantError, TurnError, TurnInterrupted, UsageError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later
from aoai_magic.results.read_table import LIBRARIES
from aoai_magic.runner.after_turn import Step, add_trouble, finish, trouble_of
from aoai_magic.runner.background import PendingTurn
from aoai_magic.runner.bind_tables import bind_tables
from aoai_magic.runner.cancel import CancelToken, interrupts
from aoai_magic.runner.context import read_context
from aoai_magic.runner.event_loop import is_blocking, loop, run_blocking
from aoai_magic.runner.interpolation import interpolate
from aoai_magic.runner.mcp_servers import McpServers
from aoai_magic.runner.notebook_cell import CellHistory
from aoai_magic.runner.options import Options
from aoai_magic.runner.planning import Asked, decide, plan_first
from aoai_magic.runner.recordings import Tape
from aoai_magic.runner.request import Request, working_folder
from aoai_magic.runner.run_turn import Dependencies, Outcome, remember, run_turn
from aoai_magic.runner.turn import Turn
from aoai_magic.runner.typed_answer import Expected
from aoai_magic.shared import hidden_packages
from aoai_magic.state import threads as threads_
from aoai_magic.state.crash_journal import Journal, left_behind
from aoai_magic.state.database import open_database
from aoai_magic.state.result_files import ResultFiles
from aoai_magic.state.usage import UsageLog
from aoai_magic.turn.events import Usage
from aoai_magic.turn.view import Content

if TYPE_CHECKING:
    from aoai_magic.attach.attachment import Attachment
    from aoai_magic.backends.base import Backend
    from aoai_magic.display import Screen
    from aoai_magic.runner.share import Share

MOST_CHARACTERS = 256_000
"""What the API takes as one message."""

Namespace = MutableMapping[str, Any]
Layers = Callable[[], tuple[Mapping[str, Any], Mapping[str, Any]]]

EMBED = later("A picture of an earlier turn could not be shown ({reason}).")
CELL = later("The answer's Python could not be made into a cell ({reason}).")
SAVE = later(
    "The results were not saved ({reason}); save them with %assistant save DIR, into another "
    "folder if need be."
)
RECORD = later("The turn was not recorded ({reason}).")
BIND = later("The tables were not bound to the name of -o ({reason}); _assistant.frames has them.")
VALUE = later("The answer has no value ({reason}).")
MEMORY = later(
    "Files of earlier turns stay in this kernel's memory, as they could not be moved to the data "
    "directory ({reason})."
)
PREVIEW = later("The tables that came back could not be previewed ({reason}).")
KEEP = later("The turn's usage or its thread could not be saved ({reason}).")


def _no_layers() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return {}, {}


def _opener(display: str, cancel: CancelToken) -> Callable[[], Screen]:
    """Return what opens the screen of a turn whose cell waits for it."""
    from aoai_magic.display import open_screen

    button = None if is_blocking() else cancel
    return lambda: open_screen(display, on_stop=button)


@dataclass
class Assistant:
    """What a kernel keeps between turns.

    Attributes
    ----------
    namespace
        The notebook's variables.
    layers
        Returns the settings of ``%config`` and of the configuration file.
    turns
        All turns of this kernel, oldest first.
    front_end
        The settings of the front end.
    pending
        Turns in the background, oldest first; some may be over.
    cancelling
        Cancels the turn that is going on.
    share
        What MCP clients may have of this kernel, if anything.
    mcp_servers
        The MCP servers that turns have used.
    opener
        Returns what opens the screen of a turn, by the setting ``display``.
    """

    namespace: Namespace
    layers: Layers = _no_layers
    turns: list[Turn] = field(default_factory=list)
    front_end: Mapping[str, Any] = field(default_factory=dict)
    pending: list[PendingTurn] = field(default_factory=list)
    cancelling: CancelToken | None = None
    share: Share | None = None
    mcp_servers: McpServers = field(default_factory=McpServers)
    opener: Callable[[str, CancelToken], Callable[[], Screen]] = _opener
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _tapes: dict[tuple[str, str], Tape] = field(default_factory=dict)
    _left_behind: Turn | None = None
    _threads: threads_.Threads | None = None
    _cells: CellHistory = field(default_factory=CellHistory)
    _attached: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    _backend: Backend | None = None
    _is_tidied: bool = False
    _result_files: ResultFiles = field(default_factory=ResultFiles)

    @property
    def last(self) -> Turn | None:
        """The turn before; at first the last one, if any, of the kernel before."""
        return self.turns[-1] if self.turns else self.recall()

    def recall(self) -> Turn | None:
        """Return the last turn of the kernel before, if any, and bind ``_assistant`` to it."""
        if not self.turns and self._left_behind is None:
            view = left_behind(self.settings().folder, self.place)
            if view is not None:
                self._left_behind = self.namespace["_assistant"] = Turn(view)
        return self._left_behind

    @property
    def usage(self) -> Usage:
        """What all turns of this kernel took."""
        return sum((turn.usage for turn in self.turns), Usage())

    def running(self) -> list[PendingTurn]:
        """Return the turns that run in the background, oldest first."""
        return [one for one in self.pending if not one.done]

    def settings(self, options: Options | None = None) -> Settings:
        """Return the current settings."""
        config, file = self.layers()
        given = options.settings if options else {}
        return settings_.resolve(given, config, file, front_end=self.front_end)

    def threads(self, settings: Settings) -> threads_.Threads:
        """Return the threads of this notebook."""
        if self._threads is None or self._threads.folder != settings.folder:
            is_notebook = threads_.notebook(self.namespace) is not None
            self._threads = threads_.Threads(settings.folder, self.place, is_notebook)
        return self._threads

    def usage_log(self, settings: Settings) -> UsageLog:
        """Return the record of what this notebook's turns took."""
        return UsageLog(settings.folder, self.place)

    @property
    def place(self) -> str:
        """The notebook; see `threads.place`."""
        return threads_.place(self.namespace)

    async def ask(
        self, prompt: str, options: Options, data: Mapping[str, Any] | None = None
    ) -> Turn | PendingTurn | None:
        """Run one turn and show it; return None for a dry run, a `PendingTurn` for the background.

        ``data`` holds objects to attach that are no variables of the notebook.

        Raises
        ------
        AssistantError
            If the turn could not be started, or what was asked for besides the answer (``out``,
            ``save``, a recording) could not be done; the turn is kept then.
        TurnError
            If it failed, unless ``no_raise``; it holds the turn as far as it came.
        """
        if options.plan:
            plan = await self.ask(*self._plan(prompt, options), data)
            agreed = decide(plan, options)
            return await self.ask(*agreed) if agreed else plan
        request = self._agreed(prompt, options, data or {})
        return await self._asked(request) if request else None

    def ask_now(
        self, prompt: str, options: Options, data: Mapping[str, Any] | None = None
    ) -> Turn | PendingTurn | None:
        """Run `ask` from code that is not asynchronous, also inside a running loop."""
        # The user's expressions and questions belong to the thread of the cell.
        if options.plan:
            plan = self.ask_now(*self._plan(prompt, options), data)
            agreed = decide(plan, options)
            return self.ask_now(*agreed) if agreed else plan
        request = self._agreed(prompt, options, data or {})
        return run_blocking(self._asked(request), self.stop) if request else None

    def _plan(self, prompt: str, options: Options) -> Asked:
        settings = self.settings(options)
        return plan_first(prompt, options, settings, settings_.resolve_target(settings))

    def _agreed(self, prompt: str, options: Options, data: Mapping[str, Any]) -> Request | None:
        """Return the turn to be done, once the user agreed to it; None after a dry run."""
        request = self._request(prompt, options, data)
        if options.about is not None and request.target.model == "offline":
            from aoai_magic.runner.about_cell import about_cell, without_model

            print(without_model(about_cell(options.about)))  # noqa: T201 - the answer
            return None
        if options.dry_run:
            with _folder() as folder:
                print(request.plan(folder))  # noqa: T201 - what the user asked to read
            return None
        request.confirm()
        return request

    def _request(self, prompt: str, options: Options, data: Mapping[str, Any]) -> Request:
        text = prompt if options.raw else interpolate(prompt, {**self.namespace, **data})
        if not text.strip():
            raise UsageError(
                _(
                    "This cell has no question; write one below the %%assistant line, e.g. "
                    "'Which region grew fastest?' (%%assistant? shows all options)."
                )
            )
        if len(text) > MOST_CHARACTERS:
            raise UsageError(
                _(
                    "The question has {count:,} characters, and at most {most:,} can be sent; put "
                    "the text into a file or a variable and attach it, e.g. %%assistant @notes.txt"
                ).format(count=len(text), most=MOST_CHARACTERS)
            )
        settings = self.settings(options)
        request = Request(
            text.strip("\n"),
            prompt.strip("\n"),
            options,
            settings,
            settings_.resolve_target(settings),
            dict(self.namespace),
            data,
            next(self._numbers),
            self.place,
        )
        attached = {} if options.new else self._attached.get(request.thread_key, {})
        context = read_context(settings, options, working_folder())
        tools = self.mcp_servers.tools(options.mcp, working_folder(), settings.mcp_allow)
        request = replace(request, attached=attached, context=context, mcp_tools=tools)
        request.check()
        if request.budget:
            from aoai_magic.config.prices import load

            request.budget.check(request.target.model, load(settings.folder))
        return request

    def _asked(self, request: Request) -> Coroutine[Any, Any, Turn | PendingTurn]:
        return self._begin(request) if request.options.background else self._run(request)

    async def _begin(self, request: Request) -> PendingTurn:
        """Have a turn done in the background; return once the server has the question."""
        pending = PendingTurn(*request.thread_key, request.number, request.settings.display)
        self.pending = [*self.running(), pending]
        self.cancelling = pending.cancel
        with interrupts(pending.cancel):
            pending.start(self._run(request, pending))
            await pending.taken()
        self.cancelling = None
        self.namespace["_pending"] = pending
        return pending

    async def _run(self, request: Request, pending: PendingTurn | None = None) -> Turn:
        """Do a turn, keep it, and then all that follows; raise what the user is to hear."""
        journal = Journal(request.settings.folder, request.place, request.number, request.typed)
        deps = self._dependencies(request, journal, pending)
        turn: Turn | None = None
        try:
            with hidden_packages.named(), _folder() as folder:
                outcome = await run_turn(request, deps, folder)
                turn = self._keep(outcome, request, pending)
                steps = self._steps(turn, outcome, request, deps.tape)
                show = partial(self._show, turn, outcome)
                failed = await finish(turn, steps, show, deps.cancel)
                await self._bound_memory(turn, request, deps.cancel)
        finally:
            journal.close(turn.view if turn else None)
        self._tidy(request)
        if turn.status != "completed":
            _fail(turn, no_raise=request.options.no_raise)
        if failed and not request.options.no_raise:
            error = AssistantError(failed[0])
            error.turn = turn
            raise error
        return turn

    def _running_in_thread(self, request: Request) -> PendingTurn | None:
        """Return the turn that was asked last in the request's thread and still runs there."""
        newest = self.threads(request.settings).newest(request.thread_name, request.target.name)
        asked = range(newest, request.number)
        there = [one for one in self.running() if (one.target, one.thread) == request.thread_key]
        return next((one for one in reversed(there) if one.number in asked), None)

    def _dependencies(
        self, request: Request, journal: Journal, pending: PendingTurn | None
    ) -> Dependencies:
        settings = request.settings
        cancel = pending.cancel if pending else CancelToken()
        if not pending:
            self.cancelling = cancel
        return Dependencies(
            self.threads(settings),
            partial(self.backend, settings, request.target),
            cancel,
            pending.open_screen if pending else self.opener(settings.display, cancel),
            [journal, *([pending.observe] if pending else [])],
            _tape(settings),
            self._tapes.get((request.options.on or "", request.thread_name)),
            self._running_in_thread(request),
        )

    def _keep(self, outcome: Outcome, request: Request, pending: PendingTurn | None) -> Turn:
        """Keep the turn, first of all; nothing that can fail comes before."""
        view = replace(outcome.view, question=request.typed)
        turn = Turn(view, library=_library(outcome.attachments))
        if pending:
            turn.shown_in = pending.cell
        self.turns.append(turn)
        self.namespace["_assistant"] = turn
        self._remember(outcome, request)
        return turn

    def _remember(self, outcome: Outcome, request: Request) -> None:
        """Note what the thread has; of a turn that failed nobody knows how much arrived."""
        given = {item.name: item.sha256 for item in outcome.attachments}
        known = {} if request.options.new else self._attached.get(request.thread_key, {})
        if outcome.view.status == "completed":
            self._attached[request.thread_key] = {**known, **given}
        else:
            kept = {name: digest for name, digest in known.items() if name not in given}
            self._attached[request.thread_key] = kept

    def _steps(
        self, turn: Turn, outcome: Outcome, request: Request, tape: Tape | None
    ) -> list[Step]:
        """Return what is to be done once the turn is kept, in order."""
        options = request.options
        steps = [
            Step(CELL, partial(self._add_cell, turn, outcome, request)),
            Step(EMBED, partial(self._add_embedded, turn)),
        ]
        if request.settings.save:
            steps.append(Step(SAVE, partial(_save, turn, request), is_asked=True))
        if tape:
            self._tapes[options.on or "", request.thread_name] = tape
            steps.append(Step(RECORD, partial(tape.keep, turn.view), is_asked=True))
        if request.expected and turn.status == "completed":
            value = partial(self._add_value, turn, request.expected, options.out)
            steps.append(Step(VALUE, value, is_asked=True))
        elif options.out and turn.status == "completed":
            bind = partial(self._bind, turn, options.out)
            steps.append(Step(BIND, bind, is_asked=True))
        if not (tape and tape.played):
            steps.append(Step(KEEP, partial(self._write_down, turn, request)))
        # Here, in a thread: the turn is drawn on the event loop.
        steps.append(Step(PREVIEW, partial(_read_previews, turn)))
        return steps

    def _add_value(self, turn: Turn, wanted: Expected, out: str | None) -> None:
        """Keep the value, and bind the name of ``-o`` to it."""
        turn.take_value(wanted)
        if out:
            self.namespace[out] = turn.value

    def _add_cell(self, turn: Turn, outcome: Outcome, request: Request) -> None:
        turn.view = self._cells.with_cell(turn.view, outcome.attachments, request)

    def _add_embedded(self, turn: Turn) -> None:
        from aoai_magic.runner.embedded_pictures import with_embedded

        turn.view = with_embedded(turn.view, [one.view for one in self.turns if one is not turn])

    def _bind(self, turn: Turn, name: str) -> None:
        if note := bind_tables(turn, name, self.namespace):
            add_trouble(turn, note)

    def _write_down(self, turn: Turn, request: Request) -> None:
        settings = request.settings
        self.usage_log(settings).add(turn.view)
        if turn.view.thread:
            remember(request, self.threads(settings), turn.view.thread)
        trouble = open_database(settings.folder).take_trouble()
        if trouble:
            add_trouble(turn, trouble)

    def _tidy(self, request: Request) -> None:
        """Have what is too old deleted, once, in our own thread: nobody waits for it."""
        if self._is_tidied or not request.target.is_embedded or self._backend is None:
            return
        self._is_tidied = True
        from aoai_magic.runner.cleanup import tidy

        threads = self.threads(request.settings)
        work = tidy(request.settings, request.target.name, self._backend, threads)
        asyncio.run_coroutine_threadsafe(work, loop())

    async def _bound_memory(self, turn: Turn, request: Request, cancel: CancelToken) -> None:
        """Move what older turns brought back to disk, once this one is shown."""
        made = (one for one in (*turn.view.files, *turn.view.parts) if isinstance(one, Content))
        add = partial(self._result_files.add, [one.blob for one in made], request.settings.folder)
        trouble = await trouble_of(Step(MEMORY, add), cancel)
        if trouble:
            turn.view = replace(turn.view, troubles=(*turn.view.troubles, trouble))

    def _show(self, turn: Turn, outcome: Outcome) -> None:
        outcome.screen.close(turn.view)

    def stop(self) -> None:
        """Cancel the turn that is going on, if one is."""
        if self.cancelling:
            self.cancelling()

    def backend(self, settings: Settings, target: Target) -> Backend:
        """Return the backend of a target; for ``local`` the engine is started if need be."""
        from aoai_magic.backends import open_backend

        backend = open_backend(settings, target, self.place)
        # An equal one from before knows already which assistants it made.
        self._backend = backend if backend != self._backend else self._backend
        return self._backend


def _tape(settings: Settings) -> Tape | None:
    if not settings.recordings:
        return None
    folder = working_folder() / Path(settings.recordings).expanduser()
    return Tape(folder, settings.recordings_mode)


def _read_previews(turn: Turn) -> None:
    from aoai_magic.display.saved.bundles import prepare

    prepare(turn.view)


def _save(turn: Turn, request: Request) -> None:
    from aoai_magic.runner.save_files import save

    turn.view = save(turn.view, request.settings.save, overwrite=request.options.overwrite)


@contextmanager
def _folder() -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="aoai-magic-", ignore_cleanup_errors=True)
    except OSError as error:
        raise AssistantError(
            _("No temporary folder can be made ({reason}); free some space, or set TMPDIR.").format(
                reason=error.strerror
            )
        ) from error
    with folder as name:
        yield Path(name)


def _fail(turn: Turn, *, no_raise: bool) -> None:
    """Raise what a turn that is not complete is worth; with ``no_raise``, say why alone."""
    if not no_raise:
        kind = TurnInterrupted if turn.status == "interrupted" else TurnError
        raise kind(
            turn.error or _("The turn ended with status {status}.").format(status=turn.status), turn
        )
    from aoai_magic.display import complain

    complain(turn.view)


def _library(attachments: Sequence[Attachment]) -> str:
    """Describe in which library tables come back: that of all frames attached, or pandas."""
    frames = {item.kind.partition(".")[0] for item in attachments if "." in item.kind}
    return frames.pop() if len(frames) == 1 and frames <= set(LIBRARIES) else "pandas"
