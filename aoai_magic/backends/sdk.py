"""SDK clients for a target, one for each event loop, and foreign errors in our words."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aoai_magic.errors import ServiceError
from aoai_magic.locale import gettext as _
from aoai_magic.shared.network import (
    CERTIFICATES,
    credentials_header,
    http_client,
    way_to,
    without_credentials,
)

if TYPE_CHECKING:
    import openai

    from aoai_magic.backends.services import Service


@dataclass(frozen=True)
class Endpoint:
    """Where a client of an engine goes.

    Attributes
    ----------
    address
        Base URL without a path; a name and password may stand in it.
    key
        Token of the engine.
    """

    address: str = field(repr=False)
    key: str = field(repr=False)

    @property
    def url(self) -> str:
        """The address as it may be shown and kept."""
        return without_credentials(self.address)

    def open(self, **options: Any) -> openai.AsyncOpenAI:
        """Open a client."""
        import openai

        headers = credentials_header(self.address)
        made = openai.AsyncOpenAI(
            base_url=f"{self.url}/v1", api_key=self.key, default_headers=headers, **options
        )
        # The SDK reads both from the environment; they are for OpenAI alone.
        made.organization = made.project = None
        return made


_clients: dict[asyncio.AbstractEventLoop, dict[Endpoint | Service, openai.AsyncOpenAI]] = {}


def client(endpoint: Endpoint | Service) -> openai.AsyncOpenAI:
    """Return the client of the running event loop for that endpoint.

    A client's connections belong to one event loop, so that each loop has its own.
    """
    # Not by weak references: a client's connections hold the loop, which would stay for ever.
    for loop in list(_clients):
        if loop.is_closed():
            _clients.pop(loop, None)
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    if endpoint not in clients:
        clients[endpoint] = _open(endpoint)
    return clients[endpoint]


def _open(endpoint: Endpoint | Service) -> openai.AsyncOpenAI:
    return endpoint.open(http_client=http_client(endpoint.url, ServiceError))


def engine_key(url: str, environ: os._Environ[str] | dict[str, str] | None = None) -> str:
    """Return the token for an engine that somebody else started.

    It is AOAI_MAGIC_TOKEN alone: the key of a service is for that service.

    Raises
    ------
    ServiceError
        If it is not set.
    """
    env = os.environ if environ is None else environ
    if key := env.get("AOAI_MAGIC_TOKEN"):
        return key
    raise ServiceError(
        _(
            "No token for {url}. Set AOAI_MAGIC_TOKEN; the server keeps its token in "
            "DATA_DIR/token."
        ).format(url=without_credentials(url))
    )


@contextmanager
def translate_sdk_errors(where: str) -> Iterator[None]:
    """Turn the SDK's exceptions into `ServiceError` sentences, chained."""
    import openai

    try:
        yield
    except openai.APIStatusError as error:
        raise ServiceError(
            _("{where} refused the request: {reason}").format(where=where, reason=_told(error))
        ) from error
    except openai.APIConnectionError as error:
        # What our own hook raised in the middle of a request is a sentence already.
        if isinstance(error.__cause__, ServiceError):
            raise error.__cause__ from error
        raise ServiceError(_unreached(where, error)) from error
    except openai.APIError as error:
        raise ServiceError(
            _("{where} failed in the middle of the turn: {reason}").format(
                where=where, reason=error.message
            )
        ) from error


def _unreached(where: str, error: openai.APIConnectionError) -> str:
    reason = " ".join(str(error.__cause__ or error).split())
    names = [name for name in CERTIFICATES if os.environ.get(name)]
    if "CERTIFICATE_VERIFY_FAILED" in reason and names:
        text = _("{where} could not be reached ({reason}); check {names}, which is set.")
        return text.format(where=where, reason=reason, names=", ".join(names))
    if proxy := way_to(str(error.request.url)):
        text = _("{where} could not be reached through the proxy of {proxy} ({reason}).")
        return text.format(where=where, reason=reason, proxy=proxy)
    return _(
        "{where} could not be reached ({reason}); %assistant status says where turns go."
    ).format(where=where, reason=reason)


def _told(error: openai.APIStatusError) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    text = str(body.get("message") or error.message)
    # Services repeat part of a wrong key in their 401.
    return re.sub(r"\b(sk-|Bearer )\S+", r"\1…", text)
