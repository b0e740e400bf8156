"""Requests made up from the published description: no fault, and no malformed answer."""

from __future__ import annotations

import copy
import re
import warnings

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from aoai_magic.engine.server.app import ROUTES

from .conformance import DESCRIPTION
from .conftest import TOKEN

pytestmark = [pytest.mark.slow, pytest.mark.once]

schema = schemathesis.openapi.from_dict(copy.deepcopy(DESCRIPTION))

_KEY = {"api-key": TOKEN}
_VERSIONS = {
    "/v1": {**_KEY, "OpenAI-Beta": "assistants=v2"},
    "/openai/v1": {**_KEY, "OpenAI-Beta": "assistants=v1"},
}


@pytest.fixture(scope="module")
def things(shared_engine):
    """Things that made-up requests can be about; gives their ids by parameter."""
    client = shared_engine.openai()
    warnings.simplefilter("ignore", DeprecationWarning)
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Hi."}])
    assistant = client.beta.assistants.create(model="m")
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
    )
    return {
        "thread_id": thread.id,
        "assistant_id": assistant.id,
        "run_id": run.id,
        "message_id": client.beta.threads.messages.list(thread.id).data[0].id,
        "vector_store_id": client.vector_stores.create().id,
    }


@schema.parametrize()
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_made_up_request(case, shared_engine, things):
    for name in case.path_parameters or {}:
        if name in things and case.method != "DELETE":
            case.path_parameters[name] = things[name]
    shared_engine.watched.problems.clear()
    for prefix, headers in _VERSIONS.items():
        answer = case.call(base_url=f"{shared_engine.url}{prefix}", headers=headers)
        assert answer.status_code < 500
    assert shared_engine.watched.problems == []


def test_every_route_is_described_or_known_not_to_be():
    described = {
        (method.upper(), path)
        for path, methods in DESCRIPTION["paths"].items()
        for method in methods
    }
    own = (
        "/engine",
        "/models",
        "/responses",
        "/conversations",
        "/containers",
        "/uploads",
        "/skills",
    )
    first_version = {"/assistants/{}/files", "/assistants/{}/files/{}"}
    first_version |= {"/threads/{}/messages/{}/files", "/threads/{}/messages/{}/files/{}"}
    served = {
        (method, path)
        for method, path, _ in ROUTES
        if not path.startswith(own) and re.sub(r"{.*?}", "{}", path) not in first_version
    }
    assert served == described
