"""Two engines on one PostgreSQL database, each a process with a data folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from openai import BadRequestError, OpenAI
from sqlalchemy import create_engine, delete

from aoai_magic.engine.storage.schema import ENGINES

from .test_runs import steps, texts

pytestmark = [pytest.mark.lengthy, pytest.mark.slow]

TOKEN = "a-token-for-tests"
needs_conversations = pytest.mark.skipif(
    not hasattr(OpenAI, "conversations"), reason="this openai SDK knows no conversations yet"
)


class Served:
    """An engine as the command serves it."""

    def __init__(self, folder: Path, database: str, blobs: str, model: str) -> None:
        command = [Path(sys.executable).with_name("aoai-magic"), "serve", "--port", "0"]
        command += ["--data-dir", folder, "--database", database, "--blobs", blobs]
        command += ["--model", model]
        environment = {**os.environ, "AOAI_MAGIC_TOKEN": TOKEN}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        self.url = json.loads(self.process.stdout.readline())["url"]

    def client(self) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=TOKEN, max_retries=0)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)


@pytest.fixture
def serve(tmp_path, postgresql):
    """Start engines on one database and one folder of files."""
    started, database = [], postgresql.new_database()
    blobs = (tmp_path / "blobs").as_uri()

    def start(model) -> OpenAI:
        started.append(Served(tmp_path / f"engine-{len(started)}", database, blobs, model))
        return started[-1].client()

    start.kill = lambda number: started[number].kill()
    yield start
    for one in started:
        one.process.kill()
        one.process.wait(30)
        one.process.stdout.close()


def begin(client, model="m"):
    tools = [{"type": "code_interpreter"}]
    assistant = client.beta.assistants.create(model=model, tools=tools)
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Go."}])
    return client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)


def until(client, run, *statuses):
    while run.status not in statuses:
        time.sleep(0.1)
        run = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
    return run


@pytest.mark.timeout(600)
def test_engines_leave_each_others_runs_alone_and_end_those_of_one_that_was_killed(serve, script):
    first = serve(script({"when": "", "replies": [{"text": "Now.", "code": "while True: pass"}]}))
    second = serve(script({"when": "", "replies": [{"text": "Well."}]}))
    run = begin(first)
    while len(steps(second, run)) < 2:
        time.sleep(0.1)
    stopped = begin(first)
    # Longer than the second needs to look for runs that nobody executes.
    time.sleep(8)
    assert until(second, run, "in_progress").last_error is None
    second.beta.threads.runs.cancel(stopped.id, thread_id=stopped.thread_id)
    until(second, stopped, "cancelled")
    again = {"thread_id": run.thread_id, "assistant_id": run.assistant_id}
    with pytest.raises(BadRequestError, match="already has an active run"):
        second.beta.threads.runs.create(**again)
    serve.kill(0)
    run = until(second, run, "failed")
    assert "start the run again" in run.last_error.message
    assert [step.status for step in steps(second, run)] == ["completed", "failed"]
    second.beta.threads.messages.create(run.thread_id, role="user", content="Again.")
    again = second.beta.threads.runs.create_and_poll(**again, poll_interval_ms=100)
    assert (again.status, again.last_error) == ("completed", None)
    assert texts(second, run.thread_id) == ["Now.", "Well."]


@pytest.mark.timeout(600)
def test_a_run_that_has_said_nothing_yet_is_taken_over(serve, script):
    first = serve(script({"when": "", "replies": [{"delay": 600, "text": "Never."}]}))
    run = until(first, begin(first), "in_progress")
    second = serve(script({"when": "", "replies": [{"text": "Well."}]}))
    serve.kill(0)
    assert until(second, run, "completed").last_error is None
    assert texts(second, run.thread_id) == ["Well."]


def test_an_engine_that_lost_its_lease_stops_its_runs(start_engine, script):
    engine = start_engine(database="postgresql")
    client = engine.openai()
    run = begin(client, model=script({"when": "", "replies": [{"delay": 600, "text": "Late."}]}))
    until(client, run, "in_progress")
    database = create_engine(engine.database)
    with database.begin() as connection:
        connection.execute(delete(ENGINES))
    database.dispose()
    run = until(client, run, "failed")
    assert run.last_error.message.startswith("The engine lost its connection to the database")
    # Under a new lease it goes on.
    again = begin(client, model=script({"when": "", "replies": [{"text": "Well."}]}))
    until(client, again, "completed")


MAKE = "x = 1; open('/mnt/data/made.txt', 'w').write('7')"
CHANGE = "open('/mnt/data/made.txt', 'w').write('8')"
LOOK = "print('x' in globals(), open('/mnt/data/made.txt').read())"
MODEL = [
    {"when": "Make", "replies": [{"code": MAKE}, {"text": "Made."}]},
    {"when": "Change", "replies": [{"code": CHANGE}, {"text": "Changed."}]},
    {"when": "Look", "replies": [{"code": LOOK}, {"text": "Looked."}]},
    {"when": "Talk", "replies": [{"text": "A long answer. " * 200, "chunk": 10, "pace": 0.2}]},
]


@needs_conversations
@pytest.mark.timeout(900)
def test_files_searches_and_sessions_go_on_at_another_engine(serve, script):
    model = script(*MODEL)
    first, second = serve(model), serve(model)
    file = first.files.create(file=("zebra.txt", b"A zebra has stripes."), purpose="assistants")
    assert second.files.content(file.id).read() == b"A zebra has stripes."
    held = first.vector_stores.create(file_ids=[file.id])
    for client in (second, first):
        (found,) = client.vector_stores.search(held.id, query="zebras").data
        assert (found.filename, found.content[0].text) == ("zebra.txt", "A zebra has stripes.")
    assert first.vector_stores.search(held.id, query="lions").data == []
    conversation = first.conversations.create().id

    def ask(client, question):
        response = client.responses.create(
            model="m",
            conversation=conversation,
            input=question,
            tools=[{"type": "code_interpreter", "container": {"type": "session"}}],
            include=["code_interpreter_call.outputs"],
        )
        return "".join(
            part.logs
            for item in response.output
            if item.type == "code_interpreter_call"
            for part in item.outputs
            if part.type == "logs"
        )

    ask(first, "Make")
    assert ask(first, "Look") == "True 7\n"
    ask(second, "Change")
    assert ask(second, "Look") == "False 8\n"
    # The first engine had a session with the variable and the old file.
    assert ask(first, "Look") == "False 8\n"


@needs_conversations
@pytest.mark.timeout(900)
def test_a_stream_is_resumed_at_another_engine_and_ends_when_its_own_is_killed(serve, script):
    model = script(*MODEL)
    first, second = serve(model), serve(model)
    asked = {"model": "m", "input": "Talk", "background": True, "stream": True}
    key = {"extra_headers": {"Idempotency-Key": "once"}}
    for event in first.responses.create(**asked, **key):
        if event.type == "response.output_text.delta":
            break
    again = iter(second.responses.create(**asked, **key))
    events = [next(again)]
    id_ = events[0].response.id
    assert (events[0].type, second.responses.retrieve(id_).status) == (
        "response.created",
        "in_progress",
    )
    after = second.responses.retrieve(id_, stream=True, starting_after=event.sequence_number)
    assert next(iter(after)).sequence_number == event.sequence_number + 1
    serve.kill(0)
    events += again
    assert [one.sequence_number for one in events] == list(range(len(events)))
    assert events[-1].type == "response.failed"
    assert second.responses.retrieve(id_).status == "failed"


@needs_conversations
@pytest.mark.timeout(900)
def test_a_response_is_cancelled_at_another_engine(serve, script):
    model = script(*MODEL)
    first, second = serve(model), serve(model)
    made = first.responses.create(model="m", input="Talk", background=True)
    assert second.responses.cancel(made.id).status == "cancelled"
    assert first.responses.retrieve(made.id).status == "cancelled"
