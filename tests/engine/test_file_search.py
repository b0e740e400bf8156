"""File search through the SDK: stores, their files, queries, the tool and its citations."""

from __future__ import annotations

import io
import re

import docx
import pptx
import pytest
from openai import BadRequestError, NotFoundError

from aoai_magic.engine.search import vector_stores
from aoai_magic.engine.storage import ids

from .test_errors import request
from .test_runs import steps, texts

SEARCH = [{"type": "file_search"}]
CONTENT = "step_details.tool_calls[*].file_search.results[*].content"
HANDBOOK = "Employees have 25 days of vacation. Travel is paid by the company."
RULES = "従業員の育児休業は最長で一年間とする。売上は別に定める。"


def upload(client, name, data):
    data = data.encode() if isinstance(data, str) else data
    return client.files.create(file=(name, io.BytesIO(data)), purpose="assistants")


@pytest.fixture
def fill(client):
    """Make a store of files and wait until they are taken in; gives the store's id."""

    def fill(**files):
        held = client.vector_stores.create()
        for name, data in files.items():
            stem, _, suffix = name.rpartition("_")
            file = upload(client, f"{stem}.{suffix}", data)
            done = client.vector_stores.files.create_and_poll(file.id, vector_store_id=held.id)
            assert (done.status, done.last_error) == ("completed", None)
        return held.id

    return fill


def found(client, store_id, query, **options):
    page = client.vector_stores.search(store_id, query=query, **options)
    return [(one.filename, one.content[0].text) for one in page.data]


def search_call(query):
    return {"tool": {"name": "file_search", "arguments": {"query": query}}}


# Stores


def test_passages_are_found_in_any_language(client, fill):
    held = fill(handbook_md=HANDBOOK, 規程_txt=RULES)
    assert found(client, held, "How many days of vacation?") == [("handbook.md", HANDBOOK)]
    assert found(client, held, "employee") == [("handbook.md", HANDBOOK)]
    assert found(client, held, "育児休業は何日ですか") == [("規程.txt", RULES)]
    assert found(client, held, "売") == [("規程.txt", RULES)]
    assert found(client, held, '"zebra" OR * NEAR(') == []
    (best,) = client.vector_stores.search(held, query=["vacation", "days"]).data
    assert 0 < best.score <= 1


def test_search_waits_for_files_that_are_being_taken_in(client):
    ids = [upload(client, f"{n}.txt", f"number {n} zebra").id for n in range(100)]
    held = client.vector_stores.create(file_ids=ids)
    assert held.file_counts.total == 100
    assert found(client, held.id, "97 zebra", max_num_results=1) == [("97.txt", "number 97 zebra")]
    assert client.vector_stores.retrieve(held.id).file_counts.completed == 100


def test_threshold_filters_and_number_of_results(client, engine):
    ids = {year: upload(client, f"{year}.md", f"The report of {year}.").id for year in (2023, 2024)}
    held = client.vector_stores.create().id
    for year, id_ in ids.items():
        attributes = {"year": year, "kind": "r"}
        client.vector_stores.files.create(held, file_id=id_, attributes=attributes)
    later = {"type": "gt", "key": "year", "value": 2023}
    both = {"type": "and", "filters": [later, {"type": "eq", "key": "kind", "value": "r"}]}
    one = {"type": "in", "key": "year", "value": [2023, 1999]}
    neither = {"type": "or", "filters": [{"type": "lt", "key": "kind", "value": 3}]}
    names = [
        [name for name, _ in found(client, held, "report", filters=filters)]
        for filters in (later, both, one, neither)
    ]
    assert names == [["2024.md"], ["2024.md"], ["2023.md"], []]
    assert len(found(client, held, "report", max_num_results=1)) == 1
    assert len(found(client, held, "report of 2024")) == 2
    ranking = {"score_threshold": 0.9}
    assert len(found(client, held, "report of 2024", ranking_options=ranking)) == 1
    with pytest.raises(BadRequestError, match="takes an array"):
        found(client, held, "report", filters={"type": "in", "key": "year", "value": 2})


def test_chunking_strategy_is_honoured(client):
    text = " ".join(f"word{n}" for n in range(300))
    file = upload(client, "long.txt", text)
    static = {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 50}
    held = client.vector_stores.create().id
    done = client.vector_stores.files.create_and_poll(
        file.id, vector_store_id=held, chunking_strategy={"type": "static", "static": static}
    )
    assert done.chunking_strategy.static.to_dict() == static
    passages = [text for _, text in found(client, held, "word", max_num_results=50)]
    passages += [text for _, text in found(client, held, "word120", max_num_results=50)]
    assert len(passages) == 2
    assert all("word120" in passage for passage in passages)
    assert all(len(passage) < len(text) / 3 for passage in passages)
    (part,) = client.vector_stores.files.content(file.id, vector_store_id=held).data
    assert part.text == text
    with pytest.raises(BadRequestError, match="chunk_overlap_tokens"):
        client.vector_stores.files.create(
            held,
            file_id=file.id,
            chunking_strategy={"type": "static", "static": {**static, "chunk_overlap_tokens": 51}},
        )


def _docx():
    document = docx.Document()
    document.add_paragraph("A zebra lives here.")
    document.add_table(1, 2).rows[0].cells[1].text = "table zebra"
    return saved(document)


def _pptx():
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "A zebra lives here."
    slide.notes_slide.notes_text_frame.text = "table zebra"
    return saved(deck)


def saved(document):
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def pdf(text):
    """Write a PDF file of one page by hand."""
    shown = f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET".encode()
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
        b"/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(shown), shown),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    data, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(data))
        data += b"%d 0 obj%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 6\n0000000000 65535 f \n" + table
    return data + head + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(data)


PAGE = "<html><style>p {}</style><script>hidden()</script><p>A <b>zebra</b> lives here.</p></html>"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.docx", _docx()),
        ("a.pptx", _pptx()),
        ("a.pdf", pdf("A zebra lives here.")),
        ("a.html", PAGE.encode()),
        ("a.json", b'{"zebra": "A zebra lives here."}'),
        ("a.py", "# A zebra lives here.".encode("utf-16")),
        ("a.csv", b"\xef\xbb\xbfanimal\nA zebra lives here."),
    ],
)
def test_documents_are_read(client, name, data):
    held = client.vector_stores.create(file_ids=[upload(client, name, data).id]).id
    ((_, text),) = found(client, held, "zebras")
    assert "A zebra lives here." in text
    assert "hidden" not in text
    assert ("table zebra" in text) == name.endswith(("docx", "pptx"))


@pytest.mark.parametrize(
    ("name", "data", "code", "message"),
    [
        ("a.xyz", b"x", "unsupported_file", "not supported"),
        ("a.txt", b"\xff\x00\x81", "invalid_file", "UTF-8"),
        ("a.png", b"\x89PNG", "unsupported_file", "OCR"),
        ("a.txt", b" \n", "invalid_file", "no text"),
        ("a.pdf", b"%PDF-1.4 nonsense", "invalid_file", r"damaged, or is no \.pdf file"),
        ("a.docx", b"PK nonsense", "invalid_file", r"damaged, or is no \.docx file"),
    ],
)
def test_file_that_cannot_be_read_says_why(client, name, data, code, message):
    held = client.vector_stores.create()
    file = upload(client, name, data)
    done = client.vector_stores.files.create_and_poll(file.id, vector_store_id=held.id)
    assert (done.status, done.last_error.code) == ("failed", code)
    assert re.search(message, done.last_error.message)
    assert client.vector_stores.retrieve(held.id).file_counts.failed == 1


def test_what_is_taken_out_is_not_found(client, fill, engine):
    held = fill(a_md="zebra one", b_md="zebra two")
    (gone,) = [f for f in client.files.list() if f.filename == "a.md"][:1]
    client.vector_stores.files.delete(gone.id, vector_store_id=held)
    assert [name for name, _ in found(client, held, "zebra")] == ["b.md"]
    (other,) = client.vector_stores.files.list(held)
    client.files.delete(other.id)
    assert found(client, held, "zebra") == []
    assert client.vector_stores.files.list(held).data == []
    client.vector_stores.delete(held)
    with pytest.raises(NotFoundError):
        found(client, held, "zebra")
    assert not list(engine.data_dir.glob(f"search/{held}*"))


def test_lost_index_is_made_anew(client, fill, engine, on_sqlite):
    held = fill(a_md="zebra one")
    for path in engine.data_dir.glob(f"search/{held}*"):
        path.unlink()
    assert found(client, held, "zebra") == [("a.md", "zebra one")]


@pytest.mark.parametrize("whole", [True, False])
def test_broken_index_is_made_anew_and_nothing_is_lost(client, fill, engine, whole, on_sqlite):
    held = fill(a_md="zebra one")
    (path,) = engine.data_dir.glob(f"search/{held}.sqlite")
    for beside in engine.data_dir.glob(f"search/{held}.sqlite-*"):
        beside.unlink()
    data = path.read_bytes()
    path.write_bytes(b"\0" * len(data) if whole else data[:4096] + b"\xff" * (len(data) - 4096))
    other = upload(client, "b.md", "zebra two")
    client.vector_stores.files.create(held, file_id=other.id)
    assert {name for name, _ in found(client, held, "zebra")} == {"a.md", "b.md"}


def test_batch_can_be_cancelled_only_while_it_goes_on(client):
    held = client.vector_stores.create().id
    ids = [upload(client, f"{n}.txt", "zebra " * 20_000).id for n in range(30)]
    batch = client.vector_stores.file_batches.create(held, file_ids=ids)
    cancelled = client.vector_stores.file_batches.cancel(batch.id, vector_store_id=held)
    assert cancelled.status == "cancelled"
    counts = cancelled.file_counts
    assert counts.cancelled + counts.completed == counts.total == 30
    with pytest.raises(BadRequestError, match="Cannot cancel file batch with status 'cancelled'"):
        client.vector_stores.file_batches.cancel(batch.id, vector_store_id=held)


@pytest.fixture
def later(monkeypatch):
    """Have so many days pass for the vector stores of the engine."""

    def later(days):
        at = ids.now() + days * 86_400
        monkeypatch.setattr(vector_stores, "now", lambda: at)

    return later


@pytest.fixture
def expiring(client):
    """Make a store of a file, which expires after a day without use."""
    held = client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 1})
    assert held.expires_at == held.last_active_at + 86_400
    file = upload(client, "handbook.md", HANDBOOK)
    client.vector_stores.files.create_and_poll(file.id, vector_store_id=held.id)
    assert client.vector_stores.retrieve(held.id).status == "completed"
    return held.id


def test_expired_store_is_neither_searched_nor_filled(client, expiring, later):
    (file,) = client.vector_stores.files.list(expiring)
    later(2)
    assert client.vector_stores.retrieve(expiring).status == "expired"
    refused = (
        lambda: client.vector_stores.search(expiring, query="vacation"),
        lambda: client.vector_stores.files.create(expiring, file_id=file.id),
        lambda: client.vector_stores.file_batches.create(expiring, file_ids=[file.id]),
        lambda: client.responses.create(
            model="x",
            input="Vacation?",
            tools=[{"type": "file_search", "vector_store_ids": [expiring]}],
        ),
    )
    for ask in refused:
        with pytest.raises(BadRequestError, match=f"Vector store {expiring} is expired") as error:
            ask()
        assert error.value.code == "vector_store_expired"
    client.vector_stores.delete(expiring)


def test_search_keeps_a_store_from_expiring(client, expiring, later):
    before = client.vector_stores.retrieve(expiring)
    client.vector_stores.search(expiring, query="vacation")
    after = client.vector_stores.retrieve(expiring)
    assert after.last_active_at >= before.last_active_at
    assert after.expires_at == after.last_active_at + 86_400
    client.vector_stores.update(expiring, expires_after=None)
    assert client.vector_stores.retrieve(expiring).expires_at is None
    later(2)
    assert found(client, expiring, "vacation")


def test_run_fails_where_its_store_has_expired(client, script, expiring, later):
    later(2)
    run = run_search(client, script, expiring, search_call("vacation"), {"text": "25."})
    assert (run.status, run.last_error.code) == ("failed", "server_error")
    assert run.last_error.message == f"Vector store {expiring} is expired."


# The tool


def run_search(client, script, store_id, *replies, tool=None, **options):
    assistant = client.beta.assistants.create(
        model=script(list(replies)),
        tools=[{"type": "file_search", **({"file_search": tool} if tool else {})}],
        tool_resources={"file_search": {"vector_store_ids": [store_id]}},
    )
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Vacation?"}])
    return client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20, **options
    )


def test_model_searches_and_cites(client, script, fill):
    held = fill(handbook_md=HANDBOOK, 規程_txt=RULES)
    said = "It is 25 days 【0:0†handbook.md】, not 30 【0:7†x.md】."
    run = run_search(client, script, held, search_call("vacation days"), {"text": said, "chunk": 5})
    assert run.status == "completed", run.last_error
    first = steps(client, run)[0]
    (call,) = first.step_details.tool_calls
    assert call.type == "file_search"
    assert call.file_search.ranking_options.ranker == "default_2024_08_21"
    (result,) = call.file_search.results
    assert result.file_name == "handbook.md"
    assert result.content is None
    whole = client.beta.threads.runs.steps.retrieve(
        first.id, run_id=run.id, thread_id=run.thread_id, include=[CONTENT]
    )
    assert whole.step_details.tool_calls[0].file_search.results[0].content[0].text == HANDBOOK
    text = client.beta.threads.messages.list(run.thread_id).data[0].content[0].text
    (citation,) = text.annotations
    assert citation.type == "file_citation"
    assert citation.text == text.value[citation.start_index : citation.end_index]
    assert citation.text == "【0:0†handbook.md】"
    assert citation.file_citation.file_id == result.file_id


def test_search_in_a_stream(client, script, fill):
    held = fill(handbook_md=HANDBOOK)
    assistant = client.beta.assistants.create(
        model=script([search_call("vacation"), {"text": "25 【0:0†handbook.md】."}]), tools=SEARCH
    )
    thread = client.beta.threads.create(
        messages=[{"role": "user", "content": "Vacation?"}],
        tool_resources={"file_search": {"vector_store_ids": [held]}},
    )
    options = {"thread_id": thread.id, "assistant_id": assistant.id, "include": [CONTENT]}
    with client.beta.threads.runs.stream(**options) as stream:
        stream.until_done()
    (call,) = stream.get_final_run_steps()[0].step_details.tool_calls
    assert call.id.startswith("call_")
    assert call.file_search.results[0].content[0].text == HANDBOOK
    (message,) = stream.get_final_messages()
    stored = client.beta.threads.messages.list(thread.id).data[0]
    assert message.content[0].to_dict() == stored.content[0].to_dict()
    assert stored.content[0].text.annotations[0].type == "file_citation"


def test_tool_is_set_by_its_options(client, script, fill):
    held = fill(**{f"n{n}_md": f"zebra {n}" for n in range(5)})
    tool = {
        "max_num_results": 2,
        "ranking_options": {"ranker": "auto", "score_threshold": 0.1},
    }
    run = run_search(client, script, held, search_call("zebra"), {"text": "."}, tool=tool)
    searched = steps(client, run)[0].step_details.tool_calls[0].file_search
    assert len(searched.results) == 2
    assert searched.ranking_options.score_threshold == 0.1


def test_attached_file_is_searched_and_cited_in_a_later_run(client, script):
    file = upload(client, "notes.txt", "The zebra is called Ada.")
    attachment = {"file_id": file.id, "tools": SEARCH}
    thread = client.beta.threads.create(
        messages=[{"role": "user", "content": "Name?", "attachments": [attachment]}]
    )
    model = script(
        [search_call("zebra"), {"text": "Ada 【0:0†notes.txt】."}],
        [search_call("called"), {"text": "As said 【0:0†notes.txt】【1:0†notes.txt】."}],
    )
    assistant = client.beta.assistants.create(model=model, tools=SEARCH)
    for _ in range(2):
        run = client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
        )
        assert run.status == "completed", run.last_error
        client.beta.threads.messages.create(thread.id, role="user", content="Again?")
    said = client.beta.threads.messages.list(thread.id, run_id=run.id).data[0].content[0].text
    assert [one.file_citation.file_id for one in said.annotations] == [file.id, file.id]
    assert texts(client, thread.id)[0] == "Ada 【0:0†notes.txt】."


def test_nothing_to_search_is_said(client, ask):
    run = ask(search_call("zebra"), {"text": "Nothing."}, tools=SEARCH)
    assert run.status == "completed"
    assert steps(client, run)[0].step_details.tool_calls[0].file_search.results == []


def test_unknown_include(engine):
    status, body, _ = request(engine, "GET", "/v1/threads/thread_x/runs/run_x/steps?include[]=all")
    assert (status, body["error"]["code"]) in [(400, "invalid_value"), (404, None)]


def test_version_1_shows_retrieval(engine, script):
    client = engine.openai(default_headers={})
    old = {"extra_headers": {"OpenAI-Beta": "assistants=v1"}}
    file = upload(client, "notes.txt", "The zebra is called Ada.")
    assistant = client.beta.assistants.create(
        model=script([search_call("zebra"), {"text": "Ada 【0:0†notes.txt】."}]),
        tools=[{"type": "retrieval"}],
        extra_body={"file_ids": [file.id]},
        **old,
    )
    assert assistant.to_dict(warnings=False)["file_ids"] == [file.id]
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Name?"}], **old)
    run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id, **old)
    while client.beta.threads.runs.retrieve(run.id, thread_id=thread.id).status != "completed":
        pass
    path = f"/v1/threads/{thread.id}/runs/{run.id}/steps"
    shown = request(engine, "GET", path, **{"OpenAI-Beta": "assistants=v1"})[1]["data"]
    (call,) = shown[-1]["step_details"]["tool_calls"]
    assert (call["type"], call["retrieval"]) == ("retrieval", {})
    path = f"/v1/threads/{thread.id}/messages"
    message = request(engine, "GET", path, **{"OpenAI-Beta": "assistants=v1"})[1]["data"][0]
    (cited,) = message["content"][0]["text"]["annotations"]
    assert cited["file_citation"] == {"file_id": file.id, "quote": ""}


def test_more_of_what_is_asked_comes_first(client, engine):
    texts = {
        "once.md": "Refunds take five days.",
        "often.md": "Refunds: five days. Refunds by card: five days. Refunds take five days.",
    }
    ids = [upload(client, name, text).id for name, text in texts.items()]
    held = client.vector_stores.create(file_ids=ids).id
    best, other = client.vector_stores.search(held, query="refunds five days").data
    assert (best.filename, other.filename) == ("often.md", "once.md")
    assert 1 >= best.score > other.score > 0


def test_a_query_of_any_length_finds(client, engine):
    words = [f"w{n}x" for n in range(3_000)]
    ids = [upload(client, "a.txt", " ".join(words)).id, upload(client, "b.txt", "else").id]
    held = client.vector_stores.create(file_ids=ids).id
    found = client.vector_stores.search(held, query=" ".join(words)).data
    assert {one.filename for one in found} == {"a.txt"}


def test_one_character_in_common_is_enough(client, engine):
    texts = {"a.md": "開車通勤可申請補助。", "b.md": "與客戶聚餐可報銷。"}
    ids = [upload(client, name, text).id for name, text in texts.items()]
    held = client.vector_stores.create(file_ids=ids).id
    found = client.vector_stores.search(held, query="計程車費").data
    assert [one.filename for one in found] == ["a.md"]
