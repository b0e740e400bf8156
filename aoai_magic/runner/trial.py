"""One short real turn, and what it shows of a model: how it is asked, what it can do, how fast."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aoai_magic.config.prices import Prices
from aoai_magic.config.settings import SERVICES, resolve_target
from aoai_magic.errors import AssistantError
from aoai_magic.locale import gettext as _
from aoai_magic.runner.budget import BudgetObserver, Spending
from aoai_magic.runner.cancel import CancelToken
from aoai_magic.runner.diagnostics import Finding, examine
from aoai_magic.runner.event_loop import run_blocking
from aoai_magic.runner.follow import follow
from aoai_magic.runner.options import Options
from aoai_magic.runner.request import Request
from aoai_magic.state.usage import UsageLog
from aoai_magic.turn import events
from aoai_magic.turn.view import Code, Image, View

if TYPE_CHECKING:
    from aoai_magic.backends.base import Backend, Question
    from aoai_magic.config.settings import Settings, Target

PROMPT = """Run this Python once with your tool, exactly as it stands:

import matplotlib.pyplot as plt
plt.plot([1, 4, 9])
plt.show()
print(6 * 7)

Then write the numbers from one to twenty as words in one line, and nothing else."""
"""What a language model is asked: a tool call, a picture, and enough words to be timed."""

RULES_PROMPT = "What is 6 * 7?"
"""What the offline model is asked, which is no language model."""

STREAMED_PIECES, STREAMED_SECONDS = 3, 0.02
"""What is streamed comes at least in so many pieces, over so long a time."""

APIS = {"responses": "Responses", "chat": "Chat Completions"}

_WRITING = (events.TextDelta, events.ReasoningDelta, events.CodeDelta)


@dataclass
class Watch:
    """Sees when the pieces of an answer come; seconds of a monotonic clock."""

    started: float = 0.0
    first: float | None = None
    texts: dict[str, list[float]] = field(default_factory=dict)

    def __call__(self, event: events.Event) -> events.Event:
        """Return the event as it is."""
        now = time.monotonic()
        if isinstance(event, events.Started):
            self.started = now
        if isinstance(event, _WRITING) and self.first is None:
            self.first = now - self.started
        if isinstance(event, events.TextDelta):
            self.texts.setdefault(event.part, []).append(now)
        return event

    @property
    def streamed(self) -> bool:
        """Whether a text came in pieces, as it was written."""
        return any(
            len(times) >= STREAMED_PIECES and times[-1] - times[0] >= STREAMED_SECONDS
            for times in self.texts.values()
        )


@dataclass(frozen=True)
class Trial:
    """What came of the turn, and what an engine of ours learned of the model by it."""

    view: View
    watch: Watch
    target: Target
    effort: str
    abilities: Mapping[str, Any]

    @property
    def ran(self) -> bool:
        """Whether code ran to its end."""
        return any(isinstance(part, Code) and part.state == "done" for part in self.view.parts)


def examine_and_try(settings: Settings, place: str) -> list[Finding]:
    """Check everything that a turn needs, and then run one, unless something is missing."""
    findings = examine(settings)
    if any(finding.state == "bad" for finding in findings):
        return findings
    return findings + try_turn(settings, resolve_target(settings), place)


def try_turn(settings: Settings, target: Target, place: str) -> list[Finding]:
    """Make one short turn within the settings' budget; describe what it showed.

    It stands in no thread of the user's and is deleted on the server; its tokens count among
    those of the notebook at ``place``.
    """
    from aoai_magic.backends import open_backend
    from aoai_magic.config.prices import load

    prompt = RULES_PROMPT if target.model == "offline" else PROMPT
    request = Request(prompt, prompt, Options(), settings, target, {}, {}, 0, place)
    try:
        prices = load(settings.folder)
        request.budget.check(target.model, prices)
        backend = open_backend(settings, target, place)
        trial = run_blocking(_tried(request, backend, prices))
    except AssistantError as error:
        return [Finding("bad", str(error))]
    UsageLog(settings.folder, place).add(trial.view)
    return list(_findings(trial))


async def _tried(request: Request, backend: Backend, prices: Prices) -> Trial:
    cancel = CancelToken()
    target, settings, watch = request.target, request.settings, Watch()
    budget = BudgetObserver(cancel)
    budget.begin(Spending(request.budget, prices, target.name, target.model, request.prompt))
    stream = _turn(backend, _question(request, prices))
    view = await follow(stream, _unseen, cancel, settings.timeout, [budget, watch])
    abilities = {} if target.name in SERVICES else await _abilities(backend, target.model)
    if view.thread:
        await _deleted(backend, view.thread)
    return Trial(view, watch, target, settings.effort, abilities)


def _question(request: Request, prices: Prices) -> Question:
    from aoai_magic.backends.base import Question

    most = request.budget.most_output(request.target.model, prices)
    settings = request.settings
    return Question(
        request.prompt, model=request.target.model, max_output=most, effort=settings.effort
    )


async def _turn(backend: Backend, question: Question) -> AsyncIterator[events.Event]:
    async with aclosing(backend.turn(question)) as turn:  # type: ignore[type-var]
        async for event in turn:
            yield event


def _unseen(_view: View) -> None:
    """Show nothing: the findings say it all."""


async def _abilities(backend: Any, model: str) -> Mapping[str, Any]:
    """Return what an engine of ours learned of the model; nothing where it is none of ours."""
    try:
        return await backend.abilities(model) or {}
    except AssistantError:
        return {}


async def _deleted(backend: Backend, thread: str) -> None:
    try:
        await backend.holdings().delete_thread(thread)
    except AssistantError:
        return  # `cleanup` shows what is left


def _findings(trial: Trial) -> Iterator[Finding]:
    view = trial.view
    if view.status != "completed":
        failed = _("The turn ended with status {status}.").format(status=view.status)
        yield Finding("bad", view.error or failed)
        return
    if view.model == "offline":
        text = _(
            "the offline model answered in {seconds:.1f} s: it is rules, so it writes no tokens "
            "and costs nothing"
        )
        yield Finding("ok", text.format(seconds=view.seconds or 0.0))
        return
    yield Finding("ok", _speed(trial))
    yield from _wire(trial)
    yield from _tools(trial)
    yield from _pictures(trial)
    yield _effort(trial)
    yield _context(trial)


def _speed(trial: Trial) -> str:
    view, times = trial.view, trial.view.times or events.Times()
    said = [
        _("a turn took {seconds:.1f} s").format(seconds=view.seconds or 0.0),
        _("first word after {seconds:.1f} s").format(seconds=trial.watch.first or 0.0),
    ]
    # What comes in one piece was written while we waited for it.
    writing = times.writing + (0.0 if trial.watch.streamed else times.waiting)
    if view.usage.output_tokens and writing:
        rate = view.usage.output_tokens / writing
        text = _("about {rate:,.0f} tokens a second") if view.usage.estimated else ""
        said += [(text or _("{rate:,.0f} tokens a second")).format(rate=rate)]
    if view.cost is not None:
        said += [_("about {amount}").format(amount=f"${view.cost:.4f}")]
    return _(", ").join(said)


def _wire(trial: Trial) -> Iterator[Finding]:
    api = "responses" if trial.target.name in SERVICES else trial.abilities.get("api")
    if api in APIS:
        yield Finding("ok", _("asked over the {api} API").format(api=APIS[api]))
    if trial.watch.streamed:
        yield Finding("ok", _("the answer is streamed"))
    else:
        text = _(
            "the answer comes in one piece, so nothing shows until it is whole; have the endpoint, "
            "or the proxy before it, pass on server-sent events as they come"
        )
        yield Finding("gap", text)


def _tools(trial: Trial) -> Iterator[Finding]:
    if not trial.ran:
        text = _("no Python ran, though it was asked for; choose a larger model with -m")
        yield Finding("gap", text)
    elif trial.target.name in SERVICES:
        yield Finding("ok", _("Python runs in the service's container"))
    elif trial.abilities.get("calls", True):
        yield Finding("ok", _("tools are called"))
    else:
        text = _(
            "no tools are called, so that Python comes in fenced blocks; a model with tool calls "
            "makes fewer mistakes"
        )
        yield Finding("gap", text)


def _pictures(trial: Trial) -> Iterator[Finding]:
    if not trial.abilities.get("pictures", True):
        text = _(
            "the model is shown no pictures; choose one that takes them for questions about charts"
        )
        yield Finding("gap", text)
    elif any(isinstance(part, Image) for part in trial.view.parts):
        yield Finding("ok", _("charts are drawn, and the model may look at them"))


def _effort(trial: Trial) -> Finding:
    if trial.effort:
        return Finding("ok", _("the effort {level} is taken").format(level=trial.effort))
    if trial.abilities.get("effort_off"):
        text = _("tools are taken without reasoning only, so the effort is none")
        return Finding("ok", text)
    return Finding("ok", _("the effort is the model's own; add --effort LEVEL to try one"))


def _context(trial: Trial) -> Finding:
    tokens = trial.abilities.get("context")
    if not tokens:
        return Finding("ok", _("the context length is not known: the endpoint does not list it"))
    return Finding("ok", _("{count:,} tokens of context").format(count=tokens))
