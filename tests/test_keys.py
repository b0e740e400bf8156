"""A key goes to the host that it is for, and to nobody who can read what we show or keep."""

import logging

import openai
import pytest
from serving import serving_app
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

from aoai_magic.backends.local_engine import LAUNCHER, Launcher
from aoai_magic.backends.sdk import Endpoint, client, translate_sdk_errors
from aoai_magic.backends.services import Service
from aoai_magic.config.settings import resolve, resolve_target
from aoai_magic.errors import ServiceError, SettingsError, TurnError, UsageError
from aoai_magic.notebook.line_commands import run_command
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options

ELSEWHERE = "https://engine.example.org"


@pytest.fixture
def heard(monkeypatch):
    """A server that keeps the headers of each request; gives its URL and them."""
    requests = []

    async def anything(request):
        requests.append(dict(request.headers))
        return JSONResponse({"error": {"message": "enough"}}, status_code=400)

    routes = [Route("/{path:path}", anything, methods=["GET", "POST", "DELETE"])]
    with serving_app(Starlette(routes=routes)) as url:
        yield url, requests


@pytest.fixture
def keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.setenv(name, f"sk-{name}")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")


def test_the_key_of_a_service_does_not_go_to_an_engine(heard, keys):
    url, requests = heard
    for command in ("status", "doctor", "models"):
        try:
            run_command(Assistant({}, lambda: ({"target": url}, {})), command)
        except ServiceError as error:
            assert f"No token for {url}. Set AOAI_MAGIC_TOKEN" in str(error)  # noqa: PT017
    with pytest.raises(ServiceError, match="No token for"):
        Assistant({}).ask_now("Total?", Options(on=url))
    assert requests == []


def test_nothing_of_a_service_goes_with_the_token(heard, keys, monkeypatch):
    url, requests = heard
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", "the-token")
    with pytest.raises(TurnError, match="enough"):
        Assistant({}).ask_now("Total?", Options(on=url))
    assert {one["authorization"] for one in requests} == {"Bearer the-token"}
    assert "secret" not in str(requests)
    assert "sk-" not in str(requests)


@pytest.mark.parametrize("kind", [Endpoint, Service])
async def test_a_redirect_to_another_host_is_not_followed(heard, kind):
    url, requests = heard

    async def away(_request):
        return RedirectResponse(url.replace("127.0.0.1", "localhost") + "/v1/files", 307)

    with serving_app(Starlette(routes=[Route("/v1/files", away, methods=["POST"])])) as here:
        address = here if kind is Endpoint else f"{here}/v1"
        sending = client(kind(address, "k")).files.create(file=b"data", purpose="assistants")
        said = "redirects to http://localhost, another host"
        with pytest.raises(ServiceError, match=said), translate_sdk_errors("The server"):
            await sending
    assert requests == []


async def test_a_redirect_within_the_host_is(heard):
    url, requests = heard

    async def along(_request):
        return RedirectResponse(f"{url}/v1/other", 307)

    with serving_app(Starlette(routes=[Route("/v1/files", along)])) as here:
        listing = client(Endpoint(here, "k")).files.list()
        with pytest.raises(openai.BadRequestError, match="enough"):
            await listing
    assert requests


SECRET = "pass-word"


@pytest.fixture
def addressed(heard, monkeypatch):
    """The server's address with a name and password in it."""
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", "the-token")
    return heard[0].replace("//", f"//user:{SECRET}@")


def test_a_password_in_an_address_is_sent_and_shown_nowhere(heard, addressed, capsys, caplog):
    caplog.set_level(logging.DEBUG)
    state = Assistant({}, lambda: ({"target": addressed, "model": f"openai:m@{addressed}"}, {}))
    said = []
    for command in ("config", "doctor", "models", "status"):
        try:
            run_command(state, command)
        except ServiceError as error:
            said.append(str(error))
    with pytest.raises(TurnError, match="enough") as caught:
        state.ask_now("Total?", Options())
    state.ask_now("Total?", Options(dry_run=True))

    assert {one["authorization"] for one in heard[1]} == {"Basic dXNlcjpwYXNzLXdvcmQ="}
    settings = state.settings()
    everything = [
        said,
        capsys.readouterr(),
        caplog.text,
        caught.value,
        caught.value.turn.view,
        settings,
    ]
    everything += [resolve_target(settings), Endpoint(addressed, "k"), Service(addressed, "k")]
    assert [one for one in everything if SECRET in f"{one!r} {one}"] == []
    kept = [path for path in settings.folder.rglob("*") if path.is_file()]
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in kept)


def test_nor_is_one_in_the_address_of_a_model_or_a_service(heard, addressed, capsys, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", f"{addressed}/v1")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", addressed)
    for options in ({"on": "local"}, {"on": "openai"}, {"on": "azure"}):
        state = Assistant({}, lambda: ({"target": options["on"], "model": "openai:m"}, {}))  # noqa: B023
        run_command(state, "status")
        state.ask_now("Total?", Options(dry_run=True))
    assert SECRET not in capsys.readouterr().out


def test_a_wrong_target_is_named_without_its_password():
    with pytest.raises(SettingsError) as caught:
        resolve({"target": f"user:{SECRET}@host"})
    assert SECRET not in str(caught.value)


def test_the_launcher_shows_no_key():
    launcher = Launcher(_fits=("home", ("OPENAI_API_KEY", SECRET)))
    assert SECRET not in repr(launcher)


# The way there


def asked(url=ELSEWHERE):
    with pytest.raises(ServiceError) as caught:
        run_command(Assistant({}, lambda: ({"target": url}, {})), "status")
    return str(caught.value)


@pytest.mark.parametrize("name", ["ALL_PROXY", "https_proxy"])
def test_a_socks_proxy_without_its_package_is_named(monkeypatch, name):
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", "t")
    for other in ("https_proxy", "all_proxy", "http_proxy"):
        monkeypatch.delenv(other)
    monkeypatch.setenv(name, "socks5://127.0.0.1:9")
    assert f"{name} names a SOCKS proxy, which needs the package socksio" in asked()


def test_certificates_that_are_not_there_are_named(monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", "t")
    monkeypatch.setenv("SSL_CERT_FILE", "/gone/ca.pem")
    assert asked().startswith("SSL_CERT_FILE names certificates that cannot be read (No such file")


def test_a_proxy_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", "t")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert "could not be reached through the proxy of https_proxy" in asked()


def test_no_proxy_stands_between_us_and_this_machine(heard, monkeypatch):
    url, requests = heard
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
    try:
        with pytest.raises(TurnError, match="enough"):
            Assistant({}).ask_now("Total?", Options(on="local", model="openai:m"))
    finally:
        LAUNCHER.stop()
    assert requests


def test_a_pasted_text_that_is_too_long_is_refused_in_the_users_words():
    with pytest.raises(UsageError, match=r"300,000 characters, and at most 256,000 .* attach it"):
        Assistant({}).ask_now("y" * 300_000, Options())
