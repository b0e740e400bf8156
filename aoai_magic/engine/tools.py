"""Tools: what a run offers its model, and how the choice among them is passed on."""

from __future__ import annotations

from typing import Any

from aoai_magic.engine.models.base import FILE_SEARCH_TOOL, PYTHON_TOOL
from aoai_magic.engine.objects import Body

PYTHON: Body = {
    "type": "function",
    "function": {
        "name": PYTHON_TOOL,
        "description": "Run Python code in the conversation's session and get its output.",
        "parameters": {
            "type": "object",
            "properties": {"code": {"type": "string", "description": "The code to run."}},
            "required": ["code"],
            "additionalProperties": False,
        },
    },
}

_BUILT_IN = {"code_interpreter": PYTHON_TOOL, "file_search": FILE_SEARCH_TOOL}
_RESERVED = frozenset(_BUILT_IN.values())


class Toolbox:
    """The tools of one run, by the names that the model sees.

    A client's function that has the name of a built-in tool is offered under another.
    """

    def __init__(self, run: Body) -> None:
        self._run = run
        self.python = any(tool["type"] == "code_interpreter" for tool in run["tools"])
        self._functions = {
            _offered_name(tool["function"]["name"]): tool["function"]
            for tool in run["tools"]
            if tool["type"] == "function"
        }

    def function(self, offered: str) -> str | None:
        """Give the client's name of a function that the model calls, or None."""
        function = self._functions.get(offered)
        return None if function is None else str(function["name"])

    def offer(self) -> list[Body]:
        """Give the tools in the form that models take."""
        functions = [
            {"type": "function", "function": {**function, "name": name}}
            for name, function in self._functions.items()
        ]
        return [PYTHON, *functions] if self.python else functions

    def choice(self, first: bool) -> str | Body:
        """Give the tool choice of a model call.

        What a client forces, it forces once: forced again and again, a run has no end.
        """
        asked: Any = self._run["tool_choice"] or "auto"
        if asked == "none":
            return "none"
        if not first or asked == "auto":
            return "auto"
        if isinstance(asked, str):
            return asked
        name = _BUILT_IN.get(asked["type"]) or _offered_name(asked["function"]["name"])
        offered = {tool["function"]["name"] for tool in self.offer()}
        return {"type": "function", "function": {"name": name}} if name in offered else "auto"


def _offered_name(name: str) -> str:
    return f"client_{name}" if name in _RESERVED else name
