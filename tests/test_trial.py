"""What `doctor --try` says of services as they behave, of other servers and of the rules."""

import json
import time

import openai
import pytest
from engine.models.chat_server import EVENTS, ChatServer, fault, say, stream
from engine.models.services import Services
from starlette.responses import StreamingResponse

from aoai_magic.errors import UsageError
from aoai_magic.notebook.line_commands import run_command
from aoai_magic.runner.diagnostics import Finding, report
from aoai_magic.runner.kernel_state import Assistant

DRAW = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint(6 * 7)"


@pytest.fixture
def server(monkeypatch, engine):
    """A model's server; the engine that asks it is the target."""
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    with ChatServer() as opened:
        opened.models = ["gpt-6-luna"]
        yield opened


def doctor(capsys, words):
    run_command(Assistant({}), f"doctor {words}")
    return capsys.readouterr().out


def spec(server):
    return f"openai:gpt-6-luna@{server.url}/v1"


def slow(body):
    """Answer as a server does that streams: code first, then words with time between."""
    if not any(message["role"] == "tool" for message in body["messages"]):
        made = {"name": "python", "arguments": json.dumps({"code": DRAW})}
        delta = {"tool_calls": [{"index": 0, "id": "call_1", "function": made}]}
        return stream({"choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]})
    return StreamingResponse(words(), 200, {}, EVENTS)


def words():
    for number in range(10):
        time.sleep(0.02)
        yield f"data: {json.dumps(say(f'word{number} '))}\n\n"
    used = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    yield f"data: {json.dumps({'choices': [], 'usage': used})}\n\ndata: [DONE]\n\n"


def test_a_server_that_streams_calls_tools_and_sees(server, capsys):
    server.answer, server.listed = slow, {"meta": {"n_ctx_train": 32768}}
    said = doctor(capsys, f"--try -m {spec(server)}")
    assert "ok   a turn took " in said
    assert ", first word after " in said
    assert " tokens a second" in said
    assert "ok   asked over the Chat Completions API" in said
    assert "ok   the answer is streamed" in said
    assert "ok   tools are called" in said
    assert "ok   charts are drawn, and the model may look at them" in said
    assert "ok   32,768 tokens of context" in said
    assert "the effort is the model's own" in said


def test_a_service_of_today_is_described_as_it_behaves(server, capsys):
    server.answer = Services(server, absent=("/chat/completions",)).answer
    said = doctor(capsys, f"--try --effort low -m {spec(server)}")
    assert "ok   asked over the Responses API" in said
    assert "gap  the answer comes in one piece" in said
    assert "ok   the effort low is taken" in said
    assert "ok   the context length is not known" in said
    assert "All good." not in said


def test_a_server_without_tools_and_pictures_is_told_what_to_do(server, capsys):
    def fenced(body):
        if body.get("tools"):
            return fault(400, "gpt-6-luna does not support tools")
        if "image_url" in str(body["messages"]):
            return fault(400, "This model does not support image input.")
        done = "42" in str(body["messages"][1:])
        return stream(say("one two" if done else f"```python\n{DRAW}\n```"))

    server.answer = fenced
    said = doctor(capsys, f"--try -m {spec(server)}")
    assert "gap  no tools are called, so that Python comes in fenced blocks" in said
    assert "gap  the model is shown no pictures; choose one that takes them" in said


def test_what_fails_is_one_sentence(server, capsys):
    server.answer = lambda body: fault(401, "Incorrect API key provided.")
    said = doctor(capsys, f"--try -m {spec(server)}").splitlines()
    (failed,) = [line for line in said if line.startswith("bad")]
    assert "key" in failed


def test_nothing_is_asked_of_a_model_without_the_option(server, capsys):
    doctor(capsys, f"-m {spec(server)}")
    assert server.bodies == []


def test_a_limit_in_money_holds(server, capsys):
    server.models = ["nobody"]
    said = doctor(capsys, f"--try --max-cost 0.01 -m openai:nobody@{server.url}/v1")
    assert "bad  max_cost cannot be applied" in said
    assert server.bodies == []


def test_a_limit_in_tokens_holds(server, capsys):
    server.answer = slow
    said = doctor(capsys, f"--try --max-tokens 5 -m {spec(server)}")
    assert "because max_tokens is 5" in said


def test_the_trial_leaves_no_thread_and_no_turn_and_counts_its_tokens(server, capsys):
    server.answer, assistant = slow, Assistant({})
    run_command(assistant, f"doctor --try -m {spec(server)}")
    assert assistant.turns == []
    assert assistant.last is None
    assert assistant.threads(assistant.settings()).all() == []
    run_command(assistant, "usage")
    assert "1 turn, " in capsys.readouterr().out


def test_the_offline_model_is_said_to_be_rules(server, capsys):
    said = doctor(capsys, "--try -m offline")
    assert "it is rules, so it writes no tokens and costs nothing" in said
    assert server.bodies == []


@pytest.mark.skipif(
    not hasattr(openai.AsyncOpenAI, "containers"), reason="this openai SDK knows no containers"
)
def test_a_service_runs_the_code_itself(monkeypatch, engine, script, capsys):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", engine.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", engine.token)
    turns = f"turns:\n  - when: '.'\n    replies:\n      - code: {DRAW!r}\n      - text: one two\n"
    said = doctor(capsys, f"--try --on azure -m {script(json_code(turns))}")
    assert "ok   asked over the Responses API" in said
    assert "ok   Python runs in the service's container" in said


def json_code(text):
    return text.replace(repr(DRAW), json.dumps(DRAW))


@pytest.mark.parametrize("words", ["now", "--try now", "--tri", "--try --rows 3", "--try --on"])
def test_what_the_doctor_does_not_take_is_refused(words):
    with pytest.raises(UsageError):
        run_command(Assistant({}), f"doctor {words}")


@pytest.mark.parametrize("state", ["gap", "bad"])
def test_the_report_ends_well_only_where_nothing_is_to_do(state):
    fine = [Finding("ok", "a"), Finding("limit", "b")]
    assert report(fine) == (
        "ok   a\n\nLimits of the sandbox (as it should be; nothing to do)\n- b\n\nAll good."
    )
    assert "All good." not in report([*fine, Finding(state, "c")])
