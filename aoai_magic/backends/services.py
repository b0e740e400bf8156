"""The services' own endpoints: where they are, and with whose key or identity we come."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aoai_magic.errors import ServiceError
from aoai_magic.locale import gettext as _
from aoai_magic.shared import entra_id
from aoai_magic.shared.network import credentials_header, is_openais, without_credentials

if TYPE_CHECKING:
    import openai

OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Service:
    """A service of the Responses API.

    Attributes
    ----------
    address
        Its base URL, which ends with ``/v1`` or, on Azure, with ``/openai/v1``; a name and
        password may stand in it.
    key
        API key; empty where Entra ID is asked for tokens.
    scope
        What the tokens are for; empty where there is a key.
    """

    address: str = field(repr=False)
    key: str = field(repr=False)
    scope: str = ""

    @property
    def url(self) -> str:
        """The address as it may be shown and kept."""
        return without_credentials(self.address)

    def open(self, **options: Any) -> openai.AsyncOpenAI:
        """Open a client."""
        import openai

        options["default_headers"] = credentials_header(self.address)
        if self.key:
            made = openai.AsyncOpenAI(base_url=self.url, api_key=self.key, **options)
            if not is_openais(self.url):
                # The SDK reads both from the environment; they are for OpenAI alone.
                made.organization = made.project = None
            return made
        # Only this client asks for a token at each request, in every version of the SDK.
        return openai.AsyncAzureOpenAI(
            base_url=self.url,
            azure_ad_token_provider=entra_id.tokens(self.scope, ServiceError),
            api_version="preview",
            **options,
        )


def azure(environ: Mapping[str, str] | None = None) -> Service:
    """Return the Azure OpenAI resource that the environment names.

    Raises
    ------
    ServiceError
        If there is none, or neither a key nor a way to sign in.
    """
    env = os.environ if environ is None else environ
    endpoint = env.get("AZURE_OPENAI_ENDPOINT", "").strip()
    if not endpoint:
        raise ServiceError(
            _(
                "AZURE_OPENAI_ENDPOINT is not set; set it to the resource's address, e.g. "
                "https://NAME.openai.azure.com."
            )
        )
    url = f"{endpoint.partition('/openai')[0].rstrip('/')}/openai/v1"
    # A token that somebody else fetched is shown as a key is; nobody renews it.
    key = env.get("AZURE_OPENAI_API_KEY") or env.get("AZURE_OPENAI_AD_TOKEN")
    if key:
        return Service(url, key.strip())
    if not entra_id.installed():
        raise ServiceError(
            _(
                "AZURE_OPENAI_API_KEY is not set; set it, or install aoai-magic[entra] to "
                "sign in with Entra ID instead of a key."
            )
        )
    return Service(url, "", entra_id.scope(url, env))


def openai_service(environ: Mapping[str, str] | None = None) -> Service:
    """Return OpenAI's service, or the one that OPENAI_BASE_URL names.

    Raises
    ------
    ServiceError
        If there is no key.
    """
    env = os.environ if environ is None else environ
    key = env.get("OPENAI_API_KEY", "")
    if not key:
        raise ServiceError(_("OPENAI_API_KEY is not set; set it to use --on openai."))
    return Service((env.get("OPENAI_BASE_URL") or OPENAI_URL).rstrip("/"), key)
