"""Models whose services have announced their end, and the warnings about it."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import TYPE_CHECKING

from aoai_magic.config import settings as settings_
from aoai_magic.errors import AssistantError
from aoai_magic.locale import gettext as _

if TYPE_CHECKING:
    from aoai_magic.backends.services import Service
    from aoai_magic.config.settings import Target

WARN_DAYS = 60
"""Days before its end from which a model's end is worth a word."""

_WARNED: set[tuple[str, str]] = set()
"""Models that this kernel has warned of below an answer: once is enough."""


def end_warning(model: str, ends: date | None, today: date | None = None) -> str:
    """Return a sentence about a model that ends soon or has ended; empty for others."""
    left = (ends - (today or date.today())).days if ends else WARN_DAYS + 1
    if left > WARN_DAYS:
        return ""
    if left < 0:
        text = _("{model} was shut down on {day}; choose another model with -m.")
    else:
        text = _("{model} will be shut down on {day}; choose another model with -m.")
    return text.format(model=model, day=ends)


async def announced_end(target: Target) -> str:
    """Return the warning about the target's model, as its service lists it; empty if none.

    A service that cannot be asked gives none: the turn itself says what is wrong.
    """
    from aoai_magic.backends.model_list import listed_models

    try:
        service, name = _service(target)
        models = await listed_models(service) if service else []
    except AssistantError:
        return ""
    found = next((model for model in models if model.name == name), None)
    return end_warning(name, found.ends) if found else ""


def once(target: Target, warning: str) -> str:
    """Return the warning where this kernel has not shown it yet."""
    key = (target.name, target.model)
    if not warning or key in _WARNED:
        return ""
    _WARNED.add(key)
    return warning


def begin(target: Target) -> asyncio.Task[str] | None:
    """Start the request, beside the turn; None where nothing has to be requested."""
    service_named = target.name in settings_.SERVICES or _kind(target) in settings_.SERVICES
    if not service_named or (target.name, target.model) in _WARNED:
        return None
    task = asyncio.create_task(announced_end(target))
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


def _kind(target: Target) -> str:
    return target.model.partition(":")[0] if target.is_embedded else ""


def _service(target: Target) -> tuple[Service | None, str]:
    from aoai_magic.backends import services

    kind, name = _kind(target) or target.name, target.model
    name = name.removeprefix(f"{kind}:")
    # A server that is named with the model is nobody's service.
    if not name or "@" in name:
        return None, name
    opened = {"azure": services.azure, "openai": services.openai_service}.get(kind)
    return (opened() if opened else None), name
