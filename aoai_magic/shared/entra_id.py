"""Signing in to Azure with Entra ID: which tokens, from whom, and when there are none."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from aoai_magic.locale import gettext as _

SCOPE = "AOAI_MAGIC_ENTRA_SCOPE"
"""Environment variable: the scope of the tokens, where a cloud needs another."""

EXTRA = "aoai-magic[entra]"

_SCOPES = {".azure.us": "azure.us", ".azure.cn": "azure.cn"}


def installed() -> bool:
    """Return whether one can sign in at all: the library comes with an extra."""
    return bool(importlib.util.find_spec("azure") and importlib.util.find_spec("azure.identity"))


def scope(url: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the scope of tokens for the resource at ``url``, by the cloud that it is in."""
    env = os.environ if environ is None else environ
    host = urlsplit(url).hostname or ""
    cloud = next((cloud for end, cloud in _SCOPES.items() if host.endswith(end)), "azure.com")
    return env.get(SCOPE) or f"https://cognitiveservices.{cloud}/.default"


def tokens(scope: str, failure: Callable[[str], Exception]) -> Callable[[], Awaitable[str]]:
    """Make what gives a token, kept until shortly before its end.

    It raises what ``failure`` makes of a sentence where nobody is signed in.
    """
    import anyio.to_thread
    from azure.identity import DefaultAzureCredential, get_bearer_token_provider

    fetch = get_bearer_token_provider(DefaultAzureCredential(), scope)

    async def token() -> str:
        from azure.core.exceptions import ClientAuthenticationError

        try:
            # Fetching may start a program or ask over the network: not in the event loop.
            return str(await anyio.to_thread.run_sync(fetch))
        except ClientAuthenticationError as error:
            raise failure(
                _(
                    "Entra ID gave no token for {scope}; sign in (az login), or set "
                    "AZURE_OPENAI_API_KEY."
                ).format(scope=scope)
            ) from error

    return token
