"""What can be named with ``-m`` and ``--on``, here and now, and what is named."""

from __future__ import annotations

import asyncio
import os
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from aoai_magic.config import settings as settings_
from aoai_magic.errors import AssistantError, ServiceError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later
from aoai_magic.runner import local_ports
from aoai_magic.runner.model_ends import end_warning
from aoai_magic.text.width import pad

if TYPE_CHECKING:
    from aoai_magic.backends.model_list import ListedModel
    from aoai_magic.backends.sdk import Endpoint
    from aoai_magic.backends.services import Service
    from aoai_magic.config.settings import Settings, Target

SHOWN = 30
"""Names of one place that are listed where no word picks some of them."""

NAME_CHARS = 100
WIDTH = 100
OPENAI = "-m openai:MODEL"
INDENT = " " * 4

_OURS = {
    "offline": ("offline", later("rules, not a language model; needs neither a key nor a network")),
    "ollama": (
        "ollama:MODEL",
        later("Ollama on this machine or at OLLAMA_HOST; it does not run here"),
    ),
    "lmstudio": ("lmstudio:MODEL", later("LM Studio on this machine; its server does not run")),
    "gguf": ("gguf:PATH", later("a GGUF file, run by llama.cpp (pip install 'aoai-magic[gguf]')")),
    "scripted": (
        "scripted:FILE",
        later("plays the turns that a YAML file holds, for tests and demos"),
    ),
}


@dataclass(frozen=True)
class Place:
    """Somewhere with models of its own.

    Attributes
    ----------
    named
        How its models are named on the magic line.
    where
        What it is.
    models
        What it says that it has; None where it was not asked.
    trouble
        Why it was not asked, or gave no answer, one sentence.
    """

    named: str
    where: str = ""
    models: Sequence[ListedModel] | None = None
    trouble: str = ""


def current_model(settings: Settings, target: Target) -> str:
    """Describe which model answers a turn that names none, and why that one."""
    known = _("{model} on {target} ({why})")
    if settings.model:
        why = _(settings.sources["model"])
        return known.format(model=_shown(target.shown_model), target=target.name, why=why)
    if target.model == "openai:" or target.name in settings_.SERVICES:
        noun = {"azure": "DEPLOYMENT", "openai": "MODEL"}.get(target.name, "openai:MODEL")
        return _("none on {target} ({why}; name one with -m {noun})").format(
            target=target.name, why=target.why, noun=noun
        )
    model = target.shown_model or _("the default")
    return known.format(model=model, target=target.name, why=target.why)


async def places(target: Target) -> list[Place]:
    """Ask every place that is configured for its models, all at once."""
    asking = [
        _asked(OPENAI, _openai_server),
        _asked("-m azure:DEPLOYMENT", _azure_resource),
    ]
    if target.name not in (*settings_.EMBEDDED, *settings_.SERVICES):
        asking += [_asked(f"--on {target.name} -m MODEL", lambda: _engine(target))]
    local = asyncio.gather(*map(_running, local_ports.servers()))
    openai, azure, *engine = await asyncio.gather(*asking)
    running = [(server, place) for server, place in await local if place]
    listed = {"openai": openai, "azure": azure}
    listed |= {server.kind: place for server, place in running if server.kind}
    points = sorted(entry_points(group="aoai_magic.models.v1"), key=lambda point: point.name)
    found = [listed.get(point.name) or _local(point) for point in points]
    found += [_service("azure", "DEPLOYMENT", azure), _service("openai", "MODEL", openai)]
    found += [place for server, place in running if not server.kind]
    return [*found, *engine]


async def _running(server: local_ports.LocalServer) -> tuple[local_ports.LocalServer, Place | None]:
    """Ask a server on this machine; no place where none runs, or it is no model server."""
    from aoai_magic.backends.services import Service

    if not await local_ports.listens(server):
        return server, None
    where = _("runs at {url}").format(url=server.url)
    place = await _asked(server.named, lambda: (Service(server.url, "none"), where))
    return server, place if server.kind or place.models is not None else None


def missing(target: Target, found: Sequence[Place]) -> str:
    """Describe that the current model is not among those of its server; empty where it may be."""
    kind, name = _kind(target)
    models = _models(kind, found)
    # Ollama lists llama3:latest and takes llama3.
    if not name or models is None or {name, f"{name}:latest"} & {one.name for one in models}:
        return ""
    text = _("{name} is not among the models that its server lists, below")
    return text.format(name=_shown(name))


def ending(target: Target, found: Sequence[Place]) -> str:
    """Warn of a current model that its service shuts down; empty where it does not."""
    kind, name = _kind(target)
    model = next((one for one in _models(kind, found) or () if one.name == name), None)
    return end_warning(_shown(name), model.ends) if model else ""


def _kind(target: Target) -> tuple[str, str]:
    """Return whose model is current, by the SPEC's kind, and its name there."""
    if target.name in settings_.SERVICES:
        return target.name, target.model
    kind, _colon, name = target.model.partition(":")
    known = target.is_embedded and "@" not in name
    return (kind, name) if known else ("", "")


def _models(kind: str, found: Sequence[Place]) -> Sequence[ListedModel] | None:
    named = (place.models for place in found if place.named.startswith(f"-m {kind}:"))
    return next(named, None) if kind else None


def describe(place: Place, word: str = "") -> str:
    """Describe in lines what a place has; with ``word``, only the names that hold it."""
    lines = [f"{pad(place.named, 24)}  {place.where}".rstrip()]
    if place.trouble:
        lines += [f"{INDENT}{place.trouble}"]
    if place.models is not None:
        models = [model for model in place.models if word.lower() in model.name.lower()]
        lines += [_listed(models, word)]
    return "\n".join(lines)


def _listed(models: Sequence[ListedModel], word: str) -> str:
    if not models:
        none = _("none with {word!r} in its name") if word else _("it lists none")
        return INDENT + none.format(word=word)
    most = len(models) if word else SHOWN
    text = ", ".join(map(_with_end, models[:most]))
    if (more := len(models) - most) > 0:
        text += " " + _(
            "and {count:,} more (%assistant models WORD lists those with WORD in their name)"
        ).format(count=more)
    return textwrap.fill(
        text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT, break_long_words=False
    )


def _with_end(model: ListedModel) -> str:
    name = _shown(model.name)
    if not end_warning(name, model.ends):
        return name
    return _("{model} (until {day})").format(model=name, day=model.ends)


def _shown(name: str) -> str:
    # A server may call its models anything.
    from aoai_magic.text import sanitize

    return sanitize.cut(sanitize.line(name), NAME_CHARS)


def _local(point: EntryPoint) -> Place:
    if point.name in _OURS:
        named, where = _OURS[point.name]
        return Place(f"-m {named}", _(where))
    origin = _("of a package")
    if package := point.dist:
        origin = _("of the package {name} {version}").format(
            name=package.name, version=package.version
        )
    return Place(f"-m {point.name}", origin)


def _service(name: str, noun: str, listed: Place) -> Place:
    from aoai_magic.backends import services as azure

    named = f"--on {name} -m {noun}"
    try:
        azure.azure() if name == "azure" else azure.openai_service()
    except AssistantError as error:
        where = _("as above") if str(error) == listed.trouble else ""
        return Place(named, where, trouble="" if where else str(error))
    return Place(named, _("the same, with code and files in the service's container, not here"))


Opener = Callable[[], tuple["Endpoint | Service", str]]


async def _asked(named: str, opener: Opener) -> Place:
    """Ask a place; whatever keeps it from answering is said in its own row."""
    from aoai_magic.backends.model_list import listed_models

    where = ""
    try:
        endpoint, where = opener()
        return Place(named, where, await listed_models(endpoint))
    except AssistantError as error:
        return Place(named, where, trouble=str(error))


def _openai_server() -> tuple[Service, str]:
    from aoai_magic.backends.services import OPENAI_URL, Service
    from aoai_magic.shared.network import without_credentials

    url, key = os.environ.get("OPENAI_BASE_URL", ""), os.environ.get("OPENAI_API_KEY", "")
    if not url and not key:
        raise ServiceError(_("neither OPENAI_API_KEY nor OPENAI_BASE_URL is set"))
    # A server of one's own may want no key.
    service = Service((url or OPENAI_URL).rstrip("/"), key or "none")
    return service, _("of {url}").format(url=without_credentials(service.url))


def _azure_resource() -> tuple[Service, str]:
    from aoai_magic.backends.services import azure
    from aoai_magic.shared.network import without_credentials

    service = azure()
    where = _("deployments have the names that you gave them; models of {url}")
    return service, where.format(url=without_credentials(service.url))


def _engine(target: Target) -> tuple[Endpoint, str]:
    from aoai_magic.backends import server_base
    from aoai_magic.backends.sdk import Endpoint, engine_key

    address = server_base(target.address or target.name)
    return Endpoint(address, engine_key(address)), _("an engine serves other names by its own")
