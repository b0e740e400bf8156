"""What clients send to Responses: references, answers of functions, files, choices of tools."""

from __future__ import annotations

import base64
import threading

import pytest
from openai import BadRequestError, NotFoundError

from .test_both_apis import PARAMETERS, ResponsesApi, far, far_and_engine, pytestmark, upload

__all__ = ["far", "far_and_engine", "pytestmark"]

WEATHER = {"type": "function", "name": "weather", "parameters": PARAMETERS}
AUTO = {"type": "code_interpreter", "container": {"type": "auto"}}
PNG = "data:image/png;base64,iVBORw=="
CALL = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "rain"}


@pytest.fixture
def api(far_and_engine, far):
    api = ResponsesApi(far_and_engine[1].openai(), "m")
    api.tools = [WEATHER]
    return api


def user(text):
    return {"role": "user", "content": text}


def reference(item):
    return {"type": "item_reference", "id": item.id}


def told(far):
    """Return what the model was told last, without the system prompt."""
    return far.asked[-1]["messages"][1:]


# References


def test_references_stand_for_what_was_said_and_done(api, far):
    far.answers = [("weather", {"city": "Oslo"}), {"text": "It rains."}]
    first = api.ask("Weather?", [WEATHER])
    question = api.client.responses.input_items.list(api.last.id).data[0]
    call = api.last.output[0]
    answer = {**OUTPUT, "call_id": first.functions[0].id}
    api.create([reference(question), reference(call), answer], previous_response_id=None)
    assert [m["role"] for m in told(far)] == ["user", "assistant", "tool"]
    assert told(far)[0]["content"] == "Weather?"
    said = api.last.output[0]
    api.create([{"id": said.id}, user("Sure?")], previous_response_id=None)
    assert [m["content"] for m in told(far)] == ["It rains.", "Sure?"]


def test_a_reference_to_code_has_its_output_and_goes_on_in_its_container(api, far):
    far.answers = ["x = 41\nprint(x)", None, "print(x + 1)"]
    api.ask("Set x.", [AUTO])
    items = [reference(item) for item in api.last.output]
    turn = api.create([*items, user("Use x.")], previous_response_id=None)
    assert turn.logs == ["42\n"]
    assert far.asked[2]["messages"][2]["content"] == "41\n"


def test_references_in_conversations(api, far):
    api.ask("Hello.")
    made = api.client.conversations.create(items=[reference(api.last.output[0])])
    (item,) = api.client.conversations.items.list(made.id).data
    assert item.content[0].text == "Done."
    api.create([user("On.")], conversation=made.id, previous_response_id=None)
    assert [m["content"] for m in told(far)] == ["Done.", "On."]


def test_what_is_not_stored_cannot_be_referred_to(api):
    api.client.responses.create(model="m", input="Hi.", store=True)
    unstored = api.client.responses.create(model="m", input="Hi.", store=False).output[0]
    gone = api.client.responses.create(model="m", input="Hi.")
    api.client.responses.delete(gone.id)
    for id_ in ("msg_nowhere", unstored.id, gone.output[0].id):
        with pytest.raises(NotFoundError, match=f"Item with id '{id_}' not found") as error:
            api.create([{"type": "item_reference", "id": id_}])
        assert error.value.param == "input"


# Calls and answers


def test_replayed_code_needs_no_outputs(api, far):
    far.answers = ["print(6 * 7)", None]
    api.ask("Go.", [AUTO])
    items = [item.to_dict(exclude_none=True) for item in api.last.output]
    del items[0]["outputs"]
    api.create([user("Go."), *items, user("On.")], previous_response_id=None)
    assert told(far)[2]["content"] == "(no output)"
    assert api.last.status == "completed"


def test_an_answer_follows_its_call_whatever_stands_between(api, far):
    api.create([user("Weather?"), CALL, user("Weather?"), OUTPUT])
    assert [m["role"] for m in told(far)] == ["user", "assistant", "tool", "user"]
    second = {**CALL, "call_id": "call_2"}, {**OUTPUT, "call_id": "call_2", "output": "snow"}
    api.create(
        [user("Both?"), CALL, second[0], user("Well?"), second[1], OUTPUT],
        previous_response_id=None,
    )
    assert [m.get("content") for m in told(far)] == ["Both?", None, "rain", "snow", "Well?"]


def test_an_answer_sent_again_counts_once_and_another_is_refused(api, far):
    api.create([user("Weather?"), CALL, OUTPUT])
    api.create([OUTPUT, user("On.")])
    assert [m["role"] for m in told(far)] == ["user", "assistant", "tool", "assistant", "user"]
    for twice in ([{**OUTPUT, "output": "snow"}], [CALL, OUTPUT]):
        with pytest.raises(BadRequestError, match="Duplicate function call"):
            api.create([*twice, user("On.")])
    said = api.last.output[0].to_dict()
    with pytest.raises(BadRequestError, match=f"Duplicate item found with id {said['id']}"):
        api.create([said])


def test_pictures_and_files_that_functions_return_reach_the_model(api, far):
    text = base64.b64encode("été".encode()).decode()
    output = [
        {"type": "input_text", "text": "Look."},
        {"type": "input_image", "image_url": PNG, "detail": "low"},
        {"type": "input_file", "filename": "a.txt", "file_data": text},
    ]
    api.create([user("Weather?"), CALL, {**OUTPUT, "output": output}])
    *_, result, shown = told(far)
    assert result["role"] == "tool"
    assert "Look." in result["content"]
    assert "'a.txt'" in result["content"]
    assert "été" in result["content"]
    assert shown["content"][1]["image_url"] == {"url": PNG, "detail": "low"}


def test_files_that_functions_return_reach_code(api, far):
    far.answers = ["print(open('/mnt/data/a.csv').read())"]
    file = upload(api, "a.csv", b"a,b")
    api.tools = [WEATHER, AUTO]
    output = [{"type": "input_file", "file_id": file}]
    turn = api.create([user("Weather?"), CALL, {**OUTPUT, "output": output}])
    assert turn.logs == ["a,b\n"]


def test_files_of_a_question_are_read_to_a_model_without_code(api, far):
    api.ask("What does it say?", files=[upload(api, "a.txt", "été".encode())])
    assert "été" in str(told(far)[0]["content"])
    api.ask("And this?", files=[upload(api, "a.png", b"\x89PNG")])
    assert "cannot be read" in str(told(far)[-1]["content"])


def test_pictures_of_a_conversation_are_shown(api, far):
    picture = {"type": "input_image", "file_id": upload(api, "a.png", b"\x89PNG")}
    item = {"type": "message", "role": "user", "content": [picture]}
    made = api.client.conversations.create(items=[item])
    api.create([user("What is it?")], conversation=made.id)
    assert told(far)[0]["content"][0]["image_url"]["url"] == PNG


def test_a_call_that_was_cut_short_does_not_block_its_conversation(api, far):
    made = api.client.conversations.create()
    far.answers = [{"calls": [("weather", {"city": "Oslo"})], "finish": "length"}]
    turn = api.create([user("Weather?")], conversation=made.id)
    assert turn.status == "incomplete"
    assert api.create([user("Well?")], conversation=made.id, previous_response_id=None).text


# Tools


def test_allowed_tools_are_all_that_is_offered(api, far):
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "code_interpreter"}]}
    api.ask("Go.", [WEATHER, AUTO], tool_choice=choice)
    offered = [tool["function"]["name"] for tool in far.asked[0]["tools"]]
    assert (offered, far.asked[0].get("tool_choice", "auto")) == (["python"], "auto")
    assert api.last.to_dict()["tool_choice"] == choice
    required = {**choice, "mode": "required", "tools": [{"type": "function", "name": "weather"}]}
    turn = api.ask("Go.", [WEATHER, AUTO], tool_choice=required)
    assert (turn.status, far.asked[1]["tool_choice"]) == ("failed", "required")
    assert [tool["function"]["name"] for tool in far.asked[1]["tools"]] == ["weather"]


@pytest.mark.parametrize(
    ("tools", "choice", "message"),
    [
        ([WEATHER], {"type": "function", "name": "rain"}, "Tool choice 'rain' not found"),
        ([], "required", "'required' must be specified with 'tools'"),
        (
            [WEATHER],
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "file_search"}]},
            "Tool choice 'file_search' not found",
        ),
    ],
)
def test_choices_of_what_is_not_there_are_refused(api, tools, choice, message):
    with pytest.raises(BadRequestError, match=message) as error:
        api.ask("Go.", tools, tool_choice=choice)
    assert error.value.param == "tool_choice"


def test_tool_calls_are_bounded_within_a_reply_too(api, far):
    calls = [("python", {"code": f"print({n})"}) for n in range(3)]
    far.answers = [{"calls": calls}]
    api.tools = [AUTO]
    turn = api.create([user("Go.")], max_tool_calls=2)
    assert turn.logs[:2] == ["0\n", "1\n"]
    assert "No more tool calls" in turn.logs[2]
    assert far.asked[1].get("tools", []) == []


def test_unknown_stores_are_refused(api):
    with pytest.raises(NotFoundError, match="vs_nowhere"):
        api.ask("Go.", [api.tool("file_search")], stores=["vs_nowhere"])


# Containers and conversations


def test_a_deleted_container_is_followed_by_a_new_one(api, far):
    file = upload(api, "a.csv", b"a,b")
    far.answers = ["x = 1", None, "print(open('/mnt/data/a.csv').read(), 'x' in globals())"]
    api.ask("Set x.", [AUTO], files=[file])
    old = api.last.output[0].container_id
    api.client.containers.delete(old)
    turn = api.ask("On.", [AUTO])
    assert turn.logs == ["a,b False\n"]
    assert api.last.output[0].container_id != old
    assert "The Python session is new" in far.asked[-1]["messages"][0]["content"]


def test_of_two_responses_at_once_in_one_conversation_one_is_refused(api, script):
    model = script({"when": "", "replies": [{"text": "Hi.", "delay": 1}]})
    for stored in (True, False):
        made, seen = api.client.conversations.create(), []

        def ask(stored=stored, made=made, seen=seen):
            try:
                api.client.responses.create(
                    model=model, input="Hi.", conversation=made.id, store=stored
                )
                seen.append("answered")
            except BadRequestError as error:
                seen.append(error.code)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(seen) == ["answered", *["conversation_locked"] * 3]
        assert len(api.client.conversations.items.list(made.id).data) == 2
        api.client.responses.create(model=model, input="On.", conversation=made.id)


def test_an_unstored_response_leaves_nothing_but_its_conversation(api):
    made = api.client.conversations.create()
    response = api.client.responses.create(
        model="m", input="Hi.", conversation=made.id, store=False
    )
    with pytest.raises(NotFoundError):
        api.client.responses.retrieve(response.id)
    assert len(api.client.conversations.items.list(made.id).data) == 2
