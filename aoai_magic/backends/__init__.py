"""The far sides that can do a turn; each turns its own stream into our events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ServiceError

if TYPE_CHECKING:
    from ..settings import Settings, Target
    from .assistants import Assistants


def open_backend(settings: Settings, target: Target) -> Assistants:
    """Give the backend of a target; for ``local`` the engine is started if need be.

    Raises
    ------
    EngineError
        If the local engine cannot be started.
    ServiceError
        If the target cannot be used as it is configured.
    """
    if target.name in ("azure", "openai"):
        raise ServiceError(
            f"Turns on {target.name} are not available in this version; "
            f"use --on local with -m {target.name}:{target.model or 'MODEL'}, which runs the "
            "code on this machine."
        )
    from ..attach.ledger import Ledger
    from .assistants import Assistants
    from .connect import Endpoint, engine_key
    from .launch import LAUNCHER

    ledger = Ledger(settings.folder)
    if target.name == "local":
        engine = LAUNCHER.ensure(settings.folder, settings.sandbox)
        # All engines over one data directory share its files, so the ledger's
        # place is the directory and not the address of today's engine.
        return Assistants(Endpoint(engine.url, engine.token), "local", ledger, "local")
    url = target.name.rstrip("/").removesuffix("/v1")
    return Assistants(Endpoint(url, engine_key()), target.name, ledger, url)
