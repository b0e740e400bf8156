"""What the JupyterLab extension asks the kernel; it works, with less, without the answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython
from IPython.display import JSON

from . import parcel
from .attach.card import card
from .attach.facts import facts
from .attach.ledger import Ledger
from .attach.resolve import attachable
from .cellcode import Input, as_cell
from .settings import resolve_target

if TYPE_CHECKING:
    from .assistant import Assistant
    from .turn import Turn


def answer(question: str) -> JSON:
    """Answer a question of the extension, from the running shell's namespace.

    Parameters
    ----------
    question
        JSON object with one of these:

        ``names``
            Words of a cell. Gives those of variables that can be attached, each with
            its description, as ``names``; ``loaded`` says whether the magic is.
        ``card``
            Name of a variable. Gives its schema as ``card``, None if it has none.
        ``cells``
            Python of a turn that ran without error, with the ``items`` of its prompt.
            Gives it as ``cell`` for the notebook.
        ``overview``
            Gives as ``overview`` what the panel shows, None while the magic is not loaded.
    """
    asked = json.loads(question)
    shell = get_ipython()
    assert shell is not None, "the extension asks a kernel, which has a shell"
    if "card" in asked:
        return JSON({"card": schema(asked["card"], shell.user_ns)})
    magics = shell.magics_manager.registry.get("AssistantMagics")
    if "cells" in asked:
        turns = magics.state.turns if magics else ()
        return JSON({"cell": cell(asked["cells"], asked["items"], turns)})
    if "overview" in asked:
        return JSON({"overview": overview(magics.state) if magics else None})
    names = attachable_names(asked["names"], shell.user_ns)
    return JSON({"loaded": magics is not None, "names": names})


def attachable_names(names: Iterable[str], namespace: Mapping[str, Any]) -> dict[str, str]:
    """Give those of ``names`` that can be attached, each with its description.

    IPython's own variables are left out.
    """
    users = [name for name in names if not name.startswith("_") and name not in ("In", "Out")]
    found = {name: attachable(namespace[name]) for name in users if name in namespace}
    return {name: said for name, said in found.items() if said}


def schema(name: str, namespace: Mapping[str, Any]) -> str | None:
    """Describe a variable in lines: what it is, its columns and types, and no value of it.

    Only an empty slice of a frame is looked at, so that the size does not matter.
    """
    described = attachable_names([name], namespace).get(name)
    if described is None:
        return None
    title = f"{name}: {described}"
    empty = _empty(namespace[name])
    if empty is None:
        return title
    return card(title, facts(empty, parcel.contents(empty)), "", schema_only=True)


def cell(cells: list[str], items: Iterable[str], turns: Sequence[Turn]) -> str:
    """Give the Python of a turn as one cell that runs in the notebook.

    A turn of this kernel knows what each file was; for one of an earlier kernel that is
    told from the items of its prompt (names of variables, and ``@name`` or ``@path``).
    """
    turn = next((turn for turn in reversed(turns) if list(turn.cells) == cells), None)
    return as_cell(cells, turn.inputs if turn else dict(map(_input, items)))


def overview(state: Assistant) -> dict[str, Any]:
    """Give what a kernel knows of its assistant without asking the far side.

    Sizes are in bytes, times in seconds since 1970.
    """
    settings = state.settings()
    target = resolve_target(settings)
    return {
        "target": target.name,
        "why": target.why,
        "model": target.model,
        "turns": len(state.turns),
        "tokens": state.usage.total_tokens,
        "threads": [
            {"name": thread.name, "target": thread.target, "used": thread.used}
            for thread in state.threads(settings).all()
        ],
        "files": [
            {"name": e.name, "bytes": e.bytes, "target": e.target, "expires": e.expires_at}
            for e in Ledger(settings.folder).entries()
        ],
        "data": attachable_names(list(state.namespace), state.namespace),
    }


def _input(item: str) -> tuple[str, Input]:
    name = item.removeprefix("@")
    if name.isidentifier():
        return f"{name}.arrow", Input(name, is_variable=True)
    return Path(name).name, Input(name, is_variable=False)


def _empty(value: Any) -> Any:
    if not parcel.supported(value):
        return None
    if hasattr(value, "head"):  # pandas, polars
        return value.head(0)
    return value.slice(0, 0) if hasattr(value, "slice") else None
