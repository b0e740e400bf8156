"""One turn: its data packed and sent, its events pumped, until the stream has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aoai_magic.config.prices import Prices
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later
from aoai_magic.runner import model_ends
from aoai_magic.runner.background import PendingTurn
from aoai_magic.runner.budget import BudgetObserver, Spending
from aoai_magic.runner.cancel import CancelToken, interrupts
from aoai_magic.runner.follow import Observer, follow
from aoai_magic.runner.recordings import Tape
from aoai_magic.runner.request import Request
from aoai_magic.runner.suggestions import Suggestions
from aoai_magic.runner.typed_answer import with_repair
from aoai_magic.state.threads import UNNAMED, Threads
from aoai_magic.turn import progress as meter
from aoai_magic.turn.events import Event, Finished, Notice, Started
from aoai_magic.turn.progress import Metered, in_thread
from aoai_magic.turn.times import STARTING

if TYPE_CHECKING:
    from aoai_magic.attach.attachment import Attachment
    from aoai_magic.attach.pictures import Picture
    from aoai_magic.backends.base import Backend, Question
    from aoai_magic.display import Screen
    from aoai_magic.turn.view import View

EARLIER = later("This notebook's conversation goes on; --new starts afresh.")


@dataclass(frozen=True)
class Dependencies:
    """What a turn works with.

    Attributes
    ----------
    threads
        Which thread a name means.
    open_backend
        Returns the target's backend; called in a thread of its own, as it may start an engine.
    cancel
        Ends the turn early.
    open_screen
        Opens the place where the turn is shown.
    observers
        See its events, after those of `run_turn` itself.
    tape, tape_before
        The recording of the turn, and that of the turn before in its thread.
    turn_before
        The turn that still runs in the thread.
    """

    threads: Threads
    open_backend: Callable[[], Backend]
    cancel: CancelToken
    open_screen: Callable[[], Screen]
    observers: Sequence[Observer] = ()
    tape: Tape | None = None
    tape_before: Tape | None = None
    turn_before: PendingTurn | None = None


class Outcome(NamedTuple):
    """What came of a turn, and the screen that is still open to show its end."""

    view: View
    attachments: Sequence[Attachment]
    screen: LateScreen


class Prepared(NamedTuple):
    """What a turn needs; ``backend`` is None where a recording is played."""

    backend: Backend | None
    attachments: Sequence[Attachment]
    documents: Sequence[Attachment]
    thread: str | None
    prices: Prices
    notes: Sequence[str]
    pictures: Sequence[Picture] = ()


async def run_turn(request: Request, deps: Dependencies, folder: Path) -> Outcome:
    """Run a turn: attach, send and follow; return what came, however the turn ended.

    ``folder`` is for what is packed. Nothing is saved, bound or remembered here; see
    `after_turn`.

    Raises
    ------
    AssistantError
        If the turn could not be started.
    """
    preparing = Metered(_prepare(request, deps, folder))
    screen = LateScreen(deps.open_screen, preparing)
    budget = BudgetObserver(deps.cancel)
    own: list[Observer] = [budget, *([deps.tape] if deps.tape else [])]
    own.append(ThreadObserver(request, deps))
    stream = _events(request, deps, preparing, budget)
    with interrupts(deps.cancel):
        view = await follow(
            stream,
            screen.show,
            deps.cancel,
            request.settings.timeout,
            [*own, *deps.observers],
        )
    attachments = preparing.result.attachments if preparing.done else []
    return Outcome(view, attachments, screen)


async def _events(
    request: Request, deps: Dependencies, preparing: Metered[Prepared], budget: BudgetObserver
) -> AsyncGenerator[Event, None]:
    """Yield the whole turn's events, from the reading of the data on."""
    async with aclosing(preparing.events()) as moves:
        async for progress in moves:
            yield progress
    notes = list(preparing.result.notes)
    async with aclosing(_answer(request, deps, preparing.result, budget)) as answer:
        async for event in answer:
            yield event
            while notes and isinstance(event, Started):
                yield Notice(notes.pop(0))


async def _answer(
    request: Request, deps: Dependencies, prepared: Prepared, budget: BudgetObserver
) -> AsyncGenerator[Event, None]:
    """Yield what the server, or a recording, gives."""
    if prepared.backend is None:
        assert deps.tape, "without a backend there is a recording"
        for event in deps.tape.play():
            yield event
        return
    question = _question(request, prepared)
    budget.begin(_spending(request, prepared))
    ending = model_ends.begin(request.target)
    if wanted := request.expected:
        events: AsyncIterator[Event] = with_repair(wanted, question, prepared.backend.turn)
    elif request.suggests:
        events = _with_suggestions(prepared.backend.turn(question))
    else:
        events = prepared.backend.turn(question)
    async with aclosing(events) as turn:  # type: ignore[type-var]
        async for event in turn:
            # Asked beside the turn, which never waits for it.
            over = isinstance(event, Finished) and ending and ending.done()
            if ending and over and (note := model_ends.once(request.target, ending.result())):
                yield Notice(note)
            yield _started(event, request) if isinstance(event, Started) else event


async def _with_suggestions(turn: AsyncIterator[Event]) -> AsyncGenerator[Event, None]:
    """Yield a turn's events with the questions that the answer offers apart from it."""
    suggestions = Suggestions()
    async with aclosing(turn) as events:  # type: ignore[type-var]
        async for event in events:
            for shown in suggestions.take(event):
                yield shown


def _started(event: Started, request: Request) -> Started:
    """Return the event with what the request says of the turn."""
    context = ", ".join(one.name for one in request.context) or event.context
    return replace(event, effort=request.settings.effort or event.effort, context=context)


def _question(request: Request, prepared: Prepared) -> Question:
    from aoai_magic.backends.base import Question

    return Question(
        request.prompt,
        prepared.attachments,
        prepared.thread,
        request.target.model,
        request.instructions,
        documents=prepared.documents,
        functions=request.functions(),
        tool_choice=request.tool_choice(),
        max_output=request.budget.most_output(request.target.model, prepared.prices),
        effort=request.settings.effort,
        pictures=prepared.pictures,
    )


def _spending(request: Request, prepared: Prepared) -> Spending:
    """Return the count of what the turn takes, which begins with what the model reads."""
    cards = (item.card or "" for item in prepared.attachments)
    asked = "\n".join([request.prompt, request.instructions, *cards])
    target = request.target
    count = len(prepared.pictures)
    return Spending(request.budget, prepared.prices, target.name, target.model, asked, count)


async def _prepare(request: Request, deps: Dependencies, folder: Path) -> Prepared:
    """Pack the data, import the SDK and start the engine, all at once."""
    from aoai_magic.attach.pictures import for_model, unshown_notes
    from aoai_magic.config.prices import load

    # A recording makes do without.
    opening = None if deps.tape else _open(deps)
    attachments = await in_thread(lambda: request.attachments(folder))
    documents = await in_thread(lambda: request.documents(folder))
    notes = [_(EARLIER)] if await in_thread(lambda: _is_earlier(request, deps)) else []
    thread = await _free_thread(request, deps)
    request.check_documents(thread)
    prices = await in_thread(lambda: load(request.settings.folder))
    notes += await in_thread(lambda: request.notes(attachments))
    notes += [item.notice for item in attachments if item.notice]
    if deps.tape and _is_recorded(request, deps.tape, deps.tape_before, attachments, documents):
        return Prepared(None, attachments, documents, thread, prices, notes)
    pictures, unshown = await in_thread(lambda: for_model(attachments))
    notes += unshown_notes(unshown)
    meter.current().begin(_(STARTING))
    backend = await (opening or _open(deps))
    return Prepared(backend, attachments, documents, thread, prices, notes, pictures)


def _is_recorded(
    request: Request,
    tape: Tape,
    before: Tape | None,
    attachments: Sequence[Attachment],
    documents: Sequence[Attachment],
) -> bool:
    """Return whether the turn is to be played from its recording; raise if it has to be."""
    before = None if request.options.new else before
    question = request.question(attachments, documents, before.key if before else "")
    return tape.find(question, only=bool(before and before.played))


def _open(deps: Dependencies) -> asyncio.Task[Backend]:
    from aoai_magic.backends import import_sdk

    async def open_() -> Backend:
        starting = asyncio.to_thread(deps.open_backend)
        return (await asyncio.gather(asyncio.to_thread(import_sdk), starting))[1]

    opening = asyncio.create_task(open_())
    # Where packing fails nobody asks for the engine's own error, and that is no news.
    opening.add_done_callback(lambda task: task.cancelled() or task.exception())
    return opening


async def _free_thread(request: Request, deps: Dependencies) -> str | None:
    """Return the thread's id once it is free, None for a new one: it takes one turn at a time."""
    if request.options.new:
        return None
    before = deps.turn_before
    if before is not None:
        meter.current().begin(_("waiting for the turn before in this thread"))
        await before.over()
        if before.turn:
            return before.turn.thread
    if deps.tape and request.thread_name == UNNAMED:
        # Recorded or played again, a notebook run from its top gives the same conversation.
        return deps.threads.current(request.target.name)
    return await in_thread(lambda: deps.threads.get(request.thread_name, request.target.name))


def _is_earlier(request: Request, deps: Dependencies) -> bool:
    """Return whether the turn goes on, unasked, in a thread of the kernel before."""
    if request.options.new or deps.tape or request.thread_name != UNNAMED:
        return False
    return deps.threads.is_earlier(UNNAMED, request.target.name)


class ThreadObserver:
    """Has the thread's name mean the turn's thread as soon as there is one.

    Not only at the end: the thread outlives a kernel that dies before.
    """

    def __init__(self, request: Request, deps: Dependencies) -> None:
        self._request = request
        self._deps = deps
        self._saving: asyncio.Task[None] | None = None

    def __call__(self, event: Event) -> Event:
        """Return the event as it is."""
        is_played = self._deps.tape is not None and self._deps.tape.played
        if isinstance(event, Started) and event.thread and not is_played:
            self._saving = asyncio.create_task(self._save(self._saving, event.thread))
        return event

    async def _save(self, before: asyncio.Task[None] | None, thread: str) -> None:
        if before is not None:
            await before
        await asyncio.to_thread(remember, self._request, self._deps.threads, thread)


def remember(request: Request, threads: Threads, thread: str) -> None:
    """Store that id under the name of the request's thread."""
    threads.put(request.thread_name, request.target.name, thread, request.number)


class LateScreen:
    """The turn's screen, opened only when there is something to see.

    What keeps a turn from beginning is an exception alone, without a turn shown above it.
    """

    def __init__(self, opener: Callable[[], Screen], preparing: Metered[Prepared]) -> None:
        self._opener = opener
        self._preparing = preparing
        self._screen: Screen | None = None

    def show(self, view: View) -> None:
        """Show the view, unless nothing has happened yet or nothing ever will."""
        if view.progress or self._preparing.succeeded:
            self._open().show(view)

    def close(self, view: View) -> None:
        """Keep the view in place."""
        if self._screen or not self._preparing.done or self._preparing.succeeded:
            self._open().close(view)

    def _open(self) -> Screen:
        if self._screen is None:
            self._screen = self._opener()
        return self._screen
