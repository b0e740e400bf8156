"""Objects on the wire: shapes, pages, files, and the versions of the API."""

from __future__ import annotations

import os
import stat

import pytest
from openai import BadRequestError

from .test_errors import request
from .test_runs import steps

OLD = {"OpenAI-Beta": "assistants=v1"}
V1 = "2024-02-15-preview"
CODE = [{"type": "code_interpreter"}]


def test_assistant_has_every_key_and_changes_as_a_whole(client):
    file = client.files.create(file=("a.csv", b"1"), purpose="assistants")
    made = client.beta.assistants.create(
        model="m",
        tools=CODE,
        tool_resources={"code_interpreter": {"file_ids": [file.id]}},
        metadata={"a": "1"},
    ).to_dict()
    assert made.keys() == {
        *("id", "object", "created_at", "name", "description", "model", "instructions", "tools"),
        *("top_p", "temperature", "reasoning_effort", "tool_resources", "metadata"),
        "response_format",
    }
    assert made["tool_resources"] == {"code_interpreter": {"file_ids": [file.id]}}
    changed = client.beta.assistants.update(made["id"], name="n").to_dict()
    assert changed == {**made, "name": "n"}
    emptied = client.beta.assistants.update(made["id"], tool_resources={"code_interpreter": {}})
    assert emptied.to_dict()["tool_resources"] == {"code_interpreter": {"file_ids": []}}
    gone = client.beta.assistants.delete(made["id"]).to_dict()
    assert gone == {"id": made["id"], "object": "assistant.deleted", "deleted": True}


def test_pages_keep_the_order_of_creation_within_a_second(client):
    thread = client.beta.threads.create(
        messages=[{"role": "user", "content": str(n)} for n in range(45)]
    )

    def listed(**options):
        page = client.beta.threads.messages.list(thread.id, **options)
        return [message.content[0].text.value for message in page]

    newest_first = [str(n) for n in range(44, -1, -1)]
    assert listed() == newest_first
    assert listed(limit=7) == newest_first
    assert listed(limit=7, order="asc") == newest_first[::-1]


def test_page_between_bounds(client):
    thread = client.beta.threads.create(
        messages=[{"role": "user", "content": str(n)} for n in range(6)]
    )
    ids = [m.id for m in client.beta.threads.messages.list(thread.id, order="asc")]
    listing = client.beta.threads.messages.list
    page = listing(thread.id, order="asc", after=ids[1], before=ids[4])
    assert [m.id for m in page.data] == ids[2:4]
    page = listing(thread.id, order="asc", before=ids[5], limit=2)
    assert [m.id for m in page.data] == ids[3:5]
    assert page.has_more


def test_empty_page(client, engine):
    thread = client.beta.threads.create()
    page = request(engine, "GET", f"/v1/threads/{thread.id}/messages")[1]
    empty = {"object": "list", "data": [], "has_more": False}
    assert page == {**empty, "first_id": None, "last_id": None}


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "order=up", "after=msg_x"])
def test_page_that_cannot_be(engine, client, query):
    thread = client.beta.threads.create()
    status, body, _ = request(engine, "GET", f"/v1/threads/{thread.id}/messages?{query}")
    assert status in (400, 404)
    assert body["error"]["message"]


def test_file_comes_back_as_it_was(client, engine):
    data = os.urandom(3_000_000)
    made = client.files.create(file=("日本 ü.csv", data), purpose="assistants")
    assert (made.filename, made.bytes, made.status) == ("日本 ü.csv", len(data), "processed")
    answer = client.files.with_raw_response.content(made.id)
    assert answer.content == data
    assert answer.headers["content-type"] == "application/csv"
    assert answer.headers["content-disposition"].startswith("attachment")
    (stored,) = engine.data_dir.rglob(made.id)
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert stat.S_IMODE(stored.parent.stat().st_mode) == 0o700
    gone = {"id": made.id, "object": "file", "deleted": True}
    assert client.files.delete(made.id).to_dict() == gone
    assert not stored.exists()


def test_database_is_private(engine, client):
    client.beta.threads.create()
    for path in engine.data_dir.glob("engine.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_files_are_listed_by_purpose(client):
    file = client.files.create(file=("v.png", b"x"), purpose="vision")
    assert file.id in [one.id for one in client.files.list(purpose="vision")]
    assert file.id not in [one.id for one in client.files.list(purpose="assistants")]


def test_expiring_file(client):
    extra = {"expires_after": {"anchor": "created_at", "seconds": 3600}}
    file = client.files.create(file=("a.txt", b"x"), purpose="assistants", extra_body=extra)
    assert file.expires_at in range(file.created_at + 3599, file.created_at + 3602)


def test_unexpected_form_part(client):
    with pytest.raises(BadRequestError, match=r"\('filename' was unexpected\)"):
        client.files.create(
            file=("a.txt", b"x"), purpose="assistants", extra_body={"filename": "b"}
        )


def test_azure_ids_and_either_style_is_found(engine):
    azure, openai = engine.azure(), engine.openai()
    made = azure.files.create(file=("a.txt", b"x"), purpose="assistants")
    assert made.id.startswith("assistant-")
    assert openai.files.retrieve(made.id).id == made.id
    assistant = openai.beta.assistants.create(
        model="m", tools=CODE, tool_resources={"code_interpreter": {"file_ids": [made.id]}}
    )
    assert azure.beta.assistants.retrieve(assistant.id).id == assistant.id


def test_deleting_a_thread_deletes_what_is_in_it(client, ask, engine):
    run = ask({"code": "open('/mnt/data/x.txt', 'w').write('x')"}, {"text": "."})
    client.beta.threads.delete(run.thread_id)
    assert request(engine, "GET", f"/v1/threads/{run.thread_id}/messages")[0] == 404
    about = client.get("/engine", cast_to=object)
    assert run.thread_id not in [session["thread_id"] for session in about["sessions"]]


def test_messages_of_a_run(client, ask):
    run = ask({"text": "Mine."})
    page = client.beta.threads.messages.list(run.thread_id, run_id=run.id)
    assert [message.run_id for message in page] == [run.id]


def test_additional_messages_and_overrides(client, script):
    model = script({"when": "Second", "replies": [{"text": "Seen."}]})
    assistant = client.beta.assistants.create(model="m", instructions="Old.", temperature=0.5)
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "First"}])
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id,
        assistant_id=assistant.id,
        model=model,
        instructions="New.",
        additional_messages=[{"role": "user", "content": "Second"}],
        metadata={"k": "v"},
        poll_interval_ms=20,
    )
    assert (run.status, run.instructions, run.temperature) == ("completed", "New.", 0.5)
    assert run.metadata == {"k": "v"}
    said = [m.content[0].text.value for m in client.beta.threads.messages.list(thread.id)]
    assert said == ["Seen.", "Second", "First"]


# Version 1


def test_version_1_shapes_and_files(engine, script):
    client = engine.azure(V1)
    file = client.files.create(file=("data.csv", b"a\n1\n"), purpose="assistants")
    code = "open('/mnt/data/out.txt', 'w').write(open('/mnt/data/data.csv').read())"
    model = script([{"code": code}, {"text": "See sandbox:/mnt/data/out.txt"}])
    assistant = client.beta.assistants.create(
        model=model, tools=CODE, extra_body={"file_ids": [file.id]}
    )
    assert assistant.to_dict()["file_ids"] == [file.id]
    assert not {"tool_resources", "temperature", "response_format"} & assistant.to_dict().keys()
    thread = client.beta.threads.create()
    assert "tool_resources" not in thread.to_dict()
    message = client.beta.threads.messages.create(
        thread.id, role="user", content="Copy.", extra_body={"file_ids": [file.id]}
    )
    assert message.to_dict()["file_ids"] == [file.id]
    assert "attachments" not in message.to_dict()
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
    )
    assert run.status == "completed"
    assert "tool_resources" not in run.to_dict()
    answer = client.beta.threads.messages.list(thread.id).data[0].to_dict()
    (made,) = answer["file_ids"]
    assert made.startswith("assistant-")
    assert client.files.content(made).content == b"a\n1\n"
    assert [step.type for step in steps(client, run)] == ["tool_calls", "message_creation"]


def test_version_1_files_of_assistants_and_messages(engine):
    client = engine.azure(V1)
    file = client.files.create(file=("a.csv", b"1"), purpose="assistants")
    assistant = client.beta.assistants.create(model="m", tools=CODE)
    path = f"/openai/assistants/{assistant.id}/files"
    version = f"?api-version={V1}"
    status, made, _ = request(engine, "POST", path + version, {"file_id": file.id})
    assert (status, made["object"], made["id"]) == (200, "assistant.file", file.id)
    assert request(engine, "GET", path + version)[1]["data"] == [made]
    assert request(engine, "GET", f"{path}/{file.id}{version}")[1] == made
    gone = request(engine, "DELETE", f"{path}/{file.id}{version}")[1]
    assert gone == {"id": file.id, "object": "assistant.file.deleted", "deleted": True}
    assert request(engine, "GET", path + version)[1]["data"] == []
    thread = client.beta.threads.create()
    message = client.beta.threads.messages.create(
        thread.id, role="user", content="x", extra_body={"file_ids": [file.id]}
    )
    path = f"/openai/threads/{thread.id}/messages/{message.id}/files"
    held = request(engine, "GET", path + version)[1]["data"]
    assert [(one["id"], one["object"]) for one in held] == [(file.id, "thread.message.file")]
    assert request(engine, "GET", f"{path}/{file.id}{version}")[1] == held[0]


def test_version_1_does_not_know_what_came_later(engine):
    client = engine.azure(V1)
    with pytest.raises(BadRequestError, match=r"Unknown parameter: 'tool_resources'."):
        client.beta.assistants.create(model="m", tool_resources={"code_interpreter": {}})
    assistant = client.beta.assistants.create(model="m")
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "x"}])
    with pytest.raises(BadRequestError, match=r"Unknown parameter: 'stream'."):
        client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id, stream=True)


def test_version_1_by_header(engine, client):
    assistant = client.beta.assistants.create(
        model="m", extra_headers={"OpenAI-Beta": "assistants=v1"}
    )
    assert assistant.to_dict()["file_ids"] == []


def test_version_1_of_openai_as_it_was_at_its_end(engine, script):
    """Recorded on 2024-04-27; Azure's version 1 never had these."""
    client = engine.openai(default_headers={"OpenAI-Beta": "assistants=v1"})
    assistant = client.beta.assistants.create(
        model=script([{"text": "Hello."}]),
        top_p=0.5,
        temperature=0.25,
        response_format="auto",
        metadata={"modified": True, "number": 5},
        extra_headers=OLD,
    )
    shown = assistant.to_dict()
    assert (shown["top_p"], shown["temperature"], shown["response_format"]) == (0.5, 0.25, "auto")
    assert shown["metadata"] == {"modified": "True", "number": "5"}
    changed = client.beta.assistants.update(
        assistant.id, metadata={"modified": False}, extra_headers=OLD
    )
    assert changed.metadata == {"modified": "False"}
    thread = client.beta.threads.create(extra_headers=OLD)
    stream = client.beta.threads.runs.create(
        thread_id=thread.id,
        assistant_id=assistant.id,
        top_p=0.75,
        stream=True,
        extra_headers=OLD,
    )
    events = {event.event: event.data.to_dict() for event in stream if event.event != "done"}
    assert events["thread.run.completed"]["top_p"] == 0.75
    message = events["thread.message.completed"]
    assert message["status"] == "completed"
    assert message["completed_at"]
    stored = client.beta.threads.messages.list(thread.id, extra_headers=OLD).data[0].to_dict()
    assert stored["content"] == message["content"]
    assert not {"status", "completed_at"} & stored.keys()


def test_version_2_takes_no_boolean_as_metadata(client):
    with pytest.raises(BadRequestError, match="metadata"):
        client.beta.threads.create(metadata={"modified": True})


def test_azure_version_1_answers_an_empty_thread(engine, script):
    client = engine.azure(V1)
    assistant = client.beta.assistants.create(model=script([{"text": "Hello."}]))
    run = client.beta.threads.create_and_run_poll(assistant_id=assistant.id, poll_interval_ms=20)
    assert run.status == "completed", run.last_error


def test_a_file_that_stays_says_so(client):
    assert client.files.create(file=("a.txt", b"x"), purpose="assistants").expires_at is None
    shown = client.files.list().data[0].to_dict()
    assert shown["expires_at"] is None


# Vector stores


def test_vector_store_and_its_files(client):
    text, other = (
        client.files.create(file=(name, b"hello"), purpose="assistants")
        for name in ("a.txt", "b.xyz")
    )
    made = client.vector_stores.create(
        name="n", file_ids=[text.id], expires_after={"anchor": "last_active_at", "days": 1}
    )
    assert made.file_counts.total == 1
    taken = client.vector_stores.files.poll(text.id, vector_store_id=made.id)
    assert (taken.status, taken.usage_bytes) == ("completed", 5)
    made = client.vector_stores.retrieve(made.id)
    counts = {"in_progress": 0, "completed": 1, "failed": 0, "cancelled": 0, "total": 1}
    assert made.file_counts.to_dict() == counts
    assert (made.usage_bytes, made.status) == (5, "completed")
    assert made.expires_at == made.last_active_at + 86_400
    failed = client.vector_stores.files.create_and_poll(other.id, vector_store_id=made.id)
    assert (failed.status, failed.last_error.code) == ("failed", "unsupported_file")
    files = client.vector_stores.files.list(made.id, filter="completed").data
    assert [file.id for file in files] == [text.id]
    kept = client.vector_stores.files.update(
        text.id, vector_store_id=made.id, attributes={"year": 2024, "draft": False}
    )
    assert kept.attributes == {"year": 2024, "draft": False}
    assert client.vector_stores.files.delete(text.id, vector_store_id=made.id).deleted
    assert client.files.retrieve(text.id).id == text.id
    assert client.vector_stores.update(made.id, name="m").name == "m"
    assert client.vector_stores.delete(made.id).object == "vector_store.deleted"


def test_batch_of_files(client):
    ids = [client.files.create(file=(f"{n}.md", b"x"), purpose="assistants").id for n in range(3)]
    held = client.vector_stores.create()
    batch = client.vector_stores.file_batches.create_and_poll(held.id, file_ids=ids)
    assert (batch.status, batch.file_counts.completed) == ("completed", 3)
    listed = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=held.id)
    assert {file.id for file in listed} == set(ids)


def test_vector_store_of_a_thread(client):
    file = client.files.create(file=("a.txt", b"x"), purpose="assistants")
    attachment = {"file_id": file.id, "tools": [{"type": "file_search"}]}
    thread = client.beta.threads.create(
        messages=[{"role": "user", "content": "x", "attachments": [attachment]}]
    )
    (held,) = client.beta.threads.retrieve(thread.id).tool_resources.file_search.vector_store_ids
    assert [one.id for one in client.vector_stores.files.list(held)] == [file.id]
