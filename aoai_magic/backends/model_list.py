"""What models an endpoint says that it has, asked through the SDK's ``models.list()``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aoai_magic.backends.sdk import client, own_words
from aoai_magic.errors import ServiceError
from aoai_magic.locale import gettext as _
from aoai_magic.shared.network import without_credentials

if TYPE_CHECKING:
    from aoai_magic.backends.sdk import Endpoint
    from aoai_magic.backends.services import Service

PATIENCE_SECONDS = 5.0
"""How long an endpoint may take; a list is no reason to wait."""


async def model_names(endpoint: Endpoint | Service) -> list[str]:
    """Give the names of the models of an endpoint, in its own order.

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
            _("{where} did not tell its models within {seconds:g} seconds.").format(
                where=where, seconds=PATIENCE_SECONDS
            )
        )
    try:
        with own_words(where):
            return asking.result()
    except (AttributeError, TypeError, ValueError) as error:
        # The SDK does not check what a server sends; a page of HTML comes as a str.
        raise ServiceError(_("{where} gives no list of its models.").format(where=where)) from error


async def _listed(endpoint: Endpoint | Service) -> list[str]:
    api = client(endpoint).with_options(max_retries=0, timeout=PATIENCE_SECONDS)
    page = await api.models.list()
    return [str(model.id) for model in page.data]
