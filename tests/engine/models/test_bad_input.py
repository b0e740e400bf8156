"""What goes wrong at the far end, over both APIs: one sentence, what to do, and nothing lost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.responses import JSONResponse, StreamingResponse

from aoai_magic.engine.models.base import Finish, ModelError, Request
from aoai_magic.engine.models.remote import open_azure, open_openai

from .chat_server import EVENTS, KEY, PYTHON, USER, call, calls, fault, say, stream, take, text
from .services import called, response, said

CODE = json.dumps({"code": "print(6 * 7)"})


@dataclass(frozen=True)
class Chat:
    """A server elsewhere, asked over Chat Completions."""

    key_variable = "OPENAI_API_KEY"

    def open(self) -> Any:
        return open_openai("m")

    def text(self, *pieces: str) -> list[dict]:
        return [*map(say, pieces), say("", finish_reason="stop")]

    def call(self, arguments: str) -> list[dict]:
        function = {"name": "python", "arguments": arguments}
        return [call({"index": 0, "id": "a", "function": function})]

    def whole(self, content: str | None, arguments: str | None) -> dict:
        made = {"id": "a", "function": {"name": "python", "arguments": arguments}}
        message = {"content": content, **({"tool_calls": [made]} if arguments else {})}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


@dataclass(frozen=True)
class Responses:
    """Azure, asked over the Responses API."""

    key_variable = "AZURE_OPENAI_API_KEY"

    def open(self) -> Any:
        return open_azure("m")

    def text(self, *pieces: str) -> list[dict]:
        return response(said("".join(pieces)))

    def call(self, arguments: str) -> list[dict]:
        return response(called(arguments))[:-2]

    def whole(self, content: str | None, arguments: str | None) -> dict:
        output = [said(content)] if content else []
        output += [called(arguments)] if arguments else []
        return {"status": "completed", "output": output}


@pytest.fixture(params=[Chat(), Responses()], ids=["chat", "responses"])
def far(request, server, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_VERSION", raising=False)
    return request.param


async def failure(far, seen=None):
    chunks = far.open().stream(Request([USER], [PYTHON]))

    async def read():
        async for chunk in chunks:
            if seen is not None:
                seen.append(chunk)

    with pytest.raises(ModelError) as caught:
        await read()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert KEY not in sentence
    return sentence


async def test_a_wrong_key_names_the_variable(far, server):
    server.answer = lambda body: fault(401, f"Incorrect API key provided: {KEY}")
    assert f"refused the key; set {far.key_variable}" in await failure(far)


@pytest.mark.parametrize(
    "answer",
    [
        fault(400, "Unsupported value: 'stream' does not support true with this model."),
        fault(400, "This server does not support streaming."),
        fault(501, "Streaming is not implemented"),
    ],
)
async def test_a_server_that_cannot_stream_is_asked_without(far, server, answer):
    server.answer = lambda body: (
        answer if body.get("stream") else JSONResponse(far.whole("Well:", CODE))
    )
    model = far.open()
    for _ in range(2):
        chunks = await take(model)
        assert (text(chunks), calls(chunks)) == ("Well:", [("python", json.loads(CODE))])
        assert chunks[-1] == Finish("tool_calls")
    assert [body.get("stream", False) for body in server.bodies] == [True, False, False]


async def test_a_server_that_does_not_stream_though_asked_to_is_understood(far, server):
    server.answer = lambda body: JSONResponse(far.whole("42", None))
    assert text(await take(far.open())) == "42"


async def test_a_server_that_buffers_is_understood(far, server):
    server.answer = lambda body: stream(*far.text("Forty-", "two."))
    assert text(await take(far.open())) == "Forty-two."


@pytest.mark.parametrize("whole", [True, False])
async def test_an_empty_answer_says_what_to_do(far, server, whole):
    events = far.text("") if isinstance(far, Chat) else response()
    server.answer = lambda body: JSONResponse(far.whole(None, None)) if whole else stream(*events)
    assert "answer was empty; ask again, or use another model" in await failure(far)


async def test_an_empty_answer_after_code_is_none_to_complain_of(far, server):
    events = far.text("") if isinstance(far, Chat) else response()
    server.answer = lambda body: stream(*events)
    function = {"name": "python", "arguments": CODE}
    made = {"id": "c", "type": "function", "function": function}
    drawn = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "c", "content": "[A chart.]"},
    ]
    assert (await take(far.open(), *drawn))[-1] == Finish("stop")


async def test_a_model_that_loops_is_stopped_and_what_it_said_is_kept(far, server):
    server.answer = lambda body: stream(*far.text(*["again and "] * 2_000))
    seen: list[Any] = []
    assert "repeat itself and was stopped; ask again" in await failure(far, seen)
    assert text(seen).startswith("again and again")


async def test_half_a_call_is_no_call(far, server):
    half = far.call(CODE[:-4])
    server.answer = lambda body: stream(*half, done=False)
    assert "broke off" in await failure(far)


async def test_a_stream_that_breaks_keeps_what_was_said(far, server):
    events = far.text("So far so good")

    def cut():
        for event in events[:-3] if len(events) > 3 else events[:1]:
            yield f"data: {json.dumps(event)}\n\n"
        raise ConnectionAbortedError

    server.answer = lambda body: StreamingResponse(cut(), 200, {}, EVENTS)
    seen: list[Any] = []
    assert "broke off" in await failure(far, seen)
    assert text(seen).startswith("So far so")


async def test_a_page_instead_of_an_answer_is_a_sentence(far, server):
    server.answer = lambda body: StreamingResponse(iter(["<html>Sign in</html>"]), 200)
    assert "answer" in await failure(far)


async def test_structured_output_is_never_dropped(far, server):
    names = {"response_format", "text"}
    words = "Unsupported parameter: 'response_format' is not supported with this model."
    server.answer = lambda body: (
        fault(400, words, param="response_format") if names & set(body) else stream(*far.text("{}"))
    )
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}
    with pytest.raises(ModelError, match="response_format"):
        await take(far.open(), options={"response_format": form})


async def test_a_limit_of_tokens_is_never_dropped(far, server):
    limits = ("max_completion_tokens", "max_tokens", "max_output_tokens")

    def answer(body):
        name = next((name for name in limits if name in body), None)
        return fault(400, f"Unknown parameter: '{name}'.", param=name) if name else stream()

    server.answer = answer
    with pytest.raises(ModelError, match="Unknown parameter"):
        await take(far.open(), options={"max_completion_tokens": 100})
