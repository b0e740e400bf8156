"""The services' own endpoints: where they are, and with whose key or identity we come."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import ServiceError

if TYPE_CHECKING:
    import openai

OPENAI_URL = "https://api.openai.com/v1"
SCOPE = "AOAI_MAGIC_ENTRA_SCOPE"
"""Environment variable: the scope of Entra ID tokens, where a cloud needs another."""

_SCOPES = {".azure.us": "azure.us", ".azure.cn": "azure.cn"}


@dataclass(frozen=True)
class Service:
    """A service of the Responses API.

    Attributes
    ----------
    url
        Its base URL, which ends with ``/v1`` or, on Azure, with ``/openai/v1``.
    key
        API key; empty where Entra ID is asked for tokens.
    scope
        What the tokens are for; empty where there is a key.
    """

    url: str
    key: str = field(repr=False)
    scope: str = ""

    def open(self, **options: Any) -> openai.AsyncOpenAI:
        """Open a client."""
        import openai

        if self.key:
            return openai.AsyncOpenAI(base_url=self.url, api_key=self.key, **options)
        # Only this client asks for a token at each request, in every version of the SDK.
        return openai.AsyncAzureOpenAI(
            base_url=self.url,
            azure_ad_token_provider=_tokens(self.scope),
            api_version="preview",
            **options,
        )


def azure(environ: Mapping[str, str] | None = None) -> Service:
    """Give the Azure OpenAI resource that the environment names.

    Raises
    ------
    ServiceError
        If there is none, or neither a key nor a way to sign in.
    """
    env = os.environ if environ is None else environ
    endpoint = env.get("AZURE_OPENAI_ENDPOINT", "").strip()
    if not endpoint:
        raise ServiceError(
            "AZURE_OPENAI_ENDPOINT is not set; set it to the resource's address, "
            "e.g. https://NAME.openai.azure.com."
        )
    url = f"{endpoint.partition('/openai')[0].rstrip('/')}/openai/v1"
    key = env.get("AZURE_OPENAI_API_KEY", "")
    if key:
        return Service(url, key)
    if importlib.util.find_spec("azure") is None or not importlib.util.find_spec("azure.identity"):
        raise ServiceError(
            "AZURE_OPENAI_API_KEY is not set; set it, or install aoai-magic[entra] to sign in "
            "with Entra ID instead of a key."
        )
    return Service(url, "", env.get(SCOPE) or _scope(url))


def openai_service(environ: Mapping[str, str] | None = None) -> Service:
    """Give OpenAI's service, or the one that OPENAI_BASE_URL names.

    Raises
    ------
    ServiceError
        If there is no key.
    """
    env = os.environ if environ is None else environ
    key = env.get("OPENAI_API_KEY", "")
    if not key:
        raise ServiceError("OPENAI_API_KEY is not set; set it to use --on openai.")
    return Service((env.get("OPENAI_BASE_URL") or OPENAI_URL).rstrip("/"), key)


def _scope(url: str) -> str:
    host = urlsplit(url).hostname or ""
    cloud = next((cloud for end, cloud in _SCOPES.items() if host.endswith(end)), "azure.com")
    return f"https://cognitiveservices.{cloud}/.default"


def _tokens(scope: str) -> Callable[[], Awaitable[str]]:
    """Make what gives a token; it keeps one until shortly before its end."""
    import anyio.to_thread
    from azure.identity import DefaultAzureCredential, get_bearer_token_provider

    fetch = get_bearer_token_provider(DefaultAzureCredential(), scope)

    async def token() -> str:
        from azure.core.exceptions import ClientAuthenticationError

        try:
            # Fetching may start a program or ask over the network: not in the event loop.
            return str(await anyio.to_thread.run_sync(fetch))
        except ClientAuthenticationError as error:
            raise ServiceError(
                f"Entra ID gave no token for {scope}; sign in (az login), or set "
                "AZURE_OPENAI_API_KEY."
            ) from error

    return token
