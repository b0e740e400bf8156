"""Tokens that a service wrote to its cache, from the server's words to what the turn cost."""

import json

import pytest
from engine.models.chat_server import ChatServer, fault, say, stream

from aoai_magic.config.prices import load
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options

PRICE = {"input": 2, "cached": 1, "written": 3, "output": 4}
DETAILED = {"prompt_tokens_details": {"cached_tokens": 300, "cache_write_tokens": 200}}
CREATED = {"prompt_tokens_details": {"cached_tokens": 300, "cache_creation_tokens": 200}}
BESIDE = {"prompt_tokens_details": {"cached_tokens": 300}, "cache_creation_input_tokens": 200}


@pytest.fixture
def server(monkeypatch, engine):
    """A model's server that takes Chat Completions alone."""
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    with ChatServer() as opened:
        yield opened


async def ask(server):
    turn = await Assistant({}).ask("Hi.", Options(model=f"openai:m@{server.url}/v1"))
    return turn.usage


@pytest.mark.parametrize("details", [DETAILED, CREATED, BESIDE])
async def test_written_tokens_cost_what_writing_costs(server, tmp_path, details):
    used = {"prompt_tokens": 1_000, "completion_tokens": 100, **details}
    server.answer = lambda body: stream(
        say("Hello.", finish_reason="stop"), {"choices": [], "usage": used}
    )
    usage = await ask(server)
    assert (usage.input_tokens, usage.cached_tokens, usage.written_tokens) == (1_000, 300, 200)
    (tmp_path / "prices.json").write_text(json.dumps({"models": {"m": PRICE}}))
    cost = load(tmp_path).cost("m", usage)
    assert cost == pytest.approx((500 * 2 + 300 + 200 * 3 + 100 * 4) / 1e6)


async def test_they_are_told_over_the_responses_api_too(server):
    message = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Hello.", "annotations": []}],
    }
    details = {"cached_tokens": 300, "cache_write_tokens": 200}
    used = {"input_tokens": 1_000, "input_tokens_details": details, "output_tokens": 100}
    whole = {"id": "resp_1", "status": "completed", "output": [message], "usage": used}

    def answer(body):
        if "messages" in body:
            return fault(404, "Invalid URL (POST /v1/chat/completions)")
        return stream({"type": "response.completed", "response": whole}, done=False)

    server.answer = answer
    assert (await ask(server)).written_tokens == 200


async def test_no_more_is_written_than_was_read_anew(server):
    used = {"prompt_tokens": 400, "completion_tokens": 1, **BESIDE}
    server.answer = lambda body: stream(
        say("Hello.", finish_reason="stop"), {"choices": [], "usage": used}
    )
    assert (await ask(server)).written_tokens == 100
