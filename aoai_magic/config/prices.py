"""Prices: what tokens cost about, where that is known.

The known prices are in ``prices.json`` beside this file, with their date and source;
``scripts/prices`` writes it. A file of that name and form in the data directory goes before
it: it can add models, such as deployments under names of their own, and put prices right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from aoai_magic.errors import SettingsError
from aoai_magic.locale import gettext as _
from aoai_magic.shared.network import is_loopback
from aoai_magic.turn.events import Usage

_OURS = Path(__file__).with_name("prices.json")
_DATED = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
_FREE = ("offline", "scripted", "ollama", "lmstudio", "gguf")
"""Kinds of models that run on the user's own machine."""

SMALLEST = "1g"
"""The memory of a container for which none was chosen."""


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens from a day on.

    Attributes
    ----------
    input, cached, written, output
        Of what is read, read from the service's cache, read and written to it, and answered.
    since
        The first day, as ``YYYY-MM-DD``; empty: always.
    above
        What a request with more input tokens than so many costs instead.
    """

    input: float
    cached: float
    output: float
    written: float
    since: str = ""
    above: tuple[int, Price] | None = None

    @classmethod
    def read(cls, raw: Any) -> Price:
        """Read ``[input, cached, output]`` or an object; raise `ValueError` and its like."""
        if isinstance(raw, list):
            input_, cached, output = map(float, raw)
            return cls(input_, cached, output, input_)
        input_, output = float(raw["input"]), float(raw["output"])
        above = raw.get("above")
        return cls(
            input_,
            float(raw.get("cached", input_)),
            output,
            float(raw.get("written", input_)),
            str(raw.get("since", "")),
            (int(above["tokens"]), cls.read(above)) if above else None,
        )

    def of(self, usage: Usage, calls: int) -> float:
        """Return what that many calls of the model cost that took so much together."""
        if self.above and usage.input_tokens > self.above[0] * max(calls, 1):
            return self.above[1].of(usage, calls)
        fresh = usage.input_tokens - usage.cached_tokens - usage.written_tokens
        read = fresh * self.input + usage.cached_tokens * self.cached
        return (
            read + usage.written_tokens * self.written + usage.output_tokens * self.output
        ) / 1e6


@dataclass(frozen=True)
class Container:
    """A service's container: dollars per minute by memory, and the minutes paid at least."""

    per_minute: Mapping[str, float]
    least_minutes: int = 1


@dataclass(frozen=True)
class Prices:
    """Known prices.

    Attributes
    ----------
    models
        The prices of each model, the oldest first.
    as_of
        When the prices were looked up.
    path
        The user's own file, which goes before ours.
    containers
        The services' containers by target.
    """

    models: Mapping[str, Sequence[Price]]
    as_of: str
    path: Path
    containers: Mapping[str, Container]

    def cost(self, model: str, usage: Usage, target: str = "", calls: int = 1) -> float | None:
        """Estimate what a turn cost, in US dollars; None where no price is known.

        ``calls`` are the requests that shared its tokens. A date at the end of a model's name,
        and a SPEC's kind and URL around it, do not matter; a URL of this machine has no price.
        A container whose price is not known is left out.
        """
        price = self._price(model)
        if price is None:
            return None
        container = self.containers.get(target, Container({}))
        minutes = usage.container_minutes * container.per_minute.get(SMALLEST, 0.0)
        return price.of(usage, calls) + minutes

    def free(self, model: str) -> bool:
        """Return whether a model costs nothing: those that run on this machine."""
        return model.partition(":")[0] in _FREE

    def _price(self, model: str) -> Price | None:
        spec, _at, url = model.partition("@http")
        if url and is_loopback(f"http{url}"):
            return None  # nobody's price: a model of this machine, or a proxy
        name, today = spec.rpartition(":")[2], date.today().isoformat()
        prices = self.models.get(name) or self.models.get(_DATED.sub("", name)) or ()
        return next((price for price in reversed(prices) if price.since <= today), None)


def load(folder: Path) -> Prices:
    """Read our prices, and those of the data directory over them.

    Raises
    ------
    SettingsError
        If the user's file cannot be read.
    """
    ours, path = _read(_OURS), folder / _OURS.name
    if not path.exists():
        return Prices(ours.models, ours.as_of, path, ours.containers)
    own = _read(path)
    return Prices(
        {**ours.models, **own.models},
        own.as_of or ours.as_of,
        path,
        {**ours.containers, **own.containers},
    )


def _read(path: Path) -> Prices:
    try:
        raw = json.loads(path.read_text("utf-8"))
        models = {name: _prices(price) for name, price in raw["models"].items()}
        containers = {
            name: _container(container)
            for name, container in raw.get("containers", {}).items()
            if not isinstance(container, str)  # where they come from
        }
        return Prices(models, str(raw.get("as_of", "")), path, containers)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unusable(path) from error


def _prices(raw: Any) -> tuple[Price, ...]:
    dated = isinstance(raw, list) and bool(raw) and isinstance(raw[0], dict)
    prices = [Price.read(one) for one in (raw if dated else [raw])]
    return tuple(sorted(prices, key=lambda price: price.since))


def _container(raw: Any) -> Container:
    if isinstance(raw, list):
        each, least = raw
        return Container({SMALLEST: float(each)}, int(least))
    per_minute = {size: float(each) for size, each in raw["per_minute"].items()}
    return Container(per_minute, int(raw.get("least_minutes", 1)))


def _unusable(path: Path) -> SettingsError:
    return SettingsError(
        _(
            '{path} holds no prices; it should read {{"models": {{"NAME": [input, '
            "cached, output]}}}} in dollars per million tokens."
        ).format(path=path)
    )
