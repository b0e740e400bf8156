"""Where the services are, and the keys and identities that open them."""

import time

import openai
import pytest
from openai import AsyncAzureOpenAI
from serving import TOKEN, serving, serving_app
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from aoai_magic.backends import open_backend
from aoai_magic.backends.base import Question
from aoai_magic.backends.responses_api.engine import EngineBackend
from aoai_magic.backends.sdk import Endpoint, client
from aoai_magic.backends.services import azure, openai_service
from aoai_magic.config.settings import Settings, Target
from aoai_magic.errors import ServiceError
from aoai_magic.runner.diagnostics import examine

pytestmark = pytest.mark.skipif(
    not hasattr(openai.AsyncOpenAI, "containers"), reason="this openai SDK knows no containers"
)

ENDPOINT = "https://res.openai.azure.com"


@pytest.mark.parametrize("end", ["", "/", "/openai/v1/", "/openai"])
def test_the_address_of_a_resource_may_be_written_in_any_way(end):
    found = azure({"AZURE_OPENAI_ENDPOINT": ENDPOINT + end, "AZURE_OPENAI_API_KEY": "k"})
    assert found.url == f"{ENDPOINT}/openai/v1"


def test_keys_are_not_shown():
    found = azure({"AZURE_OPENAI_ENDPOINT": ENDPOINT, "AZURE_OPENAI_API_KEY": "secret"})
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("endpoint", "scope"),
    [
        (ENDPOINT, "https://cognitiveservices.azure.com/.default"),
        ("https://res.openai.azure.us", "https://cognitiveservices.azure.us/.default"),
        ("https://res.openai.azure.cn", "https://cognitiveservices.azure.cn/.default"),
    ],
)
def test_without_a_key_entra_id_is_asked_in_the_right_cloud(endpoint, scope):
    pytest.importorskip("azure.identity", reason="the extra entra is not installed")
    assert azure({"AZURE_OPENAI_ENDPOINT": endpoint}).scope == scope
    own = {"AZURE_OPENAI_ENDPOINT": endpoint, "AOAI_MAGIC_ENTRA_SCOPE": "api://mine/.default"}
    assert azure(own).scope == "api://mine/.default"


def test_openai_is_where_the_sdk_has_it():
    assert openai_service({"OPENAI_API_KEY": "k"}).url == "https://api.openai.com/v1"
    own = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1/"}
    assert openai_service(own).url == "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    ("target", "environ", "words"),
    [
        (Target("azure", "m", ""), {}, "AZURE_OPENAI_ENDPOINT is not set"),
        (Target("openai", "m", ""), {}, "OPENAI_API_KEY is not set"),
        (Target("openai", "", ""), {"OPENAI_API_KEY": "k"}, "needs a model"),
        (
            Target("azure", "", ""),
            {"AZURE_OPENAI_ENDPOINT": ENDPOINT, "AZURE_OPENAI_API_KEY": "k"},
            "needs a deployment",
        ),
    ],
)
def test_what_is_missing_is_named(monkeypatch, target, environ, words):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ServiceError, match=words):
        open_backend(Settings(), target)


async def test_tokens_of_an_identity_open_the_service(monkeypatch, tmp_path):
    pytest.importorskip("azure.identity", reason="the extra entra is not installed")
    asked = []

    async def token(request):
        asked.append(request.query_params["resource"])
        soon = str(int(time.time()) + 3600)
        return JSONResponse({"access_token": TOKEN, "expires_on": soon, "token_type": "Bearer"})

    # This is how App Service offers a managed identity; no other credential is at hand.
    with serving_app(Starlette(routes=[Route("/token", token)])) as identity:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{identity}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "secret")
        monkeypatch.setenv("PATH", str(tmp_path))
        with serving(tmp_path) as url:
            api = client(azure({"AZURE_OPENAI_ENDPOINT": url}))
            assert isinstance(api, AsyncAzureOpenAI)
            assert (await api.containers.create(name="c")).status == "running"
            patient = api.with_options(timeout=30.0, max_retries=0)
            assert (await patient.containers.create(name="d")).status == "running"
    assert asked == ["https://cognitiveservices.azure.com"]


async def test_a_service_that_retired_assistants_says_what_to_set_instead():
    async def gone(_request):
        return JSONResponse({"error": {"code": "404", "message": "Resource not found"}}, 404)

    everything = Route("/{path:path}", gone, methods=["GET", "POST"])
    with serving_app(Starlette(routes=[everything])) as url:
        backend = EngineBackend(Endpoint(url, "key"), url, None, url)
        with pytest.raises(ServiceError, match="is not an aoai-magic server; use --on azure"):
            async for _ in backend.turn(Question("Hi.")):
                pass


def test_the_doctor_tries_the_service(monkeypatch, engine):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", engine.url)
    settings = Settings(target="azure", model="gpt-9")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "wrong")
    assert "did not accept the key" in str(examine(settings)[-1])
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", engine.token)
    assert str(examine(settings)[-1]).endswith("is ready with gpt-9")


def test_the_doctor_tries_an_engine_by_its_address(monkeypatch, engine):
    settings = Settings(target=engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", "wrong")
    assert str(examine(settings)[-1]).startswith("bad")
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    assert f"ok   {engine.url} is ready" in map(str, examine(settings))
