"""What models an endpoint says that it has, asked through the SDK's ``models.list()``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any

from aoai_magic.backends.sdk import client, translate_sdk_errors
from aoai_magic.errors import ServiceError
from aoai_magic.locale import gettext as _
from aoai_magic.shared.network import without_credentials

if TYPE_CHECKING:
    from aoai_magic.backends.sdk import Endpoint
    from aoai_magic.backends.services import Service

PATIENCE_SECONDS = 5.0
"""How long an endpoint may take; a list is no reason to wait."""


@dataclass(frozen=True)
class ListedModel:
    """A model as its server lists it; ``ends`` is the day of its announced shutdown."""

    name: str
    ends: date | None = None


async def listed_models(endpoint: Endpoint | Service) -> list[ListedModel]:
    """Return the models of an endpoint, in its own order.

    Raises
    ------
    ServiceError
        If it refuses, is out of reach or late, or answers something else.
    """
    where = without_credentials(endpoint.url)
    asking = asyncio.ensure_future(_listed(endpoint))
    # Not waited for when it is late: fetching a token cannot be broken off.
    await asyncio.wait({asking}, timeout=PATIENCE_SECONDS)
    if not asking.done():
        asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        asking.cancel()
        raise ServiceError(
            _("{where} did not list its models within {seconds:g} s.").format(
                where=where, seconds=PATIENCE_SECONDS
            )
        )
    try:
        with translate_sdk_errors(where):
            return asking.result()
    except (AttributeError, TypeError, ValueError) as error:
        # The SDK does not check what a server sends; a page of HTML comes as a str.
        raise ServiceError(_("{where} does not list its models.").format(where=where)) from error


async def _listed(endpoint: Endpoint | Service) -> list[ListedModel]:
    api = client(endpoint).with_options(max_retries=0, timeout=PATIENCE_SECONDS)
    page = await api.models.list()
    return [ListedModel(str(model.id), _end(model)) for model in page.data]


def _end(model: Any) -> date | None:
    """Read when a model ends: OpenAI gives a day, Azure seconds since 1970."""
    shutdown = getattr(model, "shutdown_date", None)
    azure = getattr(model, "deprecation", None)
    seconds = azure.get("inference") if isinstance(azure, Mapping) else None
    try:
        if shutdown:
            return date.fromisoformat(str(shutdown)[:10])
        return datetime.fromtimestamp(seconds, timezone.utc).date() if seconds else None
    except (ValueError, TypeError, OverflowError, OSError):
        return None
