"""What a model is told: system prompt, history, tools and options, as they leave the engine."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pytest
from openai import BadRequestError

from aoai_magic import frame_codec
from aoai_magic.engine.config import Bounds
from aoai_magic.engine.models.base import FAILED

from .test_runs import steps

CODE = [{"type": "code_interpreter"}]


class Far:
    """A chat server that keeps what it was asked and answers what it is given."""

    def __init__(self):
        self.asked, self.answers = [], []
        far = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                far.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                for chunk in far.chunks():
                    self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                self.wfile.write(b"data: [DONE]\n\n")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def choices(self, answer):
        """Yield an answer given as ``text``, ``calls`` (name and arguments) and ``finish``."""
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        calls = [
            {
                "index": n,
                "id": f"call_{n}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
                },
            }
            for n, (name, arguments) in enumerate(answer.get("calls", ()))
        ]
        delta = {"role": "assistant", "content": answer.get("text")}
        delta |= {"tool_calls": calls} if calls else {}
        finish = answer.get("finish") or ("tool_calls" if calls else "stop")
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}

    def chunks(self):
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, dict):
            yield from self.choices(answer)
            return
        name, arguments = answer if isinstance(answer, tuple) else ("python", {"code": answer})
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        delta = {"role": "assistant", "content": "Done."}
        if answer is not None:
            function = {"name": name, "arguments": json.dumps(arguments)}
            call = {"index": 0, "id": "call_far", "type": "function", "function": function}
            delta = {"role": "assistant", "content": None, "tool_calls": [call]}
        reason = "stop" if answer is None else "tool_calls"
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


@pytest.fixture(scope="module")
def far_and_engine(start_module_engine):
    """Start the far end, and an engine whose model it is."""
    far = Far()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", far.url)
        patch.setenv("OPENAI_API_KEY", "far")
        engine = start_module_engine(model="openai:m", bounds=Bounds(earlier_tool_output=60))
    yield far, engine
    far.server.shutdown()
    far.server.server_close()


@pytest.fixture
def far(far_and_engine):
    far, engine = far_and_engine
    far.asked.clear()
    far.answers.clear()
    yield far
    engine.clear()


@pytest.fixture
def go(far_and_engine):
    """Run once on a thread; gives the run."""
    client = far_and_engine[1].openai()

    def go(
        thread=None,
        content="Go on.",
        attachments=(),
        assistant=None,
        status="completed",
        **options,
    ):
        made = client.beta.assistants.create(**{"model": "m", "tools": CODE, **(assistant or {})})
        thread = thread or client.beta.threads.create()
        client.beta.threads.messages.create(
            thread.id, role="user", content=content, attachments=list(attachments)
        )
        run = client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=made.id, poll_interval_ms=20, **options
        )
        assert run.status == status, run.last_error
        return run

    go.client = client
    return go


def test_system_prompt_names_files_variables_and_instructions(go, far, tmp_path):
    packed = frame_codec.pack(pd.DataFrame({"a": [1, 2]}), "sales", tmp_path)
    with packed.open("rb") as source:
        frame = go.client.files.create(file=source, purpose="assistants")
    text = go.client.files.create(file=("b c.csv", b"1"), purpose="assistants")
    attachments = [{"file_id": file.id, "tools": CODE} for file in (frame, text)]
    go(
        attachments=attachments,
        assistant={"instructions": "Be brief."},
        additional_instructions="Use euros.",
    )
    (system, user) = far.asked[0]["messages"]
    assert system["role"] == "system"
    assert "\n- `sales` (pandas.DataFrame, 2 rows, 1 columns)\n" in system["content"]
    assert packed.name not in system["content"]  # models read what they are told of
    assert "'b c.csv' (1 bytes)" in system["content"]
    assert system["content"].endswith("Be brief.\n\nUse euros.")
    assert user == {"role": "user", "content": "Go on."}


def test_model_is_told_what_was_replaced_by_what_is_attached_now(go, far, tmp_path):
    packed = frame_codec.pack(pd.DataFrame({"a": [1, 2]}), "sales", tmp_path)
    with packed.open("rb") as source:
        frame = go.client.files.create(file=source, purpose="assistants")
    text = go.client.files.create(file=("x.csv", b"1"), purpose="assistants")
    attachments = [{"file_id": file.id, "tools": CODE} for file in (frame, text)]
    thread = go.client.beta.threads.create()
    far.answers = ["sales = sales.head(1); open('/mnt/data/x.csv', 'w').write('22')", None]
    prompts = []
    for attached in (attachments, attachments, ()):
        before = len(far.asked)
        go(thread, attachments=attached)
        prompts.append(far.asked[before]["messages"][0]["content"])
    variable = "; `sales` was replaced by the notebook's value\n"
    file = "\nReplaced by the files that the user attached now: 'x.csv'."
    assert [(variable in prompt, file in prompt) for prompt in prompts] == [
        (False, False),
        (True, True),
        (True, True),  # no code has run since
    ]
    far.answers = ["1"]
    go(thread)
    before = len(far.asked)
    go(thread)
    assert "eplaced" not in far.asked[before]["messages"][0]["content"]


CARD = """\
`sales`: pandas.DataFrame, 4 rows × 2 columns.
Columns:
- region: str (North, South)
- revenue: float64 (1 to 9); 1 null
First rows:
region | revenue
North | 1.0"""
FILE = (
    '`a.csv`: a file of 3 bytes, as /mnt/data/a.csv.\nRead it with pd.read_csv("/mnt/data/a.csv").'
)
ELSEWHERE = (
    '[Loaded already, read no file for them: `sales`. Read it with pd.read_csv("/mnt/data/a.csv").]'
)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("{}['revenue']", "['revenue' is a column of `sales`.]"),
        ("{}['turnover']", "[There is no column 'turnover'. Columns of `sales`: region, revenue.]"),
        ("open('/mnt/data/sales.csv')", ELSEWHERE),
        ("frame.head()", ELSEWHERE),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_failure_comes_back_with_what_the_data_explains(go, far, code, told):
    far.answers = [code]
    go(content=[{"type": "text", "text": text} for text in ("Which?", CARD, FILE)])
    *_, output, hint, repair = far.asked[1]["messages"][-1]["content"].splitlines()
    assert repair == FAILED
    assert told in (output, hint)


def test_later_run_is_told_what_earlier_ones_did_shortened(go, far):
    far.answers = ["print('x' * 500)"]
    run = go()
    now = far.asked[1]["messages"][-1]
    assert now["role"] == "tool"
    assert now["content"] == "x" * 500 + "\n"
    go(thread=go.client.beta.threads.retrieve(run.thread_id), content="And now?")
    _, first, call, result, said, last = far.asked[-1]["messages"]
    assert first["content"] == "Go on."
    function = call["tool_calls"][0]["function"]
    assert json.loads(function["arguments"]) == {"code": "print('x' * 500)"}
    assert result["tool_call_id"] == call["tool_calls"][0]["id"]
    assert "characters left out" in result["content"]
    assert len(result["content"]) < 120
    assert (said["content"], last["content"]) == ("Done.", "And now?")


def test_new_files_are_told(go, far):
    far.answers = ["open('/mnt/data/new.csv', 'w').write('1')"]
    go()
    assert "[New or changed files: 'new.csv']" in far.asked[1]["messages"][-1]["content"]


def test_last_messages_alone(go, far):
    thread = go.client.beta.threads.create(
        messages=[{"role": "user", "content": str(n)} for n in range(5)]
    )
    go(thread=thread, truncation_strategy={"type": "last_messages", "last_messages": 2})
    assert [m["content"] for m in far.asked[0]["messages"][1:]] == ["4", "Go on."]


def function(name):
    return {"type": "function", "function": {"name": name}}


TOOLS = [*CODE, {"type": "file_search"}, function("weather"), function("python")]
OFFERED = ["python", "file_search", "weather", "client_python"]


def offered(asked):
    return [tool["function"]["name"] for tool in asked.get("tools", ())]


@pytest.mark.parametrize(
    ("choice", "forced", "answer"),
    [
        ({"type": "code_interpreter"}, function("python"), ("python", {"code": "1"})),
        ({"type": "file_search"}, function("file_search"), ("file_search", {"query": "x"})),
        ("required", "required", ("file_search", {"query": "x"})),
    ],
)
def test_forced_choice_reaches_the_model_once(go, far, choice, forced, answer):
    far.answers = [answer]
    run = go(tool_choice=choice, assistant={"tools": TOOLS})
    assert run.to_dict()["tool_choice"] == choice
    assert [offered(asked) for asked in far.asked] == [OFFERED, OFFERED]
    assert far.asked[0]["tool_choice"] == forced
    assert far.asked[1].get("tool_choice", "auto") == "auto"


@pytest.mark.parametrize("name", ["weather", "python"])
def test_forced_function_reaches_the_model_under_its_offered_name(go, far, name):
    sent = {"weather": "weather", "python": "client_python"}[name]
    far.answers = [(sent, {})]
    run = go(tool_choice=function(name), assistant={"tools": TOOLS}, status="requires_action")
    assert far.asked[0]["tool_choice"] == function(sent)
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    assert call.function.name == name


def test_no_tool_is_offered_where_none_is_chosen(go, far):
    far.answers = [("python", {"code": "1"})]
    run = go(tool_choice="none", assistant={"tools": TOOLS})
    assert [offered(asked) for asked in far.asked] == [[], []]
    assert "no tool called 'python'" in far.asked[1]["messages"][-1]["content"]
    assert [step.type for step in steps(go.client, run)] == ["message_creation"]


def test_automatic_choice(go, far):
    go(assistant={"tools": TOOLS})
    assert offered(far.asked[0]) == OFFERED
    assert far.asked[0].get("tool_choice", "auto") == "auto"


@pytest.mark.parametrize("choice", [{"type": "code_interpreter"}, "required"])
def test_model_that_does_not_call_is_asked_again(go, far, choice):
    far.answers = [None, "print(6 * 7)"]
    run = go(tool_choice=choice)
    assert run.status == "completed"
    assert [step.type for step in steps(go.client, run)] == ["tool_calls", "message_creation"]
    first, again, last = (asked["messages"][0]["content"] for asked in far.asked)
    assert "You must call" in again
    assert "You must call" not in first + last
    assert far.asked[1]["tool_choice"] == far.asked[0]["tool_choice"] != "auto"


@pytest.mark.parametrize(
    ("choice", "called"),
    [({"type": "file_search"}, "the tool `file_search`"), ("required", "any tool")],
)
def test_model_that_never_calls_fails_the_run_and_is_not_heard(go, far, choice, called):
    run = go(tool_choice=choice, assistant={"tools": TOOLS}, status="failed")
    assert f"The model did not call {called}" in run.last_error.message
    assert len(far.asked) == 3
    assert steps(go.client, run) == []
    assert [m.role for m in go.client.beta.threads.messages.list(run.thread_id)] == ["user"]


def test_choice_of_a_tool_that_is_not_there_is_refused(go):
    with pytest.raises(BadRequestError, match="'file_search' is not one of the run's tools"):
        go(tool_choice={"type": "file_search"})


def test_options_are_passed_on_where_they_were_set(go, far):
    schema = {"name": "n", "schema": {"type": "object"}}
    go(
        temperature=0.2,
        max_completion_tokens=300,
        response_format={"type": "json_schema", "json_schema": schema},
        parallel_tool_calls=False,
    )
    asked = far.asked[0]
    assert asked["temperature"] == 0.2
    assert "top_p" not in asked
    assert asked["parallel_tool_calls"] is False
    assert asked["response_format"]["json_schema"] == schema
    assert 300 in (asked.get("max_completion_tokens"), asked.get("max_tokens"))


def test_image_of_a_user_is_shown(go, far):
    image = go.client.files.create(file=("a.png", b"\x89PNG"), purpose="vision")
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_file", "image_file": {"file_id": image.id}},
    ]
    go(content=content)
    text, picture = far.asked[0]["messages"][-1]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert picture["image_url"]["url"] == "data:image/png;base64,iVBORw=="
