"""The servers that can do a turn; each turns its own stream into our events."""

from __future__ import annotations

import difflib
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from aoai_magic.config.settings import SERVICES
from aoai_magic.errors import ServiceError, UsageError
from aoai_magic.locale import gettext as _
from aoai_magic.shared import hidden_packages

if TYPE_CHECKING:
    from aoai_magic.backends.local_engine import Engine, Launcher
    from aoai_magic.backends.responses_api.backend import Responses
    from aoai_magic.backends.responses_api.engine import EngineBackend
    from aoai_magic.config.settings import Settings, Target


def open_backend(settings: Settings, target: Target, place: str = "") -> EngineBackend | Responses:
    """Return the backend of a target; an embedded engine is started if need be.

    ``place`` is the notebook for which uploads are written down; see `threads.place`.

    Raises
    ------
    EngineError
        If an embedded engine cannot be started.
    ServiceError
        If the target cannot be used as it is configured.
    UsageError
        If the model SPEC names no kind of model.
    """
    if target.name in SERVICES:
        return open_service(settings, target, place)
    from aoai_magic.backends.responses_api.engine import EngineBackend
    from aoai_magic.backends.sdk import Endpoint, engine_key
    from aoai_magic.state.uploads import UploadLog

    upload_log = UploadLog(settings.folder, place)
    if target.is_embedded:
        _check_spec(target)
        engine = ensure_engine(settings, target)
        # All engines over one data directory share its files, so the upload log's
        # place is the directory and not the address of today's engine.
        endpoint = Endpoint(engine.url, engine.token)
        return EngineBackend(endpoint, target.name, upload_log, target.name)
    address = server_base(target.address or target.name)
    endpoint = Endpoint(address, engine_key(address))
    return EngineBackend(endpoint, target.name, upload_log, server_url(target))


def ensure_engine(settings: Settings, target: Target) -> Engine:
    """Return the running engine of an embedded target, started if need be.

    Raises
    ------
    EngineError
        If it cannot be started.
    """
    from aoai_magic.backends.container_engine import Containers

    containers = Containers(settings.container_program, settings.container_image)
    begin = containers if target.name == "container" else None
    return launcher(target).ensure(
        settings.folder, settings.sandbox, begin=begin, embeddings=settings.embeddings
    )


def launcher(target: Target) -> Launcher:
    """Return what keeps the engine of an embedded target."""
    from aoai_magic.backends import container_engine, local_engine

    is_container = target.name == "container"
    return container_engine.LAUNCHER if is_container else local_engine.LAUNCHER


def import_sdk() -> None:
    """Import what takes longest, so that the first turn has it when its engine is up.

    Raises
    ------
    UsageError
        If a file of the user's stands in for the SDK.
    """
    hidden_packages.refuse("openai")
    import openai.resources.files
    import openai.resources.responses
    import openai.types.responses  # noqa: F401


def server_url(target: Target) -> str:
    """Return the base of an engine that is named by its URL."""
    return server_base(target.name)


def server_base(url: str) -> str:
    """Return the base of the URL of an engine, whichever of its APIs it names."""
    return url.rstrip("/").removesuffix("/v1")


def open_service(settings: Settings, target: Target, place: str = "") -> Responses:
    """Return the backend of a service, once everything that it needs is there.

    Raises
    ------
    ServiceError
        If something is missing; says what to set.
    """
    from aoai_magic.backends import services
    from aoai_magic.backends.responses_api.backend import Responses
    from aoai_magic.config.prices import Container, load
    from aoai_magic.state.container_copies import ContainerCopies
    from aoai_magic.state.uploads import UploadLog

    _check_sdk(target)
    service = services.azure() if target.name == "azure" else services.openai_service()
    if not target.model:
        noun = _("deployment") if target.name == "azure" else _("model")
        raise ServiceError(
            _("--on {target} needs a {noun}; name one with -m, or set AOAI_MAGIC_MODEL.").format(
                noun=noun, target=target.name
            )
        )
    copies, upload_log = (
        ContainerCopies(settings.folder, service.url),
        UploadLog(settings.folder, place),
    )
    container = load(settings.folder).containers.get(target.name, Container({}))
    return Responses(service, target.name, copies, upload_log, container.least_minutes)


def _check_sdk(target: Target) -> None:
    import openai

    if not hasattr(openai.AsyncOpenAI, "containers"):
        raise ServiceError(
            _(
                "--on {name} needs an SDK with containers, which openai {version} is not; pip "
                "install -U openai."
            ).format(name=target.name, version=openai.__version__)
        )


_OF_FILES = ("gguf", "scripted")


def _check_spec(target: Target) -> None:
    """Refuse a model that the engine would take for a mere name.

    An engine serves names that it does not know by its configured model, as old code
    expects; here that would be the offline model in place of what the user asked for.
    """
    spec = target.model
    kinds = sorted({point.name for point in entry_points(group="aoai_magic.models.v1")})
    kind = spec.partition(":")[0]
    if target.name == "container" and kind in _OF_FILES:
        text = _(
            "{kind}: names a file of this machine, which the container does not see; serve the "
            "model here and name it by -m openai:MODEL@URL."
        )
        raise UsageError(text.format(kind=kind))
    if not spec or kind in kinds:
        return
    near = difflib.get_close_matches(kind, kinds, 1)
    if near:
        text = _("{spec!r} is not a model ({kinds}); did you mean {near}?")
    else:
        text = _("{spec!r} is not a model ({kinds}); write PROVIDER:MODEL, e.g. openai:{spec}.")
    raise UsageError(text.format(spec=spec, kinds=", ".join(kinds), near="".join(near)))
