"""The offline model: rules in place of a language model, at work on the real data.

It sees what any model sees, chat messages and the python tool, and needs neither a key
nor a network. It first looks at the data, writes code for each thing that the prompt
asks (`recipes`), reads what the code printed, tries another way when it failed, and says
in the prompt's language what came out.
"""

from __future__ import annotations

from aoai_magic.engine.models.base import ModelError
from aoai_magic.engine.models.offline.model import OfflineModel

__all__ = ["OfflineModel", "open_model"]


def open_model(argument: str) -> OfflineModel:
    """Open the model; it takes no argument."""
    if argument:
        raise ModelError(
            f"The offline model takes no argument; write `offline`, not `offline:{argument}`."
        )
    return OfflineModel()
