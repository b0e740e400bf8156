"""Requests made up from the published description: no fault, and no malformed answer."""

from __future__ import annotations

import copy
import warnings

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from .conformance import DESCRIPTION
from .conftest import TOKEN

_SERVED = {
    path: methods
    for path, methods in DESCRIPTION["paths"].items()
    if not path.endswith(("/search", "vector_stores/{vector_store_id}/files/{file_id}/content"))
}
schema = schemathesis.openapi.from_dict({**copy.deepcopy(DESCRIPTION), "paths": _SERVED})

_HEADERS = {"api-key": TOKEN, "OpenAI-Beta": "assistants=v2"}


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
    answer = case.call(base_url=f"{shared_engine.url}/v1", headers=_HEADERS)
    assert answer.status_code < 500
    assert shared_engine.watched.problems == []
