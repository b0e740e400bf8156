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

from .test_runs import steps, texts

pytestmark = [pytest.mark.lengthy, pytest.mark.slow]

TOKEN = "a-token-for-tests"


class Served:
    """An engine as the command serves it."""

    def __init__(self, folder: Path, database: str, model: str) -> None:
        command = [Path(sys.executable).with_name("aoai-magic"), "serve", "--port", "0"]
        command += ["--data-dir", folder, "--database", database, "--model", model]
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
    """Start engines on one database."""
    started, database = [], postgresql.new_database()

    def start(model) -> OpenAI:
        started.append(Served(tmp_path / f"engine-{len(started)}", database, model))
        return started[-1].client()

    start.kill = lambda number: started[number].kill()
    yield start
    for one in started:
        one.process.kill()
        one.process.wait(30)
        one.process.stdout.close()


def begin(client):
    tools = [{"type": "code_interpreter"}]
    assistant = client.beta.assistants.create(model="m", tools=tools)
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
