"""Where a chat model lives: its client, and the words for what may be wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from aoai_magic.engine.models.base import ModelError
from aoai_magic.engine.models.chat.model import ChatModel
from aoai_magic.shared import entra_id

if TYPE_CHECKING:
    from openai import AsyncOpenAI

CONNECT_SECONDS = 10.0
READ_SECONDS = 300.0
"""How long a server may say nothing: a large model on a small machine reads for minutes."""

OPENAI_URL = "https://api.openai.com/v1"
AZURE_API_VERSION = "2024-10-21"
"""The api-version where ``OPENAI_API_VERSION`` is not set: the newest generally available."""


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
    url_variable, key_variable
        Environment variables that hold the address and the key.
    official
        Whether this is OpenAI or Azure OpenAI, which speak their own protocol well.
    secrets
        Texts that must never be shown.
    connect
        Makes the client; called once, at the first use, since the SDK is slow to import.
    """

    url: str
    model: str
    kind: str
    url_variable: str
    key_variable: str
    connect: Callable[[], AsyncOpenAI] = field(repr=False)
    official: bool = True
    secrets: tuple[str, ...] = field(default=(), repr=False)


def open_openai(argument: str) -> ChatModel:
    """Open the model named `argument` of OpenAI or of the server at ``OPENAI_BASE_URL``.

    A server of one's own may want no key, OpenAI does: `ModelError` without one.
    """
    base_url = os.environ.get("OPENAI_BASE_URL", "").strip()
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not argument:
        raise ModelError("No model is named; write it as `openai:MODEL`.")
    if not key and not base_url:
        raise ModelError(
            "OpenAI wants a key; set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own."
        )

    def connect() -> AsyncOpenAI:
        from openai import AsyncOpenAI, Timeout

        return AsyncOpenAI(
            api_key=key or "none",
            base_url=base_url or OPENAI_URL,
            max_retries=0,  # ours tell that they wait
            timeout=Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        )

    endpoint = Endpoint(
        url=_without_credentials(base_url or OPENAI_URL),
        model=argument,
        kind="model",
        url_variable="OPENAI_BASE_URL",
        key_variable="OPENAI_API_KEY",
        connect=connect,
        official=(urlsplit(base_url or OPENAI_URL).hostname or "").endswith("openai.com"),
        secrets=tuple(filter(None, [key, urlsplit(base_url).password])),
    )
    return ChatModel(endpoint, name=f"openai:{argument}")


def open_azure(argument: str) -> ChatModel:
    """Open the deployment named `argument` of the resource at ``AZURE_OPENAI_ENDPOINT``.

    The key is ``AZURE_OPENAI_API_KEY``, or ``AZURE_OPENAI_AD_TOKEN`` is a token of
    Entra ID, or with the extra ``entra`` one is fetched, and renewed, by whoever is signed
    in; `ModelError` where the endpoint or all of these are missing.
    """
    url = os.environ.get("AZURE_OPENAI_ENDPOINT", "").strip()
    key = os.environ.get("AZURE_OPENAI_API_KEY", "").strip()
    token = os.environ.get("AZURE_OPENAI_AD_TOKEN", "").strip()
    if not argument:
        raise ModelError("No deployment is named; write it as `azure:DEPLOYMENT`.")
    if not url:
        raise ModelError("Azure OpenAI wants the resource's address; set AZURE_OPENAI_ENDPOINT.")
    if not key and not token and not entra_id.installed():
        raise ModelError(
            "Azure OpenAI wants a key; set AZURE_OPENAI_API_KEY, or install "
            f"{entra_id.EXTRA} to sign in with Entra ID."
        )

    def connect() -> AsyncOpenAI:
        from openai import AsyncAzureOpenAI, Timeout

        provider = None if key or token else entra_id.tokens(entra_id.scope(url), ModelError)
        return AsyncAzureOpenAI(
            azure_ad_token_provider=provider,
            max_retries=0,
            timeout=Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            azure_endpoint=url,
            api_key=key or None,
            azure_ad_token=token or None,
            api_version=os.environ.get("OPENAI_API_VERSION") or AZURE_API_VERSION,
        )

    endpoint = Endpoint(
        url=_without_credentials(url),
        model=argument,
        kind="deployment",
        url_variable="AZURE_OPENAI_ENDPOINT",
        key_variable="AZURE_OPENAI_API_KEY",
        connect=connect,
        secrets=tuple(filter(None, [key, token])),
    )
    return ChatModel(endpoint, name=f"azure:{argument}")


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
