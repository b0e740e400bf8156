"""Where model servers on this machine listen, for notebook and engine alike."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from aoai_magic.shared.network import HOST_OF_USER, is_loopback

OLLAMA_PORT = 11434
LM_STUDIO_URL = "http://127.0.0.1:1234"


def from_container(url: str) -> str:
    """Return a URL as an engine reaches it: in a container loopback is not the user's machine."""
    host = os.environ.get(HOST_OF_USER)
    if not host or not is_loopback(url):
        return url
    parts = urlsplit(url)
    before, at, place = parts.netloc.rpartition("@")
    port = place.rpartition("]")[2].partition(":")[2]
    return parts._replace(netloc=f"{before}{at}{host}{port and f':{port}'}").geturl()


def ollama_url(host: str) -> str:
    """Return Ollama's URL for a value of ``OLLAMA_HOST``, as Ollama itself reads it.

    It may lack scheme or port, and may be the address that the server binds.

    Raises
    ------
    ValueError
        If it cannot be read.
    """
    text = host.strip().strip("\"'") or f"127.0.0.1:{OLLAMA_PORT}"
    parts = urlsplit(text if "://" in text else f"http://{text}")
    name = parts.hostname or "127.0.0.1"
    if name in ("0.0.0.0", "::"):  # noqa: S104 - all that a server binds to is reached at loopback
        name = "127.0.0.1"
    given = {"http": 80, "https": 443}.get(parts.scheme) if "://" in text else OLLAMA_PORT
    port = parts.port or given or OLLAMA_PORT
    shown = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{shown}:{port}{parts.path.rstrip('/')}"
