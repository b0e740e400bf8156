"""The frames that the user's notebooks share, copied for a question that names them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aoai_magic.errors import AttachError
from aoai_magic.locale import gettext as _
from aoai_magic.mcp.shared_notebook import NotSharedError, SharedNotebook

_SECONDS = 15.0


@asynccontextmanager
async def named_frames(question: str, folder: Path) -> AsyncIterator[tuple[Path, ...]]:
    """Copy the frames whose names stand in a question; the copies go at the end.

    Parameters
    ----------
    question
        What the user asks.
    folder
        The data directory, where kernels say what they share.

    Raises
    ------
    AttachError
        Two notebooks share a frame of one name, or a notebook gives no copy now.
    """
    found = await _notebooks_by_name(folder)
    named = {name: notebooks for name, notebooks in found.items() if _stands_in(name, question)}
    copies: list[Path] = []
    try:
        for name, notebooks in named.items():
            copies.append(await _copy(name, notebooks))
        yield tuple(copies)
    finally:
        for copy in copies:
            copy.unlink(missing_ok=True)


async def _notebooks_by_name(folder: Path) -> dict[str, list[SharedNotebook]]:
    found: dict[str, list[SharedNotebook]] = {}
    notebooks = [SharedNotebook(path) for path in sorted((folder / "shares").glob("*.json"))]
    for notebook, names in zip(
        notebooks, await asyncio.gather(*map(_names, notebooks)), strict=True
    ):
        for name in names:
            found.setdefault(name, []).append(notebook)
    return found


async def _names(notebook: SharedNotebook) -> list[str]:
    """Return what a notebook shares; nothing where its kernel is gone or busy for long."""
    try:
        answer = await asyncio.wait_for(notebook.request("list"), _SECONDS)
    except (NotSharedError, asyncio.TimeoutError):
        return []
    return [one["name"] for one in answer["variables"]]


def _stands_in(name: str, question: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", question) is not None


async def _copy(name: str, notebooks: list[SharedNotebook]) -> Path:
    if len(notebooks) > 1:
        text = _(
            "More than one notebook shares a frame called {name}; end the sharing in all but one "
            "by %assistant share --stop."
        )
        raise AttachError(text.format(name=name))
    try:
        answer = await asyncio.wait_for(notebooks[0].request("copy", name), _SECONDS * 4)
    except asyncio.TimeoutError:
        raise AttachError(_("The notebook is running a cell; try again when it is over.")) from None
    except NotSharedError as error:
        raise AttachError(str(error)) from error
    return Path(answer["path"])
