"""The engine as a process: how it starts, is killed, is shared, and goes."""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import openai
import psutil
import pytest
from openai import APIError, OpenAI
from serving import serving_app

from aoai_magic.engine.config import Bounds, EngineConfig
from aoai_magic.engine.server.auth import ensure_token
from aoai_magic.engine.server.connections import RepeatFilter, bounded_protocol
from aoai_magic.engine.server.process import bind, serve
from aoai_magic.sandbox.protocol import Limits

from .test_runs import steps, texts

pytestmark = pytest.mark.lengthy

SERVE = """
import sys
from pathlib import Path
from aoai_magic.engine.config import EngineConfig
from aoai_magic.engine.server.process import serve
serve(EngineConfig(data_dir=Path(sys.argv[1]), port=0, model=sys.argv[2], request_models=True))
"""


class Process:
    """An engine in a process of its own."""

    def __init__(self, data_dir, model):
        command = [sys.executable, "-c", SERVE, str(data_dir), model]
        pipe = subprocess.PIPE
        environment = {**os.environ, "AOAI_MAGIC_LIFELINE": "stdin"}
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment
        )
        self.ready = json.loads(self.process.stdout.readline())
        self.token = (data_dir / "token").read_text()

    def client(self) -> OpenAI:
        url = f"{self.ready['url']}/v1"
        return OpenAI(base_url=url, api_key=self.token, max_retries=0)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(100)


@pytest.fixture
def start(tmp_path):
    started = []

    def start(model) -> Process:
        started.append(Process(tmp_path / "data", model))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait(100)
        one.process.stdin.close()
        one.process.stdout.close()


def begin(client, **options):
    assistant = client.beta.assistants.create(model="m", tools=[{"type": "code_interpreter"}])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Go."}])
    return client.beta.threads.runs.create(
        thread_id=thread.id, assistant_id=assistant.id, **options
    )


def until(client, run, *statuses):
    deadline = time.monotonic() + 100
    while run.status not in statuses and time.monotonic() < deadline:
        time.sleep(0.02)
        run = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
    assert run.status in statuses
    return run


def test_one_line_then_silence_and_the_lifeline_ends_it(start, script):
    engine = start(script([{"text": "."}]))
    assert engine.ready["pid"] == engine.process.pid
    until(engine.client(), begin(engine.client()), "completed")
    engine.process.stdin.close()
    assert engine.process.wait(100) == 0
    assert engine.process.stdout.read() == b""


@pytest.mark.slow
def test_killed_engine_comes_back_with_its_run_failed_and_all_else_intact(start, script, tmp_path):
    model = script([{"text": "Now.", "code": "while True: pass"}])
    first = start(model)
    client = first.client()
    run = begin(client)
    until(client, run, "in_progress")
    while len(steps(client, run)) < 2:
        time.sleep(0.02)
    first.kill()
    client = start(model).client()
    run = until(client, run, "failed")
    assert run.last_error.code == "server_error"
    assert "start the run again" in run.last_error.message
    said, code = steps(client, run)
    assert (said.status, code.status) == ("completed", "failed")
    assert texts(client, run.thread_id) == ["Now."]
    message = client.beta.threads.messages.create(run.thread_id, role="user", content="Again.")
    assert message.content[0].text.value == "Again."


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(openai.OpenAI, "conversations"), reason="this openai SDK knows no conversations"
)
def test_killed_engine_comes_back_with_its_response_failed_and_what_it_said(start, script):
    code = {"code": "print('on', flush=True)"}
    model = script([{"text": "Now.", **code}, {"code": "while True: pass"}], [{"text": "Well."}])
    first = start(model)
    client = first.client()
    made = client.conversations.create()
    tools = [{"type": "code_interpreter", "container": {"type": "auto"}}]
    asked = {"model": "m", "conversation": made.id, "tools": tools}
    include = ["code_interpreter_call.outputs"]
    id_ = client.responses.create(input="Go.", background=True, **asked).id
    while [item.status for item in client.responses.retrieve(id_).output][2:] != ["interpreting"]:
        time.sleep(0.02)
    time.sleep(0.3)
    first.kill()
    client = start(model).client()
    while (response := client.responses.retrieve(id_, include=include)).status == "in_progress":
        time.sleep(0.02)
    assert (response.status, response.output_text) == ("failed", "Now.")
    assert "start the run again" in response.error.message
    assert [item.status for item in response.output] == ["completed"] * 2 + ["incomplete"]
    assert response.output[1].outputs[0].logs == "on\n"
    assert len(client.conversations.items.list(made.id).data) == 4
    assert client.responses.create(input="On.", **asked).output_text == "Well."


@pytest.mark.slow
def test_killed_engine_goes_on_taking_in_files(start, script):
    first = start(script([{"text": "."}]))
    client = first.client()
    ids = [
        client.files.create(
            file=(f"{n}.txt", f"number {n} zebra ".encode() * 5_000), purpose="assistants"
        ).id
        for n in range(20)
    ]
    held = client.vector_stores.create(file_ids=ids).id
    first.kill()
    client = start(script([{"text": "."}])).client()
    found = client.vector_stores.search(held, query="19 zebra").data
    assert {one.filename for one in found} == {"19.txt"}
    counts = client.vector_stores.retrieve(held).file_counts
    assert (counts.completed, counts.total) == (20, 20)


@pytest.mark.slow
def test_engine_leaves_the_runs_of_a_living_one_alone(start, script):
    slow = {"when": "", "replies": [{"delay": 1.5, "text": "Late."}]}
    model = script(slow)
    first = start(model)
    run = begin(first.client())
    second = start(model)
    client = first.client()
    assert until(client, run, "completed").last_error is None
    assert second.process.poll() is None


@pytest.mark.slow
def test_engine_cancels_the_run_of_another(start, script):
    model = script({"when": "", "replies": [{"delay": 30, "text": "Late."}]})
    first = start(model)
    run = begin(first.client())
    until(first.client(), run, "in_progress")
    client = start(model).client()
    client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
    until(client, run, "cancelled")


def test_client_that_goes_away_does_not_cancel_its_run(client, script):
    model = script([{"text": "A long answer.", "chunk": 1, "pace": 0.02}])
    assistant = client.beta.assistants.create(model=model)
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Go."}])
    stream = client.beta.threads.runs.create(
        thread_id=thread.id, assistant_id=assistant.id, stream=True
    )
    for event in stream:
        if event.event == "thread.message.delta":
            break
    stream.close()
    (run,) = client.beta.threads.runs.list(thread.id).data
    until(client, run, "completed")
    assert texts(client, thread.id) == ["A long answer."]


def test_expired_run(start_engine, script):
    client = start_engine(bounds=Bounds(run_seconds=1)).openai()
    assistant = client.beta.assistants.create(model=script([{"delay": 30, "text": "Late."}]))
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Go."}])
    run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    assert until(client, run, "expired").completed_at is None


def test_run_that_waits_for_its_client_expires(start_engine, script):
    # Long enough to come to the call on a busy machine.
    client = start_engine(bounds=Bounds(run_seconds=8)).openai()
    weather = {"type": "function", "function": {"name": "weather"}}
    model = script([{"tool": {"name": "weather"}}, {"text": "."}])
    assistant = client.beta.assistants.create(model=model, tools=[weather])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Go."}])
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
    )
    assert run.status == "requires_action"
    over = until(client, run, "expired")
    assert over.required_action is None
    (step,) = steps(client, over)
    assert step.status == "expired"
    client.beta.threads.messages.create(thread.id, role="user", content="On.")


def test_many_runs_at_once_are_not_mixed_up(client, script):
    model = script({"when": "", "replies": [{"code": "open('me.txt').read()"}, {"text": "."}]})
    assistant = client.beta.assistants.create(model=model, tools=[{"type": "code_interpreter"}])

    def go(number):
        file = client.files.create(file=("me.txt", str(number).encode()), purpose="assistants")
        attachment = {"file_id": file.id, "tools": [{"type": "code_interpreter"}]}
        run = client.beta.threads.create_and_run_poll(
            assistant_id=assistant.id,
            thread={"messages": [{"role": "user", "content": "Go.", "attachments": [attachment]}]},
            poll_interval_ms=50,
        )
        (call,) = steps(client, run)[0].step_details.tool_calls
        return call.code_interpreter.outputs[0].logs

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(go, range(16))) == [f"'{n}'\n" for n in range(16)]


def test_sandbox_that_is_refused_fails_the_run_with_its_sentence(start_engine, script):
    engine = start_engine(sandbox="nowhere:1")
    client = engine.openai()
    assistant = client.beta.assistants.create(
        model=script([{"code": "1"}]), tools=[{"type": "code_interpreter"}]
    )
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Go."}])
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
    )
    assert run.status == "failed"
    assert run.last_error.message.startswith("There is no sandbox called 'nowhere'")
    about = client.get("/engine", cast_to=object)
    assert about["sandbox"] == {"error": run.last_error.message}


def test_only_loopback_is_served_without_a_token(tmp_path):
    with pytest.raises(OSError, match="only loopback is served"):
        serve(EngineConfig(data_dir=tmp_path, host="0.0.0.0", port=0))


def test_port_that_is_taken_is_named(tmp_path):
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=re.escape(f"cannot listen on 127.0.0.1:{port}")):
            serve(EngineConfig(data_dir=tmp_path, port=port))


def test_token_is_kept_and_only_a_private_one_counts(tmp_path):
    first = ensure_token(None, tmp_path)
    path = tmp_path / "token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ensure_token(None, tmp_path) == first
    path.chmod(0o644)
    assert ensure_token(None, tmp_path) != first
    assert ensure_token("mine", tmp_path) == "mine"


@pytest.mark.slow
def test_more_threads_than_sessions_wait_for_their_turn(start_engine, script):
    client = start_engine(limits=Limits(sessions=2)).openai()
    model = script(
        {"when": "", "replies": [{"code": "import time; time.sleep(.2)"}, {"text": "."}]}
    )
    assistant = client.beta.assistants.create(model=model, tools=[{"type": "code_interpreter"}])

    def go(_):
        thread = {"messages": [{"role": "user", "content": "Go."}]}
        return client.beta.threads.create_and_run_poll(
            assistant_id=assistant.id, thread=thread, poll_interval_ms=50
        )

    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(go, range(8)))
    assert [(run.status, run.last_error) for run in runs] == [("completed", None)] * 8
    outcomes = [steps(client, run)[0].to_dict()["metadata"]["outcome"] for run in runs]
    assert outcomes == ["ok"] * 8


@pytest.mark.parametrize("helper", [True, False])
def test_fault_of_the_engine_is_raised_out_of_the_stream(start_engine, script, helper):
    engine = start_engine()
    client = engine.openai()
    assistant = client.beta.assistants.create(model=script([{"delay": 0.5, "text": "."}]))
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Go."}])
    runs = client.beta.threads.runs
    start = {"thread_id": thread.id, "assistant_id": assistant.id}

    def follow():
        opened = runs.stream(**start) if helper else runs.create(**start, stream=True)
        with opened as events:
            for event in events:
                if event.event == "thread.run.in_progress":
                    break_database(engine.data_dir)

    with pytest.raises(APIError, match="The server had an error"):
        follow()


def break_database(data_dir):
    with closing(sqlite3.connect(data_dir / "engine.sqlite")) as database:
        database.execute("ALTER TABLE runs RENAME TO gone")


def open_silent(url, count):
    host, port = url.removeprefix("http://").split(":")
    return [socket.create_connection((host, int(port))) for _ in range(count)]


def test_silent_connections_shut_nobody_out(start):
    """Anybody on the machine can open them, without the token."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    engine = start("offline")
    held = open_silent(engine.ready["url"], 1100)
    try:
        assert engine.client().with_options(timeout=10).models.list().data
        used = sum(held.pid == engine.process.pid for held in psutil.net_connections())
        assert used < 700
    finally:
        for connection in held:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nX: "])
def test_a_connection_without_a_request_is_closed(sent):
    async def app(scope, receive, send):
        raise AssertionError

    with serving_app(app, http=bounded_protocol(0.5)) as url:
        (held,) = open_silent(url, 1)
        held.settimeout(20)
        for byte in sent:  # single bytes do not renew the wait
            held.sendall(bytes([byte]))
        assert held.recv(1) == b""
        held.close()


def test_a_message_of_the_log_is_not_repeated_without_end():
    records = [
        logging.LogRecord("x", logging.WARNING, "", 0, "Invalid", (), None) for _ in "ab" * 50
    ]
    kept = RepeatFilter()
    written = [record for record in records if kept.filter(record)]
    assert len(written) == 20
    assert written[-1].getMessage() == "Invalid (repeats are left out)"
