"""The assistant of one kernel: its threads, its last turn, and how a turn is done."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aoai_magic.config import settings as settings_
from aoai_magic.config.settings import Settings, Target
from aoai_magic.errors import TurnError, TurnInterrupted, UsageError
from aoai_magic.locale import gettext as _
from aoai_magic.results.notebook_code import Cell, as_cell
from aoai_magic.results.read_table import LIBRARIES
from aoai_magic.runner.background import PendingTurn
from aoai_magic.runner.bind_tables import bind_tables
from aoai_magic.runner.event_loop import run_blocking
from aoai_magic.runner.follow import Stop, interrupts
from aoai_magic.runner.interpolation import interpolate
from aoai_magic.runner.options import Options
from aoai_magic.runner.recordings import Tape
from aoai_magic.runner.run_turn import Ended, Job
from aoai_magic.runner.turn import Turn
from aoai_magic.shared import hidden_packages
from aoai_magic.state import threads as threads_
from aoai_magic.state.usage import Spent
from aoai_magic.turn.events import Usage
from aoai_magic.turn.view import Input

if TYPE_CHECKING:
    from aoai_magic.attach.attachment import Attachment
    from aoai_magic.backends.base import Backend
    from aoai_magic.turn.view import View

MOST_CHARACTERS = 256_000
"""What the API takes as one message."""

Namespace = MutableMapping[str, Any]
Layers = Callable[[], tuple[Mapping[str, Any], Mapping[str, Any]]]


def _no_layers() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return {}, {}


@dataclass
class Assistant:
    """What a kernel keeps between turns.

    Attributes
    ----------
    namespace
        The notebook's variables.
    layers
        Gives the settings of ``%config`` and of the configuration file.
    turns
        All turns of this kernel, oldest first.
    front_end
        The settings of the front end.
    pending
        Turns in the background, oldest first; some may be over.
    """

    namespace: Namespace
    layers: Layers = _no_layers
    turns: list[Turn] = field(default_factory=list)
    front_end: Mapping[str, Any] = field(default_factory=dict)
    pending: list[PendingTurn] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _links: dict[tuple[str, str], Tape] = field(default_factory=dict)
    _newest: dict[tuple[str, str], int] = field(default_factory=dict)
    _left_behind: Turn | None = None
    _threads: threads_.Threads | None = None
    _inputs: dict[str, Input] = field(default_factory=dict)
    _ran: dict[tuple[str, str], list[Cell]] = field(default_factory=dict)
    _shadowed: set[tuple[str, str]] = field(default_factory=set)
    stopping: Stop | None = None
    _backend: Backend | None = None

    @property
    def last(self) -> Turn | None:
        """The turn before; at first the one, if any, that a kernel which died was at."""
        if not self.turns and self._left_behind is None:
            self._left_behind = self._recovered()
        return self.turns[-1] if self.turns else self._left_behind

    def _recovered(self) -> Turn | None:
        from aoai_magic.state.crash_journal import left_behind

        view = left_behind(self.settings().folder, threads_.place(self.namespace))
        if view is None:
            return None
        turn = self.namespace["_assistant"] = Turn(view)
        return turn

    @property
    def usage(self) -> Usage:
        """Tokens of all turns of this kernel."""
        used = [turn.usage for turn in self.turns]
        return Usage(
            sum(u.input_tokens for u in used),
            sum(u.output_tokens for u in used),
            sum(u.cached_tokens for u in used),
        )

    def running(self) -> list[PendingTurn]:
        """Give the turns that run in the background, oldest first."""
        return [one for one in self.pending if not one.done]

    def before(self, job: Job) -> PendingTurn | None:
        """Give the turn that was asked last in the job's thread and still runs there."""
        key = (job.target.name, job.thread_name)
        asked = range(self._newest.get(key, 0), job.number)
        there = [one for one in self.running() if (one.target, one.thread) == key]
        return next((one for one in reversed(there) if one.number in asked), None)

    def recorded(
        self, job: Job, items: Sequence[Attachment], documents: Sequence[Attachment]
    ) -> bool:
        """Tell whether a turn is to be played from its recording; raise if it has to be."""
        assert job.tape
        before = self._links.get((job.options.on or "", job.thread_name))
        before = None if job.options.new else before
        question = job.question(items, documents, before.key if before else "")
        return job.tape.find(question, only=bool(before and before.played))

    def settings(self, options: Options | None = None) -> Settings:
        """Give the settings in force."""
        config, file = self.layers()
        given = options.settings if options else {}
        return settings_.resolve(given, config, file, front_end=self.front_end)

    def threads(self, settings: Settings) -> threads_.Threads:
        """Give the threads of this notebook."""
        if self._threads is None or self._threads.folder != settings.folder:
            self._threads = threads_.Threads(settings.folder, threads_.place(self.namespace))
        return self._threads

    def spent(self, settings: Settings) -> Spent:
        """Give the record of what this notebook's turns took."""
        return Spent(settings.folder, threads_.place(self.namespace))

    async def ask(
        self, prompt: str, options: Options, data: Mapping[str, Any] | None = None
    ) -> Turn | PendingTurn | None:
        """Do one turn and show it; None for a dry run, a `PendingTurn` for the background.

        ``data`` holds objects to attach that are no variables of the notebook.

        Raises
        ------
        AssistantError
            If the turn could not be begun.
        TurnError
            If it failed, unless ``no_raise``; it holds the turn as far as it came.
        """
        job = self._agreed(prompt, options, data or {})
        return await self._asked(job) if job else None

    def _agreed(self, prompt: str, options: Options, data: Mapping[str, Any]) -> Job | None:
        """Return the turn to be done, once the user agreed to it; None after a dry run."""
        job = self._job(prompt, options, data)
        if options.dry_run:
            with _folder() as folder:
                print(job.plan(folder))  # noqa: T201 - what the user asked to read
            return None
        job.confirm()
        return job

    def _asked(self, job: Job) -> Coroutine[Any, Any, Turn | PendingTurn]:
        return self._begun(job) if job.options.background else self._whole(job)

    async def _whole(self, job: Job) -> Turn:
        with hidden_packages.named(), _folder() as folder:
            ended = await job.done(folder)
        return self._kept(ended, job)

    async def _begun(self, job: Job) -> PendingTurn:
        """Have a turn done in the background; give it once the far side has the question."""
        display = job.settings.display
        pending = PendingTurn(job.target.name, job.thread_name, job.number, display)
        self.pending = [*self.running(), pending]
        self.stopping = pending.wish
        with interrupts(pending.wish):
            pending.start(self._whole(replace(job, pending=pending)))
            await pending.taken()
        self.stopping = None
        self.namespace["_pending"] = pending
        return pending

    def ask_now(
        self, prompt: str, options: Options, data: Mapping[str, Any] | None = None
    ) -> Turn | PendingTurn | None:
        """Do as `ask`, from code that is not asynchronous, also inside a running loop."""
        # The user's expressions and questions belong to the thread of the cell.
        job = self._agreed(prompt, options, data or {})
        return run_blocking(self._asked(job), self.stop) if job else None

    def stop(self) -> None:
        """Ask the turn that is going on, if one is, to stop."""
        if self.stopping:
            self.stopping()

    def backend(self, settings: Settings, target: Target) -> Backend:
        """Give the backend of a target; for ``local`` the engine is started if need be."""
        from aoai_magic.backends import open_backend

        backend = open_backend(settings, target)
        # An equal one from before knows already which assistants it made.
        self._backend = backend if backend != self._backend else self._backend
        return self._backend

    def _job(self, prompt: str, options: Options, data: Mapping[str, Any]) -> Job:
        text = prompt if options.raw else interpolate(prompt, {**self.namespace, **data})
        if not text.strip():
            raise UsageError(
                _(
                    "The cell holds no question; write one below the %%assistant line, e.g. "
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
        target = settings_.resolve_target(settings)
        typed, number = prompt.strip("\n"), next(self._numbers)
        folder, mode = settings.recordings, settings.recordings_mode
        tape = Tape(Path.cwd() / Path(folder).expanduser(), mode) if folder else None
        job = Job(self, text.strip("\n"), options, data, settings, target, typed, number, tape)
        job.check()
        if job.budget:
            from aoai_magic.config.prices import load

            job.budget.check(target.model, load(settings.folder))
        return job

    def with_cell(self, view: View, attachments: Sequence[Attachment], job: Job) -> View:
        """Add what was asked, and the Python as the notebook can run it, with what it needs."""
        from aoai_magic.turn.view import Code

        self._inputs.update((item.filename, _input(item)) for item in attachments)
        key = (job.target.name, job.thread_name)
        earlier = self._ran.setdefault(key, [])
        if job.options.new:
            earlier.clear()
            self._shadowed.discard(key)
        if self._is_shadowed(attachments, job):
            self._shadowed.add(key)
        codes = (part for part in view.parts if isinstance(part, Code) and part.done)
        ran = [Cell(part.code, wanted=part.state == "done") for part in codes]
        is_wanted = any(cell.wanted for cell in ran) and key not in self._shadowed
        cell = as_cell([*earlier, *ran], self._inputs) if is_wanted else None
        earlier.extend(Cell(one.code, wanted=False) for one in ran)
        return replace(view, inputs=dict(self._inputs), cell=cell, question=job.typed)

    def _is_shadowed(self, attachments: Sequence[Attachment], job: Job) -> bool:
        """Tell whether a variable of a function has the name of another one of the notebook.

        Python that reads the notebook's own variables would read the wrong one.
        """
        names = {item.name for item in attachments if item.origin == "variable"} & job.data.keys()
        return any(
            name in self.namespace and self.namespace[name] is not job.data[name] for name in names
        )

    def _kept(self, ended: Ended, job: Job) -> Turn:
        view = ended.view
        turn = Turn(view, library=_library(ended.attachments))
        if job.pending:
            turn.shown_in = job.pending.cell
        self.turns.append(turn)
        self.namespace["_assistant"] = turn
        if job.tape:
            self._links[(job.options.on or "", job.thread_name)] = job.tape
        if not (job.tape and job.tape.played):
            self.spent(job.settings).add(view)
        if view.thread:
            self.remember(view.thread, job)
        if turn.status == "completed" and job.options.out:
            if note := bind_tables(turn, job.options.out, self.namespace):
                print(note)  # noqa: T201 - the notebook's own output
        elif turn.status != "completed":
            _fail(turn, no_raise=job.options.no_raise)
        if ended.trouble:
            raise ended.trouble
        return turn

    def remember(self, thread: str, job: Job) -> None:
        """Have the thread's name mean this thread, unless a later turn has begun it afresh."""
        key = (job.target.name, job.thread_name)
        if job.tape and job.tape.played:
            return
        if job.number >= self._newest.get(key, 0):
            self._newest[key] = job.number
            self.threads(job.settings).put(job.thread_name, job.target.name, thread)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aoai-magic-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _fail(turn: Turn, *, no_raise: bool) -> None:
    """Raise what a turn that is not complete is worth; with ``no_raise``, say why alone."""
    if not no_raise:
        kind = TurnInterrupted if turn.status == "interrupted" else TurnError
        raise kind(turn.error or _("The turn ended as {status}.").format(status=turn.status), turn)
    from aoai_magic.display import complain

    complain(turn.view)


def _input(item: Attachment) -> Input:
    """Say what an attached file is in the notebook: a variable, or a path from here."""
    if item.origin == "variable":
        return Input(item.name, is_variable=True, kind=item.kind, expression=item.expression)
    return Input(os.path.relpath(item.path), is_variable=False)


def _library(attachments: Sequence[Attachment]) -> str:
    """Say in which library tables come back: that of all frames attached, or pandas."""
    frames = {item.kind.partition(".")[0] for item in attachments if "." in item.kind}
    return frames.pop() if len(frames) == 1 and frames <= set(LIBRARIES) else "pandas"
