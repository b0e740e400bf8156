"""Prices: what tokens cost about, where that is known.

The known prices are in ``prices.json`` beside this file, with their date and source. A
file of that name and form in the data directory goes before it: it can add models,
such as deployments under names of their own, and put prices right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aoai_magic.errors import SettingsError
from aoai_magic.locale import gettext as _
from aoai_magic.turn.events import Usage

_OURS = Path(__file__).with_name("prices.json")
_DATED = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")


@dataclass(frozen=True)
class Prices:
    """Known prices.

    Attributes
    ----------
    models
        US dollars per million tokens by model: input, cached input, output.
    as_of
        When the prices were looked up.
    path
        The user's own file, which goes before ours.
    containers
        US dollars per minute of a service's container by target, and the minutes that
        are paid at least.
    """

    models: Mapping[str, tuple[float, float, float]]
    as_of: str
    path: Path
    containers: Mapping[str, tuple[float, int]]

    def cost(self, model: str, usage: Usage, target: str = "") -> float | None:
        """Estimate what a turn cost, in US dollars; None where no price is known.

        A date at the end of a model's name, and a SPEC's kind before it, do not matter.
        A container whose price is not known is left out.
        """
        price = self._price(model)
        if price is None:
            return None
        fresh = usage.input_tokens - usage.cached_tokens
        amounts = (fresh, usage.cached_tokens, usage.output_tokens)
        tokens = sum(n * each for n, each in zip(amounts, price, strict=True)) / 1e6
        return tokens + usage.container_minutes * self.containers.get(target, (0.0, 0))[0]

    def free(self, model: str) -> bool:
        """Say whether a model costs nothing: those of this package."""
        return model.partition(":")[0] in ("offline", "scripted")

    def _price(self, model: str) -> tuple[float, float, float] | None:
        name = model.rpartition(":")[2]
        return self.models.get(name) or self.models.get(_DATED.sub("", name))


def load(folder: Path) -> Prices:
    """Read our prices, and those of the data directory over them.

    Raises
    ------
    SettingsError
        If the user's file cannot be read.
    """
    ours = _read(_OURS)
    path = folder / _OURS.name
    own = _read(path) if path.exists() else {"models": {}}
    models = {name: tuple(price) for name, price in {**ours["models"], **own["models"]}.items()}
    containers = {**ours["containers"], **own.get("containers", {})}
    paid = {name: tuple(price) for name, price in containers.items() if isinstance(price, list)}
    return Prices(models, str(own.get("as_of") or ours["as_of"]), path, paid)


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text("utf-8"))
        if all(len([float(each) for each in price]) == 3 for price in told["models"].values()):
            return dict(told)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unusable(path) from error
    raise _unusable(path)


def _unusable(path: Path) -> SettingsError:
    return SettingsError(
        _(
            '{path} holds no prices; it should read {{"models": {{"NAME": [input, '
            "cached, output]}}}} in dollars per million tokens."
        ).format(path=path)
    )
