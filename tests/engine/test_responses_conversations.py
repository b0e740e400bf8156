"""Conversations through the SDK, with the code interpreter in them."""

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from serving import TOKEN, serving, write_script

pytestmark = pytest.mark.skipif(
    not hasattr(OpenAI, "containers"), reason="this openai SDK knows no code interpreter yet"
)

AUTO = {"type": "code_interpreter", "container": {"type": "auto"}}
OUTPUTS = ["code_interpreter_call.outputs"]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("engine")) as url:
        yield OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0)


@pytest.fixture
def script(tmp_path):
    return lambda *turns: write_script(tmp_path, *turns)


def test_responses_add_to_a_conversation_and_go_on_in_its_container(client, script):
    model = script(
        [{"code": "x = 41"}, {"text": "Set."}], [{"code": "print(x + 1)"}, {"text": "It is 42."}]
    )
    conversation = client.conversations.create(metadata={"a": "b"})
    ask = {"model": model, "tools": [AUTO], "conversation": conversation.id}
    first = client.responses.create(input="Set x.", **ask)
    assert first.conversation.id == conversation.id
    second = client.responses.create(input="Use x.", include=OUTPUTS, **ask)
    assert second.output[0].outputs[0].logs == "42\n"
    items = client.conversations.items.list(conversation.id, order="asc", include=OUTPUTS).data
    call = "code_interpreter_call"
    assert [item.type for item in items] == ["message", call, "message"] * 2
    assert items[4].outputs[0].logs == "42\n"
    assert items[0].content[0].text == "Set x."


def test_items_come_and_go(client, script):
    said = {"type": "message", "role": "user", "content": "I am Ann."}
    conversation = client.conversations.create(items=[said])
    (added,) = client.conversations.items.create(
        conversation.id, items=[{"type": "message", "role": "assistant", "content": "Hello."}]
    ).data
    assert (
        client.conversations.items.retrieve(added.id, conversation_id=conversation.id).id
        == added.id
    )
    client.conversations.items.delete(added.id, conversation_id=conversation.id)
    (left,) = client.conversations.items.list(conversation.id).data
    assert left.content[0].text == "I am Ann."
    with pytest.raises(NotFoundError):
        client.conversations.items.retrieve(added.id, conversation_id=conversation.id)


def test_conversations_are_changed_and_deleted(client):
    made = client.conversations.create()
    assert client.conversations.update(made.id, metadata={"k": "v"}).metadata == {"k": "v"}
    assert client.conversations.retrieve(made.id).metadata == {"k": "v"}
    assert client.conversations.delete(made.id).deleted
    with pytest.raises(NotFoundError, match=f"Conversation with id '{made.id}' not found"):
        client.responses.create(model="m", input="Hi.", conversation=made.id)


def test_a_conversation_is_instead_of_a_previous_response(client, script):
    model = script([{"text": "Hi."}])
    first = client.responses.create(model=model, input="Hi.")
    made = client.conversations.create()
    with pytest.raises(BadRequestError, match="Mutually exclusive"):
        client.responses.create(
            model=model, input="Hi.", conversation=made.id, previous_response_id=first.id
        )


def test_one_response_at_a_time(client, script):
    made = client.conversations.create()
    ask = {"model": script([{"text": "Hi.", "delay": 5}]), "conversation": {"id": made.id}}
    going = client.responses.create(input="Hi.", background=True, **ask)
    with pytest.raises(BadRequestError) as error:
        client.responses.create(input="Hi.", **ask)
    assert error.value.code == "conversation_locked"
    client.responses.cancel(going.id)
