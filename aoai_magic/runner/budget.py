"""Budget: what a turn may take, kept while it goes on.

Services tell what a turn took when it is over, if at all. Until then it is counted from
what comes and goes; what the server reports replaces the count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aoai_magic.errors import UsageError
from aoai_magic.locale import gettext as _
from aoai_magic.turn.events import (
    CodeDelta,
    CodeDone,
    Event,
    Finished,
    LogsDelta,
    ReasoningDelta,
    Started,
    TextDelta,
    Usage,
    UsageReported,
)

if TYPE_CHECKING:
    from aoai_magic.config.prices import Prices
    from aoai_magic.runner.cancel import CancelToken

BYTES_PER_TOKEN = 4
"""Of UTF-8: close for English, and for Chinese and Japanese too."""

PICTURE_TOKENS = 1_000
"""What a picture takes about, whatever its bytes."""

_LIMITS = ("max_output_tokens", "max_completion_tokens")
"""What the server calls a limit that `Budget.most_output` gave it."""

_NO_TOKENS = "offline"
"""The model of rules, for which there is nothing to count."""

_WRITING = (TextDelta, ReasoningDelta, CodeDelta)


@dataclass(frozen=True)
class Budget:
    """What one turn may take; 0 is no limit.

    Attributes
    ----------
    max_tokens
        Input and output together.
    max_cost
        US dollars, by the known prices.
    """

    max_tokens: int = 0
    max_cost: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.max_tokens or self.max_cost)

    def check(self, model: str, prices: Prices) -> None:
        """Refuse a limit in money for a model whose price nobody knows."""
        if not self.max_cost or not model or prices.free(model):
            return
        if prices.cost(model, Usage()) is None:
            raise UsageError(
                _(
                    "max_cost cannot be applied because the price of {model} is unknown; use "
                    "max_tokens, or add its price to {path}."
                ).format(model=model, path=prices.path)
            )

    def most_output(self, model: str, prices: Prices) -> int | None:
        """Return the tokens that the server may write at most, None for any number."""
        limits = [self.max_tokens] if self.max_tokens else []
        each = prices.cost(model, Usage(output_tokens=1)) if self.max_cost else None
        limits += [int(self.max_cost / each)] if each else []
        return min(limits, default=None)


class Spending:
    """What one turn has taken so far.

    Parameters
    ----------
    asked, pictures
        The text that the model is told at first, as far as it is known here, and the number of
        pictures.
    """

    def __init__(
        self,
        budget: Budget,
        prices: Prices,
        target: str,
        model: str,
        asked: str = "",
        pictures: int = 0,
    ) -> None:
        self._budget = budget
        self._prices = prices
        self._target = target
        self._model = model
        self._context = _tokens(asked) + PICTURE_TOKENS * pictures
        self._reading = True
        self._calls = 1
        self._reported = Usage()
        self._counted = Usage(estimated=True)

    @property
    def usage(self) -> Usage:
        """What the turn took: what was reported, and what was counted since."""
        reported, counted = self._reported, self._counted
        return replace(
            reported,
            input_tokens=reported.input_tokens + counted.input_tokens,
            output_tokens=reported.output_tokens + counted.output_tokens,
            estimated=counted.total_tokens > 0,
        )

    @property
    def cost(self) -> float | None:
        """What that costs about, in US dollars; None where nobody knows, or nothing was used."""
        used = self.usage
        if not used.total_tokens and not used.container_minutes:
            return None
        return self._prices.cost(self._model, used, self._target, self._calls)

    def take(self, event: Event) -> Event:
        """Count an event; gives it with what it costs, where it tells what was used."""
        if isinstance(event, Started):
            self._model = event.model or self._model
            self._budget.check(self._model, self._prices)
        elif isinstance(event, _WRITING) and self._model != _NO_TOKENS:
            self._written(event.text)
        elif isinstance(event, LogsDelta):
            self._context += _tokens(event.text)
        elif isinstance(event, CodeDone):
            self._reading = True
            self._calls += 1
        elif isinstance(event, UsageReported):
            self._reported, self._counted = event.usage, Usage(estimated=True)
            return replace(event, cost=self.cost)
        elif isinstance(event, Finished) and event.status == "incomplete" and self._budget:
            return replace(event, error=self._cut_short(event.error or ""))
        return event

    def _cut_short(self, error: str) -> str:
        """Describe by which limit the server stopped, where that came of the budget."""
        if not any(limit in error for limit in _LIMITS):
            return error
        tokens, cost = self._budget.max_tokens, self._budget.max_cost
        limits = [_("max_tokens is {tokens:,}").format(tokens=tokens)] if tokens else []
        limits += [_("max_cost is ${cost:g}").format(cost=cost)] if cost else []
        return _(
            "The answer is incomplete because {limits}; raise the limit, or ask for less."
        ).format(limits=_(" and ").join(limits))

    def _written(self, text: str) -> None:
        """Count what the model writes; before, it reads all that came until then."""
        read = self._context if self._reading else 0
        self._reading = False
        new = _tokens(text)
        self._context += new
        self._counted = replace(
            self._counted,
            input_tokens=self._counted.input_tokens + read,
            output_tokens=self._counted.output_tokens + new,
        )

    def exceeded(self) -> str | None:
        """Describe which limit is passed, if one is."""
        tokens, cost, budget = self.usage.total_tokens, self.cost, self._budget
        if budget.max_tokens and tokens > budget.max_tokens:
            return _(
                "The turn was stopped at about {tokens:,} tokens because max_tokens is {most:,}; "
                "raise the limit, or ask for less."
            ).format(tokens=tokens, most=budget.max_tokens)
        if budget.max_cost and cost is not None and cost > budget.max_cost:
            return _(
                "The turn was stopped at about ${cost:.4f} because max_cost is ${most:g}; raise "
                "the limit, or ask for less."
            ).format(cost=cost, most=budget.max_cost)
        return None


class BudgetObserver:
    """Counts what a turn takes, says what it costs, and ends it where it takes too much."""

    def __init__(self, cancel: CancelToken) -> None:
        self._cancel = cancel
        self._spending: Spending | None = None

    def begin(self, spending: Spending) -> None:
        """Count from here on; before, nothing was asked, and a recording costs nothing."""
        self._spending = spending

    def __call__(self, event: Event) -> Event:
        """Return the event with what the turn costs, where it says what was used."""
        if self._spending is None:
            return event
        try:
            counted = self._spending.take(event)
        except UsageError as error:
            self._cancel.cancel(Finished("failed", str(error)))
            return event
        # Only where the model goes on: an answer that is there is not taken away.
        if isinstance(event, _WRITING) and (reason := self._spending.exceeded()):
            used = UsageReported(self._spending.usage, self._spending.cost)
            self._cancel.cancel(used, Finished("incomplete", reason))
        return counted


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)
