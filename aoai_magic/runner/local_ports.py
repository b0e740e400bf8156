"""Model servers that run on this machine: their own ports, asked on demand."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from aoai_magic.shared.local_servers import LM_STUDIO_URL, ollama_url

CONNECT_SECONDS = 0.3
"""How long a port on loopback may take to be open: what runs there answers at once."""

OTHERS = (8080, 8000, 1337, 5001)
"""Ports of llama.cpp and LocalAI, vLLM, Jan, KoboldCpp."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class LocalServer:
    """A place on this machine where a model server may listen.

    Attributes
    ----------
    named
        How its models are named on the magic line.
    url
        Its base URL.
    kind
        The entry point that opens its models; empty for a server that is not known by name.
    """

    named: str
    url: str
    kind: str = ""


def servers() -> list[LocalServer]:
    """Return the places to ask; only this machine is ever asked.

    A value of ``OLLAMA_HOST`` that cannot be read leaves Ollama out.
    """
    found = [LocalServer("-m lmstudio:MODEL", f"{LM_STUDIO_URL}/v1", "lmstudio")]
    with contextlib.suppress(ValueError):
        url = ollama_url(os.environ.get("OLLAMA_HOST", ""))
        found.insert(0, LocalServer("-m ollama:MODEL", f"{url}/v1", "ollama"))
    asked = {urlsplit(server.url).port for server in found}
    asked |= {urlsplit(os.environ.get("OPENAI_BASE_URL", "")).port}
    for port in OTHERS:
        if port not in asked:
            url = f"http://127.0.0.1:{port}/v1"
            found.append(LocalServer(f"-m openai:MODEL@{url}", url))
    return [server for server in found if urlsplit(server.url).hostname in _LOOPBACK]


async def listens(server: LocalServer) -> bool:
    """Return whether anything listens at a server's port."""
    parts = urlsplit(server.url)
    try:
        opening = asyncio.open_connection(parts.hostname, parts.port)
        _, writer = await asyncio.wait_for(opening, CONNECT_SECONDS)
    except (OSError, asyncio.TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
