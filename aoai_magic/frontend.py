"""What the JupyterLab extension asks the kernel; it works, with less, without the answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import JSON

from . import parcel
from .attach.card import card
from .attach.facts import facts
from .attach.resolve import attachable


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
    """
    asked = json.loads(question)
    shell = get_ipython()
    assert shell is not None, "the extension asks a kernel, which has a shell"
    if "card" in asked:
        return JSON({"card": schema(asked["card"], shell.user_ns)})
    loaded = "AssistantMagics" in shell.magics_manager.registry
    return JSON({"loaded": loaded, "names": attachable_names(asked["names"], shell.user_ns)})


def attachable_names(names: Iterable[str], namespace: Mapping[str, Any]) -> dict[str, str]:
    """Give those of ``names`` that can be attached, each with its description."""
    found = {name: attachable(namespace[name]) for name in names if name in namespace}
    return {name: said for name, said in found.items() if said and not name.startswith("_")}


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


def _empty(value: Any) -> Any:
    if not parcel.supported(value):
        return None
    if hasattr(value, "head"):  # pandas, polars
        return value.head(0)
    return value.slice(0, 0) if hasattr(value, "slice") else None
