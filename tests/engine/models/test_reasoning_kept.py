"""Reasoning that only its service can read goes back with its answer, inside a turn and later."""

from __future__ import annotations

import pytest

from ..test_both_apis import APIS, ResponsesApi, pytestmark
from .chat_server import KEY
from .services import Services

__all__ = ["pytestmark"]


@pytest.mark.parametrize("kind", APIS)
def test_reasoning_is_sent_back_with_its_answer(server, monkeypatch, start_engine, kind):
    server.answer = Services(server, parallel=2).answer
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_VERSION", raising=False)
    api = kind(start_engine(model="azure:gpt-6-sol").openai(), "m")
    code = [api.tool("code_interpreter")]
    assert api.ask("Six times seven?", code).text == "It is 42."
    assert api.ask("Sure?", code).text == "It is 42."
    for body, turns in ((server.bodies[1], 0), (server.bodies[-1], 1)):
        told = [item["type"] for item in body["input"]]
        calls = ["reasoning", *["function_call"] * 2, *["function_call_output"] * 2]
        assert told == ["message", *calls, *["reasoning", "message", "message", *calls] * turns]
    if kind is ResponsesApi:
        assert api.last.usage.output_tokens_details.reasoning_tokens == 14
