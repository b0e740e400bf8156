"""Today's models over the services' two APIs: all answer, and what was learned is kept."""

from __future__ import annotations

import json

import pytest
from starlette.responses import JSONResponse

from aoai_magic.engine.models.base import (
    REASONING_ITEMS,
    Finish,
    ModelError,
    Reasoning,
    ReasoningItems,
    ToolCall,
    Usage,
)
from aoai_magic.engine.models.remote import open_azure, open_openai

from .chat_server import KEY, PYTHON, USER, calls, fault, stream, take, text
from .services import MODELS, Services, message, response


@pytest.fixture
def services(server):
    services = Services(server)
    server.answer = services.answer
    return services


@pytest.fixture
def official(server, services, monkeypatch):
    """OpenAI's own host, reached through a proxy that is the far end."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://api.openai.com/v1")
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, server.url)
    return services


@pytest.fixture
def azure(server, services, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_VERSION", raising=False)
    return services


def reply(chunks):
    """Make the assistant's message of an answer, as whoever keeps the conversation does."""
    message = {"role": "assistant", "content": text(chunks) or None}
    pieces = [chunk for chunk in chunks if isinstance(chunk, ToolCall)]
    made = [
        {
            "id": f"mine_{head.id}",
            "type": "function",
            "function": {
                "name": head.name,
                "arguments": "".join(p.arguments for p in pieces if p.index == head.index),
            },
        }
        for head in pieces
        if head.name
    ]
    kept = [chunk.value for chunk in chunks if isinstance(chunk, ReasoningItems)]
    assert len(kept) <= 1
    message |= {"tool_calls": made} if made else {}
    # It is stored as JSON meanwhile.
    return message | ({REASONING_ITEMS: json.loads(json.dumps(kept[0]))} if kept else {})


async def converse(model, *history, **request):
    """Ask, answer the calls, and ask again; gives the messages and the last chunks."""
    messages = [*(history or (USER,))]
    for _ in range(3):
        chunks = await take(model, *messages, **request)
        messages.append(reply(chunks))
        if not calls(chunks):
            return messages, chunks
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": "42"}
            for call in messages[-1]["tool_calls"]
        ]
    raise AssertionError("no end")


def paths(server):
    return [url.partition("?")[0].rpartition("/")[2] for url in server.urls]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("where", ["elsewhere", "official", "azure"])
async def test_every_model_runs_code_and_answers(request, server, services, where, name):
    if where != "elsewhere":
        request.getfixturevalue(where)
    model = open_azure(name) if where == "azure" else open_openai(name)
    _, chunks = await converse(model)
    assert text(chunks) == "It is 42."
    first = "completions" if where == "elsewhere" else "responses"
    assert paths(server)[0] == first
    assert len(paths(server)) <= 3


@pytest.mark.parametrize("name", MODELS)
async def test_without_the_responses_api_a_model_answers_or_says_what_to_do(server, services, name):
    services.absent = ("/responses",)
    model = open_openai(name)
    if "none" in MODELS[name].efforts:
        assert text((await converse(model))[1]) == "It is 42."
        return
    with pytest.raises(ModelError, match=r"only over the Responses API.*does not have"):
        await take(model)


async def test_reasoning_goes_back_in_its_place_inside_a_run_and_across_runs(server, official):
    official.parallel = 2
    model = open_openai("gpt-6-astra")
    messages, chunks = await converse(model)
    assert next(chunk.text for chunk in chunks if isinstance(chunk, Reasoning)) == "Six"
    assert Usage(20, 11, 5, 7) in chunks
    body = server.bodies[-1]
    assert (body["store"], body["include"]) == (False, ["reasoning.encrypted_content"])
    kinds = [item["type"] for item in body["input"]]
    call, output = "function_call", "function_call_output"
    assert kinds == ["message", "reasoning", call, call, output, output]
    await converse(model, *messages, {"role": "user", "content": "And by eight?"})
    body = server.bodies[-1]
    kinds = [item["type"] for item in body["input"]]
    assert kinds[6:9] == ["reasoning", "message", "message"]
    assert body["input"][7] == {
        "type": "message",
        "role": "assistant",
        "content": "It is 42.",
        "phase": "final_answer",
    }


async def test_reasoning_of_another_model_is_not_sent(server, official):
    messages, _ = await converse(open_openai("gpt-6-astra"))
    again = {"role": "user", "content": "And by eight?"}
    server.bodies.clear()
    _, chunks = await converse(open_openai("gpt-6-sol"), *messages, again)
    assert text(chunks) == "It is 42."
    assert "astra" not in json.dumps(server.bodies[0])


async def test_reasoning_that_the_service_can_no_longer_read_is_left_out(server, official):
    model = open_openai("gpt-6-astra")
    messages, _ = await converse(model)
    official.issued.clear()
    _, chunks = await converse(model, *messages, {"role": "user", "content": "And by eight?"})
    assert text(chunks) == "It is 42."


async def test_chat_completions_never_sees_reasoning_items(server, services):
    kept = {"origin": "x", "entries": [{"type": "reasoning"}]}
    said = {"role": "assistant", "content": "Hi.", REASONING_ITEMS: kept}
    assert text(await take(open_openai("gpt-5.4"), USER, said, USER)) == ""
    assert REASONING_ITEMS not in json.dumps(server.bodies)


# Effort


@pytest.mark.parametrize("where", ["elsewhere", "official", "azure"])
async def test_an_effort_is_passed_on_or_refused_with_those_that_are_taken(
    request, server, services, where
):
    if where != "elsewhere":
        request.getfixturevalue(where)
    model = (open_azure if where == "azure" else open_openai)("gpt-6-astra")
    _, chunks = await converse(model, options={"reasoning_effort": "xhigh"})
    assert text(chunks) == "It is 42."
    assert server.bodies[-1]["reasoning"]["effort"] == "xhigh"
    with pytest.raises(ModelError) as caught:
        await take(model, options={"reasoning_effort": "none"})
    assert "does not take the effort 'none'; it takes low, medium, high, xhigh, max." in str(
        caught.value
    )


async def test_an_effort_is_never_dropped_for_want_of_the_other_api(server, services):
    services.absent = ("/responses",)
    with pytest.raises(ModelError, match="set the effort to none"):
        await take(open_openai("gpt-6-luna"), options={"reasoning_effort": "high"})
    _, chunks = await converse(open_openai("gpt-6-luna"), options={"reasoning_effort": "none"})
    assert text(chunks) == "It is 42."


@pytest.mark.parametrize(
    "answer",
    [
        fault(400, "Unrecognized request argument supplied: reasoning_effort"),
        fault(400, "Unsupported parameter: 'reasoning_effort' is not supported with this model."),
        fault(422, "body.reasoning_effort: Extra inputs are not permitted"),
        fault(400, '"llama3" does not support thinking: reasoning_effort'),
    ],
)
async def test_a_model_without_efforts_says_so(server, answer):
    server.answer = lambda body: answer
    with pytest.raises(ModelError, match="takes no reasoning effort; leave it out"):
        await take(open_openai("m"), options={"reasoning_effort": "low"})


# What was learned


async def test_what_was_learned_is_kept_in_memory_and_across_processes(server, services, tmp_path):
    for opened in range(2):
        model = open_openai("gpt-6-astra")
        model.remember_in(tmp_path)
        server.urls.clear()
        await converse(model)
        assert ("completions" in paths(server)) == (opened == 0)
        server.urls.clear()
        await converse(model)
        assert set(paths(server)) == {"responses"}
    other = open_openai("gpt-5.4")
    other.remember_in(tmp_path)
    server.urls.clear()
    await converse(other)
    assert set(paths(server)) == {"completions"}
    assert KEY not in "".join(file.read_text() for file in tmp_path.iterdir())


async def test_a_file_that_cannot_be_read_is_no_fault(server, services, tmp_path):
    (tmp_path / "model-endpoints.json").write_text('["not ours"]')
    model = open_openai("gpt-6-astra")
    model.remember_in(tmp_path)
    assert text((await converse(model))[1]) == "It is 42."


async def test_a_server_with_neither_api_names_the_variable(server, services):
    services.absent = ("/responses", "/completions")
    model = open_openai("gpt-6-sol")
    with pytest.raises(ModelError, match=r"has neither .*OPENAI_BASE_URL.*ends with /v1"):
        await take(model)
    services.absent = ()
    assert text((await converse(model))[1]) == "It is 42."


@pytest.mark.parametrize("where", ["elsewhere", "official", "azure"])
async def test_an_unknown_model_is_one_sentence(request, server, services, where):
    if where != "elsewhere":
        request.getfixturevalue(where)
    noun = "deployment" if where == "azure" else "model"
    with pytest.raises(ModelError, match=f"There is no {noun} 'gpt-9'"):
        await take((open_azure if where == "azure" else open_openai)("gpt-9"))


# Azure's paths


@pytest.mark.parametrize(
    ("version", "path"),
    [
        ("", "/openai/v1/responses?api-version=preview"),
        ("2024-10-21", "/openai/v1/responses?api-version=preview"),
        ("2025-04-01-preview", "/openai/responses?api-version=2025-04-01-preview"),
    ],
)
async def test_azure_is_asked_where_its_responses_are(server, azure, monkeypatch, version, path):
    monkeypatch.setenv("OPENAI_API_VERSION", version)
    assert calls(await take(open_azure("gpt-6-astra")))
    assert server.urls == [path]


async def test_azure_without_responses_is_asked_for_chat(server, azure):
    azure.absent = ("/responses", "/openai/v1/chat/completions")
    assert calls(await take(open_azure("gpt-5.4")))
    assert server.urls[-1].startswith("/openai/deployments/gpt-5.4/chat/completions?api-version=")


# What else stands in answers


async def test_a_refusal_is_the_answer(official, server):
    events = response(message({"type": "refusal", "refusal": "I cannot do that."}))
    server.answer = lambda body: stream(*events, done=False)
    chunks = await take(open_openai("m"))
    assert (text(chunks), chunks[-1]) == ("I cannot do that.", Finish("stop"))


@pytest.mark.parametrize(
    ("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "content_filter")]
)
async def test_a_cut_answer_says_why(official, server, reason, finish):
    part = {"type": "output_text", "text": "So"}
    details = {"reason": reason}
    events = response(message(part), status="incomplete", incomplete_details=details)
    server.answer = lambda body: stream(*events, done=False)
    chunks = await take(open_openai("m"))
    assert (text(chunks), chunks[-1]) == ("So", Finish(finish))


async def test_what_was_not_streamed_is_taken_from_the_response(official, server):
    call = {"type": "function_call", "id": "f", "call_id": "c", "name": "python"}
    call["arguments"] = '{"code": "1"}'
    body = response(message({"type": "output_text", "text": "Well:"}), call)[-1]["response"]
    for answer in (JSONResponse(body), stream({"type": "response.completed", "response": body})):
        server.answer = lambda body, answer=answer: answer
        chunks = await take(open_openai("m"))
        assert (text(chunks), calls(chunks)) == ("Well:", [("python", {"code": "1"})])


async def test_structured_output_choice_and_bounds_are_sent(official, server):
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    system = {"role": "system", "content": "Be brief."}
    asked = {"role": "user", "content": [{"type": "text", "text": "See?"}, picture]}
    await take(
        open_openai("gpt-6-sol"),
        system,
        asked,
        tool_choice={"type": "function", "function": {"name": "python"}},
        options={"response_format": form, "max_completion_tokens": 5, "temperature": 0.5},
    )
    body = server.bodies[-1]
    assert body["instructions"] == "Be brief."
    assert body["text"]["format"] == {
        "type": "json_schema",
        "name": "n",
        "schema": {},
        "strict": True,
    }
    assert body["max_output_tokens"] == 16
    assert body["tool_choice"] == {"type": "function", "name": "python"}
    assert body["tools"][0]["name"] == PYTHON["function"]["name"]
    assert body["tools"][0]["strict"] is False
    assert body["input"][0]["content"] == [
        {"type": "input_text", "text": "See?"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
    ]
    assert "temperature" not in body


@pytest.mark.parametrize(
    ("answer", "absent"),
    [
        (fault(400, "Encrypted content is not supported with this model."), "include"),
        (
            fault(
                400,
                "Unsupported parameter: 'reasoning.summary' is not supported with this model.",
                param="reasoning.summary",
            ),
            "reasoning",
        ),
    ],
)
async def test_a_model_without_reasoning_is_asked_without(official, server, answer, absent):
    part = {"type": "output_text", "text": "Hi."}
    server.answer = lambda body: (
        answer if absent in body else stream(*response(message(part)), done=False)
    )
    model = open_openai("m")
    assert text(await take(model)) == "Hi."
    assert text(await take(model)) == "Hi."
    assert [absent in body for body in server.bodies] == [True, False, False]


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        ({"code": "context_length_exceeded", "message": "Too long."}, "too long", "invalid_prompt"),
        ({"code": "invalid_prompt", "message": "Limited access."}, "Limited access", None),
        ({"code": "rate_limit_exceeded", "message": "Slow."}, "no more calls", None),
    ],
)
async def test_failures_in_the_stream_are_sentences(
    official, server, monkeypatch, error, words, code
):
    monkeypatch.setattr("aoai_magic.engine.models.remote.retry.FIRST_WAIT", 0.01)
    failed = {"type": "response.failed", "response": {"status": "failed", "error": error}}
    for event in (failed, {"type": "error", **error}, {"type": "error", "error": error}):
        server.answer = lambda body, event=event: stream(event, done=False)
        with pytest.raises(ModelError, match=words) as caught:
            await take(open_openai("m"))
        assert code in (None, caught.value.code)


async def test_a_stream_that_ends_too_soon_is_no_answer(official, server):
    part = {"type": "output_text", "text": "So far so good"}
    events = response(message(part))[:6]
    server.answer = lambda body: stream(*events, done=False)
    with pytest.raises(ModelError, match="broke off"):
        await take(open_openai("m"))
