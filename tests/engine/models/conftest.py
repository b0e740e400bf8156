"""A chat server for the tests of models behind one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .chat_server import KEY, ChatServer


@pytest.fixture(scope="module")
def running() -> Iterator[ChatServer]:
    with ChatServer() as server:
        yield server


@pytest.fixture
def server(running, monkeypatch) -> ChatServer:
    running.bodies.clear()
    running.urls.clear()
    running.keys.clear()
    monkeypatch.setenv("OPENAI_BASE_URL", running.url + "/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return running
