"""Containers through the SDK: files in and out, their life, their expiry."""

from __future__ import annotations

import time

import psutil
import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError, OpenAI
from serving import TOKEN, run_code, serving, write_script

from aoai_magic.engine.config import Bounds
from aoai_magic.sandbox.limits import most_memory
from aoai_magic.sandbox.protocol import Limits

pytestmark = pytest.mark.skipif(
    not hasattr(OpenAI, "containers"), reason="this openai SDK knows no code interpreter yet"
)

IDLE = 1.5
LIST = "print(sorted(__import__('os').listdir('/mnt/data')))"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("engine")) as url:
        yield url


@pytest.fixture
def client(url):
    return OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0)


@pytest.fixture
def run(client, tmp_path):
    """Run code in a container; gives what it printed."""

    def run(container_id, code, client=client):
        return run_code(client, tmp_path, container_id, code)

    return run


def test_containers_are_made_listed_and_deleted(client):
    made = client.containers.create(name="mine", memory_limit="4g")
    assert (made.status, made.memory_limit, made.expires_after.minutes) == ("running", "4g", 20)
    assert made.id.startswith("cntr_")
    assert client.containers.retrieve(made.id).name == "mine"
    other = client.containers.create(name="other")
    assert [c.id for c in client.containers.list(name="mine")] == [made.id]
    assert [c.id for c in client.containers.list(limit=1)][:2] == [other.id, made.id]
    client.containers.delete(made.id)
    with pytest.raises(NotFoundError, match=f"Container with id '{made.id}' not found"):
        client.containers.retrieve(made.id)


def test_files_come_in_by_upload_and_by_copy(client, run):
    stored = client.files.create(file=("copied.csv", b"a\n1\n"), purpose="user_data")
    container = client.containers.create(name="c", file_ids=[stored.id]).id
    sent = client.containers.files.create(container, file=("sent.txt", b"hello"))
    assert (sent.path, sent.source, sent.bytes) == ("/mnt/data/sent.txt", "user", 5)
    again = client.files.create(file=("later.csv", b"b\n2\n"), purpose="user_data")
    client.containers.files.create(container, file_id=again.id)
    assert run(container, LIST) == "['copied.csv', 'later.csv', 'sent.txt']\n"
    listed = client.containers.files.list(container, order="asc").data
    assert [f.path.rsplit("/", 1)[-1] for f in listed] == ["copied.csv", "sent.txt", "later.csv"]
    assert client.containers.files.retrieve(sent.id, container_id=container).bytes == 5


def test_sending_a_name_again_replaces_the_file(client, run):
    container = client.containers.create(name="c").id
    client.containers.files.create(container, file=("x.txt", b"old"))
    assert run(container, "print(open('/mnt/data/x.txt').read())") == "old\n"
    client.containers.files.create(container, file=("x.txt", b"new"))
    assert run(container, "print(open('/mnt/data/x.txt').read())") == "new\n"
    assert len(client.containers.files.list(container).data) == 1


def test_files_made_by_code_are_there_and_in_no_other_list(client, run):
    container = client.containers.create(name="c").id
    run(
        container,
        "import os\nos.mkdir('/mnt/data/d')\nopen('/mnt/data/d/x.bin', 'wb').write(b'\\0')",
    )
    (made,) = client.containers.files.list(container).data
    assert (made.path, made.source, made.bytes) == ("/mnt/data/d/x.bin", "assistant", 1)
    content = client.containers.files.content.retrieve(made.id, container_id=container)
    assert content.content == b"\0"
    assert 'filename="x.bin"' in content.response.headers["content-disposition"]
    assert not [f for f in client.files.list() if f.filename.endswith("x.bin")]


def test_a_rewritten_file_is_a_new_one_under_its_name(client, run):
    container = client.containers.create(name="c").id
    client.containers.files.create(container, file=("x.txt", b"old"))
    run(container, "open('/mnt/data/x.txt', 'w').write('changed')")
    (file,) = client.containers.files.list(container).data
    assert (file.source, file.bytes) == ("assistant", 7)
    assert run(container, "print(open('/mnt/data/x.txt').read())") == "changed\n"


def test_a_file_written_again_as_it_was_is_a_new_one_too(client, run):
    container = client.containers.create(name="c").id
    write = "open('/mnt/data/x.txt', 'w').write('same')"
    run(container, write)
    (first,) = client.containers.files.list(container).data
    run(container, write)
    (second,) = client.containers.files.list(container).data
    assert second.id != first.id
    content = client.containers.files.content.retrieve(second.id, container_id=container)
    assert content.content == b"same"


def test_deleted_files_are_gone_from_the_session_too(client, run):
    container = client.containers.create(name="c").id
    sent = client.containers.files.create(container, file=("x.txt", b"hello"))
    run(container, LIST)
    client.containers.files.delete(sent.id, container_id=container)
    assert run(container, LIST) == "[]\n"
    with pytest.raises(NotFoundError, match=f"File {sent.id} not found on container {container}"):
        client.containers.files.retrieve(sent.id, container_id=container)


def test_hostile_names_stay_names(client, run):
    container = client.containers.create(name="c").id
    sent = client.containers.files.create(container, file=("../../etc/pass'wd", b"x"))
    assert sent.path == "/mnt/data/pass'wd"
    client.containers.files.delete(sent.id, container_id=container)
    assert run(container, LIST) == "[]\n"


async def test_the_asynchronous_client_can_do_it_too(url):
    client = AsyncOpenAI(base_url=f"{url}/openai/v1", api_key=TOKEN, max_retries=0)
    container = await client.containers.create(name="c")
    sent = await client.containers.files.create(container.id, file=("x.txt", b"hello"))
    content = await client.containers.files.content.retrieve(sent.id, container_id=container.id)
    assert content.content == b"hello"
    await client.containers.delete(container.id)
    await client.close()


@pytest.mark.parametrize("container", ["cntr_nowhere", "elsewhere"])
def test_unknown_containers_are_refused(client, container):
    with pytest.raises((NotFoundError, BadRequestError)):
        client.containers.files.list(container)


@pytest.fixture(scope="module")
def brief(tmp_path_factory):
    """A client of an engine whose containers expire very soon."""
    with serving(tmp_path_factory.mktemp("engine"), bounds=Bounds(container_idle=IDLE)) as url:
        yield OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0)


def test_a_network_is_refused_rather_than_left_out(client):
    policy = {"type": "allowlist", "allowed_domains": ["example.com"]}
    with pytest.raises(BadRequestError, match="disabled"):
        client.post("/containers", cast_to=object, body={"name": "x", "network_policy": policy})
    tool = {"type": "code_interpreter", "container": {"type": "auto", "network_policy": policy}}
    with pytest.raises(BadRequestError, match="disabled"):
        client.responses.create(model="offline", input="Go.", tools=[tool])
    body = {"name": "x", "network_policy": {"type": "disabled"}}
    made = client.post("/containers", cast_to=object, body=body)
    assert made["network_policy"] == {"type": "disabled"}


@pytest.mark.slow
def test_an_expired_container_is_not_brought_back(brief, run):
    container = brief.containers.create(name="c").id
    file = brief.containers.files.create(container, file=("x.txt", b"hello"))
    assert run(container, "x = 1\nprint(x)", brief) == "1\n"
    time.sleep(IDLE + 0.1)
    assert brief.containers.retrieve(container).status == "expired"
    with pytest.raises(BadRequestError, match="Container is expired"):
        run(container, "print(x)", brief)
    with pytest.raises(BadRequestError, match="Container is expired"):
        brief.containers.files.content.retrieve(file.id, container_id=container)


def test_a_conversation_with_an_expired_container_is_refused(brief, tmp_path):
    model = write_script(tmp_path, {"when": "", "replies": [{"code": "x = 1"}, {"text": "."}]})
    auto = {"type": "code_interpreter", "container": {"type": "auto"}}
    first = brief.responses.create(model=model, input="Go.", tools=[auto])
    time.sleep(IDLE + 0.1)
    with pytest.raises(BadRequestError, match="Container is expired"):
        brief.responses.create(
            model=model, input="On.", tools=[auto], previous_response_id=first.id
        )
    again = brief.responses.create(model=model, input="On.", tools=[auto])
    assert again.status == "completed"


ROOM = """
try:
    print(len(bytearray({size} << 20)))
except MemoryError:
    print("too much")
"""


def test_a_container_may_hold_what_its_memory_limit_says(client, run):
    less, usual, more = (client.containers.create(name="c", **given) for given in GIVEN)
    assert (less.memory_limit, usual.memory_limit, more.memory_limit) == ("1g", None, "4g")
    assert run(less.id, ROOM.format(size=1400)) == "too much\n"
    assert run(usual.id, ROOM.format(size=1400)) == f"{1400 << 20}\n"
    assert run(usual.id, ROOM.format(size=3000)) == "too much\n"
    assert run(more.id, ROOM.format(size=3000)) == f"{3000 << 20}\n"


GIVEN = [{"memory_limit": "1g"}, {}, {"memory_limit": "4g"}]


def test_more_memory_than_there_is_is_refused(tmp_path, client):
    with serving(tmp_path, limits=Limits(most_memory=8 << 30)) as url:
        bounded = OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0)
        with pytest.raises(BadRequestError, match=r"'16g' is more than .* \(8.0g\)") as refused:
            bounded.containers.create(name="c", memory_limit="16g")
        assert refused.value.param == "memory_limit"
        container = {"type": "auto", "memory_limit": "16g"}
        tool = {"type": "code_interpreter", "container": container}
        with pytest.raises(BadRequestError, match="'16g' is more than"):
            bounded.responses.create(model="offline", input="Go.", tools=[tool])
        assert bounded.containers.list().data == []


def test_a_client_may_ask_for_all_of_the_machine():
    assert 1 << 30 <= most_memory(Limits()) <= psutil.virtual_memory().total
