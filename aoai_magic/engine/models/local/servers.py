"""Models of the servers that people run on their own machine, found with nothing to set."""

from __future__ import annotations

import os

from aoai_magic.engine.models.base import ModelError
from aoai_magic.engine.models.remote.endpoint import Help, compatible_endpoint
from aoai_magic.engine.models.remote.model import RemoteModel
from aoai_magic.shared.local_servers import LM_STUDIO_URL, ollama_url


def open_ollama(argument: str) -> RemoteModel:
    """Open a model of Ollama, at ``OLLAMA_HOST`` or its own port on this machine.

    Raises
    ------
    ModelError
        Where no model is named, or ``OLLAMA_HOST`` cannot be read.
    """
    if not argument:
        raise ModelError("No model is named; write it as `ollama:MODEL`.")
    try:
        url = ollama_url(os.environ.get("OLLAMA_HOST", ""))
    except ValueError as error:
        raise ModelError(f"OLLAMA_HOST is no address ({error}); set it to HOST:PORT.") from error
    advice = Help("start Ollama, or set OLLAMA_HOST", f"get it with `ollama pull {argument}`")
    endpoint = compatible_endpoint(argument, f"{url}/v1", "", advice)
    return RemoteModel(endpoint, name=f"ollama:{argument}")


def open_lmstudio(argument: str) -> RemoteModel:
    """Open a model of LM Studio's server, at its own port on this machine.

    Raises
    ------
    ModelError
        Where no model is named.
    """
    if not argument:
        raise ModelError("No model is named; write it as `lmstudio:MODEL`.")
    advice = Help(
        "start LM Studio's server (`lms server start`), or use openai:MODEL@URL for another "
        "address",
        "download it in LM Studio",
    )
    endpoint = compatible_endpoint(argument, f"{LM_STUDIO_URL}/v1", "", advice)
    return RemoteModel(endpoint, name=f"lmstudio:{argument}")
