"""One turn to be done, with all that was decided about it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aoai_magic.config import settings as settings_
from aoai_magic.config.settings import Settings, Target
from aoai_magic.errors import AssistantError, UsageError
from aoai_magic.locale import gettext as _
from aoai_magic.runner.background import PendingTurn
from aoai_magic.runner.bind_tables import instructions_for
from aoai_magic.runner.budget import Budget, Spending, within
from aoai_magic.runner.event_loop import is_blocking
from aoai_magic.runner.follow import Stop, follow, interrupts
from aoai_magic.runner.interpolation import without_expressions
from aoai_magic.runner.options import Options
from aoai_magic.runner.recordings import REPLAY, Tape, hash_of
from aoai_magic.shared import hidden_packages
from aoai_magic.state import threads as threads_
from aoai_magic.turn import progress as meter
from aoai_magic.turn.events import Event, Notice, Started
from aoai_magic.turn.progress import Metered, in_thread

if TYPE_CHECKING:
    from aoai_magic.attach.attachment import Attachment
    from aoai_magic.attach.function_tools import Function
    from aoai_magic.backends.base import Backend
    from aoai_magic.display import Screen
    from aoai_magic.runner.kernel_state import Assistant
    from aoai_magic.state.crash_journal import Journal
    from aoai_magic.turn.view import View


class Ready(NamedTuple):
    """What a turn needs; ``backend`` is None where a recording is played."""

    backend: Backend | None
    attachments: Sequence[Attachment]
    documents: Sequence[Attachment]
    thread: str | None


class Ended(NamedTuple):
    """What came of a job; ``trouble`` is why it could not be saved where it should be."""

    view: View
    attachments: Sequence[Attachment]
    trouble: AssistantError | None


@dataclass(frozen=True)
class Job:
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
        """The variables that can be named, those of the call first."""
        return {**self.assistant.namespace, **self.data}

    @property
    def instructions(self) -> str:
        """What the model is told at the start."""
        out = [instructions_for(self.options.out)] if self.options.out else []
        return "\n\n".join(filter(None, [self.settings.instructions, *out]))

    @property
    def mentioning(self) -> str:
        """The text in which mentions are looked for: as typed, without what expressions yield."""
        return self.typed if self.options.raw else without_expressions(self.typed)

    @property
    def budget(self) -> Budget:
        """What the turn may take."""
        return Budget(self.settings.max_tokens, self.settings.max_cost)

    @property
    def thread_name(self) -> str:
        """The thread's name."""
        return self.options.thread or threads_.UNNAMED

    @property
    def thread(self) -> str | None:
        """The thread's id on the far side, None where a new one is to begin."""
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
        """Give the notebook's functions that are offered as tools."""
        from aoai_magic.attach.function_tools import find

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
        """Give the files that are to be searched."""
        from aoai_magic.attach.resolve import documents

        return documents(self.options.search, Path.cwd())

    def attachments(self, folder: Path) -> list[Attachment]:
        """Give the data, packed into ``folder``."""
        from aoai_magic.attach.resolve import resolve

        return resolve(
            self.options.items,
            self.mentioning,
            self.namespace,
            Path.cwd(),
            rows=self.options.rows,
            schema_only=self.options.schema_only,
            folder=folder,
        )

    async def done(self, folder: Path) -> Ended:
        """Attach, send, follow, save and show."""
        ready = Metered(self._ready(folder))
        stop, opener = self._shown()
        screen = _Screen(opener, ready)
        with closing(self._journal()) as journal, interrupts(stop):
            stream = journal.keep(self._events(ready))
            view = await follow(stream, screen.show, stop, self.settings.timeout)
            attachments = ready.result.attachments if ready.done else []
            # Saved before the last look, which then links to the files.
            view, trouble = self._saved(self.assistant.with_cell(view, attachments, self))
            screen.close(view)
        return Ended(view, attachments, trouble or self._recorded(view))

    def _journal(self) -> Journal:
        from aoai_magic.state.crash_journal import Journal

        place = threads_.place(self.assistant.namespace)
        return Journal(self.settings.folder, place, self.number, self.typed)

    def _shown(self) -> tuple[Stop, Callable[[], Screen]]:
        """Give what stops the turn, and what opens its screen."""
        if self.pending:
            return self.pending.wish, self.pending.open_screen
        from aoai_magic.display import open_screen

        stop = self.assistant.stopping = Stop()
        button = None if is_blocking() else stop
        return stop, lambda: open_screen(self.settings.display, on_stop=button)

    def _saved(self, view: View) -> tuple[View, AssistantError | None]:
        from aoai_magic.runner.save_files import save

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
                    self.assistant.remember(event.thread, self)
                    if self.pending:
                        self.pending.has_begun()
                yield event
                if isinstance(event, Started):
                    for note in self.notes():
                        yield Notice(note)

    async def _stream(self, ready: Ready) -> AsyncGenerator[Event, None]:
        """Yield what the far side, or a recording, gives."""
        from aoai_magic.backends.base import Question
        from aoai_magic.config.prices import load

        if ready.backend is None:
            assert self.tape, "without a backend there is a recording"
            for event in self.tape.play():
                yield event
            return
        instructions = self.instructions
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
            effort=self.settings.effort,
        )
        asked = "\n".join(
            [self.prompt, instructions, *(item.card or "" for item in ready.attachments)]
        )
        spending = Spending(self.budget, prices, self.target.name, model, asked)
        stream = within(self._with_effort(ready.backend.turn(question)), spending)
        async with aclosing(self.tape.watch(stream) if self.tape else stream) as turn:
            async for event in turn:
                yield event

    async def _with_effort(self, stream: AsyncIterator[Event]) -> AsyncGenerator[Event, None]:
        """Yield a turn's events; its start says which effort was asked for."""
        async with aclosing(stream) as turn:  # type: ignore[type-var]
            async for event in turn:
                if isinstance(event, Started) and self.settings.effort:
                    event = replace(event, effort=self.settings.effort)
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
        """Ask before data leaves this machine, or is read from elsewhere on it."""
        from aoai_magic.attach.resolve import describe
        from aoai_magic.runner.consent import confirm, confirm_outside

        confirm_outside(self._outside(), Path.cwd())
        if self.settings.confirm_upload and not (self.tape and self.tape.mode == REPLAY):
            items = describe(self.options.items, self.mentioning, self.namespace, Path.cwd())
            searched = [f"@{path.removeprefix('@')}" for path in self.options.search]
            items += describe(searched, "", {}, Path.cwd())
            confirm(items, self.options.rows, self.target, self.settings)

    def plan(self, folder: Path) -> str:
        """Say what would be sent; nothing is."""
        from aoai_magic.runner.dry_run import plan

        sent = [*self.attachments(folder), *self.documents()]
        notes = [
            *self.notes(),
            *(
                _(
                    "{path} is outside the folder {folder}; you will be asked before it goes."
                ).format(path=path, folder=Path.cwd())
                for path in self._outside()
            ),
        ]
        return plan(self.prompt, sent, self.target, self.settings, self.functions(), notes)

    def notes(self) -> list[str]:
        """Return what the user should know about the prompt: mentions that are mere text."""
        from aoai_magic.attach.resolve import unattached

        words = unattached(self.mentioning, self.namespace, Path.cwd())
        text = _("Sent as text, since no variable or file has that name: {words}")
        return [text.format(words=", ".join(words))] if words else []

    def _outside(self) -> list[Path]:
        from aoai_magic.attach.resolve import mentioned_outside

        return mentioned_outside(self.options.items, self.mentioning, self.namespace, Path.cwd())

    def question(
        self, items: Sequence[Attachment], documents: Sequence[Attachment], after: str
    ) -> dict[str, Any]:
        """Say what the answer depends on; see `recordings.Question`."""
        from aoai_magic.shared.network import without_credentials

        options = {
            "--model": self.options.model,
            "--on": self.options.on and without_credentials(self.options.on),
            "--instructions": self.settings.instructions,
            "--effort": self.settings.effort,
            "--tool-choice": self.options.tool_choice,
            "--rows": self.options.rows,
            "--schema-only": self.options.schema_only,
        }
        return {
            "prompt": self.prompt,
            "data": _hashes(items),
            "documents": _hashes(documents),
            "functions": {one.name: hash_of(one.tool) for one in self.functions()},
            "options": {name: value for name, value in options.items() if value},
            "after": after,
        }


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


def _hashes(items: Sequence[Attachment]) -> dict[str, str]:
    names = Counter(item.name for item in items)
    return {item.name if names[item.name] == 1 else item.filename: item.sha256 for item in items}


def _import_sdk() -> None:
    """Import what takes longest, so that the first turn has it when its engine is up."""
    hidden_packages.refuse("openai")
    import openai.resources.beta.threads
    import openai.types.beta  # noqa: F401
