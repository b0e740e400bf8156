"""Calls of the notebook's functions, made for a model and shown to the user."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from aoai_magic.errors import ServiceError
from aoai_magic.locale import gettext as _
from aoai_magic.turn import events
from aoai_magic.turn.events import Event

if TYPE_CHECKING:
    from aoai_magic.attach.function_tools import Function, Returned

_SHOWN = 200
"""Characters of a function's arguments and result that the user is shown."""


async def called(
    functions: Mapping[str, Function], name: str, arguments: str, outputs: list[Returned]
) -> AsyncIterator[Event]:
    """Call a function and append what came of it to ``outputs``.

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
    yield events.Notice(f"{name}({_short(arguments)}) → {_short(output.text)}")
    for kind, data in output.pictures:
        title = f"{name}-{secrets.token_hex(4)}"
        yield events.ImageMade(title, f"{title}.{kind.partition('/')[2]}", data, kind)
    for file, data in output.files:
        yield events.FileMade(file, data)


def output_of(returned: Returned, about_files: str) -> Any:
    """Return what the model is told, in the form of this API; of files, where they are."""
    text = f"{returned.text}\n{about_files}" if returned.files else returned.text
    if not returned.pictures:
        return text
    urls = [f"data:{kind};base64,{b64encode(data).decode()}" for kind, data in returned.pictures]
    pictures = [{"type": "input_image", "image_url": url, "detail": "auto"} for url in urls]
    return [{"type": "input_text", "text": text}, *pictures]


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
