"""The table of errors, word for word, and that nothing is created by a refused request."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from openai import APIStatusError, BadRequestError, OpenAI

from aoai_magic.engine.api.assistants import threads
from aoai_magic.engine.config import Bounds
from aoai_magic.engine.search import vector_stores

from .conftest import TOKEN


def request(engine, method, path, body=None, **headers):
    """Send a request as it is; gives status, JSON body and headers."""
    headers = {"api-key": TOKEN, "OpenAI-Beta": "assistants=v2", **headers}
    raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sent = urllib.request.Request(engine.url + path, raw, headers, method=method)
    try:
        with urllib.request.urlopen(sent) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers


@pytest.fixture
def post(engine):
    def post(path, body, **headers):
        return request(engine, "POST", path, body, **headers)[:2]

    return post


def error(message, param=None, code=None, type_="invalid_request_error"):
    return {"error": {"message": message, "type": type_, "param": param, "code": code}}


BODIES = [
    (
        "/v1/threads",
        {"messages": [{"role": "user", "content": "x", "file_ids": ["file-1"]}]},
        "Unknown parameter: 'messages[0].file_ids'. "
        "Use 'messages[0].attachments' in this API version.",
        "messages[0].file_ids",
        "unknown_parameter",
    ),
    (
        "/v1/assistants",
        {"model": "m", "tool_resources": {"code interpreter": {"file_ids": []}}},
        "Unknown parameter: 'tool_resources.code interpreter'. "
        "Did you mean 'tool_resources.code_interpreter'?",
        "tool_resources.code interpreter",
        "unknown_parameter",
    ),
    (
        "/v1/threads",
        {"metadata": {"modified": True}},
        "Invalid type for 'metadata.modified': expected a string, but got a boolean instead.",
        "metadata.modified",
        "invalid_type",
    ),
    (
        "/v1/assistants",
        {"model": "m", "tools": [{"type": "code_interpreter"}] * 383},
        "Invalid 'tools': array too long. Expected an array with maximum length 128, "
        "but got an array with length 383 instead.",
        "tools",
        "array_above_max_length",
    ),
    (
        "/v1/threads",
        {"metadata": {str(n): "x" for n in range(17)}},
        "Invalid 'metadata': too many properties. Expected an object with at most 16 "
        "properties, but got an object with 17 properties instead.",
        "metadata",
        "object_above_max_properties",
    ),
    (
        "/v1/assistants",
        {"model": "m", "name": "n" * 257},
        "Invalid 'name': string too long. Expected a string with maximum length 256, "
        "but got a string with length 257 instead.",
        "name",
        "string_above_max_length",
    ),
    (
        "/v1/assistants",
        {},
        "Missing required parameter: 'model'.",
        "model",
        "missing_required_parameter",
    ),
    (
        "/v1/assistants",
        {"model": "m", "tools": [{"type": "retrieval"}]},
        "Invalid value: 'retrieval'. Supported values are: 'code_interpreter', 'file_search', "
        "and 'function'.",
        "tools[0].type",
        "invalid_value",
    ),
    (
        "/v1/assistants",
        {"model": "m", "tools": [{"type": "function", "function": {}}]},
        "Missing required parameter: 'tools[0].function.name'.",
        "tools[0].function.name",
        "missing_required_parameter",
    ),
    (
        "/v1/assistants",
        {"model": "m", "temperature": 3},
        "Invalid 'temperature': integer above maximum value. Expected a value <= 2.0, "
        "but got 3 instead.",
        "temperature",
        "integer_above_max_value",
    ),
    (
        "/v1/threads",
        {"messages": [{"role": "system", "content": "x"}]},
        "Invalid value: 'system'. Supported values are: 'user' and 'assistant'.",
        "messages[0].role",
        "invalid_value",
    ),
    (
        "/v1/threads",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": 3}]}]},
        "Invalid type for 'messages[0].content[0].text': expected a string, "
        "but got an integer instead.",
        "messages[0].content[0].text",
        "invalid_type",
    ),
    (
        "/v1/assistants",
        {"model": "m", "response_format": {"type": "xml"}},
        "Invalid value: 'xml'. Supported values are: 'text', 'json_object', and 'json_schema'.",
        "response_format.type",
        "invalid_value",
    ),
    (
        "/openai/assistants?api-version=2024-02-15-preview",
        {"model": "m", "tools": [{"type": "retrieval"}]},
        "Azure OpenAI Retrieval v1 tool is not supported in favor of the more advanced v2 "
        "file_search tool. Use it with the API version 2024-05-01-preview or a later one.",
        None,
        None,
    ),
    (
        "/v1/threads",
        [],
        "Invalid type for '': expected an object, but got an array instead.",
        "",
        "invalid_type",
    ),
]


@pytest.mark.parametrize(("path", "body", "message", "param", "code"), BODIES)
def test_bad_body(post, path, body, message, param, code):
    assert post(path, body) == (400, error(message, param, code))


def test_attachment_of_no_file_id(post):
    attachment = {"file_id": "x-1", "tools": [{"type": "code_interpreter"}]}
    message = {"role": "user", "content": "x", "attachments": [attachment]}
    status, body = post("/v1/threads", {"messages": [message]})
    assert status == 400
    path = "messages[0].attachments[0].file_id"
    assert (
        body["error"]["message"]
        == f"Invalid '{path}': 'x-1'. Expected an ID that begins with 'file'."
    )


def test_attachment_of_no_file_creates_nothing(client, post):
    before = [a.id for a in client.beta.assistants.list(limit=100)]
    resources = {"code_interpreter": {"file_ids": ["file-nothing"]}}
    status, body = post("/v1/assistants", {"model": "m", "tool_resources": resources})
    assert (status, body["error"]["message"]) == (404, "No such File object: file-nothing")
    assert [a.id for a in client.beta.assistants.list(limit=100)] == before


def test_type_that_cannot_be_searched(client):
    file = client.files.create(file=("a.parquet", b"x"), purpose="assistants")
    attachment = {"file_id": file.id, "tools": [{"type": "file_search"}]}
    with pytest.raises(APIStatusError, match=r"\[\.parquet\] are not supported.*\.pdf") as caught:
        client.beta.threads.create(
            messages=[{"role": "user", "content": "x", "attachments": [attachment]}]
        )
    assert caught.value.code == "unsupported_file"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/assistants/asst_x", "No assistant found with id 'asst_x'."),
        ("/v1/threads/thread_x", "No thread found with id 'thread_x'."),
        ("/v1/threads/thread_x/messages", "No thread found with id 'thread_x'."),
        ("/v1/vector_stores/vs_x", "No vector store found with id 'vs_x'."),
    ],
)
def test_not_found(engine, path, message):
    assert request(engine, "GET", path)[:2] == (404, error(message))


def test_not_found_in_a_thread(engine, client):
    thread = client.beta.threads.create()
    path = f"/v1/threads/{thread.id}"
    for kind, id_ in (("run", "run_x"), ("message", "msg_x")):
        status, body, _ = request(engine, "GET", f"{path}/{kind}s/{id_}")
        assert (status, body) == (404, error(f"No {kind} found with id '{id_}'."))


def test_file_not_found(engine):
    body = error("No such File object: file-x", "id")
    assert request(engine, "GET", "/v1/files/file-x")[:2] == (404, body)


def test_id_that_cannot_be_one(engine):
    status, body, _ = request(engine, "GET", "/v1/threads/undefined")
    message = "Invalid 'thread_id': 'undefined'. Expected an ID that begins with 'thread'."
    assert (status, body["error"]["message"]) == (400, message)


def test_malformed_json(post):
    status, body = post("/v1/threads", b'{"messages": ')
    assert status == 400
    assert body["error"]["message"].startswith("We could not parse the JSON body of your request")


def test_empty_id_is_no_creation(engine):
    assert request(engine, "POST", "/v1/threads//messages", {})[0] == 404


def test_header_of_the_version_is_needed(engine):
    status, body, _ = request(engine, "GET", "/v1/assistants", **{"OpenAI-Beta": ""})
    assert (status, body["error"]["code"]) == (400, "invalid_beta")


def test_nothing_to_run_on(client, engine, post):
    assistant = client.beta.assistants.create(model="m")
    thread = client.beta.threads.create()
    answer = post(f"/v1/threads/{thread.id}/runs", {"assistant_id": assistant.id})
    text = "Run creation requires a Thread with a user message or an assistant with instructions."
    assert answer == (400, error(text, code="invalid_thread"))


def test_thread_is_locked_while_a_run_is_active(client, post, script):
    tool = {"type": "function", "function": {"name": "f"}}
    model = script({"when": "", "replies": [{"tool": {"name": "f"}}, {"text": "."}]})
    assistant = client.beta.assistants.create(model=model, tools=[tool])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "x"}])
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
    )
    path = f"/v1/threads/{thread.id}"
    assert post(f"{path}/messages", {"role": "user", "content": "y"}) == (
        400,
        error(f"Can't add messages to {thread.id} while a run {run.id} is active."),
    )
    assert post(f"{path}/runs", {"assistant_id": assistant.id}) == (
        400,
        error(f"Thread {thread.id} already has an active run {run.id}."),
    )
    assert client.beta.threads.runs.cancel(run.id, thread_id=thread.id).status == "cancelling"
    assert client.beta.threads.runs.retrieve(run.id, thread_id=thread.id).status == "cancelled"
    assert post(f"{path}/runs/{run.id}/cancel", None) == (
        400,
        error("Cannot cancel run with status 'cancelled'."),
    )
    outputs = {"tool_outputs": [{"tool_call_id": "call_x", "output": ""}]}
    assert post(f"{path}/runs/{run.id}/submit_tool_outputs", outputs) == (
        400,
        error('Runs in status "cancelled" do not accept tool outputs.'),
    )


def test_azure_gateway_does_not_know_the_path(engine):
    expected = {"error": {"code": "404", "message": "Resource not found"}}
    for path in ("/openai/assistants", "/openai/nothing?api-version=2024-05-01-preview"):
        assert request(engine, "GET", path)[:2] == (404, expected)


@pytest.mark.parametrize("query", ["", "?api-version=", "?api-version=banana"])
def test_azure_gateway_does_not_know_the_version(engine, query):
    status, body, _ = request(engine, "GET", f"/openai/assistants{query}")
    assert (status, body) == (404, {"error": {"code": "404", "message": "Resource not found"}})


def test_options_are_told(engine):
    sent = urllib.request.Request(
        f"{engine.url}/v1/threads", headers={"api-key": TOKEN}, method="OPTIONS"
    )
    with urllib.request.urlopen(sent) as answer:
        assert (answer.status, answer.headers["allow"]) == (204, "POST")


def test_store_and_thread_have_a_largest_size(client, monkeypatch):
    monkeypatch.setattr(vector_stores, "_MOST_FILES", 2)
    monkeypatch.setattr(threads, "_MOST_MESSAGES", 2)
    ids = [client.files.create(file=(f"{n}.txt", b"x"), purpose="assistants").id for n in range(3)]
    held = client.vector_stores.create(file_ids=ids[:2])
    with pytest.raises(BadRequestError, match="at most 2 files"):
        client.vector_stores.files.create(held.id, file_id=ids[2])
    thread = client.beta.threads.create(messages=2 * [{"role": "user", "content": "x"}])
    with pytest.raises(BadRequestError, match="at most 2 messages"):
        client.beta.threads.messages.create(thread.id, role="user", content="x")
    assert len(client.beta.threads.messages.list(thread.id).data) == 2


def test_wrong_method(engine):
    status, body, headers = request(engine, "PUT", "/v1/assistants", {})
    assert (status, body["error"]["code"]) == (405, "method_not_supported")
    assert "POST" in headers["allow"]


def test_wrong_key(engine):
    client = OpenAI(base_url=f"{engine.url}/v1", api_key="sk-wrong-key-123456", max_retries=0)
    with pytest.raises(APIStatusError, match="Incorrect API key provided") as caught:
        client.models.list()
    assert (caught.value.status_code, caught.value.code) == (401, "invalid_api_key")
    assert "wrong-key" not in str(caught.value)


@pytest.mark.parametrize("headers", [{"api-key": TOKEN}, {"Authorization": f"Bearer {TOKEN}"}])
@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
def test_either_header_is_a_key(engine, prefix, headers):
    sent = urllib.request.Request(f"{engine.url}{prefix}/models", headers=headers)
    with urllib.request.urlopen(sent) as answer:
        assert answer.status == 200
        assert answer.headers["x-request-id"].startswith("req_")


def test_health_needs_no_key(engine):
    with urllib.request.urlopen(f"{engine.url}/healthz") as answer:
        assert answer.status == 200


def test_foreign_host_is_turned_away(engine):
    status, body, _ = request(engine, "GET", "/v1/models", Host="evil.example")
    assert (status, body["error"]["message"]) == (
        403,
        "The Host header does not name this machine.",
    )


def test_body_over_the_limit(start_engine):
    engine = start_engine(bounds=Bounds(body=1000, upload=1000))
    body = {"metadata": {"k": "v" * 2000}}
    assert request(engine, "POST", "/v1/threads", body)[0] == 413
    client = engine.openai()
    with pytest.raises(APIStatusError) as caught:
        client.files.create(file=("a.txt", b"x" * 200_000), purpose="assistants")
    assert caught.value.status_code == 413
    assert client.files.list().data == []
    assert not [path for path in (engine.data_dir / "files").rglob("*") if path.is_file()]


def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(engine):
    values = b"[" + b"{}," * 1_000_001 + b"{}]"
    body = b'{"messages": ' + values + b"}"
    answer = request(engine, "POST", "/v1/threads", body)
    assert answer[0] == 400
    assert "more than 1000000 values" in answer[1]["error"]["message"]


def test_commas_of_a_text_are_no_values(client):
    thread = client.beta.threads.create()
    text = '\\",' * 400_000  # the body holds more commas than values are allowed
    sent = [{"type": "text", "text": text[:250_000]} for _ in range(13)]
    assert client.beta.threads.messages.create(thread.id, role="user", content=sent).id


def test_a_request_holds_a_bounded_number_of_messages(client):
    with pytest.raises(BadRequestError, match="maximum length 10000"):
        client.beta.threads.create(messages=[{"role": "user", "content": "x"}] * 10_001)
