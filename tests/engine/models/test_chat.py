from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.responses import Response, StreamingResponse

from aoai_magic.engine.models.base import (
    Finish,
    ModelError,
    Reasoning,
    Request,
    Text,
    Usage,
)
from aoai_magic.engine.models.remote import open_azure, open_openai
from aoai_magic.shared import entra_id

from .chat_server import EVENTS, KEY, PYTHON, USER, call, calls, fault, say, stream, take, text


async def test_text_streams_with_usage_and_finish(server):
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    server.answer = lambda body: stream(
        say("Forty-"), say("two.", finish_reason="stop"), {"choices": [], "usage": usage}
    )
    chunks = await take(open_openai("m"))
    assert chunks == [Text("Forty-"), Text("two."), Usage(9, 2, 4), Finish("stop")]
    body = server.bodies[0]
    assert body["model"] == "m"
    assert body["stream_options"] == {"include_usage": True}
    assert body["tools"] == [PYTHON]


async def test_options_and_flattened_parts_are_sent(server):
    server.answer = lambda body: stream(say("Hi."))
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    await take(open_openai("m"), {"role": "user", "content": parts}, options={"temperature": 0.5})
    assert server.bodies[0]["temperature"] == 0.5
    assert server.bodies[0]["messages"][0]["content"] == "a\n\nb"


async def test_pictures_stay_parts(server):
    server.answer = lambda body: stream(say("Hi."))
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    await take(open_openai("m"), {"role": "user", "content": [picture]})
    assert server.bodies[0]["messages"][0]["content"] == [picture]


WELL_FORMED = [
    call({"index": 0, "id": "a", "function": {"name": "python", "arguments": ""}}),
    call({"index": 0, "function": {"arguments": '{"code"'}}),
    call({"index": 0, "function": {"arguments": ': "1"}'}}),
    call({"index": 1, "id": "b", "function": {"name": "python", "arguments": '{"code": "2"}'}}),
]
IN_ONE_PIECE = [
    call(
        {"index": 0, "id": "a", "function": {"name": "python", "arguments": '{"code": "1"}'}},
        {"index": 1, "id": "b", "function": {"name": "python", "arguments": '{"code": "2"}'}},
    )
]
NO_IDS_NO_INDEXES = [
    call({"function": {"name": "python", "arguments": '{"code": "1"}'}}),
    call({"function": {"name": "python", "arguments": '{"code": "2"}'}}),
]
ALL_INDEXES_ZERO = [
    call({"index": 0, "id": "a", "function": {"name": "python", "arguments": '{"code": "1"}'}}),
    call({"index": 0, "id": "b", "function": {"name": "python", "arguments": '{"code": "2"}'}}),
]
OBJECTS = [
    call({"function": {"name": "python", "arguments": {"code": "1"}}}),
    call({"function": {"name": "python", "arguments": {"code": "2"}}}),
]
NAME_IN_EVERY_PIECE = [
    call({"index": 0, "id": "a", "function": {"name": "python", "arguments": '{"code'}}),
    call({"index": 0, "id": "a", "function": {"name": "python", "arguments": '": "1"}'}}),
    call({"index": 1, "id": "", "function": {"name": "python", "arguments": '{"code": '}}),
    call({"index": 1, "id": "", "function": {"name": "python", "arguments": '"2"}'}}),
]


@pytest.mark.parametrize(
    "deltas",
    [
        WELL_FORMED,
        IN_ONE_PIECE,
        NO_IDS_NO_INDEXES,
        ALL_INDEXES_ZERO,
        OBJECTS,
        NAME_IN_EVERY_PIECE,
    ],
)
@pytest.mark.parametrize("reason", ["tool_calls", "stop", None])
async def test_two_calls_arrive_however_they_are_sent(server, deltas, reason):
    server.answer = lambda body: stream(*deltas, say("", finish_reason=reason))
    chunks = await take(open_openai("m"))
    assert calls(chunks) == [("python", {"code": "1"}), ("python", {"code": "2"})]
    assert chunks[-1] == Finish("tool_calls")


async def test_a_call_without_arguments_has_none(server):
    server.answer = lambda body: stream(call({"index": 0, "id": "a", "function": {"name": "now"}}))
    assert calls(await take(open_openai("m"))) == [("now", {})]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_is_kept_apart(server, field):
    thought = {"choices": [{"delta": {field: "Hm."}}]}
    server.answer = lambda body: stream(thought, say("42"))
    assert (await take(open_openai("m")))[:2] == [Reasoning("Hm."), Text("42")]


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_a_cut_answer_says_why(server, reason):
    server.answer = lambda body: stream(say("Forty"), say("", finish_reason=reason))
    assert (await take(open_openai("m")))[-1] == Finish(reason)


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("stream_options", "Unknown parameter: stream_options"),
        ("parallel_tool_calls", "parallel_tool_calls: Extra inputs are not permitted"),
        ("temperature", "Unsupported value: 'temperature' does not support 0.5 with this model."),
    ],
)
async def test_a_parameter_that_is_refused_is_left_out_from_then_on(server, parameter, message):
    server.answer = lambda body: fault(400, message) if parameter in body else stream(say("Hi."))
    model = open_openai("m")
    options = {"temperature": 0.5, "parallel_tool_calls": False}
    assert text(await take(model, options=options)) == "Hi."
    assert text(await take(model, options=options)) == "Hi."
    assert [parameter in body for body in server.bodies] == [True, False, False]


async def test_the_older_name_of_the_token_limit_is_tried(server):
    server.answer = lambda body: (
        fault(400, "unsupported", param="max_completion_tokens")
        if "max_completion_tokens" in body
        else stream(say("Hi."))
    )
    await take(open_openai("m"), options={"max_completion_tokens": 50})
    assert server.bodies[-1]["max_tokens"] == 50


NO_TOOLS = [
    (400, "registry.ollama.ai/library/gemma:2b does not support tools"),
    (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser'),
    (500, "tools param requires --jinja flag"),
    (404, "No endpoints found that support tool use."),
    (422, "Unrecognized request argument supplied: tools"),
]


@pytest.mark.parametrize(("status", "message"), NO_TOOLS)
async def test_a_server_without_tools_gets_fences(server, status, message):
    fenced = ["Let me see.\n\n``", "`pyth", 'on\nprint("6"', "\n)\n", "``", "`\nIt is 41."]
    server.answer = lambda body: (
        fault(status, message) if "tools" in body else stream(*map(say, fenced))
    )
    model = open_openai("m")
    chunks = await take(model, options={"parallel_tool_calls": True})
    assert text(chunks) == "Let me see.\n\n"
    assert calls(chunks) == [("python", {"code": 'print("6"\n)\n'})]
    assert chunks[-1] == Finish("tool_calls")
    await take(model)
    assert ["tools" in body for body in server.bodies] == [True, False, False]
    assert "parallel_tool_calls" not in server.bodies[1]


async def test_a_history_of_calls_becomes_plain_texts(server):
    server.answer = lambda body: (
        fault(400, "m does not support tools") if "tools" in body else stream(say("42."))
    )
    arguments = json.dumps({"code": "6 * 7"})
    made = {"id": "c", "type": "function", "function": {"name": "python", "arguments": arguments}}
    history = [
        {"role": "system", "content": "Be brief."},
        USER,
        {"role": "assistant", "content": "Well:", "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "c", "content": "42"},
    ]
    chunks = await take(open_openai("m"), *history)
    assert (text(chunks), chunks[-1]) == ("42.", Finish("stop"))
    sent = server.bodies[-1]["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "user"]
    assert "Be brief." in sent[0]["content"]
    assert sent[2]["content"] == "Well:\n\n```python\n6 * 7\n```"
    assert "42" in sent[3]["content"]


async def test_a_fence_that_is_never_closed_is_run(server):
    server.answer = lambda body: (
        fault(400, "m does not support tools")
        if "tools" in body
        else stream(say("```python\n1 + 1"))
    )
    assert calls(await take(open_openai("m"))) == [("python", {"code": "1 + 1"})]


async def test_other_blocks_stay_text(server):
    answer = "Use `x`:\n```sql\nselect 1\n```\n"
    server.answer = lambda body: (
        fault(400, "m does not support tools") if "tools" in body else stream(*map(say, answer))
    )
    chunks = await take(open_openai("m"))
    assert (text(chunks), calls(chunks)) == (answer, [])


async def failure(model: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await take(model)
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


async def test_no_server_names_the_address_and_the_variable(monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", url.replace("//", f"//me:{KEY}@"))
    error = await failure(open_openai("m"))
    assert url in str(error)
    assert "OPENAI_BASE_URL" in str(error)


@pytest.mark.parametrize(
    ("answer", "words", "code"),
    [
        (fault(401, f"Incorrect API key provided: {KEY}"), "OPENAI_API_KEY", "server_error"),
        (fault(403, f"Key {KEY} lacks a role"), "may not use", "server_error"),
        (fault(404, "The model `m` does not exist"), "no model 'm'", "server_error"),
        (
            fault(429, "Slow down", {"retry-after": "20"}),
            "try again in 20 s",
            "rate_limit_exceeded",
        ),
        (
            fault(400, "This model's maximum context length is 4096 tokens, messages has 5000"),
            "too long",
            "invalid_prompt",
        ),
        (fault(400, "…", code="context_length_exceeded"), "too long", "invalid_prompt"),
        (fault(400, "…", code="content_filter"), "content filter", "invalid_prompt"),
        (fault(503, f"Down.\n{KEY}"), r"status 503.*Down\. \*\*\*", "server_error"),
        (stream(say("So"), {"error": {"message": "out of memory"}}), "of memory", "server_error"),
        (Response("data: {broken\n\n", 200, {}, EVENTS), "broke off", "server_error"),
        (stream(), "empty", "server_error"),
    ],
)
async def test_failures_are_sentences(server, answer, words, code):
    server.answer = lambda body: answer
    error = await failure(open_openai("m"))
    assert error.code == code
    with pytest.raises(ModelError, match=words):
        raise error


async def test_a_broken_connection_is_said_after_the_partial_answer(server):
    def cut() -> Iterator[str]:
        yield f"data: {json.dumps(say('So far'))}\n\n"
        raise ConnectionAbortedError

    server.answer = lambda body: StreamingResponse(cut(), 200, {}, EVENTS)
    chunks = open_openai("m").stream(Request([USER]))
    assert await anext(chunks) == Text("So far")
    with pytest.raises(ModelError, match="broke off"):
        await anext(chunks)


async def test_azure_asks_the_deployment(server, monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-05-01-preview")
    server.answer = lambda body: (
        fault(404, "Resource not found") if "input" in body else stream({"choices": []}, say("Hi."))
    )
    model = open_azure("mine")
    assert model.name == "azure:mine"
    assert text(await take(model)) == "Hi."
    path = "/openai/deployments/mine/chat/completions"
    assert server.urls[1:] == [f"{path}?api-version=2024-05-01-preview"]
    server.answer = lambda body: fault(404, "…", code="DeploymentNotFound")
    error = await failure(model)
    assert "no deployment 'mine'" in str(error)
    assert "AZURE_OPENAI_ENDPOINT" in str(error)


@pytest.mark.parametrize(
    ("opened", "argument", "words"),
    [
        (open_openai, "m", "OPENAI_API_KEY"),
        (open_openai, "", "openai:MODEL"),
        (open_azure, "d", "AZURE_OPENAI_ENDPOINT"),
        (open_azure, "", "azure:DEPLOYMENT"),
    ],
)
def test_what_is_missing_is_named(monkeypatch, opened, argument, words):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelError, match=words):
        opened(argument)


def test_a_deployment_wants_a_key_where_nobody_can_sign_in(monkeypatch):
    monkeypatch.setattr(entra_id, "installed", lambda: False)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com")
    for name in ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelError, match="AZURE_OPENAI_API_KEY"):
        open_azure("d")


def test_the_key_is_not_in_the_repr(server):
    model = open_openai("m")
    assert KEY not in repr(vars(model))
