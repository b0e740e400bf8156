"""OpenAI's and Azure's model services as they behaved in November 2026, for `ChatServer`.

Both APIs look at requests as strictly as the services do: unknown parameters, efforts that a
model does not take, reasoning that was sent back out of its order or altered, results without
their call. The model calls `python` once (twice with `parallel`), then answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse, Response

from .chat_server import ChatServer, fault, stream

REASONING = ("low", "medium", "high", "xhigh")


@dataclass(frozen=True)
class Kind:
    """What a model takes on Chat Completions together with tools, and which efforts."""

    efforts: tuple[str, ...]
    default: str
    chat_efforts: tuple[str, ...]
    words: str = (
        "Function tools with reasoning_effort are not supported for {model} in "
        "/v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort "
        "to 'none'."
    )


OLDER = Kind(
    ("none", *REASONING),
    "none",
    ("none",),
    (
        "Function tools with reasoning_effort are not supported for {model} in "
        "/v1/chat/completions. Please use /v1/responses instead."
    ),
)
NEWER = Kind(("none", *REASONING, "max"), "medium", ("none",))
NEWEST = Kind((*REASONING, "max"), "medium", ())
MODELS = {
    "gpt-5.4": OLDER,
    "gpt-5.6-mini": NEWER,
    "gpt-6-sol": NEWER,
    "gpt-6-luna": NEWER,
    "gpt-6-astra": NEWEST,
    "gpt-6.1-orion": NEWEST,
}

_CHAT = {
    "model", "messages", "stream", "stream_options", "tools", "tool_choice", "temperature",
    "top_p", "reasoning_effort", "parallel_tool_calls", "max_completion_tokens", "response_format",
}  # fmt: skip
_RESPONSES = {
    "model", "input", "instructions", "stream", "store", "include", "tools", "tool_choice",
    "temperature", "top_p", "reasoning", "parallel_tool_calls", "max_output_tokens", "text",
}  # fmt: skip


@dataclass
class Services:
    """The far end; `absent` are paths that it does not have."""

    server: ChatServer
    code: str = "print(6 * 7)"
    say: str = "It is 42."
    parallel: int = 1
    absent: tuple[str, ...] = ()
    issued: dict[str, str] = field(default_factory=dict)

    def answer(self, body: dict[str, Any]) -> Response:
        path = self.server.urls[-1].partition("?")[0]
        if any(path.endswith(end) for end in self.absent):
            azure = path.startswith("/openai")
            return fault(404, "Resource not found" if azure else f"Invalid URL (POST {path})")
        model = body.get("model") or path.split("/")[3]
        if model not in MODELS:
            text = f"The model `{model}` does not exist or you do not have access to it."
            return fault(404, text, code="model_not_found")
        if path.endswith("/responses"):
            return self._responses(body, MODELS[model])
        return self._chat(body, MODELS[model], model)

    # Chat Completions

    def _chat(self, body: dict[str, Any], kind: Kind, model: str) -> Response:
        for name in body:
            if name not in _CHAT:
                return unknown(name)
        for place, message in enumerate(body["messages"]):
            for name in set(message) - {"role", "content", "tool_calls", "tool_call_id"}:
                return unknown(f"messages[{place}].{name}")
        effort = body.get("reasoning_effort", kind.default)
        if effort not in kind.efforts:
            return unsupported("reasoning_effort", effort, kind)
        if body.get("tools") and effort not in kind.chat_efforts:
            text = kind.words.format(model=model)
            return fault(400, text, type="invalid_request_error", param="reasoning_effort")
        if effort != "none" and "temperature" in body:
            return unsupported("temperature", None, kind)
        done = body["messages"][-1]["role"] == "tool"
        if done or not body.get("tools"):
            delta: dict[str, Any] = {"content": self.say}
        else:
            made = {"name": "python", "arguments": json.dumps({"code": self.code})}
            delta = {"tool_calls": [{"index": 0, "id": "call_1", "function": made}]}
        return stream({"choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]})

    # Responses

    def _responses(self, body: dict[str, Any], kind: Kind) -> Response:
        wrong = self._check(body, kind)
        if wrong is not None:
            return wrong
        last = body["input"][-1]
        done = last["type"] == "function_call_output" or not body.get("tools")
        output = list(self._output(body["model"], done))
        events = list(spell({"id": "resp_1", "status": "completed", "output": output}))
        if body.get("stream"):
            return stream(*events, done=False)
        return JSONResponse(events[-1]["response"])

    def _output(self, model: str, done: bool) -> Iterator[dict[str, Any]]:
        id_ = f"rs_{len(self.issued)}"
        self.issued[id_] = f"{model}:{id_}:gAAAA"
        yield {
            "id": id_,
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Six times seven."}],
            "encrypted_content": self.issued[id_],
            "status": None,
        }
        for number in range(0 if done else self.parallel):
            yield {
                "id": f"fc_{id_}{number}",
                "type": "function_call",
                "call_id": f"call_{id_}{number}",
                "name": "python",
                "arguments": json.dumps({"code": self.code}),
                "status": "completed",
            }
        if done:
            part = {"type": "output_text", "text": self.say, "annotations": []}
            yield {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "phase": "final_answer",
                "content": [part],
            }

    def _check(self, body: dict[str, Any], kind: Kind) -> Response | None:
        for name in body:
            if name not in _RESPONSES:
                return unknown(name)
        effort = (body.get("reasoning") or {}).get("effort", kind.default)
        if effort not in kind.efforts:
            return unsupported("reasoning.effort", effort, kind)
        if effort != "none" and "temperature" in body:
            text = "Unsupported parameter: 'temperature' is not supported with this model."
            return fault(400, text, param="temperature")
        if body.get("max_output_tokens", 16) < 16:
            text = "Invalid 'max_output_tokens': integer below minimum value."
            return fault(400, text, param="max_output_tokens")
        return self._check_input(body["input"], body["model"])

    def _check_input(self, items: list[dict[str, Any]], model: str) -> Response | None:
        open_calls: set[str] = set()
        for place, item in enumerate(items):
            if item["type"] == "reasoning":
                if set(item) - {"type", "id", "summary", "encrypted_content"}:
                    return unknown(f"input[{place}].status")
                known = self.issued.get(item["id"], "")
                if item["encrypted_content"] != known or not known.startswith(f"{model}:"):
                    text = f"The encrypted content for item {item['id']} could not be verified."
                    return fault(400, text, code="invalid_encrypted_content")
                following = items[place + 1] if place + 1 < len(items) else {}
                if following.get("type") not in ("function_call", "message"):
                    text = f"Item '{item['id']}' of type 'reasoning' was provided without its "
                    return fault(400, text + "required following item.", param="input")
            elif item["type"] == "function_call":
                open_calls.add(item["call_id"])
            elif item["type"] == "function_call_output":
                if item["call_id"] not in open_calls:
                    return fault(400, "No tool call found for function call output.")
                open_calls.remove(item["call_id"])
        if open_calls:
            return fault(400, f"No tool output found for function call {open_calls.pop()}.")
        return None


def spell(response: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the events of a response in the services' order, texts in pieces of three."""
    begun = {**response, "status": "in_progress", "output": []}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for place, item in enumerate(response["output"]):
        where = {"output_index": place, "item_id": item["id"]}
        empty = {"arguments": ""} if item["type"] == "function_call" else {"content": []}
        yield {"type": "response.output_item.added", **where, "item": {**item, **empty}}
        yield from _pieces(item, where)
        yield {"type": "response.output_item.done", **where, "item": item}
    details = {"cached_tokens": 5}, {"reasoning_tokens": 7}
    usage = {
        "input_tokens": 20,
        "input_tokens_details": details[0],
        "output_tokens": 11,
        "output_tokens_details": details[1],
    }
    kind = f"response.{response['status']}"
    yield {"type": kind, "response": {"usage": usage, **response}}


def _pieces(item: dict[str, Any], where: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if item["type"] == "function_call":
        kind, text = "response.function_call_arguments.delta", item["arguments"]
    elif item["type"] == "reasoning":
        kind = "response.reasoning_summary_text.delta"
        text = "".join(part["text"] for part in item["summary"])
    else:
        refused = item["content"][0]["type"] == "refusal"
        kind = "response.refusal.delta" if refused else "response.output_text.delta"
        text = "".join(part.get("text") or part["refusal"] for part in item["content"])
    for start in range(0, len(text), 3):
        yield {"type": kind, **where, "delta": text[start : start + 3]}


def unknown(name: str) -> Response:
    return fault(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")


def unsupported(name: str, value: str | None, kind: Kind) -> Response:
    if value is None:
        text = f"Unsupported parameter: '{name}' is not supported with this model."
        return fault(400, text, param=name, code="unsupported_parameter")
    levels = ", ".join(f"'{level}'" for level in kind.efforts[:-1])
    text = (
        f"Unsupported value: '{name}' does not support '{value}' with this model. Supported "
        f"values are: {levels}, and '{kind.efforts[-1]}'."
    )
    return fault(400, text, param=name, code="unsupported_value")


def response(*output: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """Return the events of a response with these items."""
    return list(spell({"id": "r", "status": "completed", "output": list(output), **more}))


def message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"id": "m", "type": "message", "role": "assistant", "content": list(parts)}


def said(text: str) -> dict[str, Any]:
    return message({"type": "output_text", "text": text, "annotations": []})


def called(arguments: str) -> dict[str, Any]:
    named = {"id": "f", "call_id": "c", "name": "python"}
    return {"type": "function_call", **named, "arguments": arguments}
