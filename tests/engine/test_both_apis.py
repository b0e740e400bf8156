"""What runs and responses have in common: each case is tried on both APIs."""

from __future__ import annotations

import io
import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from types import SimpleNamespace

import pandas as pd
import pytest
from openai import APIError, BadRequestError, OpenAI

from aoai_magic import frame_codec
from aoai_magic.engine.agent.loop_guard import STUCK
from aoai_magic.engine.config import Bounds

from .test_told import Far

pytestmark = pytest.mark.skipif(
    not hasattr(OpenAI, "containers"), reason="this openai SDK knows no code interpreter yet"
)

PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
CONTENT = "step_details.tool_calls[*].file_search.results[*].content"
INCLUDE = ["code_interpreter_call.outputs", "file_search_call.results"]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}


@dataclass
class Turn:
    """What came of a question, whatever the API."""

    status: str
    error: str | None = None
    reason: str | None = None
    kinds: list[str] = field(default_factory=list)
    text: str = ""
    code: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    cited: list[str] = field(default_factory=list)
    functions: list = field(default_factory=list)


class Assistants:
    """The Assistants API, driven through the SDK."""

    def __init__(self, client, model):
        self.client, self.model = client, model
        self.thread = client.beta.threads.create()
        self.run = None

    def tool(self, kind, **options):
        if kind == "function":
            return {"type": "function", "function": options}
        return {"type": kind}

    def ask(self, text, tools=(), tool_choice=None, files=(), stores=()):
        threads = self.client.beta.threads
        resources = {"file_search": {"vector_store_ids": list(stores)}} if stores else {}
        made = self.client.beta.assistants.create(
            model=self.model, tools=list(tools), tool_resources=resources
        )
        attached = [{"file_id": f, "tools": [{"type": "code_interpreter"}]} for f in files]
        threads.messages.create(self.thread.id, role="user", content=text, attachments=attached)
        options = {"tool_choice": tool_choice} if tool_choice else {}
        self.run = threads.runs.create_and_poll(
            thread_id=self.thread.id, assistant_id=made.id, poll_interval_ms=20, **options
        )
        return self.turn()

    def answer(self, outputs):
        given = [{"tool_call_id": id_, "output": text} for id_, text in outputs.items()]
        self.run = self.client.beta.threads.runs.submit_tool_outputs_and_poll(
            run_id=self.run.id,
            thread_id=self.thread.id,
            tool_outputs=given,
            poll_interval_ms=20,
        )
        return self.turn()

    def stream(self):
        """Start a run without tools; yields names of events and their objects."""
        made = self.client.beta.assistants.create(model=self.model)
        self.client.beta.threads.messages.create(self.thread.id, role="user", content="Go.")
        for event in self.client.beta.threads.runs.create(
            thread_id=self.thread.id, assistant_id=made.id, stream=True
        ):
            if event.event == "thread.run.created":
                self.run = event.data
            yield event.event.removeprefix("thread."), event.data

    def again(self):
        """Read the last run again."""
        self.run = self.client.beta.threads.runs.retrieve(self.run.id, thread_id=self.thread.id)
        return self.turn()

    def turn(self):
        run, turn = self.run, Turn(self.run.status)
        turn.error = run.last_error and run.last_error.message
        turn.reason = run.incomplete_details and run.incomplete_details.reason
        steps = self.client.beta.threads.runs.steps.list(
            run.id, thread_id=run.thread_id, order="asc", include=[CONTENT]
        )
        for step in steps:
            details = step.step_details
            if step.type == "message_creation":
                turn.kinds.append("message")
                self._message(details.message_creation.message_id, turn)
            for call in getattr(details, "tool_calls", ()):
                self._call(call, turn)
        return turn

    def _message(self, id_, turn):
        message = self.client.beta.threads.messages.retrieve(id_, thread_id=self.thread.id)
        for part in message.content:
            if part.type == "text":
                turn.text += part.text.value
                turn.cited += [a.file_citation.file_id for a in part.text.annotations]

    def _call(self, call, turn):
        turn.kinds.append(call.type)
        if call.type == "code_interpreter":
            turn.code.append(call.code_interpreter.input)
            outputs = call.code_interpreter.outputs
            turn.logs.append("".join(o.logs for o in outputs if o.type == "logs"))
        elif call.type == "file_search":
            turn.found += [one.content[0].text for one in call.file_search.results]
        else:
            turn.functions.append(SimpleNamespace(id=call.id, name=call.function.name))


class ResponsesApi:
    """The Responses API, driven through the SDK."""

    def __init__(self, client, model):
        self.client, self.model = client, model
        self.last, self.tools = None, []

    def tool(self, kind, **options):
        if kind == "code_interpreter":
            return {"type": kind, "container": {"type": "auto"}}
        return {"type": kind, **options}

    def ask(self, text, tools=(), tool_choice=None, files=(), stores=()):
        self.tools = [dict(tool) for tool in tools]
        for tool in self.tools:
            if tool["type"] == "file_search":
                tool["vector_store_ids"] = list(stores)
        content = [{"type": "input_text", "text": text}]
        content += [{"type": "input_file", "file_id": id_} for id_ in files]
        options = {"tool_choice": tool_choice} if tool_choice else {}
        return self.create([{"role": "user", "content": content}], **options)

    def answer(self, outputs):
        kind = "function_call_output"
        given = [{"type": kind, "call_id": id_, "output": text} for id_, text in outputs.items()]
        return self.create(given)

    def create(self, given, **options):
        options = {"previous_response_id": self.last and self.last.id, **options}
        self.last = self.client.responses.create(
            model=self.model, input=given, tools=self.tools, include=INCLUDE, **options
        )
        return self.turn()

    def stream(self):
        """Start a response without tools; yields names of events and their objects."""
        for event in self.client.responses.create(model=self.model, input="Go.", stream=True):
            if event.type == "response.created":
                self.last = event.response
            yield event.type.removeprefix("response."), getattr(event, "response", None)

    def again(self):
        """Read the last response again."""
        self.last = self.client.responses.retrieve(self.last.id)
        return self.turn()

    def turn(self):
        response, turn = self.last, Turn(self.last.status)
        turn.error = response.error and response.error.message
        turn.reason = response.incomplete_details and response.incomplete_details.reason
        for item in response.output:
            turn.kinds.append(item.type.removesuffix("_call"))
            if item.type == "message":
                part = item.content[0]
                turn.text += part.text
                turn.cited += [a.file_id for a in part.annotations if a.type == "file_citation"]
            elif item.type == "code_interpreter_call":
                turn.code.append(item.code)
                turn.logs.append("".join(o.logs for o in item.outputs if o.type == "logs"))
            elif item.type == "file_search_call":
                turn.found += [one.text for one in item.results]
            elif item.type == "function_call":
                turn.functions.append(SimpleNamespace(id=item.call_id, name=item.name))
        if turn.functions and turn.status == "completed":
            turn.status = "requires_action"
        return turn


APIS = [Assistants, ResponsesApi]


@pytest.fixture(scope="module")
def far_and_engine(start_module_engine):
    far = Far()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", far.url)
        patch.setenv("OPENAI_API_KEY", "far")
        engine = start_module_engine(model="openai:m", bounds=Bounds(run_steps=12))
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


@pytest.fixture(params=APIS)
def api(request, far_and_engine, far):
    return request.param(far_and_engine[1].openai(), "m")


@pytest.fixture
def code(api):
    """Offer the code interpreter."""
    return [api.tool("code_interpreter")]


def upload(api, name, data):
    return api.client.files.create(file=(name, io.BytesIO(data)), purpose="assistants").id


def search_call(query):
    return {"calls": [("file_search", {"query": query})]}


@pytest.fixture
def handbook(api):
    """Make a store of one document; gives the ids of both."""
    file = upload(api, "handbook.md", b"Employees have 25 days of vacation.")
    held = api.client.vector_stores.create()
    api.client.vector_stores.files.create_and_poll(file, vector_store_id=held.id)
    return file, held.id


# Tool choice


@pytest.mark.parametrize("choice", ["required", {"type": "code_interpreter"}])
def test_a_choice_is_forced_once_and_asked_for_again(api, far, code, choice):
    far.answers = [None, "print(6 * 7)"]
    turn = api.ask("Go.", code, tool_choice=choice)
    assert (turn.status, turn.kinds) == ("completed", ["code_interpreter", "message"])
    first, again, last = (asked["messages"][0]["content"] for asked in far.asked)
    assert "You must call" in again
    assert "You must call" not in first + last
    assert far.asked[1]["tool_choice"] == far.asked[0]["tool_choice"] != "auto"
    assert far.asked[2].get("tool_choice", "auto") == "auto"


def test_a_model_that_never_calls_is_not_heard(api, far, code):
    turn = api.ask("Go.", code, tool_choice="required")
    assert (turn.status, turn.kinds) == ("failed", [])
    assert "The model did not call any tool" in turn.error


def test_text_before_a_forced_call_is_heard(api, far, code):
    far.answers = [{"text": "I count. ", "calls": [("python", {"code": "print(1)"})]}]
    turn = api.ask("Go.", code, tool_choice="required")
    assert turn.kinds == ["message", "code_interpreter", "message"]
    assert turn.text == "I count. Done."


def test_a_disobedient_answer_that_is_cut_short_is_kept(api, far, code):
    far.answers = [{"text": "Once upon", "finish": "length"}]
    turn = api.ask("Go.", code, tool_choice="required")
    assert (turn.status, turn.text) == ("incomplete", "Once upon")


def test_a_choice_of_what_is_not_there_is_refused(api, code):
    with pytest.raises(BadRequestError, match=r"'file_search' (is not one of|not found in)"):
        api.ask("Go.", code, tool_choice={"type": "file_search"})


# Bounds


def test_a_model_that_repeats_what_fails_is_stopped(api, far, code):
    far.answers = ["1 / 0"] * 6
    turn = api.ask("Go.", code)
    assert (turn.status, turn.error, len(turn.code)) == ("failed", STUCK, 4)


def test_a_model_that_repeats_what_works_is_asked_for_the_answer_alone(api, far, code):
    far.answers = ["print(1)"] * 4 + [{"text": "It is 1."}]
    turn = api.ask("Go.", code)
    assert (turn.status, turn.text, len(turn.code)) == ("completed", "It is 1.", 4)
    assert "tools" not in far.asked[-1]
    assert "tools" in far.asked[-2]


def test_a_model_that_repeats_what_works_instead_of_its_answer_is_stopped(api, far, code):
    far.answers = ["print(1)"] * 6
    turn = api.ask("Go.", code)
    assert (turn.status, turn.error) == ("failed", STUCK)
    assert len([logs for logs in turn.logs if logs == "1\n"]) == 4


def test_a_model_that_repeats_what_works_and_then_says_nothing_is_stopped(api, far, code):
    far.answers = ["print(1)"] * 4 + [{"text": ""}]
    turn = api.ask("Go.", code)
    assert (turn.status, turn.error) == ("failed", STUCK)


def test_failures_in_a_row_are_bounded(api, far, code):
    far.answers = [f"1 / 0  # {n}" for n in range(12)]
    assert "failed 8 times in a row" in api.ask("Go.", code).error


def test_steps_are_bounded(api, far, code):
    far.answers = [f"print({n})" for n in range(20)]
    assert "took 12 steps" in api.ask("On.", code).error


def test_a_cut_answer_is_incomplete(api, far, code):
    far.answers = [{"text": "Once upon", "finish": "length"}]
    turn = api.ask("Go.", code)
    assert (turn.status, turn.text) == ("incomplete", "Once upon")
    assert turn.reason.startswith("max_")


# Code


def test_pictures_are_shown_to_the_model(api, far, code):
    far.answers = [PLOT]
    api.ask("Plot.", code)
    words, picture = far.asked[1]["messages"][-1]["content"]
    assert "Above code has drawn this" in words["text"]
    assert picture["image_url"]["url"].startswith("data:image/png;base64,iVBOR")


def test_files_are_found_by_their_ids_too(api, far, code):
    id_ = upload(api, "data.csv", b"a,b")
    far.answers = [f"print(open('/mnt/data/{id_}').read(), open('/mnt/data/data.csv').read())"]
    turn = api.ask("Read.", code, files=[id_])
    assert turn.logs == ["a,b a,b\n"]


def test_frames_are_named_as_variables(api, far, code, tmp_path):
    packed = frame_codec.pack(pd.DataFrame({"a": [1, 2]}), "sales", tmp_path)
    id_ = upload(api, packed.name, packed.read_bytes())
    api.ask("Look.", code, files=[id_])
    system = far.asked[0]["messages"][0]["content"]
    assert "- `sales` (pandas.DataFrame, 2 rows, 1 columns)" in system


def test_what_is_attached_again_is_what_code_sees(api, far, code, tmp_path):
    packed = frame_codec.pack(pd.DataFrame({"a": [1, 2]}), "sales", tmp_path)
    id_ = upload(api, packed.name, packed.read_bytes())
    far.answers = ["sales = 'mine'\nprint(sales)", "print(sales, end='\\n')"]
    assert api.ask("Look.", code, files=[id_]).logs == ["mine\n", "mine\n"]
    far.answers = ["print(sales)"]
    assert api.ask("Again.", code).logs == ["mine\n"]
    far.answers = ["print(len(sales))", "sales = 'mine'", "print(sales)"]
    assert api.ask("Now.", code, files=[id_]).logs[::2] == ["2\n", "mine\n"]
    asked = [a["messages"][0]["content"] for a in far.asked]
    assert "`sales` was replaced by the notebook's value" in asked[-1]
    assert "was replaced" not in asked[0]


@pytest.mark.parametrize(
    ("written", "runs"),
    [
        ("```python\nprint(41 + 1)\n```", "print(41 + 1)"),
        ("\n```\nprint(41 + 1)", "print(41 + 1)"),
        ("if 1:\n\u00a0\u00a0print(“42”)", 'if 1:\n  print("42")'),
        ("print(‘42’)\u200b", "print('42')"),
    ],
)
def test_code_that_python_refuses_is_cleaned(api, far, code, written, runs):
    far.answers = [written]
    turn = api.ask("Go.", code)
    assert (turn.code, turn.logs) == ([runs], ["42\n"])


@pytest.mark.parametrize(
    "written",
    ["print('“a\u00a0b”')", 's = """\n```python\n1\n```\n"""\nprint(s)', "print(“a)"],
)
def test_code_that_is_python_or_cannot_be_is_left_alone(api, far, code, written):
    far.answers = [written]
    assert api.ask("Go.", code).code == [written]


# Search


def test_documents_are_searched_and_cited(api, far, handbook):
    file, held = handbook
    far.answers = [search_call("vacation"), {"text": "25 days 【0:0†handbook.md】."}]
    turn = api.ask("How many days?", [api.tool("file_search")], stores=[held])
    assert turn.kinds == ["file_search", "message"]
    assert turn.found == ["Employees have 25 days of vacation."]
    assert turn.cited == [file]
    assert "'handbook.md'" in far.asked[0]["messages"][0]["content"]
    assert "【0:0†handbook.md】" in far.asked[1]["messages"][-1]["content"]
    far.answers = [search_call("days"), {"text": "As said 【0:0†handbook.md】【1:0†handbook.md】."}]
    turn = api.ask("Sure?", [api.tool("file_search")], stores=[held])
    assert turn.cited == [file, file]
    call = far.asked[2]["messages"][2]["tool_calls"][0]["function"]
    assert (call["name"], json.loads(call["arguments"])) == ("file_search", {"query": "vacation"})


# Functions


def test_functions_are_asked_for_and_the_model_goes_on(api, far, code):
    tools = [
        *code,
        api.tool("function", name="python", parameters=PARAMETERS),
        api.tool("function", name="weather", parameters=PARAMETERS),
    ]
    calls = [("python", {"code": "x = 41"}), ("client_python", {}), ("weather", {"city": "Oslo"})]
    far.answers = [{"text": "Wait.", "calls": calls}, "print(x + 1)", {"text": "Rain."}]
    turn = api.ask("Go.", tools)
    assert turn.status == "requires_action"
    assert [call.name for call in turn.functions] == ["python", "weather"]
    long = "y" * 5000
    turn = api.answer({call.id: long for call in turn.functions})
    assert turn.text.endswith("Rain.")
    assert turn.logs[-1] == "42\n"
    said, *results = far.asked[1]["messages"][2:]
    names = [call["function"]["name"] for call in said["tool_calls"]]
    assert (said["content"], names) == ("Wait.", ["python", "client_python", "weather"])
    assert [one["role"] for one in results] == ["tool"] * 3
    assert [one["content"] for one in results][1:] == [long, long]
    ids = [call["id"] for call in said["tool_calls"]]
    assert [one["tool_call_id"] for one in results] == ids
    api.ask("Thanks.", tools)
    earlier = [m["content"] for m in far.asked[-1]["messages"] if m["role"] == "tool"]
    assert len(earlier[1]) < 2100


def test_a_tool_that_is_not_there_is_told(api, far, code):
    far.answers = [("nowhere", {"a": 1})]
    turn = api.ask("Go.", code)
    assert turn.kinds == ["message"]
    assert "no tool called 'nowhere'" in far.asked[1]["messages"][-1]["content"]


def test_arguments_that_are_no_json_go_back_as_json(api, far, code, handbook):
    far.answers = [{"calls": [("python", "print(42)"), ("file_search", "vacation")]}]
    turn = api.ask("Go.", [*code, api.tool("file_search")], stores=[handbook[1]])
    assert (turn.logs, len(turn.found)) == (["42\n"], 1)
    said = far.asked[1]["messages"][2]
    given = [json.loads(call["function"]["arguments"]) for call in said["tool_calls"]]
    assert given == [{"code": "print(42)"}, {"query": "vacation"}]


# An end that cannot be stored


@pytest.mark.usefixtures("on_sqlite")
@pytest.mark.parametrize(("kind", "table"), [*zip(APIS, ("runs", "responses"), strict=True)])
def test_an_end_that_cannot_be_stored_is_settled_as_failed(start_engine, script, kind, table):
    engine = start_engine()
    replies = [{"text": "All of it.", "chunk": 4, "pace": 0.3}]
    api = kind(engine.openai(), script({"when": "", "replies": replies}))
    seen = list(break_while(api.stream(), lambda: rename(engine, table, "gone")))
    if kind is Assistants:
        assert "The server had an error" in str(seen[-1])
    else:
        name, response = seen[-1]
        assert (name, response.output_text) == ("failed", "All of it.")
        assert "could not be stored" in response.error.message
    rename(engine, "gone", table)
    deadline = time.monotonic() + 60
    while (turn := api.again()).status == "in_progress" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (turn.status, turn.text) == ("failed", "All of it.")
    assert "could not be stored" in turn.error


def break_while(events, harm):
    """Yield a stream's events, and the error that ends it; do harm at its first words."""
    broken = False
    try:
        for name, body in events:
            if name in ("message.delta", "output_text.delta") and not broken:
                broken = True
                harm()
            yield name, body
    except APIError as error:
        yield error


def rename(engine, old, new):
    with closing(sqlite3.connect(engine.data_dir / "engine.sqlite")) as database:
        database.execute(f"ALTER TABLE {old} RENAME TO {new}")
