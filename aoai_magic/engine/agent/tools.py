"""Tools: what a run offers its model, and how the choice among them is passed on."""

from __future__ import annotations

from typing import Any

from aoai_magic.engine.models.base import FILE_SEARCH_TOOL, PYTHON_TOOL
from aoai_magic.engine.storage.objects import Body

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

SEARCH: Body = {
    "type": "function",
    "function": {
        "name": FILE_SEARCH_TOOL,
        "description": "Search the user's documents and get the passages that fit best.",
        "parameters": {
            "type": "object",
            "properties": {
                "query": {
                    "type": "string",
                    "description": "What to look for, in the words that the documents use.",
                }
            },
            "required": ["query"],
            "additionalProperties": False,
        },
    },
}

_BUILT_IN = {"code_interpreter": PYTHON_TOOL, "file_search": FILE_SEARCH_TOOL}
_RESERVED = frozenset(_BUILT_IN.values())


class Toolbox:
    """The tools of one run, by the names that the model sees.

    A client's function that has the name of a built-in tool is offered under another;
    nothing is offered where the client chose ``none``.
    """

    def __init__(self, run: Body) -> None:
        self._choice: Any = run["tool_choice"] or "auto"
        tools = [] if self._choice == "none" else run["tools"]
        if allowed := _allowed(self._choice):
            names = set(map(offered_name, allowed))
            tools = [tool for tool in tools if offered_name(tool) in names]
            self._choice = run["tool_choice"]["mode"]
        self.python = any(tool["type"] == "code_interpreter" for tool in tools)
        self.search = any(tool["type"] == "file_search" for tool in tools)
        self._functions = {
            offered_function(tool["function"]["name"]): tool["function"]
            for tool in tools
            if tool["type"] == "function"
        }

    def function(self, offered: str) -> str | None:
        """Return the client's name of a function that the model calls, or None."""
        function = self._functions.get(offered)
        return None if function is None else str(function["name"])

    def offers(self, name: str) -> bool:
        """Return whether a tool of that name is offered."""
        return any(tool["function"]["name"] == name for tool in self.offer())

    def offer(self) -> list[Body]:
        """Return the tools in the form that models take."""
        functions = [
            {"type": "function", "function": {**function, "name": name}}
            for name, function in self._functions.items()
        ]
        built_in = [PYTHON] * self.python + [SEARCH] * self.search
        return [*built_in, *functions]

    @property
    def forced(self) -> str | None:
        """The tool that the client demands: its offered name, ``""`` for any, None for none."""
        if self._choice in ("none", "auto"):
            return None
        if self._choice == "required":
            return "" if self.offer() else None
        name = offered_name(self._choice)
        return name if name in {tool["function"]["name"] for tool in self.offer()} else None

    def choice(self, first: bool) -> str | Body:
        """Return the tool choice of a model call.

        What a client forces, it forces once: forced again and again, a run has no end.
        """
        if self._choice == "none":
            return "none"
        if not first or self.forced is None:
            return "auto"
        if not self.forced:
            return "required"
        return {"type": "function", "function": {"name": self.forced}}


def _allowed(choice: Any) -> list[Body]:
    """Return the tools that a choice narrows the run's tools to; none if it does not."""
    narrows = isinstance(choice, dict) and choice["type"] == "allowed_tools"
    return list(choice["tools"]) if narrows else []


def missing_tool(run: Body) -> Body | None:
    """Return a tool that the tool choice names and the run does not have, or None."""
    choice = run["tool_choice"]
    named = _allowed(choice) or ([choice] if isinstance(choice, dict) else [])
    there = set(map(offered_name, run["tools"]))
    return next((tool for tool in named if offered_name(tool) not in there), None)


def offered_name(tool: Body) -> str:
    """Return the name by which the model sees a tool, or the one that a choice names."""
    return _BUILT_IN.get(tool["type"]) or offered_function(tool["function"]["name"])


def offered_function(name: str) -> str:
    """Return the name by which the model sees a client's function."""
    return f"client_{name}" if name in _RESERVED else name
