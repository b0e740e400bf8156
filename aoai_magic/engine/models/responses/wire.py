"""Requests of the Responses API: nothing is stored at the service, all of it is sent again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aoai_magic.engine.models.base import Request
from aoai_magic.engine.models.remote.answer_text import AnswerText
from aoai_magic.engine.models.remote.conversation import sent_messages
from aoai_magic.engine.models.remote.learned import Learned
from aoai_magic.engine.models.responses.input_items import input_items
from aoai_magic.engine.models.responses.reader import ResponseReader

_ENCRYPTED = "reasoning.encrypted_content"
_LEAST_OUTPUT = 16
"""Tokens; the service refuses a smaller limit."""


class ResponsesWire:
    """The Responses API."""

    path = "/responses"
    bound = "max_output_tokens"
    optional = frozenset(
        {
            "include",
            "store",
            "reasoning.summary",
            "parallel_tool_calls",
            "temperature",
            "top_p",
            "tool_choice",
        }
    )
    refused_check: Mapping[str, Any] = {"input": "-", "max_output_tokens": 1}

    def parameters(self, request: Request, learned: Learned, origin: str) -> dict[str, Any]:
        """Return the body of a request, without model and stream."""
        instructions, items = input_items(sent_messages(request, learned), origin)
        options = request.options
        wanted: dict[str, Any] = {
            name: options[name] for name in ("temperature", "top_p") if name in options
        }
        wanted |= {"store": False, "include": [_ENCRYPTED]}
        if instructions:
            wanted["instructions"] = instructions
        if request.tools and learned.tools:
            wanted["tools"] = [_tool(tool["function"]) for tool in request.tools]
            wanted["tool_choice"] = _choice(request.tool_choice)
            if "parallel_tool_calls" in options:
                wanted["parallel_tool_calls"] = options["parallel_tool_calls"]
        if "max_completion_tokens" in options:
            wanted["max_output_tokens"] = max(options["max_completion_tokens"], _LEAST_OUTPUT)
        if "response_format" in options:
            wanted["text"] = {"format": _format(options["response_format"])}
        if reasoning := _reasoning(options, learned):
            wanted["reasoning"] = reasoning
        kept = {name: v for name, v in wanted.items() if not learned.refuses("responses", name)}
        return {"input": items, **kept}

    def reader(
        self, request: Request, learned: Learned, origin: str, *, official: bool
    ) -> ResponseReader:
        """Return a reader of the answer."""
        return ResponseReader(AnswerText(request, learned, official=official), origin)

    def whole(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an answer that was not streamed as the one event of a stream."""
        return {"type": f"response.{body.get('status') or 'completed'}", "response": body}


def _reasoning(options: Mapping[str, Any], learned: Learned) -> dict[str, Any]:
    reasoning = {"summary": "auto"}
    if learned.refuses("responses", "reasoning.summary"):
        reasoning = {}
    if "reasoning_effort" in options:
        reasoning["effort"] = options["reasoning_effort"]
    return reasoning


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    # Left out, `strict` is true here, and a schema with defaults would be refused.
    strict = bool(function.get("strict"))
    return {"type": "function", "parameters": {}, **function, "strict": strict}


def _choice(choice: str | Mapping[str, Any]) -> str | dict[str, Any]:
    if isinstance(choice, str):
        return choice
    return {"type": "function", "name": choice["function"]["name"]}


def _format(form: Mapping[str, Any]) -> dict[str, Any]:
    if form["type"] == "json_schema":
        return {"type": "json_schema", **form["json_schema"]}
    return dict(form)
