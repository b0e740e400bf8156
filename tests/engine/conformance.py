"""Holds every answer of an engine against the published description of the API."""

from __future__ import annotations

import json
import re
from pathlib import Path

from jsonschema import Draft202012Validator

DESCRIPTION = json.loads(Path(__file__).with_name("description.json").read_text("utf-8"))
_SCHEMAS = DESCRIPTION["components"]["schemas"]


def _follow_the_service():
    """Where the recorded service departs from its description, the engine does too.

    The description also departs from itself: files may be created for evals.
    """
    for name, schema in _SCHEMAS.items():
        if name.startswith("List"):
            for key in ("first_id", "last_id"):
                schema["properties"][key] = {"type": ["string", "null"]}
    _SCHEMAS["OpenAIFile"]["properties"]["status_details"] = {"type": ["string", "null"]}
    _SCHEMAS["OpenAIFile"]["properties"]["expires_at"] = {"type": ["integer", "null"]}
    _SCHEMAS["OpenAIFile"]["properties"]["purpose"]["enum"].append("evals")
    _SCHEMAS["VectorStoreObject"]["properties"]["expires_after"] = {}
    for bound in ("max_prompt_tokens", "max_completion_tokens"):
        _SCHEMAS["RunObject"]["properties"][bound]["minimum"] = 16


_follow_the_service()

_OBJECTS = {
    "thread": "ThreadObject",
    "thread.run": "RunObject",
    "thread.run.step": "RunStepObject",
    "thread.run.step.delta": "RunStepDeltaObject",
    "thread.message": "MessageObject",
    "thread.message.delta": "MessageDeltaObject",
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "code"],
            "properties": {"message": {"type": "string", "minLength": 1}},
        }
    },
}


def _validator(schema):
    return Draft202012Validator({**schema, "components": DESCRIPTION["components"]})


_EVENT_VALIDATORS = {
    kind: _validator({"$ref": f"#/components/schemas/{name}"}) for kind, name in _OBJECTS.items()
}
_PATTERNS = [
    (re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$"), methods)
    for path, methods in sorted(DESCRIPTION["paths"].items(), key=lambda item: "{" in item[0])
]


_ASSISTANT = "id object created_at name description model instructions tools file_ids metadata"
_MESSAGE = "id object created_at thread_id role content assistant_id run_id file_ids metadata"
_RUN = (
    "id object created_at thread_id assistant_id status required_action last_error expires_at "
    "started_at cancelled_at failed_at completed_at model instructions tools file_ids metadata "
    "usage temperature max_prompt_tokens max_completion_tokens truncation_strategy "
    "incomplete_details response_format tool_choice"
)
_STEP = (
    "id object created_at run_id assistant_id thread_id type status cancelled_at completed_at "
    "expires_at expired_at failed_at last_error step_details metadata usage"
)
VERSION_1 = {
    "assistant": _ASSISTANT,
    "assistant.file": "id object created_at assistant_id",
    "thread": "id object created_at metadata",
    "thread.message": _MESSAGE,
    "thread.message.file": "id object created_at message_id",
    "thread.run": _RUN,
    "thread.run.step": _STEP,
}
"""The keys of version 1's objects, whose description is in this form no more."""

LATER = {"assistant": "top_p temperature response_format", "thread.run": "top_p"}
"""The keys that OpenAI's version 1 had besides at its end; Azure's had not."""

STREAMED = {"thread.message": "status incomplete_details incomplete_at completed_at"}


def problems_of_version_1(data, *keys) -> list[str]:
    """Report which keys an object, or a page of them, lacks or has too many."""
    kind = data.get("object")
    if kind == "list":
        return [problem for one in data["data"] for problem in problems_of_version_1(one, *keys)]
    if kind not in VERSION_1:
        return []
    expected = " ".join([VERSION_1[kind], *(more.get(kind, "") for more in keys)])
    differing = sorted(set(expected.split()) ^ data.keys())
    return [f"{kind}: {differing}"] if differing else []


def problems(method: str, path: str, status: int, body: bytes) -> list[str]:
    """Report what is wrong with a JSON answer."""
    data = json.loads(body)
    if status >= 400:
        return _complain(_validator(_ERROR), data)
    operation = next((methods for pattern, methods in _PATTERNS if pattern.match(path)), {})
    answers = operation.get(method.lower(), {}).get("responses", {})
    content = answers.get("200", {}).get("content", {})
    if "application/json" not in content:
        return []
    return _complain(_validator(content["application/json"]["schema"]), data)


def stream_problems(body: bytes) -> list[str]:
    """Report what is wrong with a stream of events."""
    found = []
    for data in re.findall(rb"^data: (.*)$", body, re.MULTILINE):
        if data != b"[DONE]":
            event = json.loads(data)
            found += _complain(_EVENT_VALIDATORS[event["object"]], event)
    return found


def _complain(validator, data) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(data)]


def _version_1(kind: bytes, status: int, body: bytes, azure: bool) -> list[str]:
    keys = () if azure else (LATER,)
    if kind == b"application/json":
        data = json.loads(body)
        if status >= 400:
            return _complain(_validator(_ERROR), data)
        return problems_of_version_1(data, *keys)
    keys = keys and (*keys, STREAMED)
    events = map(json.loads, re.findall(rb"^data: (\{.*)$", body, re.MULTILINE))
    return [problem for event in events for problem in problems_of_version_1(event, *keys)]


class Watched:
    """ASGI middleware that collects the problems of all answers."""

    def __init__(self, app) -> None:
        self.app = app
        self.problems: list[str] = []

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, pieces = {}, []

        async def watch(message):
            start.update(message if message["type"] == "http.response.start" else {})
            pieces.append(message.get("body", b""))
            await send(message)

        await self.app(scope, receive, watch)
        self._check(scope, start, b"".join(pieces))

    def _check(self, scope, start, body):
        headers = dict(scope["headers"])
        version_1 = (
            b"v1" in headers.get(b"openai-beta", b"") or b"2024-02-15" in scope["query_string"]
        )
        path = re.sub(r"^(/openai)?(/v1)?", "", scope["path"])
        kind = dict(start["headers"]).get(b"content-type", b"")
        if path.startswith("/engine"):
            return
        found = []
        if version_1:
            azure = scope["path"].startswith("/openai")
            found = _version_1(kind, start["status"], body, azure)
        elif kind == b"application/json" and not path.endswith("/content"):
            found = problems(scope["method"], path, start["status"], body)
        elif kind.startswith(b"text/event-stream"):
            found = stream_problems(body)
        self.problems += [f"{scope['method']} {path}: {problem}" for problem in found]
