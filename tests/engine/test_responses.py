"""Responses through the SDK: its accumulator, polling, functions, errors, cancelling."""

from __future__ import annotations

import json
import re
import time
import urllib.request

import pytest
from openai import (
    AsyncOpenAI,
    AzureOpenAI,
    BadRequestError,
    NotFoundError,
    OpenAI,
)
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from serving import TOKEN, serving, write_script

pytestmark = pytest.mark.skipif(
    not hasattr(OpenAI, "containers"), reason="this openai SDK knows no code interpreter yet"
)

AUTO = {"type": "code_interpreter", "container": {"type": "auto"}}
OUTPUTS = ["code_interpreter_call.outputs"]
WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('Two')\nplt.show()"
SAVE = "open('/mnt/data/out.csv', 'w').write('a\\n1\\n')\nprint(6 * 7)"
SET = [{"code": "x = 41"}, {"text": "Set."}]
USE = [{"code": "print(x + 1)"}, {"text": "42."}]
LIST = "print(sorted(__import__('os').listdir('/mnt/data')))"
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "cached_tokens": 3}
EVENT = TypeAdapter(ResponseStreamEvent)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("engine")) as url:
        yield url


@pytest.fixture
def client(url):
    return OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0)


@pytest.fixture
def script(tmp_path):
    return lambda *turns: write_script(tmp_path, *turns)


def events(url, **request):
    """Return the events of a stream as they are on the wire."""
    asked = urllib.request.Request(
        f"{url}/v1/responses",
        json.dumps({"stream": True, **request}).encode(),
        {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = answer.read().decode()
    found = re.findall(r"^event: (.*)\ndata: (.*)\n\n", text, re.MULTILINE)
    assert all(name == json.loads(data)["type"] for name, data in found)
    return [json.loads(data) for _, data in found]


def wait(client, id_, status):
    for _ in range(500):
        response = client.responses.retrieve(id_)
        if response.status == status:
            return response
        time.sleep(0.02)
    raise AssertionError(f"still {response.status}")


def test_the_stream_has_the_recorded_order(url, script):
    model = script([{"code": SAVE}, {"text": "See [out](sandbox:/mnt/data/out.csv)."}])
    told = events(url, model=model, input="Go.", tools=[AUTO], include=OUTPUTS)
    assert [event["type"].removeprefix("response.") for event in told] == [
        "created",
        "in_progress",
        "output_item.added",
        "code_interpreter_call.in_progress",
        "code_interpreter_call_code.delta",
        "code_interpreter_call_code.done",
        "code_interpreter_call.interpreting",
        "code_interpreter_call.completed",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert told[2]["item"]["code"] == ""
    assert told[2]["item"]["outputs"] == []
    for event in told:
        EVENT.validate_python(event)
    Response.model_validate(told[-1]["response"])


def test_the_accumulator_takes_every_kind_of_item(client, script):
    model = script(
        [
            {"reasoning": "I have to count.", "text": "Let me see.", "code": SAVE, "chunk": 7},
            {"calls": [{"code": PLOT}, {"code": "print(1)"}], "chunk": 5},
            {"text": "See [out](sandbox:/mnt/data/out.csv).", "chunk": 6},
        ]
    )
    with client.responses.stream(
        model=model, input="Go.", tools=[AUTO], include=OUTPUTS, reasoning={"summary": "auto"}
    ) as stream:
        deltas = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
        response = stream.get_final_response()
    kinds = [item.type for item in response.output]
    call = "code_interpreter_call"
    assert kinds == ["reasoning", "message", call, call, call, "message"]
    assert response.output_text == deltas
    assert response.output[2].code == SAVE
    assert response.output[2].outputs[0].logs == "42\n"
    assert response.output[3].outputs[0].url.startswith("data:image/png;base64,iVBOR")


async def test_the_asynchronous_client_streams_too(url, script):
    client = AsyncOpenAI(base_url=f"{url}/openai/v1", api_key=TOKEN, max_retries=0)
    model = script([{"code": "print(6 * 7)"}, {"text": "It is 42."}])
    async with client.responses.stream(model=model, input="Go.", tools=[AUTO]) as stream:
        response = await stream.get_final_response()
    assert response.output_text == "It is 42."
    assert response.to_dict()["content_filters"] is None
    await client.close()


def test_the_classic_azure_path_serves_responses(url, script):
    client = AzureOpenAI(azure_endpoint=url, api_key=TOKEN, api_version="2025-04-01-preview")
    response = client.responses.create(model=script([{"text": "Hello."}]), input="Hi.")
    assert client.responses.retrieve(response.id).output_text == "Hello."


def test_annotations_cite_pictures_first_and_span_the_links(client, script):
    text = "Prüfe [out](sandbox:/mnt/data/out.csv)."
    model = script([{"code": f"{SAVE}\n{PLOT}"}, {"text": text}])
    response = client.responses.create(model=model, input="Go.", tools=[AUTO])
    picture, link = response.output[-1].content[0].annotations
    assert picture.filename == f"{picture.file_id}.png"
    assert (picture.start_index, picture.end_index) == (0, 0)
    assert text[link.start_index : link.end_index] == "sandbox:/mnt/data/out.csv"
    assert link.filename == "out.csv"
    container = response.output[0].container_id
    read = client.containers.files.content.retrieve
    assert read(link.file_id, container_id=container).content == b"a\n1\n"
    assert read(picture.file_id, container_id=container).content.startswith(b"\x89PNG")


def test_outputs_are_shown_to_who_asks_for_them(client, script):
    model = script([{"code": PLOT}, {"text": "Done."}])
    response = client.responses.create(model=model, input="Go.", tools=[AUTO])
    assert response.output[0].outputs is None
    again = client.responses.retrieve(response.id, include=OUTPUTS)
    (picture,) = again.output[0].outputs
    assert picture.url.startswith("data:image/png;base64,iVBOR")
    assert picture.chart["title"] == "Two"
    assert picture.chart["tables"][0]["columns"]["y"] == [1, 2]
    given_back = [item.to_dict() for item in again.output]
    client.responses.create(model=model, input=[*given_back, {"role": "user", "content": "Go on."}])
    assert client.responses.retrieve(response.id).output[0].outputs is None


def test_a_conversation_goes_on_in_its_container(client, script):
    model = script(SET, USE)
    first = client.responses.create(model=model, input="Set x.", tools=[AUTO])
    second = client.responses.create(
        model=model, input="Use x.", tools=[AUTO], previous_response_id=first.id, include=OUTPUTS
    )
    assert second.output[0].outputs[0].logs == "42\n"
    assert second.output[0].container_id == first.output[0].container_id
    assert second.previous_response_id == first.id


def test_items_can_be_sent_back_instead_of_a_response_id(client, script):
    model = script(SET, USE)
    first = client.responses.create(model=model, input="Set x.", tools=[AUTO], store=False)
    told = [{"role": "user", "content": "Set x."}, *(i.to_dict() for i in first.output)]
    second = client.responses.create(
        model=model,
        input=[*told, {"role": "user", "content": "Use x."}],
        tools=[AUTO],
        include=OUTPUTS,
    )
    assert second.output[0].outputs[0].logs == "42\n"
    with pytest.raises(NotFoundError):
        client.responses.retrieve(first.id)


def test_functions_are_called_and_answered(client, script):
    model = script(
        [{"tool": {"name": "weather", "arguments": {"city": "Oslo"}}}, {"text": "It rains."}]
    )
    first = client.responses.create(model=model, input="Weather?", tools=[WEATHER])
    (call,) = first.output
    assert (first.status, call.type, call.name) == ("completed", "function_call", "weather")
    assert json.loads(call.arguments) == {"city": "Oslo"}
    with pytest.raises(BadRequestError, match=f"No tool output .* call {call.call_id}"):
        client.responses.create(model=model, input="So?", previous_response_id=first.id)
    answer = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    second = client.responses.create(
        model=model, input=[answer], previous_response_id=first.id, tools=[WEATHER]
    )
    assert second.output_text == "It rains."
    with pytest.raises(BadRequestError, match="No tool call found for function call output"):
        client.responses.create(model=model, input=[answer])


def test_a_picture_without_a_word_is_still_cited(client, script):
    model = script([{"code": PLOT}, {"finish": "stop"}])
    response = client.responses.create(model=model, input="Go.", tools=[AUTO])
    assert len(response.output[-1].content[0].annotations) == 1


def test_input_items_are_those_that_were_sent(client, script):
    model = script([{"text": "Yes."}])
    given = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Well?"}]
    response = client.responses.create(model=model, input=given)
    items = client.responses.input_items.list(response.id, order="asc").data
    assert [item.role for item in items] == ["developer", "user"]
    assert items[1].content[0].text == "Well?"
    newest = client.responses.input_items.list(response.id, limit=1)
    assert newest.data[0].id == items[1].id
    assert newest.has_more


def test_what_was_asked_for_is_echoed(client, script):
    asked = {
        "instructions": "Be kind.",
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "max_output_tokens": 99,
        "tool_choice": "none",
        "tools": [AUTO, WEATHER],
    }
    model = script(
        [{"text": "Hi.", "usage": {"prompt_tokens": 7, "completion_tokens": 2, "cached_tokens": 3}}]
    )
    response = client.responses.create(model=model, input="Hi.", **asked)
    body = client.responses.retrieve(response.id).to_dict()
    asked["tools"] = [AUTO, {**WEATHER, "strict": True}]
    assert {key: body[key] for key in asked} == asked
    assert body["usage"]["input_tokens_details"]["cached_tokens"] == 3
    assert body["usage"]["total_tokens"] == 9


def test_a_failure_keeps_what_there_was(client, script):
    model = script([{"text": "I be", "error": {"message": "It broke.", "code": "server_error"}}])
    response = client.responses.create(model=model, input="Go.")
    assert (response.status, response.error.message) == ("failed", "It broke.")
    assert (response.output_text, response.output[0].status) == ("I be", "incomplete")


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_an_answer_cut_off_is_incomplete(client, script, finish, reason):
    model = script([{"text": "I be", "finish": finish}])
    with client.responses.stream(model=model, input="Go.") as stream:
        last = list(stream)[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == reason
    assert last.response.output_text == "I be"


def test_failing_code_is_shown_and_told_to_the_model(client, script):
    model = script([{"code": "1 / 0"}, {"text": "It cannot be."}])
    response = client.responses.create(model=model, input="Go.", tools=[AUTO], include=OUTPUTS)
    assert response.output[0].status == "completed"
    assert "ZeroDivisionError" in response.output[0].outputs[0].logs


def test_a_background_response_is_polled_and_replayed(client, script):
    model = script([{"code": "print(1)", "delay": 0.2}, {"text": "Done.", "chunk": 1}])
    request = {"model": model, "input": "Go.", "tools": [AUTO], "background": True}
    assert client.responses.create(**request).status == "queued"
    stream = client.responses.create(**request, stream=True)
    first = next(iter(stream))
    stream.close()
    rest = list(client.responses.retrieve(first.response.id, stream=True, starting_after=0))
    assert [e.sequence_number for e in rest] == list(range(1, len(rest) + 1))
    assert rest[0].type == "response.queued"
    assert rest[-1].response.output_text == "Done."
    late = list(client.responses.retrieve(first.response.id, stream=True, starting_after=3))
    assert [e.to_dict() for e in late] == [e.to_dict() for e in rest[3:]]


def test_a_background_response_is_cancelled_once_and_for_all(client, script):
    model = script([{"code": "import time\ntime.sleep(60)"}])
    response = client.responses.create(model=model, input="Go.", tools=[AUTO], background=True)
    for _ in range(500):
        output = client.responses.retrieve(response.id).output
        if output and output[0].status == "interpreting":
            break
        time.sleep(0.02)
    cancelled = client.responses.cancel(response.id)
    assert cancelled.status == "cancelled"
    assert cancelled.output[0].status == "incomplete"
    assert client.responses.cancel(response.id).status == "cancelled"


def test_who_goes_away_ends_what_nobody_else_waits_for(client, script):
    model = script([{"code": "import time\ntime.sleep(60)"}])
    stream = client.responses.create(model=model, input="Go.", tools=[AUTO], stream=True)
    for event in stream:
        if event.type == "response.created":
            id_ = event.response.id
        if event.type == "response.code_interpreter_call.interpreting":
            break
    stream.close()
    assert wait(client, id_, "cancelled").output[0].status == "incomplete"
    with pytest.raises(BadRequestError, match="Cannot cancel a synchronous response"):
        client.responses.cancel(id_)


def test_deleted_responses_are_gone(client, script):
    response = client.responses.create(model=script([{"text": "Hi."}]), input="Hi.")
    client.responses.delete(response.id)
    with pytest.raises(NotFoundError, match=f"Response with id '{response.id}' not found"):
        client.responses.retrieve(response.id)
    with pytest.raises(BadRequestError) as error:
        client.responses.create(model="x", input="Hi.", previous_response_id=response.id)
    assert error.value.code == "previous_response_not_found"


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"inputs": "x"}, "inputs", "unknown_parameter"),
        ({"input": 3}, "input", "invalid_type"),
        (
            {"tools": [{"type": "code_interpreter"}]},
            "tools[0].container",
            "missing_required_parameter",
        ),
        ({"tools": [{"type": "teleport"}]}, "tools[0].type", "invalid_value"),
        (
            {"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
            "input[0].content[0].type",
            "invalid_value",
        ),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"max_output_tokens": 3}, "max_output_tokens", "integer_below_min_value"),
    ],
)
def test_bad_requests_are_refused_as_the_service_does(client, change, param, code):
    with pytest.raises(BadRequestError) as error:
        client.post("/responses", body={"model": "m", "input": "x", **change}, cast_to=object)
    assert (error.value.param, error.value.code) == (param, code)


def test_input_files_and_pictures_reach_code_and_model(client, script):
    stored = client.files.create(file=("in.csv", b"a\n1\n"), purpose="user_data")
    model = script([{"code": LIST}, {"text": "."}])
    content = [
        {"type": "input_text", "text": "Look."},
        {"type": "input_file", "file_id": stored.id},
        {"type": "input_file", "filename": "b.txt", "file_data": "data:text/plain;base64,aGk="},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
    ]
    response = client.responses.create(
        model=model, input=[{"role": "user", "content": content}], tools=[AUTO], include=OUTPUTS
    )
    assert response.output[0].outputs[0].logs == "['b.txt', 'in.csv']\n"


@pytest.mark.parametrize("name", ["prompt", "moderation", "context_management"])
def test_what_the_engine_does_not_serve_is_refused_by_name(client, name):
    with pytest.raises(BadRequestError, match=f"Unsupported parameter: '{name}'"):
        client.responses.create(model="m", input="x", extra_body={name: {"id": "pmpt_1"}})


def test_newer_settings_are_taken_and_echoed(client, script):
    given = {"context": "all_turns", "mode": "standard", "effort": "low"}
    answer = client.responses.create(
        model=script([{"text": "Hello."}]),
        input="x",
        extra_body={"reasoning": given, "prompt": None, "prompt_cache_retention": "24h"},
    ).to_dict()
    assert given.items() <= answer["reasoning"].items()
    assert answer["prompt_cache_retention"] == "24h"
    assert (answer["frequency_penalty"], answer["presence_penalty"]) == (0.0, 0.0)


def test_a_deletion_says_what_was_deleted(client, script):
    made = client.responses.create(model=script([{"text": "Hello."}]), input="x")
    gone = client.delete(f"/responses/{made.id}", cast_to=dict)
    assert gone == {"id": made.id, "object": "response.deleted", "deleted": True}


def test_tokens_are_counted_before_they_are_read(client):
    short = client.responses.input_tokens.count(model="m", input="Hello.")
    assert (short.object, short.input_tokens) == ("response.input_tokens", 6)
    long = client.responses.input_tokens.count(
        model="m", input=[{"role": "user", "content": "x" * 4000}], instructions="y" * 400
    )
    assert 1090 < long.input_tokens < 1120


def test_a_conversation_is_summarized_and_goes_on(client, script):
    first = client.responses.create(
        model=script([{"text": "North has 930."}]), input="Which region is highest?"
    )
    compacted = client.responses.compact(
        model=script({"when": "summary", "replies": [{"text": "North is highest: 930."}]}),
        previous_response_id=first.id,
    )
    (item,) = compacted.output
    assert (compacted.object, item.type) == ("response.compaction", "compaction")
    assert "North" not in item.encrypted_content
    asked = [item.to_dict(), {"role": "user", "content": "And the value?"}]
    counted = client.responses.input_tokens.count(model="m", input=asked)
    assert counted.input_tokens > 15
    answer = client.responses.create(model=script([{"text": "930."}]), input=asked)
    assert answer.output_text == "930."


def test_a_summary_of_another_server_is_refused(client):
    item = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAAAB"}
    with pytest.raises(BadRequestError, match="could not be verified"):
        client.responses.create(model="m", input=[item, {"role": "user", "content": "x"}])
    with pytest.raises(BadRequestError, match="'input' or 'previous_response_id'"):
        client.responses.compact(model="m")


def test_a_function_that_does_not_say_is_shown_as_strict(client, script):
    tools = [{"type": "function", "name": name, "parameters": {}} for name in ("one", "two")]
    tools[1]["strict"] = False
    answer = client.responses.create(
        model=script([{"text": "Hello."}]), input="x", tools=tools
    ).to_dict()
    assert [tool["strict"] for tool in answer["tools"]] == [True, False]
