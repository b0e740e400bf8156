"""SDK clients for a target, one for each event loop, and foreign errors in our words."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aoai_magic.errors import ServiceError
from aoai_magic.locale import gettext as _

if TYPE_CHECKING:
    import openai

    from aoai_magic.backends.services import Service


@dataclass(frozen=True)
class Endpoint:
    """Where a client goes: the base URL without a path, and the key."""

    url: str
    key: str

    def __repr__(self) -> str:
        return f"Endpoint({self.url!r})"

    def open(self, **options: Any) -> openai.AsyncOpenAI:
        """Open a client."""
        import openai

        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=self.key, **options)


_clients: weakref.WeakKeyDictionary[
    asyncio.AbstractEventLoop, dict[Endpoint | Service, openai.AsyncOpenAI]
] = weakref.WeakKeyDictionary()


def client(endpoint: Endpoint | Service) -> openai.AsyncOpenAI:
    """Give the client of the running event loop for that endpoint.

    A client's connections belong to one event loop, so that each loop has its own.
    """
    quiet_deprecations()
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    if endpoint not in clients:
        clients[endpoint] = _open(endpoint)
    return clients[endpoint]


def _open(endpoint: Endpoint | Service) -> openai.AsyncOpenAI:
    import openai

    options: dict[str, Any] = {}
    if is_loopback(endpoint.url):
        # A proxy from the environment has no business on the way to our own engine,
        # and loading the CA bundle for plain HTTP would cost tens of milliseconds.
        options["http_client"] = openai.DefaultAsyncHttpxClient(trust_env=False, verify=False)
    return endpoint.open(**options)


def is_loopback(url: str) -> bool:
    """Say whether the host of ``url`` is this machine by its name or address."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def without_credentials(url: str) -> str:
    """Give a URL less the name and password that may stand in it, and its query."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=place, query="", fragment="").geturl()


def engine_key(environ: os._Environ[str] | dict[str, str] | None = None) -> str:
    """Give the key for an engine that somebody else started.

    Raises
    ------
    ServiceError
        If none is set.
    """
    env = os.environ if environ is None else environ
    key = env.get("AOAI_MAGIC_TOKEN") or env.get("OPENAI_API_KEY")
    if not key:
        raise ServiceError(
            _("No key for the engine; set AOAI_MAGIC_TOKEN to the token it printed.")
        )
    return key


@contextmanager
def own_words(where: str) -> Iterator[None]:
    """Turn the SDK's exceptions into `ServiceError` sentences, chained."""
    import openai

    try:
        yield
    except openai.APIStatusError as error:
        raise ServiceError(
            _("{where} refused the request: {reason}").format(where=where, reason=_told(error))
        ) from error
    except openai.APIConnectionError as error:
        raise ServiceError(
            _(
                "{where} could not be reached ({reason}); %assistant status says where turns go."
            ).format(where=where, reason=error.__cause__ or error)
        ) from error
    except openai.APIError as error:
        raise ServiceError(
            _("{where} failed in the middle of the turn: {reason}").format(
                where=where, reason=error.message
            )
        ) from error


def _told(error: openai.APIStatusError) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    text = str(body.get("message") or error.message)
    # Services repeat part of a wrong key in their 401.
    return re.sub(r"\b(sk-|Bearer )\S+", r"\1…", text)


def quiet_deprecations() -> None:
    """Have the SDK not warn of the Assistants API; for every turn, and within long ones."""
    # The SDK warns at each call of an API that our engine is there to go on serving.
    # Said anew for each turn: others put the filters back to what they were.
    for message in (r"deprecated$", r"The Assistants API is deprecated"):
        warnings.filterwarnings("ignore", message, DeprecationWarning)
