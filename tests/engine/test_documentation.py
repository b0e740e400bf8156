"""The calls of the original Code Interpreter how-to, configured by environment alone.

Each test makes the calls of one of its Python samples, on the version of the API that
it was written for; two of them never worked as printed.
"""

from __future__ import annotations

import logging

import pytest
from openai import AzureOpenAI, BadRequestError

from .conftest import TOKEN
from .test_code import PLOT

V1, V2 = "2024-02-15-preview", "2024-05-01-preview"
CODE = [{"type": "code_interpreter"}]
QUESTION = "I need to solve the equation `3x + 11 = 14`. Can you help me?"


@pytest.fixture
def connect(engine, monkeypatch):
    """Connect as the samples do."""

    def connect(version, to=engine):
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", TOKEN)
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", to.url)
        return AzureOpenAI(api_version=version, max_retries=0)

    return connect


@pytest.fixture
def speech(connect, tmp_path):
    """Upload a file the way the samples do; gives the file object."""
    path = tmp_path / "speech.py"
    path.write_text("print('speech')")

    def upload(client):
        with path.open("rb") as file:
            return client.files.create(file=file, purpose="assistants")

    return upload


@pytest.mark.parametrize("version", [V1, V2])
def test_enable_code_interpreter(connect, version):
    assistant = connect(version).beta.assistants.create(
        instructions="You can write code to help answer math questions.",
        model="gpt-4-1106-preview",
        tools=CODE,
    )
    assert assistant.model == "gpt-4-1106-preview"
    assert [tool.type for tool in assistant.tools] == ["code_interpreter"]


def test_upload_a_file_and_create_an_assistant_on_it(connect, speech):
    client = connect(V2)
    file = speech(client)
    assert file.id.startswith("assistant-")
    resources = {"code_interpreter": {"file_ids": [file.id]}}
    assistant = client.beta.assistants.create(model="m", tools=CODE, tool_resources=resources)
    assert assistant.tool_resources.code_interpreter.file_ids == [file.id]


def test_space_in_the_tool_resources_gets_a_hint(connect, speech):
    client = connect(V2)
    resources = {"code interpreter": {"file_ids": [speech(client).id]}}
    with pytest.raises(BadRequestError, match=r"Did you mean 'tool_resources.code_interpreter'"):
        client.beta.assistants.create(model="m", tools=CODE, tool_resources=resources)


def test_pass_a_file_to_a_thread_in_version_1(connect, speech):
    client = connect(V1)
    message = {"role": "user", "content": QUESTION, "file_ids": [speech(client).id]}
    thread = client.beta.threads.create(messages=[message])
    (stored,) = client.beta.threads.messages.list(thread.id)
    assert stored.to_dict()["file_ids"] == message["file_ids"]


def test_files_of_a_message_in_version_2_get_a_hint(connect, speech):
    client = connect(V2)
    message = {"role": "user", "content": QUESTION, "file_ids": [speech(client).id]}
    with pytest.raises(BadRequestError, match=r"Use 'messages\[0\].attachments'") as caught:
        client.beta.threads.create(messages=[message])
    assert (caught.value.param, caught.value.code) == ("messages[0].file_ids", "unknown_parameter")


def test_lenient_engine_takes_both_mistakes_and_warns(start_engine, connect, speech, caplog):
    client = connect(V2, to=start_engine(lenient=True))
    file = speech(client)
    message = {"role": "user", "content": QUESTION, "file_ids": [file.id]}
    with caplog.at_level(logging.WARNING, logger="aoai_magic"):
        assistant = client.beta.assistants.create(
            model="m", tools=CODE, tool_resources={"code interpreter": {"file_ids": [file.id]}}
        )
        thread = client.beta.threads.create(messages=[message])
        sent = client.beta.threads.messages.create(thread.id, role="user", content="x")
    assert assistant.tool_resources.code_interpreter.file_ids == [file.id]
    first = client.beta.threads.messages.list(thread.id, order="asc").data[0]
    assert [entry.file_id for entry in first.attachments] == [file.id]
    assert sent.attachments == []
    assert "tool_resources.code interpreter" in caplog.text
    assert "'file_ids'" in caplog.text


@pytest.mark.parametrize("version", [V1, V2])
def test_find_and_download_a_generated_image(connect, script, tmp_path, version):
    client = connect(version)
    model = script([{"code": PLOT}, {"text": "Here."}])
    assistant = client.beta.assistants.create(model=model, tools=CODE)
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Plot."}])
    client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
    )
    part = client.beta.threads.messages.list(thread.id).data[0].content[0]
    assert part.type == "image_file"
    assert part.image_file.file_id.startswith("assistant-")
    image = client.files.content(part.image_file.file_id).read()
    path = tmp_path / "my-image.png"
    path.write_bytes(image)
    assert path.read_bytes().startswith(b"\x89PNG")
