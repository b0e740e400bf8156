"""What `%assistant models` tells, of servers that answer and of those that do not."""

import importlib.metadata
import time
from datetime import date, timedelta
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from engine.models.chat_server import KEY, ChatServer, say, stream
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from serving import serving_app
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from traitlets.config import Config

from aoai_magic.backends import model_list
from aoai_magic.notebook.magics import register, unregister
from aoai_magic.runner import list_models, local_ports, model_ends
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options
from aoai_magic.turn import view

# Slow: the versions of the SDK make the difference.
pytestmark = pytest.mark.slow


@pytest.fixture
def told():
    """Return the function that runs `%assistant models` and gives what it printed."""
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    register(shell)

    def told_(word="", command="models"):
        with capture_output() as captured:
            result = shell.run_cell(f"%assistant {command} {word}")
        result.raise_error()
        return captured.stdout

    yield told_
    unregister(shell)
    InteractiveShell.clear_instance()


@pytest.fixture(scope="module")
def running():
    with ChatServer() as server:
        yield server


@pytest.fixture
def server(running, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", f"{running.url}/v1")
    return running


def rows(text):
    """What stands under each way of naming a model."""
    found, key = {}, None
    for line in text.splitlines():
        key = line.split("  ")[0] if line.startswith("-") else key
        found[key] = [*found.get(key, []), line.strip()]
    return {key: " ".join(lines) for key, lines in found.items() if key}


def test_without_key_or_network_every_kind_of_model_is_told(told):
    text = told()
    assert text.startswith("current  offline on local (no service is configured)\n")
    found = rows(text)
    kinds = {point.name for point in importlib.metadata.entry_points(group="aoai_magic.models.v1")}
    assert kinds <= {key.split()[1].split(":")[0] for key in found if key.startswith("-m")}
    assert "neither OPENAI_API_KEY nor OPENAI_BASE_URL is set" in found["-m openai:MODEL"]
    assert "AZURE_OPENAI_ENDPOINT is not set" in found["-m azure:DEPLOYMENT"]
    assert "OPENAI_API_KEY is not set" in found["--on openai -m MODEL"]


def test_what_a_server_has_is_listed_and_a_wrong_name_is_seen(told, server, monkeypatch):
    server.models = ["llama3", "qwen2.5-coder", "bad\x1b[31m\nname"]
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert "none on local (OPENAI_BASE_URL is set" in told()
    monkeypatch.setenv("AOAI_MAGIC_MODEL", "openai:llama4")
    text = told()
    assert "current  openai:llama4 on local (environment)" in text
    assert "llama4 is not among the models" in text
    assert "llama3, qwen2.5-coder, bad\ufffd[31m name" in rows(text)["-m openai:MODEL"]
    assert "qwen2.5-coder" not in told("llama")
    assert "none with 'zzz'" in told("zzz")
    assert KEY not in text


def test_a_long_list_is_cut_and_a_word_picks_from_all(told, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.models = [f"model-{number}" for number in range(500)]
    found = rows(told())["-m openai:MODEL"]
    assert "model-29 and 470 more" in found
    assert "model-30" not in found
    assert "model-499" in told("model-49")
    server.models = []
    assert "it lists none" in told()


def test_whoever_refuses_or_is_gone_is_named_without_a_secret(told, engine, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    secret = engine.url.replace("://", "://me:pass-word@")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{secret}/v1")
    text = told()
    assert f"{engine.url}/v1 refused the request" in text
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert "http://127.0.0.1:9/v1 could not be reached" in told()
    assert "sk-wrong" not in text
    assert "pass-word" not in text


@pytest.mark.parametrize("answer", [PlainTextResponse("<html>"), JSONResponse({"data": 7})])
def test_what_is_no_list_is_said_to_be_none(told, monkeypatch, answer):
    async def anything(_request):
        return answer

    with serving_app(Starlette(routes=[Route("/v1/models", anything)])) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        assert "does not list its models" in told()


def test_a_server_that_says_nothing_is_not_waited_for(told, monkeypatch):
    async def never(request):
        while (await request.receive())["type"] != "http.disconnect":
            pass
        return JSONResponse({})

    monkeypatch.setattr(model_list, "PATIENCE_SECONDS", 0.3)
    with serving_app(Starlette(routes=[Route("/v1/models", never)])) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        assert "did not list its models within 0.3 s" in told()


def test_an_engine_and_an_azure_resource_are_asked_as_well(told, engine, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    assert "No token for" in told()
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", engine.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", engine.token)
    found = rows(told())
    assert "offline" in found[f"--on {engine.url} -m MODEL"]
    assert found["-m azure:DEPLOYMENT"].endswith(f"{engine.url}/openai/v1 offline")
    assert "the service's container" in found["--on azure -m DEPLOYMENT"]
    assert engine.token not in str(found)


# On this machine


def test_servers_that_run_here_are_found_and_their_models_listed(told, running, monkeypatch):
    running.models = ["qwen3:8b", "llama3:latest"]
    monkeypatch.setenv("OLLAMA_HOST", running.url.removeprefix("http://"))
    monkeypatch.setenv("AOAI_MAGIC_MODEL", "ollama:llama3")
    text = told()
    assert f"runs at {running.url}/v1 qwen3:8b, llama3:latest" in rows(text)["-m ollama:MODEL"]
    assert "is not among the models" not in text
    monkeypatch.setenv("AOAI_MAGIC_MODEL", "ollama:qwen3:70b")
    assert "qwen3:70b is not among the models" in told()


def test_any_other_server_on_a_known_port_is_listed_by_its_address(told, running, monkeypatch):
    running.models = ["mine"]
    port = int(running.url.rpartition(":")[2])
    monkeypatch.setattr(local_ports, "OTHERS", (port, 9))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    found = rows(told())
    assert "mine" in found[f"-m openai:MODEL@{running.url}/v1"]
    assert "does not run here" in found["-m ollama:MODEL"]
    assert not any(":9/" in key for key in found)


def test_no_other_machine_is_asked(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "http://box.lan:11434")
    assert {urlsplit(server.url).hostname for server in local_ports.servers()} == {"127.0.0.1"}


# Models that end


@pytest.fixture
def ending(server, monkeypatch):
    """A model of a service that ends soon, one that ends later, and one whose end is unknown."""
    days = {"soon": 59, "later": 61, "gone": -1}
    day = {name: str(date.today() + timedelta(days)) for name, days in days.items()}
    monkeypatch.setattr(server, "models", ["soon", "later", "gone", "mine"])
    monkeypatch.setattr(server, "ends", day)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(model_ends, "_WARNED", set())
    return day


def test_a_model_that_ends_within_two_months_is_told_of(told, ending, monkeypatch):
    row = rows(told())["-m openai:MODEL"]
    assert f"soon (until {ending['soon']}), later, gone (until {ending['gone']}), mine" in row
    for name, words in (
        ("soon", f"soon will be shut down on {ending['soon']}; choose another"),
        ("gone", f"gone was shut down on {ending['gone']}"),
        ("later", ""),
        ("mine", ""),
    ):
        for command in ("models", "status"):
            monkeypatch.setenv("AOAI_MAGIC_MODEL", f"openai:{name}")
            text = told(command=command)
            assert ("choose another model" in text) == bool(words)
            assert words in text


async def test_the_end_is_told_once_below_an_answer(server, ending, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    server.answer = lambda body: slowly(stream(say("42")))
    assistant = Assistant({})
    for told_ in (True, False):
        turn = await assistant.ask("Six by seven?", Options(model="openai:soon", on="local"))
        assert turn.text == "42"
        notices = [part.text for part in turn.parts if isinstance(part, view.Notice)]
        assert any("soon will be shut down" in text for text in notices) == told_


def slowly(response):
    time.sleep(1)  # a model takes longer than the list of its service
    return response


def test_azure_tells_the_second():
    listed = SimpleNamespace(deprecation={"inference": 1797033600})
    assert model_list._end(listed) == date(2026, 12, 12)


def test_a_model_of_another_package_is_told_with_that_package():
    class Package:
        name, version = "echo-models", "1.2"

    point = importlib.metadata.EntryPoint("echo", "echo:open", "aoai_magic.models.v1")
    vars(point).update(dist=Package)
    assert "echo-models 1.2" in list_models.describe(list_models._local(point))
