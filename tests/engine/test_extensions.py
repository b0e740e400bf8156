"""What the engine has beyond the Responses API, through the SDK: sessions, events, copies."""

import httpx
import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from serving import TOKEN, serving, write_script

pytestmark = pytest.mark.skipif(
    not hasattr(OpenAI, "conversations"), reason="this openai SDK knows no conversations yet"
)

EXTENDED = ["code_interpreter_call.outputs", "engine_extensions"]
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
USAGE = {"prompt_tokens": 7, "completion_tokens": 2}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("engine")) as url:
        yield OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0)


@pytest.fixture
def script(tmp_path):
    return lambda *turns: write_script(tmp_path, *turns)


@pytest.fixture
def ask(client):
    """Ask in the session of a conversation; gives the response, or its stream."""

    def ask(conversation, model, question="Go.", file_ids=(), include=EXTENDED, **request):
        container = {"type": "session", "file_ids": list(file_ids)}
        tools = [{"type": "code_interpreter", "container": container}, *request.pop("tools", ())]
        return client.responses.create(
            model=model,
            input=question,
            conversation=conversation,
            tools=tools,
            include=include,
            **request,
        )

    return ask


def upload(client, name, text):
    return client.files.create(file=(name, text.encode()), purpose="assistants").id


def own(client, method, path, **body):
    url = f"{str(client.base_url).rstrip('/')}/engine/{path}"
    answer = httpx.request(
        method, url, headers={"Authorization": f"Bearer {TOKEN}"}, json=body or None
    )
    return answer.json()


def logs(response):
    outputs = [out for item in response.output for out in getattr(item, "outputs", None) or ()]
    return "".join(out.logs for out in outputs if out.type == "logs")


def test_code_runs_in_the_session_of_its_conversation(client, ask, script):
    made = "[made](sandbox:/mnt/data/made.txt)"
    write = "x = open('/mnt/data/in.txt').read()\nopen('/mnt/data/made.txt', 'w').write(x * 2)"
    model = script(
        [{"code": write, "usage": USAGE}, {"text": f"See {made}."}],
        [{"code": "print(x, open('/mnt/data/made.txt').read())"}, {"text": "."}],
        [{"code": "print('x' in globals(), open('/mnt/data/made.txt').read())"}, {"text": "."}],
        [{"code": "print(open('/mnt/data/in.txt').read())"}, {"text": "."}],
    )
    conversation = client.conversations.create().id
    first = ask(conversation, model, file_ids=[upload(client, "in.txt", "ab")])
    call, message = first.output
    assert (call.container_id, call.engine["outcome"]) == (conversation, "ok")
    (file,) = call.engine["files"]
    assert (file["filename"], file["bytes"]) == ("made.txt", 4)
    # It is an ordinary file, so that it outlives every container.
    assert client.files.content(file["id"]).content == b"abab"
    (cited,) = message.content[0].annotations
    place = message.content[0].text.index("sandbox:")
    assert (cited.type, cited.file_id, cited.index) == ("file_path", file["id"], place)
    assert logs(ask(conversation, model)) == "ab abab\n"

    assert own(client, "DELETE", f"sessions/{conversation}")["ended"]
    third = ask(conversation, model)
    assert logs(third) == "False abab\n"
    assert third.output[0].engine["session"] == "restored"
    # What is attached again is what code sees.
    fourth = ask(conversation, model, file_ids=[upload(client, "in.txt", "new")])
    assert logs(fourth) == "new\n"
    assert not list(client.containers.list())


def test_files_of_a_message_are_handed_over_too(client, ask, script):
    model = script([{"code": "print(open('/mnt/data/in.txt').read())"}, {"text": "."}])
    part = {"type": "input_file", "file_id": upload(client, "in.txt", "hello")}
    said = [{"role": "user", "content": [{"type": "input_text", "text": "Read."}, part]}]
    assert logs(ask(client.conversations.create().id, model, said)) == "hello\n"


def test_outputs_usage_and_facts_are_told_as_they_come(client, ask, script):
    code = f"print('one', flush=True)\n{PLOT}\nraise ValueError('no')"
    model = script([{"code": code, "usage": USAGE}, {"text": "."}])
    conversation = client.conversations.create().id
    told = list(ask(conversation, model, stream=True))
    kinds = [event.type.removeprefix("response.") for event in told]
    assert [event.sequence_number for event in told] == list(range(len(told)))
    assert kinds.index("engine.usage") < kinds.index("code_interpreter_call.interpreting")
    usage = told[kinds.index("engine.usage")].usage
    assert (usage["input_tokens"], usage["output_tokens"]) == (7, 2)
    deltas = [e for e in told if e.type == "response.code_interpreter_call.outputs.delta"]
    assert kinds.index("code_interpreter_call.completed") > told.index(deltas[-1])
    first, picture, error = (event.delta for event in deltas)
    assert first == {"type": "logs", "logs": "one\n"}
    assert (picture["filename"], picture["url"][:22]) == ("chart-1.png", "data:image/png;base64,")
    assert "ValueError" in error["logs"]
    (item,) = [event.item for event in told if event.type == "response.output_item.done"][:1]
    assert (item.engine["outcome"], item.engine["error"]) == ("error", "ValueError: no")
    assert float(item.engine["seconds"]) > 0
    assert item.outputs[1].file_id == picture["file_id"]
    assert client.files.content(picture["file_id"]).content.startswith(b"\x89PNG")
    model = script({"when": "", "replies": [{"code": PLOT}, {"text": "."}]})
    again = list(ask(conversation, model, stream=True))
    numbered = [e.delta["filename"] for e in again if hasattr(e, "delta") and "filename" in e.delta]
    assert numbered == ["chart-2.png"]


def test_whoever_does_not_ask_for_extensions_sees_none(client, ask, script):
    model = script([{"code": f"print(1)\n{PLOT}", "usage": USAGE}, {"text": "."}])
    plain = ["code_interpreter_call.outputs"]
    told = list(ask(client.conversations.create().id, model, include=plain, stream=True))
    assert not [event.type for event in told if "engine" in event.type or "outputs" in event.type]
    call = told[-1].response.output[0]
    assert not hasattr(call, "engine")
    known = {"type", "logs", "url", "chart"}
    assert all(set(out.to_dict()) <= known for out in call.outputs)


def test_the_accumulator_of_the_sdk_passes_over_extensions(client, script):
    model = script([{"code": "print(1)", "usage": USAGE}, {"text": "One."}])
    auto = {"type": "code_interpreter", "container": {"type": "auto"}}
    with client.responses.stream(
        model=model, input="Go.", tools=[auto], include=EXTENDED
    ) as stream:
        assert stream.get_final_response().output_text == "One."


def test_a_session_needs_a_conversation(client, script):
    tool = {"type": "code_interpreter", "container": {"type": "session"}}
    with pytest.raises(BadRequestError, match="needs a 'conversation'"):
        client.responses.create(model=script([{"text": "."}]), input="Go.", tools=[tool])


def test_a_call_that_its_client_left_unanswered_does_not_end_the_conversation(client, ask, script):
    function = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
    model = script([{"tool": {"name": "weather", "arguments": {}}}], [{"text": "Never mind."}])
    conversation = client.conversations.create().id
    ask(conversation, model, tools=[function])
    assert ask(conversation, model, tools=[function]).output_text == "Never mind."


def test_a_question_after_a_stop_waits_for_the_end_of_what_was_stopped(client, ask, script):
    stubborn = """
import time
try:
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.5)
"""
    model = script([{"code": stubborn}, {"text": "."}], [{"text": "Here."}])
    conversation = client.conversations.create().id
    stream = ask(conversation, model, stream=True, background=True)
    id_ = ""
    for event in stream:
        id_ = event.response.id if event.type == "response.created" else id_
        if event.type == "response.code_interpreter_call.interpreting":
            break
    stopped = client.responses.cancel(id_)
    assert stopped.status == "cancelled"
    ask(conversation, model, "And now?")
    items = client.conversations.items.list(conversation, order="asc").data
    kinds = ["message", "code_interpreter_call", "message", "message"]
    assert [item.type for item in items] == kinds


def test_a_request_that_is_made_again_is_known_by_its_key(client, ask, script):
    model = script([{"text": "One."}], [{"text": "Two."}])
    conversation = client.conversations.create().id
    key = {"extra_headers": {"Idempotency-Key": "k1"}, "stream": True, "background": True}
    first = list(ask(conversation, model, **key))
    assert list(ask(conversation, model, **key)) == first
    other = {**key, "extra_headers": {"Idempotency-Key": "k2"}}
    assert list(ask(conversation, model, **other))[-1].response.output_text == "Two."


def test_a_copy_ends_where_it_is_told_and_has_the_files(client, ask, script):
    save = "open('/mnt/data/n.txt', 'w').write('7')\nn = 7"
    look = "print('n' in globals(), open('/mnt/data/n.txt').read())"
    model = script(
        [{"code": save}, {"text": "Saved."}],
        [{"text": "Second."}],
    )
    conversation = client.conversations.create(metadata={"k": "v"}).id
    first = ask(conversation, model, "Save it, please.")
    ask(conversation, model, "More.")
    until = [first.output[-1].id]
    copy = own(client, "POST", "threads", source=conversation, until=until)
    assert copy["metadata"] == {"k": "v"}
    items = client.conversations.items.list(copy["id"], order="asc").data
    assert [item.type for item in items] == ["message", "code_interpreter_call", "message"]
    looking = script({"when": "", "replies": [{"code": look}, {"text": "."}]})
    assert logs(ask(copy["id"], looking)) == "False 7\n"
    listed = {one["id"]: one["title"] for one in own(client, "GET", "threads")["data"]}
    assert listed[conversation] == listed[copy["id"]] == "Save it, please."
    missing = own(client, "POST", "threads", source=conversation, until=["msg_nowhere"])
    assert "None of the items" in missing["error"]["message"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_thread_of_the_assistants_api_is_copied(client, ask, script):
    write = f"x = open('/mnt/data/in.txt').read()\nopen('/mnt/data/n.txt', 'w').write(x)\n{PLOT}"
    model = script(
        [{"code": write}, {"text": "Written."}],
        [{"code": "import os; print(sorted(os.listdir('/mnt/data')))"}, {"text": "."}],
    )
    handbook = {"file_id": upload(client, "h.txt", "Rule one."), "tools": [{"type": "file_search"}]}
    code = {"file_id": upload(client, "in.txt", "ab"), "tools": [{"type": "code_interpreter"}]}
    said = {"role": "user", "content": "Write.", "attachments": [code, handbook]}
    thread = client.beta.threads.create(messages=[said])
    assistant = client.beta.assistants.create(model=model, tools=[{"type": "code_interpreter"}])
    client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
    )
    copy = own(client, "POST", "threads", source=thread.id)
    assert logs(ask(copy["id"], model)) == "['in.txt', 'n.txt']\n"
    listed = client.conversations.items.list(copy["id"], order="asc", include=EXTENDED[:1]).data
    assert [item.type for item in listed[:3]] == ["message", "code_interpreter_call", "message"]
    assert listed[0].content[0].text == "Write."
    assert listed[2].content[0].text == "Written."
    assert listed[1].outputs[0].url.startswith("data:image/png;base64,")
    store = copy["metadata"]["vector_store_id"]
    assert store != thread.tool_resources.file_search.vector_store_ids[0]
    assert [file.id for file in client.vector_stores.files.list(store)] == [handbook["file_id"]]


def test_deleting_all_of_a_conversation_leaves_nothing(client, ask, script):
    model = script([{"code": "x = 1"}, {"text": "."}])
    documents = client.vector_stores.create(file_ids=[upload(client, "h.txt", "Rule one.")]).id
    conversation = client.conversations.create(metadata={"vector_store_id": documents}).id
    response = ask(conversation, model)
    own(client, "DELETE", f"threads/{conversation}")
    for gone in (
        lambda: client.conversations.retrieve(conversation),
        lambda: client.responses.retrieve(response.id),
        lambda: client.vector_stores.retrieve(documents),
    ):
        with pytest.raises(NotFoundError):
            gone()
    sessions = own(client, "GET", "sessions")["data"]
    assert conversation not in [one["thread_id"] for one in sessions]
