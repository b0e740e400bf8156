"""``--plan``: the model says what it intends, and the user says yes, no, or what to change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from aoai_magic.errors import UsageError
from aoai_magic.locale import gettext as _
from aoai_magic.runner.consent import ask_words
from aoai_magic.runner.options import Options

if TYPE_CHECKING:
    from aoai_magic.config.settings import Settings, Target
    from aoai_magic.runner.background import PendingTurn
    from aoai_magic.runner.turn import Turn

_TOLD = (
    "Do not answer yet and run no code. Say in at most six short numbered lines what you intend to "
    "do: which data, which conditions and definitions, which calculation, what will be shown. The "
    "user will then agree, refuse, or say what to change."
)


class Asked(NamedTuple):
    """A question and its options."""

    prompt: str
    options: Options


def plan_first(prompt: str, options: Options, settings: Settings, target: Target) -> Asked:
    """Return the turn that asks for the plan alone.

    Raises
    ------
    UsageError
        If the model cannot plan, or nobody will be there to be asked.
    """
    if options.background:
        raise UsageError(
            _("--plan waits for your answer, so it cannot be combined with --background.")
        )
    if target.model == "offline":
        raise UsageError(
            _("--plan needs a language model, which the offline model is not; name one with -m.")
        )
    instructions = "\n\n".join(filter(None, [settings.instructions, _TOLD]))
    only = replace(options, plan=False, instructions=instructions, tool_choice="none")
    return Asked(prompt, replace(only, out=None, as_=None, save=None, tool=()))


def decide(turn: Turn | PendingTurn | None, options: Options) -> Asked | None:
    """Ask the user about a plan; return the turn that carries it out, None if it is not to be.

    Raises
    ------
    UsageError
        If nobody can answer.
    """
    if turn is None or turn.status != "completed":  # a dry run, or no plan
        return None
    words = ask_words(_("Carry out this plan? [y, n, or what to change] "))
    if words is None:
        raise UsageError(
            _("Nothing was run, as nobody can answer here; leave --plan out of such runs.")
        )
    if words.lower() in ("", "n", "no"):
        print(_("The plan was not carried out."))  # noqa: T201 - the user's own answer
        return None
    prompt = "Carry out your plan."
    if words.lower() not in ("y", "yes"):
        prompt = f"Carry out your plan, with this change: {words}"
    return Asked(prompt, replace(options, plan=False, items=(), new=False, search=(), raw=True))
