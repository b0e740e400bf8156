"""Sending: from the disk, with progress, to be stopped at any time, and to be taken back."""

import asyncio
import os
import signal
import sys

import openai
import pytest

from aoai_magic.attach.resolve import resolve
from aoai_magic.backends.base import Question
from aoai_magic.backends.responses_api.engine import EngineBackend
from aoai_magic.backends.sdk import Endpoint
from aoai_magic.runner.cancel import CancelToken
from aoai_magic.runner.follow import follow
from aoai_magic.state.uploads import UploadLog
from aoai_magic.turn import progress

REPLY = 'turns:\n  - {when: ".", replies: [{text: "Yes."}]}'
LARGE = os.urandom(48 << 20)


@pytest.fixture
def backend(engine, tmp_path):
    upload_log = UploadLog(tmp_path / "ledger")
    return EngineBackend(Endpoint(engine.url, engine.token), "local", upload_log, "here")


@pytest.fixture
def there(engine):
    """Return the names of the files that the engine holds."""
    client = openai.OpenAI(base_url=f"{engine.url}/v1", api_key=engine.token)
    before = {file.id for file in client.files.list()}

    def listed():
        return [file.filename for file in client.files.list() if file.id not in before]

    yield listed
    client.close()


@pytest.fixture
def question(tmp_path, script):
    def ask(**variables):
        items = resolve(list(variables), "", variables, tmp_path, folder=tmp_path / "packed")
        return Question("Here?", items, model=script(REPLY))

    return ask


async def test_bytes_sent_of_bytes_are_told(backend, question, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.001)
    monkeypatch.setattr(progress, "EVERY", 0.001)
    seen = []

    view = await follow(
        backend.turn(question(large=LARGE)), lambda view: seen.append(view.progress), CancelToken()
    )

    assert view.status == "completed", view.error
    sending = [p for p in seen if p and p.what == "sending large"]
    assert {p.total for p in sending} == {len(LARGE)}
    assert len({p.done for p in sending}) > 1


async def test_what_is_sent_in_no_time_says_nothing(backend, question):
    seen = []

    await follow(
        backend.turn(question(notes="x")), lambda view: seen.append(view.progress), CancelToken()
    )

    assert not any(seen)


async def test_a_stopped_upload_leaves_nothing(backend, question, there, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.001)
    monkeypatch.setattr(progress, "EVERY", 0.001)
    stop = CancelToken()

    def show(view):
        if view.progress and 0 < view.progress.done < len(LARGE):
            stop()

    view = await follow(backend.turn(question(large=LARGE)), show, stop)

    assert view.status == "interrupted"
    assert backend.upload_log.entries() == []
    assert there() == []
    again = await follow(backend.turn(question(large=LARGE)), lambda view: None, CancelToken())
    assert again.status == "completed"
    assert there() == ["large.bin"]
    await backend.cleanup()


async def test_what_was_sent_whole_when_the_stop_came_can_be_taken_back(backend, question, there):
    stop = CancelToken()
    # The thread is known only after the file is there.
    view = await follow(
        backend.turn(question(large=LARGE)), lambda view: stop() if view.thread else None, stop
    )

    assert view.status == "interrupted"
    assert (
        there() == [entry.name + ".bin" for entry in backend.upload_log.entries()] == ["large.bin"]
    )
    await backend.cleanup()
    assert there() == []


async def test_what_is_there_after_a_late_stop_is_known_and_can_be_taken_back(
    backend, question, there, monkeypatch
):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "EVERY", 0.0)
    stop = CancelToken()

    def show(view):
        if view.thread or (view.progress and view.progress.done == len(LARGE)):
            stop()

    view = await follow(backend.turn(question(large=LARGE)), show, stop)

    assert view.status == "interrupted"
    # Whether the last bytes made it is the network's affair; that we know of it is ours.
    assert there() == [entry.name + ".bin" for entry in backend.upload_log.entries()]
    await backend.cleanup()
    assert there() == []


CRASH = """
import asyncio, os, signal, sys
from pathlib import Path
from aoai_magic.state.uploads import UploadLog
from aoai_magic.attach.resolve import resolve
from aoai_magic.backends.responses_api.engine import EngineBackend
from aoai_magic.backends.base import Question
from aoai_magic.backends.sdk import Endpoint

url, token, folder, model = sys.argv[1:]
async def main():
    backend = EngineBackend(
        Endpoint(url, token), "local", UploadLog(Path(folder) / "ledger"), "here"
    )
    items = resolve(["notes"], "", {"notes": "mine"}, Path(folder), folder=Path(folder))
    async for _ in backend.turn(Question("Here?", items, model=model)):
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


async def test_cleanup_takes_back_what_a_crashed_kernel_left(
    backend, engine, there, tmp_path, script
):
    args = [engine.url, engine.token, str(tmp_path), script(REPLY)]

    died = await asyncio.create_subprocess_exec(sys.executable, "-c", CRASH, *args)

    assert await died.wait() == -signal.SIGKILL
    assert there() == ["notes.txt"]
    assert await backend.cleanup() == 1
    assert there() == []
    assert backend.upload_log.entries() == []
