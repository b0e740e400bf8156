"""Where a model's server is: its clients, the ways to ask it, and the words for its faults."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aoai_magic.engine.models.base import ModelError
from aoai_magic.engine.models.remote.model import RemoteModel
from aoai_magic.shared import entra_id
from aoai_magic.shared.local_servers import from_container
from aoai_magic.shared.network import credentials_header, http_client, without_credentials

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from aoai_magic.engine.models.remote.wire import Wire

CONNECT_SECONDS = 10.0
READ_SECONDS = 300.0
"""How long a server may be silent: a large model on a small machine reads for minutes."""

OPENAI_URL = "https://api.openai.com/v1"
AZURE_API_VERSION = "2024-10-21"
"""The api-version where ``OPENAI_API_VERSION`` is not set: the newest generally available."""

_OFFICIAL = (
    ".openai.com",
    ".openai.azure.com",
    ".openai.azure.us",
    ".openai.azure.cn",
    ".cognitiveservices.azure.com",
    ".services.ai.azure.com",
)
"""How the hosts of OpenAI and of Azure resources end."""


@dataclass(frozen=True)
class Route:
    """One way to ask: an API, ``responses`` or ``chat``, through one of the clients."""

    api: str
    client: str

    @property
    def name(self) -> str:
        """How what was learned of it is kept."""
        return f"{self.api} {self.client}"

    def path(self, wire: Wire) -> str:
        """Return where requests are posted, below the client's base URL."""
        # With a slash Azure's client writes the deployment into it, as the dated API wants.
        return wire.path if self.client == "dated" else wire.path.lstrip("/")


@dataclass(frozen=True)
class Help:
    """What a user can do: where nothing answers at the address, and where there is no model."""

    unreachable: str
    unknown_model: str


@dataclass(frozen=True)
class Endpoint:
    """A server, one of its models, and what the user can set about them.

    Attributes
    ----------
    url
        The server's address, without credentials; it is shown to the user.
    model
        The model's or the deployment's name.
    kind
        What the server calls it: ``model`` or ``deployment``.
    advice
        What the user can do about an address or a name that is wrong.
    key_variable
        Environment variable that holds the key.
    clients
        What makes a client, by the form of URLs that it is for; called at the first use, since
        the SDK is slow to import.
    routes
        The ways to ask, the first choice first.
    official
        Whether this is OpenAI or Azure OpenAI, which speak their own protocol well.
    secrets
        Texts that must never be shown.
    """

    url: str
    model: str
    kind: str
    advice: Help
    key_variable: str
    clients: Mapping[str, Callable[[], AsyncOpenAI]] = field(repr=False)
    routes: tuple[Route, ...]
    official: bool = True
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def origin(self) -> str:
        """The endpoint and its model in one line."""
        return f"{self.url} {self.model}"


def open_openai(argument: str) -> RemoteModel:
    """Open ``MODEL[@URL]``: of the server at URL or ``OPENAI_BASE_URL``, else of OpenAI.

    Raises
    ------
    ModelError
        Where no model is named, or OpenAI's key is missing; other servers may need none.
    """
    model, base_url = _split(argument)
    named = bool(base_url)
    base_url = base_url or os.environ.get("OPENAI_BASE_URL", "").strip()
    # The key belongs to the server that the environment names, and goes to no other.
    own = not named or base_url.rstrip("/") == _variable("OPENAI_BASE_URL").rstrip("/")
    key = _variable("OPENAI_API_KEY") if own or _is_official(base_url) else ""
    if not model:
        raise ModelError("No model is named; write it as `openai:MODEL`.")
    if not key and not base_url:
        raise ModelError(
            "OpenAI needs an API key; set OPENAI_API_KEY, or OPENAI_BASE_URL for another server."
        )
    advice = _advice("the URL after the @" if named else "OPENAI_BASE_URL")
    endpoint = compatible_endpoint(model, base_url or OPENAI_URL, key, advice)
    return RemoteModel(endpoint, name=f"openai:{argument}")


def _advice(variable: str) -> Help:
    return Help(
        f"check that the server runs there, or set {variable}",
        f"check its name and {variable}",
    )


def compatible_endpoint(model: str, base_url: str, key: str, advice: Help) -> Endpoint:
    """Return the endpoint of a model of a server that speaks OpenAI's API."""
    named, base_url = base_url, from_container(base_url)
    if base_url != named:
        listen = "and have it listen on all addresses, since the engine is in a container"
        advice = replace(advice, unreachable=f"{advice.unreachable}, {listen}")

    def connect() -> AsyncOpenAI:
        from openai import AsyncOpenAI, Timeout

        client = AsyncOpenAI(
            api_key=key or "none",
            base_url=without_credentials(base_url),
            default_headers=credentials_header(base_url),
            http_client=http_client(base_url, ModelError),
            max_retries=0,  # ours show that they wait
            timeout=Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        )
        if not _is_official(base_url):
            # The SDK reads both from the environment; they are for OpenAI alone.
            client.organization = client.project = None
        return client

    official = _is_official(base_url)
    apis = ("responses", "chat") if official else ("chat", "responses")
    return Endpoint(
        url=without_credentials(base_url),
        model=model,
        kind="model",
        advice=advice,
        key_variable="OPENAI_API_KEY",
        clients={"v1": connect},
        routes=tuple(Route(api, "v1") for api in apis),
        official=official,
        secrets=tuple(filter(None, [key, urlsplit(base_url).password])),
    )


def open_azure(argument: str) -> RemoteModel:
    """Open the deployment named `argument` of the resource at ``AZURE_OPENAI_ENDPOINT``.

    The key is ``AZURE_OPENAI_API_KEY``, or ``AZURE_OPENAI_AD_TOKEN`` is a token of
    Entra ID, or with the extra ``entra`` one is fetched, and renewed, by whoever is signed
    in.

    Raises
    ------
    ModelError
        Where the deployment, the endpoint or all of these are missing.
    """
    url, key = _variable("AZURE_OPENAI_ENDPOINT"), _variable("AZURE_OPENAI_API_KEY")
    token = _variable("AZURE_OPENAI_AD_TOKEN")
    if not argument:
        raise ModelError("No deployment is named; write it as `azure:DEPLOYMENT`.")
    if not url:
        raise ModelError("Azure OpenAI needs the resource's URL; set AZURE_OPENAI_ENDPOINT.")
    if not key and not token and not entra_id.installed():
        raise ModelError(
            "Azure OpenAI needs an API key; set AZURE_OPENAI_API_KEY, or install "
            f"{entra_id.EXTRA} to sign in with Entra ID."
        )
    version = _variable("OPENAI_API_VERSION")
    endpoint = Endpoint(
        url=without_credentials(url),
        model=argument,
        kind="deployment",
        advice=_advice("AZURE_OPENAI_ENDPOINT"),
        key_variable="AZURE_OPENAI_API_KEY",
        clients={
            "v1": partial(_azure_client, url, key, token, ""),
            "dated": partial(_azure_client, url, key, token, version or AZURE_API_VERSION),
        },
        routes=_azure_routes(version),
        secrets=tuple(filter(None, [key, token])),
    )
    return RemoteModel(endpoint, name=f"azure:{argument}")


def _azure_routes(version: str) -> tuple[Route, ...]:
    """Return the ways to ask: the API without versions first, unless a version was chosen.

    The dated API has Responses in its previews from 2025-03-01 on.
    """
    order = ("dated", "v1") if version else ("v1", "dated")
    has_responses = ("dated",) if version >= "2025-03-01" else ()
    responses = [Route("responses", name) for name in ("v1", *has_responses)]
    if has_responses:
        responses.reverse()
    return (*responses, *(Route("chat", name) for name in order))


def _azure_client(url: str, key: str, token: str, version: str) -> AsyncOpenAI:
    """Open a client for the API of a dated version, or the one without (``""``)."""
    from openai import AsyncAzureOpenAI, Timeout

    provider = None if key or token else entra_id.tokens(entra_id.scope(url), ModelError)
    resource = without_credentials(url).partition("/openai")[0].rstrip("/")
    where: dict[str, Any] = {"azure_endpoint": resource, "api_version": version}
    if not version:
        # Only this client asks for a token at each request, in every version of the SDK; it
        # sends a version, and `preview` is the one that the API without versions takes.
        where = {"base_url": f"{resource}/openai/v1", "api_version": "preview"}
    return AsyncAzureOpenAI(
        **where,
        default_headers=credentials_header(url),
        http_client=http_client(url, ModelError),
        azure_ad_token_provider=provider,
        max_retries=0,
        timeout=Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        api_key=key or None,
        azure_ad_token=token or None,
    )


def _split(argument: str) -> tuple[str, str]:
    """Split ``MODEL@URL``; names of models may hold an @ of their own."""
    model, at, url = argument.rpartition("@")
    return (model, url.strip()) if at and "://" in url else (argument, "")


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()


def _is_official(url: str) -> bool:
    """Return whether the host is OpenAI's or an Azure resource's."""
    return f".{urlsplit(url).hostname or ''}".endswith(_OFFICIAL)
