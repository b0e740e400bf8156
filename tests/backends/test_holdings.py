"""What a service's containers hold: listed, fetched, ended, deleted, forked."""

import openai
import pytest

from aoai_magic.attach.resolve import resolve
from aoai_magic.backends.base import Question
from aoai_magic.backends.responses_api.backend import Responses
from aoai_magic.backends.services import Service
from aoai_magic.errors import ServiceError
from aoai_magic.runner.cancel import CancelToken
from aoai_magic.runner.follow import follow
from aoai_magic.state.container_copies import ContainerCopies
from aoai_magic.state.uploads import UploadLog
from aoai_magic.turn import view

pytestmark = pytest.mark.skipif(
    not hasattr(openai.AsyncOpenAI, "containers"), reason="this openai SDK knows no containers"
)

SCRIPT = """
turns:
  - - code: |
        n = 7
        with open("/mnt/data/made.txt", "w") as file:
            file.write(open("/mnt/data/notes.txt").read() * 2)
    - text: Made.
  - - code: "import os; print(sorted(os.listdir('/mnt/data')), 'n' in globals())"
    - text: Listed.
"""


@pytest.fixture
def backend(engine, tmp_path):
    service = Service(f"{engine.url}/openai/v1", engine.token)
    home = tmp_path / "home"
    return Responses(service, "azure", ContainerCopies(home, service.url), UploadLog(home))


@pytest.fixture
async def first(backend, script, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    attached = resolve(["@notes.txt"], "", {}, tmp_path, folder=tmp_path / "packed")
    question = Question("Make.", attached, model=script(SCRIPT))
    return await follow(backend.turn(question), lambda view: None, CancelToken(), timeout=60)


async def listed(backend, thread, script):
    question = Question("List.", (), thread, script(SCRIPT))
    seen = await follow(backend.turn(question), lambda view: None, CancelToken(), timeout=60)
    return "".join(part.text for part in seen.parts if isinstance(part, view.Logs))


async def test_files_and_containers_are_told_fetched_and_deleted(backend, first):
    holdings = backend.holdings()
    (file,) = await holdings.files()
    assert (file.name, file.bytes) == ("made.txt", 10)
    assert await holdings.content(file.id) == ("made.txt", b"hellohello")
    assert [one.id for one in await holdings.sessions()] == [holdings.session(first.thread)]
    await holdings.delete_file(file.id)
    with pytest.raises(ServiceError, match="no longer kept"):
        await holdings.content(file.id)
    (sent,) = backend.upload_log.entries()
    await holdings.delete_file(sent.file_id)
    assert backend.upload_log.entries() == []
    await holdings.delete_thread(first.thread)
    await holdings.delete_thread(first.thread)  # gone already
    assert await holdings.sessions() == await holdings.files() == await holdings.threads() == []


async def test_a_fork_has_the_files_and_not_the_variables(backend, first, script):
    copy = await backend.holdings().fork(first.thread, ())
    assert copy.split("|")[0] == first.thread.split("|")[0]
    assert copy.split("|")[1] != first.thread.split("|")[1]
    assert "['made.txt', 'notes.txt'] False" in await listed(backend, copy, script)
    assert "['made.txt', 'notes.txt'] True" in await listed(backend, first.thread, script)


async def test_an_ended_session_is_rebuilt_with_its_files(backend, first, script):
    holdings = backend.holdings()
    await holdings.end_session(holdings.session(first.thread))
    assert await holdings.sessions() == []
    assert "['made.txt', 'notes.txt'] False" in await listed(backend, first.thread, script)
