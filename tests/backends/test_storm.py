"""Turns whose connection is harmed at every event, at either kind of server, end as others do."""

import asyncio

import openai
import pytest
from serving import TOKEN, serving, write_script
from storm import KINDS, storm

from aoai_magic.backends import retry
from aoai_magic.backends.base import Question
from aoai_magic.backends.responses_api import exchange
from aoai_magic.backends.responses_api.backend import Responses
from aoai_magic.backends.responses_api.engine import EngineBackend
from aoai_magic.backends.sdk import Endpoint
from aoai_magic.backends.services import Service
from aoai_magic.runner.cancel import CancelToken
from aoai_magic.runner.follow import follow
from aoai_magic.state.container_copies import ContainerCopies
from aoai_magic.state.uploads import UploadLog
from aoai_magic.turn import view

pytestmark = pytest.mark.slow

TURN = [
    {
        "reasoning": "Six times seven.",
        "text": "Let me see.",
        "code": "open('/mnt/data/x.txt', 'w').write('x')\nprint(6 * 7)",
        "usage": {"prompt_tokens": 20, "completion_tokens": 5, "cached_tokens": 4},
    },
    {
        "text": "It is 42, see [x](sandbox:/mnt/data/x.txt).",
        "chunk": 12,
        "usage": {"prompt_tokens": 9, "completion_tokens": 3},
    },
]
AT_ONCE = 8
WIRES = [
    "engine",
    pytest.param(
        "service",
        marks=pytest.mark.skipif(
            not hasattr(openai.AsyncOpenAI, "containers"), reason="this SDK knows no containers"
        ),
    ),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("engine")) as url:
        yield url


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    """Shorten the time after which a stream counts as dead; the ways on are tested."""
    monkeypatch.setattr(exchange, "SILENCE_SECONDS", 6.0)
    monkeypatch.setattr(exchange, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.05)


def backend(wire, url, home):
    upload_log = UploadLog(home)
    if wire == "engine":
        return EngineBackend(Endpoint(url, TOKEN), "local", upload_log, "here")
    service = Service(f"{url}/v1", TOKEN)
    return Responses(service, "openai", ContainerCopies(home, service.url), upload_log)


async def asked(far, model):
    turn = far.turn(Question("Go.", model=model))
    return await follow(turn, lambda seen: None, CancelToken(), timeout=60)


def told(seen):
    """Return what a turn came to, without what differs from turn to turn."""
    parts = [
        (type(part).__name__, part.code if isinstance(part, view.Code) else part.text)
        for part in seen.parts
        # Thoughts are told while they are thought, and are not stored by every wire.
        if not isinstance(part, view.Reasoning | view.Logs)
    ]
    logs = [part.text for part in seen.parts if isinstance(part, view.Logs)]
    files = [(file.name, file.data) for file in seen.files]
    return seen.status, seen.error, seen.text, parts, logs, files, seen.usage


@pytest.mark.parametrize("kinds", [("cut",), KINDS], ids=["cut", "mixed"])
@pytest.mark.parametrize("wire", WIRES)
async def test_a_turn_is_whole_wherever_its_stream_is_harmed(url, tmp_path, wire, kinds):
    model = write_script(tmp_path, {"when": "", "replies": TURN})
    whole = told(await asked(backend(wire, url, tmp_path / "calm"), model))
    assert whole[0] == "completed", whole
    turn = asyncio.Semaphore(AT_ONCE)

    async def harmed(number):
        kind = kinds[number % len(kinds)]
        async with turn, storm(url, kind, number) as proxy:
            seen = told(await asked(backend(wire, proxy.url, tmp_path / str(number)), model))
            assert seen == whole, f"{kind} after event {number}"
            return proxy.struck

    struck = await asyncio.gather(*map(harmed, range(36)))
    # Each place up to the last event; a stream opened again after a pause has fewer.
    assert sum(struck) > 20
