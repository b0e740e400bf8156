"""File search at a service: what is sent, kept up to date, cited, made again, and deleted."""

from __future__ import annotations

import asyncio
import json
import re
import time

import openai
import pandas as pd
import pytest
from serving import TOKEN, serving, write_script

from aoai_magic.attach.resolve import documents
from aoai_magic.backends import services
from aoai_magic.backends.responses_api.backend import Responses
from aoai_magic.engine.search import vector_stores
from aoai_magic.errors import AttachError, TurnError
from aoai_magic.notebook.line_commands import run_command
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options
from aoai_magic.runner.remote_resources import RemoteResources
from aoai_magic.state.container_copies import ContainerCopies
from aoai_magic.state.uploads import UploadLog
from aoai_magic.turn import view

pytestmark = pytest.mark.skipif(
    not hasattr(openai.AsyncOpenAI, "containers"), reason="this openai SDK knows no containers"
)

# As OpenAI's and Azure's services say it.
TYPES = (".c", ".cpp", ".docx", ".html", ".json", ".md", ".pdf", ".pptx", ".py", ".tex", ".txt")
UNSUPPORTED = "Files with extensions [.{kind}] are not supported for retrieval."


class Service:
    """ASGI middleware that makes an engine refuse and count as a service does.

    Attributes
    ----------
    sent
        Names of the files that were uploaded, in order.
    tools
        The tools of each request for a response.
    busy
        How many requests are refused first, with 429, and where.
    meanwhile
        Called when a store is made.
    """

    def __init__(self, app):
        self.app = app
        self.sent, self.tools, self.includes = [], [], []
        self.names = {}
        self.busy, self.busy_at = 0, "/vector_stores"
        self.meanwhile = lambda: None

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        body = await _body(receive)
        if self.busy and self.busy_at in scope["path"]:
            self.busy -= 1
            await _answer(send, 429, {"error": {"message": "Slow down."}}, (b"retry-after", b"0"))
            return
        if refusal := self._look(scope["path"], body):
            await _answer(send, 400, {"error": refusal})
            return
        await self.app(scope, _again(body, receive), self._noting(scope["path"], send))

    def _look(self, path, body):
        if path.endswith("/openai/v1/files"):
            self.sent.append(re.search(rb'filename="([^"]*)"', body)[1].decode())
        if path.endswith("/responses"):
            self.tools.append(json.loads(body)["tools"])
            self.includes.append(json.loads(body)["include"])
        if path.endswith("/openai/v1/vector_stores"):
            self.meanwhile()
        if path.endswith("/file_batches"):
            for id_ in json.loads(body)["file_ids"]:
                if not self.names[id_].endswith(TYPES):
                    message = UNSUPPORTED.format(kind=self.names[id_].rpartition(".")[2])
                    return {"message": message, "code": "unsupported_file", "param": "file_ids"}
        return None

    def _noting(self, path, send):
        async def noting(message):
            if path.endswith("/openai/v1/files") and message.get("body"):
                told = json.loads(message["body"])
                self.names[told["id"]] = told["filename"]
            await send(message)

        return noting


async def _body(receive):
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _again(body, receive):
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def again():
        for message in messages:
            return message
        return await receive()

    return again


async def _answer(send, status, body, *headers):
    headers = [(b"content-type", b"application/json"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made = []

    def wrap(app):
        made.append(Service(app))
        return made[0]

    with serving(tmp_path_factory.mktemp("service"), wrap) as url:
        yield url, made[0]


@pytest.fixture
def service(served):
    _url, made = served
    made.sent.clear()
    made.tools.clear()
    made.includes.clear()
    return made


@pytest.fixture(params=["azure", "openai"])
def target(request, served, monkeypatch, tmp_path):
    url, _made = served
    if request.param == "azure":
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", url)
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", TOKEN)
    else:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/openai/v1")
        monkeypatch.setenv("OPENAI_API_KEY", TOKEN)
    monkeypatch.setenv("AOAI_MAGIC_TARGET", request.param)
    monkeypatch.setenv("AOAI_MAGIC_MODEL", "m")
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    monkeypatch.setenv("AOAI_MAGIC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JPY_SESSION_NAME", "here.ipynb")
    monkeypatch.chdir(tmp_path)
    return request.param


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "docs"
    made.mkdir()
    (made / "handbook.md").write_text("Everybody has 25 days of vacation.")
    (made / "travel.md").write_text("Travel is paid, zebra or not.")
    return made


@pytest.fixture
async def api(served):
    url, _made = served
    async with openai.AsyncOpenAI(base_url=f"{url}/openai/v1", api_key=TOKEN) as client:
        yield client


@pytest.fixture
def ask(target, tmp_path, monkeypatch):
    """Ask as a notebook of that target does; the model searches, and then says the text."""
    assistant = Assistant({})

    async def asked(text, query="vacation zebra", **options):
        search = {"tool": {"name": "file_search", "arguments": {"query": query}}}
        model = write_script(tmp_path, {"when": "", "replies": [search, {"text": text}]})
        return await assistant.ask(f"{text}?", Options(model=model, **options))

    asked.assistant = assistant
    return asked


def notices(turn):
    return [part.text for part in turn.view.parts if isinstance(part, view.Notice)]


def store_of(turn):
    return turn.thread.split("|")[2]


async def names(api, turn):
    """Return the names of the documents that the turn's store holds."""
    held = [file async for file in api.vector_stores.files.list(store_of(turn))]
    return sorted([(await api.files.retrieve(file.id)).filename for file in held])


async def test_documents_are_searched_and_cited(ask, service, folder, api):
    turn = await ask("25 days 【0:0†handbook.md】.", "vacation", search=("docs",))
    assert turn.text == "25 days [1]."
    (passage,) = turn.sources
    assert (passage.file, passage.text) == ("handbook.md", "Everybody has 25 days of vacation.")
    code, search = service.tools[0]
    assert code["type"] == "code_interpreter"
    assert search == {"type": "file_search", "vector_store_ids": [store_of(turn)]}
    assert "file_search_call.results" in service.includes[0]
    store = await api.vector_stores.retrieve(store_of(turn))
    assert (store.expires_after.anchor, store.expires_after.days) == ("last_active_at", 7)
    assert store.file_counts.completed == 2


async def test_progress_counts_documents(target, served, folder, tmp_path):
    url, _made = served
    for number in range(4):
        (folder / f"{number}.md").write_text("zebra")
    home = tmp_path / "home"
    at = services.Service(f"{url}/openai/v1", TOKEN)
    backend = Responses(at, target, ContainerCopies(home, at.url), UploadLog(home))
    found = documents(["docs"], {}, tmp_path, tmp_path)
    seen = [event async for event in backend.documents("").prepare(found)]
    sent = [one for one in seen if one.what == "sending the documents"]
    assert [(one.done, one.total) for one in sent] == [(0, 6), (4, 6)]
    assert all(one.total == 6 for one in seen)


async def test_only_what_changed_is_sent_again(ask, service, folder, api):
    await ask("Zeroth.", search=("docs/travel.md",))
    await ask("First.", search=("docs",))
    assert sorted(service.sent) == ["handbook.md", "travel.md"]
    service.sent.clear()
    (folder / "handbook.md").write_text("Everybody has 30 days of vacation.")
    (folder / "new.md").write_text("A new zebra.")
    (folder / "travel.md").unlink()
    turn = await ask("30.", search=("docs",))
    assert sorted(service.sent) == ["handbook.md", "new.md"]
    assert await names(api, turn) == ["handbook.md", "new.md"]
    service.sent.clear()
    later = await ask("Later.")
    assert (service.sent, store_of(later)) == ([], store_of(turn))
    assert {tool["type"] for tool in service.tools[-1]} == {"code_interpreter", "file_search"}


async def test_another_thread_and_kernel_send_nothing_again(ask, service, folder, api):
    first = await ask("First.", search=("docs",))
    service.sent.clear()
    second = await ask("Second.", search=("docs",), new=True)
    assert service.sent == []
    assert store_of(second) != store_of(first)
    assert await names(api, second) == ["handbook.md", "travel.md"]


async def test_a_file_that_the_service_refuses_fails_alone_and_is_not_sent_again(
    ask, service, folder, api
):
    (folder / "table.csv").write_text("a,b\n1,2\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nonsense")
    for _again in range(2):
        turn = await ask("First.", search=("docs",))
        assert turn.status == "completed"
        failed = sorted(one for one in notices(turn) if "was not searched" in one)
        assert failed[0].startswith("broken.pdf was not searched. The file is damaged")
        assert failed[1] == f"table.csv was not searched. {UNSUPPORTED.format(kind='csv')}"
        assert len(failed) == 2
    assert sorted(service.sent) == ["broken.pdf", "handbook.md", "table.csv", "travel.md"]
    assert await names(api, turn) == ["handbook.md", "travel.md"]
    kept = {file.filename async for file in api.files.list(purpose="assistants")}
    assert not kept & {"table.csv", "broken.pdf"}


async def test_a_file_that_is_deleted_meanwhile_is_named(ask, service, folder, api):
    def meanwhile():
        (folder / "travel.md").unlink(missing_ok=True)
        # The others of the same group are sent again; this one is not named twice.
        service.busy, service.busy_at = 1, "/openai/v1/files"

    service.meanwhile = meanwhile
    turn = await ask("First.", search=("docs",))
    service.meanwhile, service.busy_at = (lambda: None), "/vector_stores"
    left = [one for one in notices(turn) if "was not searched" in one]
    assert left == ["travel.md was not searched. It cannot be read (No such file or directory)."]
    assert (turn.status, await names(api, turn)) == ("completed", ["handbook.md"])


async def test_a_column_is_searched_with_its_rows(ask, service):
    said = ["slow zebra", None, "quick zebra\nwith a second line"]
    ask.assistant.namespace["reviews"] = pd.DataFrame({"said": said}, index=["x", "y", "z"])
    turn = await ask("Late 【0:0†reviews】.", search=("reviews.said",))
    assert service.sent == ["reviews.said.txt"]
    (passage,) = turn.sources
    assert (passage.place, passage.text) == (
        "rows x – z",
        "x: slow zebra\nz: quick zebra\nwith a second line",
    )


@pytest.mark.parametrize("again", [(), ("docs",)])
async def test_a_store_that_is_gone_is_made_again(ask, service, folder, api, again):
    first = await ask("First.", search=("docs",))
    service.sent.clear()
    await api.vector_stores.delete(store_of(first))
    turn = await ask("25 【1:0†handbook.md】.", search=again)
    assert (turn.status, service.sent) == ("completed", [])
    assert await names(api, turn) == ["handbook.md", "travel.md"]
    assert any("was made again" in one for one in notices(turn))
    assert store_of(turn) != store_of(first)


async def test_a_store_that_expired_is_made_again(ask, service, folder, api, monkeypatch):
    first = await ask("First.", search=("docs",))
    service.sent.clear()
    at = time.time() + 8 * 86_400
    with monkeypatch.context() as later:
        later.setattr(vector_stores, "now", lambda: int(at))
        turn = await ask("Second.")
    assert (turn.status, service.sent) == ("completed", [])
    assert await names(api, turn) == ["handbook.md", "travel.md"]
    with pytest.raises(openai.NotFoundError):
        await api.vector_stores.retrieve(store_of(first))


async def test_documents_that_are_gone_are_named_or_sent_again(ask, service, folder, api):
    first = await ask("First.", search=("docs",))
    held = [file.id async for file in api.vector_stores.files.list(store_of(first))]
    await api.vector_stores.delete(store_of(first))
    for id_ in held:
        await api.files.delete(id_)
    service.sent.clear()
    turn = await ask("Second.")
    lost = sorted(one for one in notices(turn) if "is no longer at the service" in one)
    assert [one.split()[0] for one in lost] == ["handbook.md", "travel.md"]
    turn = await ask("Third.", search=("docs",))
    assert sorted(service.sent) == ["handbook.md", "travel.md"]
    assert await names(api, turn) == ["handbook.md", "travel.md"]


async def test_a_document_that_was_taken_out_is_named_or_sent_again(ask, service, folder, api):
    first = await ask("First.", search=("docs",))
    ids = {service.names[id_]: id_ for id_ in service.names}
    await api.vector_stores.files.delete(ids["travel.md"], vector_store_id=store_of(first))
    await api.files.delete(ids["travel.md"])
    turn = await ask("Second.")
    assert [one.split()[0] for one in notices(turn) if "no longer at" in one] == ["travel.md"]
    await ask("Third.")
    service.sent.clear()
    turn = await ask("Fourth.", search=("docs",))
    assert service.sent == ["travel.md"]
    assert await names(api, turn) == ["handbook.md", "travel.md"]


async def test_a_store_that_we_did_not_make_is_left_alone(ask, service, folder, api):
    await ask("First.", search=("docs",))
    other = await api.vector_stores.create(name="somebody's")
    resources = RemoteResources(ask.assistant)
    await asyncio.to_thread(resources.delete_thread, f"||{other.id}")
    assert (await api.vector_stores.retrieve(other.id)).id == other.id


async def test_a_busy_service_is_asked_again(ask, service, folder):
    service.busy = 2
    turn = await ask("First 【0:0†handbook.md】.", search=("docs",))
    assert (turn.status, service.busy, len(service.sent)) == ("completed", 0, 2)


async def test_search_can_be_forced_where_there_are_documents(ask, service, folder):
    choice = {"tool_choice": "file_search"}
    turn = await ask("First.", search=("docs",), **choice)
    assert turn.status == "completed"
    await ask("And again.", **choice)
    await ask("Without.", new=True)
    with pytest.raises(TurnError, match="requires --search PATH"):
        await ask("Never.", **choice)


async def test_documents_count_as_leaving_this_machine(ask, service, folder, monkeypatch, capsys):
    (folder / "more").mkdir()
    for number in range(25):  # more than a service takes of attachments
        (folder / "more" / f"{number}.md").write_text("zebra")
    assert await ask("Zebra?", search=("docs",), dry_run=True) is None
    out = capsys.readouterr().out
    assert "handbook.md  34 bytes (document handbook.md)" in out
    assert "in all 27 files" in out
    monkeypatch.setenv("AOAI_MAGIC_CONFIRM_UPLOAD", "true")
    asked = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "n")
    with pytest.raises(AttachError, match="Nothing was sent"):
        await ask("Zebra?", search=("docs",))
    assert "docs (folder" in asked[0]
    assert service.sent == []


async def test_cleanup_deletes_stores_and_documents(ask, service, folder, api, capsys):
    turn = await ask("First.", search=("docs",))
    files = [file.id async for file in api.vector_stores.files.list(store_of(turn))]
    run_command(ask.assistant, "files")
    listed = capsys.readouterr().out
    row = next(line for line in listed.splitlines() if line.startswith(store_of(turn)))
    day = time.strftime("%Y-%m-%d", time.localtime(time.time() + 7 * 86_400))
    assert row.split()[1] == "2"
    assert day in row
    assert "handbook.md" in listed
    run_command(ask.assistant, "cleanup --yes")
    said = capsys.readouterr().out
    assert "2 uploaded files" in said
    assert "1 store of documents" in said
    with pytest.raises(openai.NotFoundError):
        await api.vector_stores.retrieve(store_of(turn))
    for id_ in files:
        with pytest.raises(openai.NotFoundError):
            await api.files.retrieve(id_)
    run_command(ask.assistant, "cleanup --yes")
    assert "There is nothing to delete." in capsys.readouterr().out


async def test_a_fork_has_a_store_of_its_own(ask, service, folder, api):
    first = await ask("First.", search=("docs",))
    resources = RemoteResources(ask.assistant)
    await asyncio.to_thread(resources.fork, "copy", first.thread, [])
    service.sent.clear()
    second = await ask("Second 【1:0†handbook.md】.", thread="copy")
    assert store_of(second) != store_of(first)
    await asyncio.to_thread(resources.delete_thread, first.thread)
    assert await names(api, second) == ["handbook.md", "travel.md"]
    assert service.sent == []
