"""The assistant of one kernel: its threads, its last turn, and how a turn is done."""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from . import meter
from . import settings as settings_
from . import threads as threads_
from .blocking import run_blocking
from .budget import Budget, Spending, within
from .cellcode import Cell, Input, as_cell
from .conversation import Stop, follow, interrupts
from .errors import AssistantError, TurnError, TurnInterrupted, UsageError
from .events import Event, Started, Usage
from .locale import gettext as _
from .meter import Metered, in_thread
from .options import Options
from .pending import PendingTurn
from .prompt import interpolate
from .recordings import REPLAY, Tape, hash_of
from .settings import Settings, Target
from .spent import Spent
from .tables import LIBRARIES, is_table
from .turn import Turn

if TYPE_CHECKING:
    from .attach.item import Attachment
    from .backends.base import Backend
    from .display import Screen
    from .functions import Function
    from .journal import Journal
    from .view import View

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
    _stop: Stop | None = None
    _backend: Backend | None = None

    @property
    def last(self) -> Turn | None:
        """The turn before; at first the one, if any, that a kernel which died was at."""
        if not self.turns and self._left_behind is None:
            self._left_behind = self._recovered()
        return self.turns[-1] if self.turns else self._left_behind

    def _recovered(self) -> Turn | None:
        from .journal import left_behind

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

    def before(self, job: _Job) -> PendingTurn | None:
        """Give the turn that was asked last in the job's thread and still runs there."""
        key = (job.target.name, job.thread_name)
        asked = range(self._newest.get(key, 0), job.number)
        there = [one for one in self.running() if (one.target, one.thread) == key]
        return next((one for one in reversed(there) if one.number in asked), None)

    def recorded(
        self, job: _Job, items: Sequence[Attachment], documents: Sequence[Attachment]
    ) -> bool:
        """Tell whether a turn is to be played from its recording; raise if it has to be."""
        assert job.tape
        before = self._links.get((job.options.on or "", job.thread_name))
        before = None if job.options.new else before
        question = _asked(job, items, documents, before.key if before else "")
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
        job = self._job(prompt, options, data or {})
        if options.dry_run:
            with _folder() as folder:
                print(job.plan(folder))  # noqa: T201 - what the user asked to read
            return None
        job.confirm()
        return await (self._begun(job) if options.background else self._whole(job))

    async def _whole(self, job: _Job) -> Turn:
        with _folder() as folder:
            ended = await job.done(folder)
        return self._kept(ended, job)

    async def _begun(self, job: _Job) -> PendingTurn:
        """Have a turn done in the background; give it once the far side has the question."""
        display = job.settings.display
        pending = PendingTurn(job.target.name, job.thread_name, job.number, display)
        self.pending = [*self.running(), pending]
        self._stop = pending.wish
        with interrupts(pending.wish):
            pending.start(self._whole(replace(job, pending=pending)))
            await pending.taken()
        self._stop = None
        self.namespace["_pending"] = pending
        return pending

    def ask_now(
        self, prompt: str, options: Options, data: Mapping[str, Any] | None = None
    ) -> Turn | PendingTurn | None:
        """Do as `ask`, from code that is not asynchronous, also inside a running loop."""
        return run_blocking(self.ask(prompt, options, data), self.stop)

    def stop(self) -> None:
        """Ask the turn that is going on, if one is, to stop."""
        if self._stop:
            self._stop()

    def backend(self, settings: Settings, target: Target) -> Backend:
        """Give the backend of a target; for ``local`` the engine is started if need be."""
        from .backends import open_backend

        backend = open_backend(settings, target)
        # An equal one from before knows already which assistants it made.
        self._backend = backend if backend != self._backend else self._backend
        return self._backend

    def _job(self, prompt: str, options: Options, data: Mapping[str, Any]) -> _Job:
        text = prompt if options.raw else interpolate(prompt, self.namespace)
        if not text.strip():
            raise UsageError(
                _(
                    "The cell holds no question; write one below the %%assistant line, e.g. "
                    "'Which region grew fastest?' (%%assistant? shows all options)."
                )
            )
        settings = self.settings(options)
        target = settings_.resolve_target(settings)
        typed, number = prompt.strip("\n"), next(self._numbers)
        folder, mode = settings.recordings, settings.recordings_mode
        tape = Tape(Path.cwd() / Path(folder).expanduser(), mode) if folder else None
        job = _Job(self, text.strip("\n"), options, data, settings, target, typed, number, tape)
        job.check()
        if job.budget:
            from .backends.prices import load

            job.budget.check(target.model, load(settings.folder))
        return job

    def _with_cell(self, view: View, attachments: Sequence[Attachment], job: _Job) -> View:
        """Add what was asked, and the Python as the notebook can run it, with what it needs."""
        from .view import Code

        self._inputs.update((item.filename, _input(item)) for item in attachments)
        earlier = self._ran.setdefault((job.target.name, job.thread_name), [])
        if job.options.new:
            earlier.clear()
        codes = (part for part in view.parts if isinstance(part, Code) and part.done)
        ran = [Cell(part.code, wanted=part.state == "done") for part in codes]
        is_wanted = any(cell.wanted for cell in ran)
        cell = as_cell([*earlier, *ran], self._inputs) if is_wanted else None
        earlier.extend(Cell(one.code, wanted=False) for one in ran)
        return replace(view, inputs=dict(self._inputs), cell=cell, question=job.typed)

    def _kept(self, ended: _Ended, job: _Job) -> Turn:
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
            self._remember(view.thread, job)
        if turn.status == "completed" and job.options.out:
            self.namespace[job.options.out] = _bound(turn, job.options.out)
        elif turn.status != "completed":
            _fail(turn, no_raise=job.options.no_raise)
        if ended.trouble:
            raise ended.trouble
        return turn

    def _remember(self, thread: str, job: _Job) -> None:
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
    from .display import complain

    complain(turn.view)


class Ready(NamedTuple):
    """What a turn needs; ``backend`` is None where a recording is played."""

    backend: Backend | None
    attachments: Sequence[Attachment]
    documents: Sequence[Attachment]
    thread: str | None


class _Ended(NamedTuple):
    """What came of a job; ``trouble`` is why it could not be saved where it should be."""

    view: View
    attachments: Sequence[Attachment]
    trouble: AssistantError | None


@dataclass(frozen=True)
class _Job:
    """One turn to be done, with all that was decided about it.

    ``prompt`` is what is sent; ``typed`` has no value in the place of ``{{expression}}``.
    ``number`` counts the kernel's questions in the order in which they were asked.
    """

    assistant: Assistant
    prompt: str
    options: Options
    data: Mapping[str, Any]
    settings: Settings
    target: Target
    typed: str
    number: int
    tape: Tape | None = None
    pending: PendingTurn | None = None

    @property
    def namespace(self) -> Mapping[str, Any]:
        return {**self.assistant.namespace, **self.data}

    @property
    def budget(self) -> Budget:
        return Budget(self.settings.max_tokens, self.settings.max_cost)

    @property
    def thread_name(self) -> str:
        return self.options.thread or threads_.UNNAMED

    @property
    def thread(self) -> str | None:
        if self.options.new:
            return None
        return self.assistant.threads(self.settings).get(self.thread_name, self.target.name)

    def check(self) -> None:
        """Refuse options that the target cannot keep."""
        searches = self.options.search or self.options.tool_choice == "file_search"
        if searches and self.target.name in settings_.SERVICES:
            raise UsageError(
                _(
                    "File search cannot be had with --on {target}, where the service's container "
                    "does the work; use --on local or an engine's URL."
                ).format(target=self.target.name)
            )
        self.tool_choice()
        self.functions()

    def functions(self) -> list[Function]:
        from .functions import find

        return find(self.options.tool, self.namespace)

    def tool_choice(self) -> str | dict[str, Any] | None:
        """Give the choice as the API takes it: a word, a tool, or a function."""
        choice = self.options.tool_choice
        if choice in (None, "auto", "none", "required"):
            return choice
        if choice == "file_search" and not self.options.search and self.thread is None:
            raise UsageError(_("--tool-choice file_search wants documents; name them by --search."))
        if choice in ("code_interpreter", "file_search"):
            return {"type": choice}
        if choice not in [function.name for function in self.functions()]:
            raise UsageError(
                _(
                    "--tool-choice {choice}: there is auto, none, required, code_interpreter, "
                    "file_search, and the name of a function that --tool offers."
                ).format(choice=choice)
            )
        return {"type": "function", "function": {"name": choice}}

    def documents(self) -> list[Attachment]:
        from .attach.resolve import documents

        return documents(self.options.search, Path.cwd())

    def attachments(self, folder: Path) -> list[Attachment]:
        from .attach.resolve import resolve

        return resolve(
            self.options.items,
            self.prompt,
            self.namespace,
            Path.cwd(),
            rows=self.options.rows,
            schema_only=self.options.schema_only,
            folder=folder,
        )

    async def done(self, folder: Path) -> _Ended:
        """Attach, send, follow, save and show."""
        ready = Metered(self._ready(folder))
        stop, opener = self._shown()
        screen = _Screen(opener, ready)
        with closing(self._journal()) as journal, interrupts(stop):
            stream = journal.keep(self._events(ready))
            view = await follow(stream, screen.show, stop, self.settings.timeout)
            attachments = ready.result.attachments if ready.done else []
            # Saved before the last look, which then links to the files.
            view, trouble = self._saved(self.assistant._with_cell(view, attachments, self))
            screen.close(view)
        return _Ended(view, attachments, trouble or self._recorded(view))

    def _journal(self) -> Journal:
        from .journal import Journal

        place = threads_.place(self.assistant.namespace)
        return Journal(self.settings.folder, place, self.number, self.typed)

    def _shown(self) -> tuple[Stop, Callable[[], Screen]]:
        """Give what stops the turn, and what opens its screen."""
        if self.pending:
            return self.pending.wish, self.pending.open_screen
        from .display import open_screen

        stop = self.assistant._stop = Stop()
        return stop, lambda: open_screen(self.settings.display, on_stop=stop)

    def _saved(self, view: View) -> tuple[View, AssistantError | None]:
        from .saving import save

        if not self.settings.save:
            return view, None
        try:
            return save(view, self.settings.save, overwrite=self.options.overwrite), None
        except AssistantError as error:
            return view, error

    def _recorded(self, view: View) -> AssistantError | None:
        try:
            if self.tape:
                self.tape.keep(view)
        except AssistantError as error:
            return error
        return None

    async def _events(self, ready: Metered[Ready]) -> AsyncGenerator[Event, None]:
        """Yield the whole turn's events, from the reading of the data on."""
        async with aclosing(ready.events()) as moves:
            async for progress in moves:
                yield progress
        async with aclosing(self._stream(ready.result)) as turn:
            async for event in turn:
                if isinstance(event, Started):
                    # Not only at the end: the thread outlives a kernel that dies before.
                    self.assistant._remember(event.thread, self)
                    if self.pending:
                        self.pending.has_begun()
                yield event

    async def _stream(self, ready: Ready) -> AsyncGenerator[Event, None]:
        """Yield what the far side, or a recording, gives."""
        from .backends.base import Question
        from .backends.prices import load

        if ready.backend is None:
            assert self.tape, "without a backend there is a recording"
            for event in self.tape.play():
                yield event
            return
        instructions = self.settings.instructions
        prices = load(self.settings.folder)
        model, most = self.target.model, self.budget.most_output(self.target.model, prices)
        question = Question(
            self.prompt,
            ready.attachments,
            ready.thread,
            model,
            instructions,
            documents=ready.documents,
            functions=self.functions(),
            tool_choice=self.tool_choice(),
            max_output=most,
        )
        asked = "\n".join(
            [self.prompt, instructions, *(item.card or "" for item in ready.attachments)]
        )
        spending = Spending(self.budget, prices, self.target.name, model, asked)
        stream = within(ready.backend.turn(question), spending)
        async with aclosing(self.tape.watch(stream) if self.tape else stream) as turn:
            async for event in turn:
                yield event

    async def _ready(self, folder: Path) -> Ready:
        """Pack the data, import the SDK and start the engine, all at once."""
        # A recording makes do without.
        opening = None if self.tape else self._opening()
        attachments = await in_thread(lambda: self.attachments(folder))
        documents = await in_thread(self.documents)
        thread = await self._own_thread()
        if self.tape and self.assistant.recorded(self, attachments, documents):
            return Ready(None, attachments, documents, thread)
        meter.current().begin(_("starting the engine"))
        return Ready(await (opening or self._opening()), attachments, documents, thread)

    def _opening(self) -> asyncio.Task[Backend]:
        async def open_() -> Backend:
            starting = asyncio.to_thread(self.assistant.backend, self.settings, self.target)
            return (await asyncio.gather(asyncio.to_thread(_import_sdk), starting))[1]

        opening = asyncio.create_task(open_())
        # Where packing fails nobody asks for the engine's own error, and that is no news.
        opening.add_done_callback(lambda task: task.cancelled() or task.exception())
        return opening

    async def _own_thread(self) -> str | None:
        """Give the id of the thread once it is free: it takes one turn at a time."""
        before = None if self.options.new else self.assistant.before(self)
        if before is None:
            return self.thread
        meter.current().begin(_("waiting for the turn before in this thread"))
        await before.over()
        return before.turn.thread if before.turn else self.thread

    def confirm(self) -> None:
        """Ask before data leaves this machine, if the settings want it; raise if not allowed."""
        from .attach.resolve import describe
        from .plan import confirm

        if self.settings.confirm_upload and not (self.tape and self.tape.mode == REPLAY):
            items = describe(self.options.items, self.prompt, self.namespace, Path.cwd())
            searched = [f"@{path.removeprefix('@')}" for path in self.options.search]
            items += describe(searched, "", {}, Path.cwd())
            confirm(items, self.options.rows, self.target, self.settings)

    def plan(self, folder: Path) -> str:
        """Say what would be sent; nothing is."""
        from .plan import plan

        sent = [*self.attachments(folder), *self.documents()]
        return plan(self.prompt, sent, self.target, self.settings, self.functions())


class _Screen:
    """The turn's screen, opened only when there is something to see.

    What keeps a turn from beginning is an exception alone, without a turn shown above it.
    """

    def __init__(self, opener: Callable[[], Screen], ready: Metered[Ready]) -> None:
        self._opener = opener
        self._ready = ready
        self._screen: Screen | None = None

    def show(self, view: View) -> None:
        """Show the view, unless nothing has happened yet or nothing ever will."""
        if view.progress or self._ready.succeeded:
            self._opened().show(view)

    def close(self, view: View) -> None:
        """Leave the view in place."""
        if self._screen or not self._ready.done or self._ready.succeeded:
            self._opened().close(view)

    def _opened(self) -> Screen:
        if self._screen is None:
            self._screen = self._opener()
        return self._screen


def _asked(
    job: _Job, items: Sequence[Attachment], documents: Sequence[Attachment], after: str
) -> dict[str, Any]:
    """Say what the answer depends on, as `recordings.Question`; the environment is none of it."""
    from .backends.connect import without_credentials

    options = {
        "--model": job.options.model,
        "--on": job.options.on and without_credentials(job.options.on),
        "--instructions": job.settings.instructions,
        "--tool-choice": job.options.tool_choice,
        "--rows": job.options.rows,
        "--schema-only": job.options.schema_only,
    }
    return {
        "prompt": job.prompt,
        "data": _hashes(items),
        "documents": _hashes(documents),
        "functions": {one.name: hash_of(one.tool) for one in job.functions()},
        "options": {name: value for name, value in options.items() if value},
        "after": after,
    }


def _hashes(items: Sequence[Attachment]) -> dict[str, str]:
    names = Counter(item.name for item in items)
    return {item.name if names[item.name] == 1 else item.filename: item.sha256 for item in items}


def _import_sdk() -> None:
    """Import what takes longest, so that the first turn has it when its engine is up."""
    import openai.resources.beta.threads
    import openai.types.beta  # noqa: F401


def _input(item: Attachment) -> Input:
    """Say what an attached file is in the notebook: a variable, or a path from here."""
    if item.origin == "variable":
        return Input(item.name, is_variable=True, kind=item.kind, expression=item.expression)
    return Input(os.path.relpath(item.path), is_variable=False)


def _library(attachments: Sequence[Attachment]) -> str:
    """Say in which library tables come back: that of all frames attached, or pandas."""
    frames = {item.kind.partition(".")[0] for item in attachments if "." in item.kind}
    return frames.pop() if len(frames) == 1 and frames <= set(LIBRARIES) else "pandas"


def _bound(turn: Turn, name: str) -> Any:
    """Give what ``-o`` binds: the one table, or several by name."""
    frames = turn.frames
    unread = [file for file in turn.files if is_table(file)]
    if not frames and unread:
        raise AssistantError(
            _(
                "{name} is not set because {files} cannot be read as a table: it is broken "
                "or too large; _assistant.files[{first!r}] has its bytes."
            ).format(name=name, files=", ".join(unread), first=unread[0])
        )
    if not frames:
        raise AssistantError(
            _(
                "{name} is not set because no table came back; ask for one in so many words, "
                "e.g. 'save the result as a CSV file'."
            ).format(name=name)
        )
    return next(iter(frames.values())) if len(frames) == 1 else frames
