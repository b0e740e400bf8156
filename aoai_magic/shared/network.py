"""Addresses and HTTP clients: whose key goes where, and by which way."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass

from aoai_magic.locale import gettext as _

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that name the certificates that are trusted."""


HOST_OF_USER = "AOAI_MAGIC_USER_HOST"
"""Variable of an engine in a container: the name there of the machine that it runs on."""


def is_loopback(url: str) -> bool:
    """Return whether the host of ``url`` is this machine by its name or address."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # A server that binds to all addresses is often given as 0.0.0.0.
    return address.is_loopback or address.is_unspecified


def without_credentials(url: str) -> str:
    """Return a URL without the name and password that may stand in it, and its query."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=place, query="", fragment="").geturl()


def hide_credentials(text: str) -> str:
    """Return a text, such as ``openai:MODEL@URL``, whose URLs hold no name and password."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", text)


def credentials_header(url: str) -> Mapping[str, str]:
    """Return the header for the name and password that stand in a URL; empty where none do.

    In the URL itself they would be written to the logs of the HTTP library.
    """
    given = urlsplit(url).netloc.rpartition("@")[0]
    if not given:
        return {}
    name, _colon, password = given.partition(":")
    pair = f"{unquote(name)}:{unquote(password)}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}


def is_openais(url: str) -> bool:
    """Return whether a URL is OpenAI's own service."""
    host = urlsplit(url).hostname or ""
    return host == "openai.com" or host.endswith(".openai.com")


def http_client(url: str, failure: Callable[[str], Exception]) -> Any:
    """Open the SDK's HTTP client for a server.

    Proxies have no business on the way to this machine, and no redirect leads to another
    host: the request's data, and a key in a header of its own, would follow it.

    Raises
    ------
    Exception
        What ``failure`` makes of a sentence where a variable keeps the client from opening.
    """
    import openai

    options: dict[str, Any] = {"event_hooks": {"response": [_stay(failure)]}}
    if is_loopback(url) or urlsplit(url).hostname == os.environ.get(HOST_OF_USER, ""):
        # Loading the CA bundle for plain HTTP would cost tens of milliseconds.
        options |= {"trust_env": False, "verify": False}
    try:
        return openai.DefaultAsyncHttpxClient(**options)
    except (ImportError, ValueError, OSError) as error:
        raise failure(_unopened(url, error)) from error


def _stay(failure: Callable[[str], Exception]) -> Callable[[Any], Any]:
    async def stay(response: Any) -> None:
        if not response.has_redirect_location:
            return
        here, there = response.url, response.url.join(response.headers["location"])
        safe = there.scheme == here.scheme or there.scheme == "https"
        if there.host != here.host or not safe:
            text = _(
                "{here} redirects to {there}, another host, which gets neither data nor key; if "
                "that is right, set its address instead."
            )
            raise failure(
                text.format(
                    here=f"{here.scheme}://{here.host}", there=f"{there.scheme}://{there.host}"
                )
            )

    return stay


def _unopened(url: str, error: Exception) -> str:
    """Describe which variable keeps a client from opening, and what to do about it."""
    proxies = [name for name in os.environ if name.lower() in _PROXIES and os.environ[name]]
    certificates = [name for name in CERTIFICATES if os.environ.get(name)]
    gone = [name for name in certificates if not Path(os.environ[name]).exists()]
    if isinstance(error, ImportError):
        socks = [name for name in proxies if os.environ[name].lower().startswith("socks")]
        return _(
            "{names} names a SOCKS proxy, which needs the package socksio: pip install socksio, "
            "or unset {names}."
        ).format(names=", ".join(socks or proxies))
    if isinstance(error, OSError) and certificates:
        return _(
            "{names} names certificates that cannot be read ({reason}); set it to a file that is "
            "there, or unset it."
        ).format(names=", ".join(gone or certificates), reason=error.strerror or error)
    return _("No connection to {url} could be opened ({reason}); check {names}.").format(
        url=without_credentials(url), reason=error, names=", ".join([*proxies, *certificates])
    )


_PROXIES = ("all_proxy", "http_proxy", "https_proxy")


def way_to(url: str) -> str:
    """Return the variable whose proxy is on the way to a server; empty where none is."""
    parts = urlsplit(url)
    if is_loopback(url) or proxy_bypass(parts.hostname or ""):
        return ""
    names = (f"{parts.scheme}_proxy", "all_proxy")
    variables = [cased for name in names for cased in (name, name.upper())]
    return next((name for name in variables if os.environ.get(name)), "")
