"""Where a turn goes: which model reads it on which host, and where its files are."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from aoai_magic.config.settings import SERVICES
from aoai_magic.locale import gettext as _
from aoai_magic.shared.local_servers import ollama_url
from aoai_magic.shared.network import is_loopback, without_credentials

if TYPE_CHECKING:
    from aoai_magic.config.settings import Settings, Target

OPENAI_URL = "https://api.openai.com/v1"
_IN_THE_ENGINE = ("offline", "scripted", "gguf", "lmstudio")
"""Kinds of models that run beside the engine, wherever that is."""


def model_host(target: Target) -> str:
    """Return the URL or the words for where the model of an embedded engine is.

    Empty if it is on this machine.
    """
    kind, _colon, name = target.model.partition(":")
    if kind in _IN_THE_ENGINE:
        return ""
    if kind == "openai":
        url = f"{name.rpartition('@')[2]}" if "@http" in name else ""
        url = url or os.environ.get("OPENAI_BASE_URL", "") or OPENAI_URL
    elif kind == "azure":
        url = os.environ.get("AZURE_OPENAI_ENDPOINT", "") or _("an unset endpoint")
    elif kind == "ollama":
        try:
            url = ollama_url(os.environ.get("OLLAMA_HOST", ""))
        except ValueError:  # the engine says so
            return ""
    else:
        return _("a host that the package of {kind!r} chooses").format(kind=kind)
    return "" if is_loopback(url) else without_credentials(url)


def embeddings_host(target: Target, settings: Settings) -> str:
    """Return where searched documents go to be compared by meaning; empty if nowhere else."""
    if not target.is_embedded or not settings.embeddings:
        return ""
    return model_host(replace(target, model=settings.embeddings))


def keeps_files(target: Target, settings: Settings) -> bool:
    """Return whether attached files, and the code that reads them, stay on this machine."""
    return target.is_embedded and settings.sandbox.partition(":")[0] == "local"


def is_here(target: Target, settings: Settings) -> bool:
    """Return whether nothing of a turn leaves this machine, as far as that is known."""
    if target.is_embedded:
        return keeps_files(target, settings) and not model_host(target)
    # Which model an engine has by default is not known; it may be anywhere.
    here = is_loopback(target.name) and bool(target.model)
    return target.name not in SERVICES and here and not model_host(target)


def destination(target: Target, settings: Settings) -> str:
    """Describe in words which model on which host a turn goes to."""
    model = target.shown_model or _("its default")
    if target.is_embedded:
        host = model_host(target)
        if not host and target.name == "container":
            text = _("the model {model} on this machine (files stay in a container's volume)")
        elif not host:
            text = _("the model {model} on this machine (files stay in {folder})")
        elif keeps_files(target, settings):
            text = _("the model {model} at {host} (code runs and files stay on this machine)")
        else:
            text = _("the model {model} at {host}; code and files go to the sandbox {sandbox}")
        return text.format(
            model=model,
            host=host,
            folder=settings.folder,
            sandbox=without_credentials(settings.sandbox),
        )
    if target.name == "azure":
        endpoint = without_credentials(os.environ.get("AZURE_OPENAI_ENDPOINT", ""))
        text = _("Azure OpenAI at {endpoint}, deployment {model}")
        return text.format(endpoint=endpoint or _("an unset endpoint"), model=model)
    if target.name == "openai":
        url = without_credentials(os.environ.get("OPENAI_BASE_URL", "") or OPENAI_URL)
        return _("the OpenAI service at {url}, model {model}").format(url=url, model=model)
    return _("the engine at {target}, model {model}").format(target=target.name, model=model)


def warn_of_values(target: Target, settings: Settings) -> str:
    """Warn that ``--schema-only`` does not cover what code prints; empty where all stays here."""
    if is_here(target, settings):
        return ""
    return _(
        "--schema-only leaves values out of the descriptions alone: what the code prints and "
        "draws may show some, and goes to {where}."
    ).format(where=destination(target, settings))
