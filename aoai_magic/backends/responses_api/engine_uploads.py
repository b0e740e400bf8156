"""Uploads to our own engine: each content once, whatever it is called and wherever it is asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

from aoai_magic.backends.base import CANCEL_SECONDS
from aoai_magic.locale import gettext as _
from aoai_magic.turn.events import Event
from aoai_magic.turn.progress import Metered, MeteredFile, in_thread

if TYPE_CHECKING:
    import openai

    from aoai_magic.attach.attachment import Attachment
    from aoai_magic.state.uploads import UploadLog


class Uploads:
    """What a turn sends to an engine.

    Parameters
    ----------
    upload_log, store
        What the engine holds of ours, and the name of the engine there.

    Attributes
    ----------
    ids
        Ids of the files by the hashes of the items.
    """

    def __init__(self, api: openai.AsyncOpenAI, upload_log: UploadLog, store: str) -> None:
        self._api = api
        self._upload_log = upload_log
        self._store = store
        self.ids: dict[str, str] = {}

    async def send(self, item: Attachment) -> AsyncIterator[Event]:
        """Send an item unless it is there; yields progress."""
        sending = Metered(self._uploaded(item))
        async with contextlib.aclosing(sending.events()) as moves:
            async for progress in moves:
                yield progress
        self.ids[item.sha256] = sending.result

    async def _uploaded(self, item: Attachment) -> str:
        known = await in_thread(lambda: self._upload_log.lookup(self._store, item.sha256))
        if known and await self._is_there(known):
            # It is in use, so that it does not go as an old one.
            await in_thread(lambda: self._upload_log.touch(self._store, known))
            return known
        # A variable is packed by this.
        path = await in_thread(lambda: item.path)
        with MeteredFile(path) as file:
            file.meter.begin(_("sending {name}").format(name=item.name), file.size)
            sending = asyncio.ensure_future(self._sent(item, file))
            try:
                return await asyncio.shield(sending)
            except asyncio.CancelledError:
                # What the server has whole is recorded: nobody else could delete it.
                if file.tell() < file.size:
                    sending.cancel()
                await asyncio.wait({sending}, timeout=CANCEL_SECONDS)
                sending.cancel()
                raise

    async def _sent(self, item: Attachment, file: MeteredFile) -> str:
        sent = await self._api.files.create(file=(item.filename, file), purpose="assistants")
        record = partial(self._upload_log.record, self._store, item.sha256, sent.id, item.name)
        await asyncio.to_thread(record, item.bytes)
        return sent.id

    async def _is_there(self, file_id: str) -> bool:
        import openai

        try:
            await self._api.files.retrieve(file_id)
        except openai.NotFoundError:
            return False
        return True
