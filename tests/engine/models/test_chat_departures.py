"""Servers that depart from the chat protocol, are busy, or have a model that goes astray."""

import json

import pytest

from aoai_magic.engine.models import pictures, token_estimate
from aoai_magic.engine.models.base import Finish, ModelError, Reasoning, Request, Waiting
from aoai_magic.engine.models.pictures import Picture
from aoai_magic.engine.models.remote import open_azure, open_openai, retry

from .chat_server import PYTHON, USER, call, calls, fault, say, stream, take, text

CODE = json.dumps({"code": "print(6 * 7)"})
WRITTEN = [
    f'<tool_call>\n{{"name": "python", "arguments": {CODE}}}\n</tool_call>',
    f'{{"name": "python", "parameters": {CODE}}}',
    f'[TOOL_CALLS][{{"name": "python", "arguments": {CODE}}}]',
    f'[{{"type": "function", "function": {{"name": "python", "arguments": {CODE}}}}}]',
    "<|python_tag|>print(6 * 7)<|eom_id|>",
    "<tool_call>\n<function=python>\n<parameter=code>\nprint(6 * 7)\n</parameter>\n</function>\n"
    "</tool_call>",
]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("written", WRITTEN)
async def test_a_call_that_was_left_in_the_text_is_made(server, written, size):
    pieces = [written[i : i + size] for i in range(0, len(written), size)]
    server.answer = lambda body: stream(*map(say, pieces))
    chunks = await take(open_openai("m"))
    assert (text(chunks), calls(chunks)) == ("", [("python", {"code": "print(6 * 7)"})])
    assert chunks[-1] == Finish("tool_calls")


async def test_what_is_said_before_a_written_call_stays(server):
    server.answer = lambda body: stream(say("I see. <tool"), say(WRITTEN[0][5:]))
    chunks = await take(open_openai("m"))
    assert text(chunks) == "I see. "
    assert len(calls(chunks)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        '{"revenue": 3}',
        "[the table](sandbox:/mnt/data/x.csv)",
        '{"name": "other", "arguments": {}}',
        "a < b, <tool_call> is a tag",
        "{",
        "[",
        "<",
        "<think",
    ],
)
async def test_what_only_looks_like_a_call_stays_text(server, answer):
    server.answer = lambda body: stream(*map(say, answer))
    chunks = await take(open_openai("m"))
    assert (text(chunks), calls(chunks)) == (answer, [])


async def test_thoughts_that_were_left_in_the_text_are_told_apart(server):
    answer = "<think>\nSix times seven.\n</think>\n\nIt is 42."
    server.answer = lambda body: stream(*map(say, answer))
    chunks = await take(open_openai("m"))
    thoughts = "".join(chunk.text for chunk in chunks if isinstance(chunk, Reasoning))
    assert (thoughts, text(chunks)) == ("Six times seven.\n", "It is 42.")


async def test_a_call_after_thoughts_is_made(server):
    server.answer = lambda body: stream(*map(say, f"<think>Hm.</think>\n{WRITTEN[0]}"))
    chunks = await take(open_openai("m"))
    assert (text(chunks), len(calls(chunks))) == ("", 1)


FENCED = "So:\n```python\nprint(1)\n```\nIt is 1."


async def test_code_in_an_answer_is_run_until_the_model_has_called_a_tool(server):
    model = open_openai("m")
    server.answer = lambda body: stream(say(FENCED))
    assert calls(await take(model)) == [("python", {"code": "print(1)\n"})]
    entry = {"index": 0, "id": "a", "function": {"name": "python", "arguments": CODE}}
    server.answer = lambda body: stream(call(entry))
    assert len(calls(await take(model))) == 1
    server.answer = lambda body: stream(say(FENCED))
    chunks = await take(model)
    assert (text(chunks), calls(chunks)) == (FENCED, [])


async def test_code_in_an_answer_stays_where_no_code_may_run(server):
    server.answer = lambda body: stream(say(FENCED))
    for request in ({"tool_choice": "none"}, {"tools": ()}):
        chunks = await take(open_openai("m"), **request)
        assert (text(chunks), calls(chunks)) == (FENCED, [])


# Weather


async def test_a_busy_server_is_asked_again_and_the_wait_is_told(server, monkeypatch):
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    answers = [
        fault(429, "Slow down", {"retry-after-ms": "30", "x-should-retry": "true"}),
        fault(503, "Down", {"x-should-retry": "true"}),
        stream(say("42")),
    ]
    server.answer = lambda body: answers.pop(0)
    chunks = await take(open_openai("m"))
    waits = [str(chunk) for chunk in chunks if isinstance(chunk, Waiting)]
    assert waits[0] == "the model takes no more calls for now; trying again in 0 s"
    assert "server failed (503)" in waits[-1]
    assert (text(chunks), len(server.bodies)) == ("42", 3)


@pytest.mark.parametrize(
    "answer",
    [
        fault(429, "Pay", code="insufficient_quota"),
        fault(429, "Later", {"retry-after": "900", "x-should-retry": "true"}),
        fault(401, "No", {"x-should-retry": "true"}),
    ],
)
async def test_what_would_not_help_is_not_waited_for(server, answer):
    server.answer = lambda body: answer
    with pytest.raises(ModelError):
        await take(open_openai("m"))
    assert len(server.bodies) == 1


async def test_a_stream_that_breaks_before_it_says_anything_is_asked_for_again(server, monkeypatch):
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    answers = [broken(), broken(), stream(say("42"))]
    server.answer = lambda body: answers.pop(0)
    assert text(await take(open_openai("m"))) == "42"


def broken():
    from starlette.responses import StreamingResponse

    def cut():
        yield ": ping\n\n"
        raise ConnectionAbortedError

    return StreamingResponse(cut(), 200, {}, "text/event-stream")


# Pictures

DRAWN = pictures.shown([Picture("png", b"\x89PNG")])


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Invalid content type. image_url is only supported by certain models."),
        (400, "m is not a multimodal model"),
        (500, "image input is not supported - hint: you may need to provide the mmproj"),
        (422, "messages[1]: unknown variant `image_url`, expected `text`"),
        (400, "Input should be a valid string: messages.1.content should be a str"),
    ],
)
async def test_a_model_that_takes_no_pictures_is_asked_without(server, status, message):
    server.answer = lambda body: (
        fault(status, message) if "image_url" in json.dumps(body) else stream(say("Fine."))
    )
    model = open_openai("m")
    assert model.sees
    assert text(await take(model, USER, DRAWN)) == "Fine."
    assert not model.sees
    assert "cannot be shown" in server.bodies[-1]["messages"][1]["content"]
    await take(model, USER, DRAWN)
    assert len(server.bodies) == 3


async def test_pictures_can_be_kept_from_the_model(server, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_PICTURES", "off")
    assert not open_openai("m").sees


def test_pictures_are_few_and_small():
    many = [Picture("png", bytes([n])) for n in range(9)]
    assert len(pictures.shown(many)["content"]) == 1 + pictures.MOST
    assert pictures.shown([Picture("png", bytes(pictures.LARGEST + 1))]) is None
    assert pictures.shown([]) is None


# Long conversations


def conversation(count):
    """Return a system message, and turns each with a call, its result and an answer."""
    told = [{"role": "system", "content": "Be brief."}]
    for n in range(count):
        made = {
            "id": f"c{n}",
            "type": "function",
            "function": {"name": "python", "arguments": "{}"},
        }
        told += [
            {"role": "user", "content": f"Question {n}"},
            {"role": "assistant", "content": None, "tool_calls": [made]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": "x" * 400},
            {"role": "assistant", "content": f"Answer {n}"},
        ]
    return [*told, {"role": "user", "content": "Last question"}]


def check(messages):
    """Every result has its call before it and every call its result; the user begins."""
    assert messages[0]["role"] == "system"
    assert [m["role"] for m in messages[1:2]] == ["user"]
    called = {entry["id"] for m in messages for entry in m.get("tool_calls") or ()}
    assert called == {m["tool_call_id"] for m in messages if m["role"] == "tool"}
    assert any(m["content"] == "Last question" for m in messages)


@pytest.mark.parametrize("limit", [0, 50, 150, 300, 700, 2000])
def test_a_history_is_cut_at_its_oldest_end_with_calls_kept_whole(limit):
    messages = conversation(10)
    fitted = token_estimate.fit(messages, limit)
    check(fitted)
    size = sum(map(token_estimate.count, fitted))
    assert size <= max(limit, 80)
    if limit < sum(map(token_estimate.count, messages)):
        assert fitted[0]["content"].endswith(token_estimate.LEFT_OUT)
        assert size > limit - 250
    else:
        assert fitted == messages


def test_a_turn_that_is_too_long_itself_keeps_its_question_and_what_is_newest():
    long = conversation(0)
    for n in range(10):
        made = {
            "id": f"c{n}",
            "type": "function",
            "function": {"name": "python", "arguments": "{}"},
        }
        long += [
            {"role": "assistant", "content": None, "tool_calls": [made]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": "x" * 400},
            DRAWN,
        ]
    fitted = token_estimate.fit(long, 2 * (token_estimate.IMAGE_TOKENS + 300))
    check(fitted)
    assert fitted[-1] is DRAWN
    assert [m["tool_call_id"] for m in fitted if m["role"] == "tool"] == ["c8", "c9"]


def test_chinese_takes_more_tokens_than_it_has_quarters_of_characters():
    assert token_estimate.of_text("a" * 400) == 100
    assert token_estimate.of_text("營收" * 200) == 300


async def test_a_conversation_that_is_too_long_is_shortened_until_the_model_takes_it(server):
    def answer(body):
        if len(json.dumps(body["messages"])) > 3000:
            return fault(400, "This model's maximum context length is 700 tokens.")
        return stream(say("42"))

    server.answer = answer
    model = open_openai("m")
    assert text(await take(model, *conversation(30))) == "42"
    check(server.bodies[-1]["messages"])
    asked = len(server.bodies)
    assert text(await take(model, *conversation(31))) == "42"
    assert len(server.bodies) == asked + 1


async def test_a_question_that_is_too_long_by_itself_is_an_error(server):
    server.answer = lambda body: fault(400, "prompt is too long", code="context_length_exceeded")
    with pytest.raises(ModelError, match="too long"):
        await take(open_openai("m"))


# Models that go round in circles


@pytest.mark.parametrize("piece", ["again and ", "I am sorry, let me try that.\n", "."])
async def test_a_model_that_repeats_itself_is_stopped(server, piece):
    server.answer = lambda body: stream(say("Well: "), *[say(piece)] * 6000)
    seen = []
    chunks = open_openai("m").stream(Request([USER], [PYTHON]))

    async def read():
        async for chunk in chunks:
            seen.append(chunk)  # noqa: PERF401 - what came before the error is looked at

    with pytest.raises(ModelError, match="repeat itself"):
        await read()
    assert text(seen).startswith("Well: " + piece)
    assert len(text(seen)) < 8000


async def test_a_long_table_is_no_repetition(server):
    rows = [f"| {n} | {n * n} | North |\n" for n in range(800)]
    server.answer = lambda body: stream(*map(say, rows))
    assert text(await take(open_openai("m"))) == "".join(rows)


# What the doctor asks


async def test_a_model_that_is_not_listed_is_named_beside_those_that_are(server):
    server.models = ["llama3:latest", "qwen"]
    for name in ("qwen", "llama3"):
        await open_openai(name).check()
    with pytest.raises(ModelError, match=r"no model 'gpt'.*there are llama3:latest, qwen"):
        await open_openai("gpt").check()


async def test_a_deployment_is_tried_with_what_costs_nothing(server, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    server.answer = lambda body: fault(400, "[] is too short - 'messages'")
    await open_azure("d").check()
    assert server.bodies[-1]["max_output_tokens"] == 1
    server.answer = lambda body: (
        fault(404, "Resource not found")
        if "input" in body
        else fault(400, "[] is too short - 'messages'")
    )
    await open_azure("d").check()
    assert server.bodies[-1]["messages"] == []
    for status, code, words in (
        (404, "DeploymentNotFound", "no deployment 'd'"),
        (401, "401", "refused the key"),
        (403, "PermissionDenied", "Cognitive Services OpenAI User"),
    ):
        answer = fault(status, "No.", code=code)
        server.answer = lambda body, answer=answer: answer
        with pytest.raises(ModelError, match=words):
            await open_azure("d").check()


async def test_a_filtered_question_names_the_categories(server):
    result = {
        "content_filter_result": {"self_harm": {"filtered": True}, "hate": {"filtered": False}}
    }
    server.answer = lambda body: fault(400, "Filtered", code="content_filter", innererror=result)
    with pytest.raises(ModelError, match=r"refused the prompt \(self harm\)"):
        await take(open_openai("m"))


async def test_azure_wants_no_key_where_one_can_sign_in(server, monkeypatch, tmp_path):
    pytest.importorskip("azure.identity", reason="the extra entra is not installed")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/token")
    monkeypatch.setenv("IDENTITY_HEADER", "secret")
    monkeypatch.setenv("PATH", str(tmp_path))
    server.answer = lambda body: (
        fault(404, "Resource not found") if "input" in body else stream(say("42"))
    )
    assert text(await take(open_azure("d"))) == "42"
    assert server.keys[0] == server.keys[-1] == "Bearer token-of-the-identity"
