"""Code, read out of a tool call while the model still writes it."""

from __future__ import annotations

from typing import Any

import jiter


class CodeReader:
    """The ``code`` of a python tool call, from pieces of its JSON arguments.

    Some models send the bare code instead of JSON; it is taken as it is.
    """

    def __init__(self) -> None:
        self._arguments = ""
        self.code = ""

    def take(self, piece: str) -> str:
        """Read on; gives what the piece added to the code."""
        self._arguments += piece
        code = _code(_parse(self._arguments)) if self._is_json else self._arguments
        if code is None or not code.startswith(self.code):
            return ""
        added = code[len(self.code) :]
        self.code = code
        return added

    @property
    def _is_json(self) -> bool:
        return self._arguments.lstrip()[:1] in ("", "{")

    @property
    def complete(self) -> bool:
        """Whether the arguments were whole, so that the code may be run."""
        if not self._is_json:
            return bool(self._arguments)
        try:
            return _code(jiter.from_json(self._arguments.encode(errors="replace"))) is not None
        except ValueError:
            return False


def _parse(arguments: str) -> Any:
    try:
        return jiter.from_json(arguments.encode(errors="replace"), partial_mode="trailing-strings")
    except ValueError:
        return None


def _code(arguments: Any) -> str | None:
    code = arguments.get("code") if isinstance(arguments, dict) else None
    return code if isinstance(code, str) else None
