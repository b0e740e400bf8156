"""Responses over a WebSocket, by the SDK's own connection."""

from __future__ import annotations

import json
import socket
import time

import pytest
from openai import OpenAI
from serving import TOKEN, serving, serving_app, write_script

from aoai_magic.engine.config import EngineConfig
from aoai_magic.engine.server.app import create_app
from aoai_magic.engine.server.connections import bounded_protocol

connect = pytest.importorskip("websockets.sync.client").connect
if not hasattr(getattr(OpenAI(api_key="x"), "responses", None), "connect"):
    pytest.skip("this openai SDK opens no WebSocket yet", allow_module_level=True)

AUTO = {"type": "code_interpreter", "container": {"type": "auto"}}
SET = [{"code": "x = 41"}, {"text": "Set.", "chunk": 1}]
USE = [{"code": "print(x + 1)"}, {"text": "42."}]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("engine")) as url:
        yield url


@pytest.fixture
def client(url):
    return OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0)


@pytest.fixture
def connection(client):
    with client.responses.connect() as connection:
        yield connection


def events(connection):
    """Return what comes for one request."""
    found = []
    for event in connection:
        found.append(event)
        if event.type in ("error", "response.completed", "response.failed"):
            return found
    return found


def test_turns_of_one_connection_go_on_from_each_other(client, connection, tmp_path):
    model = write_script(tmp_path, {"when": "Set", "replies": SET}, {"when": "Use", "replies": USE})
    connection.response.create(model=model, input="Set it.", tools=[AUTO])
    first = events(connection)
    assert [event.sequence_number for event in first] == list(range(len(first)))
    assert {"response.created", "response.output_text.delta"} <= {event.type for event in first}
    id_ = first[-1].response.id
    connection.response.create(
        model=model,
        input="Use it.",
        tools=[AUTO],
        previous_response_id=id_,
        include=["code_interpreter_call.outputs"],
    )
    second = events(connection)[-1].response
    assert second.output[0].outputs[0].logs == "42\n"
    assert client.responses.retrieve(second.id).previous_response_id == id_


def test_an_error_is_a_message_and_the_connection_goes_on(connection, tmp_path):
    model = write_script(tmp_path, [{"text": "Hello."}])
    connection.response.create(model=model, input="x", previous_response_id="resp_none")
    (failed,) = events(connection)
    assert (failed.type, failed.status) == ("error", 400)
    assert failed.error.code == "previous_response_not_found"
    create = {"type": "response.create", "model": model, "input": "x"}
    for message, code in (
        ("no JSON", None),
        ("[1]", "invalid_type"),
        (json.dumps({**create, "type": "response.steer"}), "invalid_value"),
        (json.dumps({**create, "generate": False}), "unknown_parameter"),
        (json.dumps({**create, "prompt": {"id": "p"}}), "unsupported_parameter"),
    ):
        connection.send_raw(message)
        (failed,) = events(connection)
        assert (failed.type, failed.status) == ("error", 400), message
        assert failed.error.message
        assert failed.error.code == code
    connection.response.create(model=model, input="x", background=True)
    assert "Background" in events(connection)[0].error.message
    connection.response.create(model=model, input="x")
    assert events(connection)[-1].response.output_text == "Hello."


def test_requests_that_come_at_once_are_answered_in_their_order(connection, tmp_path):
    names = ["one", "two", "three"]
    turns = [{"when": name, "replies": [{"text": f"I am {name}."}]} for name in names]
    model = write_script(tmp_path, *turns)
    for name in names:
        connection.response.create(model=model, input=name)
    answers = [events(connection)[-1].response.output_text for _ in names]
    assert answers == [f"I am {name}." for name in names]


def test_who_goes_away_ends_the_response(client, tmp_path):
    model = write_script(tmp_path, [{"code": "import time\ntime.sleep(60)"}, {"text": "."}])
    with client.responses.connect() as connection:
        connection.response.create(model=model, input="x", tools=[AUTO])
        id_ = next(iter(connection)).response.id
    while (made := client.responses.retrieve(id_)).status == "in_progress":
        time.sleep(0.05)
    assert made.status != "completed"


def test_who_goes_away_while_requests_wait_leaves_no_fault(client, tmp_path, caplog):
    model = write_script(tmp_path, [{"text": "word " * 2_000, "chunk": 1}])
    with client.responses.connect() as connection:
        for _request in range(8):
            connection.response.create(model=model, input="x")
        id_ = next(iter(connection)).response.id
        connection.close()
    while client.responses.retrieve(id_).status == "in_progress":
        time.sleep(0.05)
    assert [one for one in caplog.records if one.exc_info] == []


@pytest.mark.lengthy
def test_a_silent_websocket_stays(tmp_path):
    app = create_app(EngineConfig(data_dir=tmp_path, model="offline", token=TOKEN))
    with serving_app(app, http=bounded_protocol(3.0)) as url:
        client = OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0)
        with client.responses.connect() as connection:
            time.sleep(3.5)  # longer than a connection may be silent
            connection.response.create(model="m", input="x", background=True)
            assert events(connection)[0].type == "error"


def test_azure_has_it_too(url, tmp_path):
    model = write_script(tmp_path, [{"text": "Hello."}])
    client = OpenAI(base_url=f"{url}/openai/v1", api_key=TOKEN, max_retries=0)
    with client.responses.connect() as connection:
        connection.response.create(model=model, input="x")
        assert events(connection)[-1].response.output_text == "Hello."


@pytest.mark.parametrize(
    ("path", "host", "key", "status"),
    [
        ("/v1/responses", "localhost", None, 401),
        ("/v1/responses", "localhost", "another", 401),
        ("/v1/responses", "evil.example", TOKEN, 403),
        ("/v1/files", "localhost", TOKEN, 403),
        ("/responses", "localhost", TOKEN, 403),
    ],
)
def test_nobody_else_gets_in(url, path, host, key, status):
    headers = {"api-key": key} if key else {}
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    with (
        socket.create_connection(address) as connection,
        pytest.raises(Exception, match="HTTP") as refused,
    ):
        connect(f"ws://{host}:1{path}", sock=connection, additional_headers=headers)
    assert refused.value.response.status_code == status
