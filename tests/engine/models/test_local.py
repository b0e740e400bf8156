"""Models on this machine: servers at their own ports, and GGUF files."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys

import psutil
import pytest

from aoai_magic.engine.models.base import Finish, ModelError, Request
from aoai_magic.engine.models.local import open_gguf, open_lmstudio, open_ollama
from aoai_magic.engine.models.remote import open_openai
from aoai_magic.shared.local_servers import ollama_url

from . import tiny_gguf
from .chat_server import KEY, USER, fault, say, stream, take, text


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        (":8080", "http://127.0.0.1:8080"),
        ("box.lan", "http://box.lan:11434"),
        ("box.lan:99", "http://box.lan:99"),
        ("http://box.lan", "http://box.lan:80"),
        ("https://box.lan/ollama/", "https://box.lan:443/ollama"),
        ("[::]:99", "http://127.0.0.1:99"),
        ("[::1]", "http://[::1]:11434"),
    ],
)
def test_the_variable_is_read_as_ollama_reads_it(host, url):
    assert ollama_url(host) == url


async def test_ollama_is_asked_at_its_host_without_the_key_of_another(server, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", server.url.removeprefix("http://"))
    server.answer = lambda body: stream(say("Hi."))
    server.keys.clear()
    model = open_ollama("qwen3:8b")
    assert (model.name, text(await take(model))) == ("ollama:qwen3:8b", "Hi.")
    assert server.bodies[-1]["model"] == "qwen3:8b"
    assert KEY not in server.keys[-1]
    server.answer = lambda body: fault(404, 'model "qwen3:8b" not found, try pulling it first')
    with pytest.raises(ModelError, match=r"no model 'qwen3:8b'.*`ollama pull qwen3:8b`"):
        await take(model)


async def test_any_other_server_is_named_with_the_model(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    server.answer = lambda body: stream(say("Hi."))
    server.keys.clear()
    model = open_openai(f"me@home@{server.url}/v1")
    assert text(await take(model)) == "Hi."
    assert server.bodies[-1]["model"] == "me@home"
    assert KEY not in server.keys[-1]


async def test_a_server_that_does_not_run_is_said_to_be_started(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    with pytest.raises(ModelError, match=r"no connection to .*start Ollama, or set OLLAMA_HOST"):
        await take(open_ollama("m"))


@pytest.mark.parametrize(
    ("opened", "argument", "words"),
    [
        (open_ollama, "", "ollama:MODEL"),
        (open_lmstudio, "", "lmstudio:MODEL"),
        (open_gguf, "", "gguf:PATH"),
    ],
)
def test_what_is_missing_is_named(opened, argument, words):
    with pytest.raises(ModelError, match=words):
        opened(argument)


def test_an_address_that_cannot_be_read_names_its_variable(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "http://box:port")
    with pytest.raises(ModelError, match="OLLAMA_HOST"):
        open_ollama("m")


# A file

needs_llama = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="the extra gguf is not installed"
)
SHORT = {"max_completion_tokens": 8, "temperature": 0.0}


@pytest.fixture
def tiny(tmp_path):
    return tiny_gguf.write(tmp_path / "tiny.gguf")


def children():
    found = psutil.Process().children(recursive=True)
    return [child for child in found if "llama_server" in " ".join(child.cmdline())]


@needs_llama
async def test_a_file_answers_in_a_child_that_is_bounded_and_knows_no_key(tiny, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AOAI_MAGIC_GGUF_CONTEXT", "256")
    monkeypatch.setenv("AOAI_MAGIC_GGUF_MEMORY", str(1 << 30))
    model = open_gguf(str(tiny))
    before = {child.pid for child in children()}
    chunks = await take(model, tools=(), options=SHORT)
    assert chunks[-1] in (Finish("length"), Finish("stop"))
    (child,) = [child for child in children() if child.pid not in before]
    assert KEY not in str(child.environ())
    if sys.platform == "linux":
        assert child.rlimit(psutil.RLIMIT_DATA) == (1 << 30, 1 << 30)
    ours = [c for c in psutil.net_connections() if c.pid == child.pid]
    addresses = {c.laddr.ip for c in ours if c.status == "LISTEN"}
    assert addresses == {"127.0.0.1"}
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    assert await take(model, tools=(), options=SHORT)


@needs_llama
async def test_a_child_that_ends_meanwhile_is_one_sentence(tiny):
    model = open_gguf(str(tiny))
    await model.check()
    before = children()

    async def ask():
        async for _ in model.stream(Request([USER], options={"max_completion_tokens": 400})):
            for child in before:
                if child.is_running():
                    child.send_signal(signal.SIGKILL)
                    child.wait(10)

    with pytest.raises(ModelError, match=r"llama\.cpp ended while it ran tiny\.gguf"):
        await ask()


@needs_llama
def test_the_child_ends_with_whoever_started_it(tiny):
    program = (
        "import asyncio, os, sys\n"
        "from aoai_magic.engine.models.local import open_gguf\n"
        "model = open_gguf(sys.argv[1])\n"
        "asyncio.run(model.check())\n"
        "print(model._child.process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(tiny)], capture_output=True, text=True, timeout=100
    )
    pid = int(told.stdout)
    if psutil.pid_exists(pid):
        psutil.Process(pid).wait(20)
    assert not psutil.pid_exists(pid)


@needs_llama
async def test_files_that_are_none_and_efforts_are_refused(tmp_path, tiny):
    with pytest.raises(ModelError, match="cannot be read"):
        open_gguf(str(tmp_path / "none.gguf"))
    other = tmp_path / "other.gguf"
    other.write_bytes(b"not a model")
    with pytest.raises(ModelError, match="is not a GGUF file"):
        open_gguf(str(other))
    other.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelError, match="could not be loaded"):
        await open_gguf(str(other)).check()
    with pytest.raises(ModelError, match="takes no reasoning effort"):
        await take(open_gguf(str(tiny)), options={"reasoning_effort": "high"})


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install 'aoai-magic\[gguf\]'"):
        open_gguf("x.gguf")
