"""The offline model: rules in place of a language model, which answer rightly or refuse.

A question is cut into tokens (`scan`), read as a query by a grammar that must account for
every token (`parse`, `understand`), written as a few lines of pandas (`write`), and answered
from what those printed (`answer`). The tables are known from the cards that came along
(`schema`); files are read once (`files`).
"""

from __future__ import annotations

from aoai_magic.engine.models.base import ModelError
from aoai_magic.engine.models.offline.model import OfflineModel

__all__ = ["OfflineModel", "open_model"]


def open_model(argument: str) -> OfflineModel:
    """Open the model; it takes no argument."""
    if argument:
        raise ModelError("Use `offline`: the offline model takes no argument.")
    return OfflineModel()
