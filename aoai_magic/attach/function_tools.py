"""Functions of the notebook that a model may call: told by their signature, run in the kernel."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aoai_magic.errors import UsageError
from aoai_magic.locale import gettext as _

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LONGEST = 100_000
"""Characters of a result that the model is told."""


PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""What a function may return as a picture."""


@dataclass(frozen=True)
class Returned:
    """What came of a call where that is more than text.

    Attributes
    ----------
    text
        What the model is told.
    pictures
        Their types, one of `PICTURES`, and their bytes.
    files
        Their names and bytes.
    """

    text: str
    pictures: Sequence[tuple[str, bytes]] = ()
    files: Sequence[tuple[str, bytes]] = ()


@dataclass(frozen=True)
class Function:
    """A function that is offered.

    Attributes
    ----------
    name
        By which the model calls it.
    parameters
        JSON Schema of its arguments, an object.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    _adapter: Any = field(repr=False, compare=False)

    @property
    def tool(self) -> dict[str, Any]:
        """The function as a tool of the Assistants API."""
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }
        return {"type": "function", "function": function}

    async def call(self, arguments: str) -> Returned:
        """Call it with the model's arguments, a JSON object; return what came of it.

        It runs where the turn runs, so that it finds the notebook as a cell does. What it
        raises is told to the model too, which may try again.
        """
        try:
            value = self._adapter.validate_json(arguments or "{}")
            if inspect.isawaitable(value):
                value = await value
            return value if isinstance(value, Returned) else Returned(_told(value))
        except Exception as error:
            return Returned(f"{type(error).__name__}: {error}"[:_LONGEST])


def _told(value: Any) -> str:
    if isinstance(value, str):
        return value[:_LONGEST]
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):  # no JSON: as print shows it
        text = str(value)
    return text[:_LONGEST]


def find(names: Iterable[str | Callable[..., Any]], namespace: Mapping[str, Any]) -> list[Function]:
    """Return the functions of these names, or of these functions themselves.

    Raises
    ------
    UsageError
        One is no function, or one whose arguments cannot be described.
    """
    found = {}
    for given in names:
        value = namespace.get(given) if isinstance(given, str) else given
        name = given if isinstance(given, str) else getattr(given, "__name__", "")
        if value is None:
            raise UsageError(
                _("--tool {name}: there is no variable of that name.").format(name=name)
            )
        found[name] = _function(name, value)
    return list(found.values())


def _function(name: str, value: Any) -> Function:
    from pydantic import TypeAdapter

    if not callable(value) or isinstance(value, type) or not _NAME.fullmatch(name):
        raise UsageError(
            _(
                "--tool {name}: only functions with a name of up to 64 ASCII letters, digits "
                "and _ can be offered."
            ).format(name=name)
        )
    try:
        adapter = TypeAdapter(value)
        parameters = adapter.json_schema()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            _(
                "--tool {name}: its arguments cannot be described ({reason}); annotate them "
                "with types that JSON has."
            ).format(name=name, reason=reason)
        ) from error
    if parameters.get("type") != "object":
        raise UsageError(
            _("--tool {name}: positional-only and *args parameters are not supported.").format(
                name=name
            )
        )
    return Function(name, inspect.getdoc(value) or "", parameters, adapter)
