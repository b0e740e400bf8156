"""Tool calls as servers really stream them, put into one form.

The Chat Completions API gives every piece an ``index``, the first one an ``id`` and a
name. Compatible servers leave out indexes or ids, repeat the name in every piece, give
all parallel calls the index 0, or send the arguments as an object in place of text.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aoai_magic.engine.models.base import PYTHON_TOOL, ToolCall


@dataclass
class _Call:
    index: int
    key: Any
    id: str | None
    arguments: str = ""

    @property
    def complete(self) -> bool:
        try:
            json.loads(self.arguments)
        except ValueError:
            return False
        return True


class Calls:
    """Collects the pieces of one answer's calls and gives them on with ids and indexes."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    @property
    def complete(self) -> bool:
        """Whether every call has whole arguments, or none at all."""
        return all(call.complete or not call.arguments for call in self._calls)

    def feed(self, deltas: Sequence[Mapping[str, Any]]) -> Iterator[ToolCall]:
        """Yield the pieces for the server's ``delta.tool_calls``."""
        for delta in deltas:
            function = delta.get("function") or {}
            arguments = _as_text(function.get("arguments"))
            call = self._continued(delta, function.get("name"))
            if call is None:
                call = _Call(len(self._calls), delta.get("index"), delta.get("id") or None)
                self._calls.append(call)
                name = function.get("name") or PYTHON_TOOL
                yield ToolCall(call.index, id=call.id or fresh_id(), name=name)
            call.arguments += arguments
            if arguments:
                yield ToolCall(call.index, arguments=arguments)

    def end(self) -> Iterator[ToolCall]:
        """Yield what is wanting: a call that got no arguments at all has none."""
        for call in self._calls:
            if not call.arguments:
                yield ToolCall(call.index, arguments="{}")

    def _continued(self, delta: Mapping[str, Any], name: str | None) -> _Call | None:
        """Find the call that this piece belongs to; None if it begins a new one."""
        key, given_id = delta.get("index"), delta.get("id") or None
        same = [call for call in self._calls if key is None or call.key == key]
        latest = same[-1] if same else None
        if latest is None or not name:
            return latest
        if given_id is None and key is not None:
            return latest
        if given_id is None:
            return None if latest.complete else latest
        return latest if latest.id == given_id else None


def fresh_id() -> str:
    """Make an id for a call whose server gave none."""
    return f"call_{uuid.uuid4().hex[:24]}"


def _as_text(arguments: Any) -> str:
    if arguments is None:
        return ""
    if isinstance(arguments, str):
        return arguments
    return json.dumps(arguments, ensure_ascii=False)
