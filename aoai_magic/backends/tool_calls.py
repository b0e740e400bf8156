"""Calls of the notebook's functions, made for a model and shown to the user."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from aoai_magic.errors import ServiceError
from aoai_magic.locale import gettext as _
from aoai_magic.turn import events
from aoai_magic.turn.events import Event

if TYPE_CHECKING:
    from aoai_magic.attach.function_tools import Function

_SHOWN = 200
"""Characters of a function's arguments and result that the user is shown."""


async def called(
    functions: Mapping[str, Function], name: str, arguments: str, outputs: list[str]
) -> AsyncIterator[Event]:
    """Call a function and append what the model is told of it to ``outputs``.

    Raises
    ------
    ServiceError
        If there is no function of that name.
    """
    function = functions.get(name)
    if function is None:
        raise ServiceError(
            _("The model called {name}, which is not offered; try again.").format(name=name)
        )
    yield events.Progress(_("running {name}").format(name=name), 0)
    output = await function.call(arguments)
    outputs.append(output)
    yield events.Notice(f"{name}({_short(arguments)}) → {_short(output)}")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
