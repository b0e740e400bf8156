"""A service's containers: made, filled, compared, rebuilt when they have expired."""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from aoai_magic.backends.responses_api.limits import check_items, check_size
from aoai_magic.backends.responses_api.typed_csv import convert
from aoai_magic.backends.retry import is_dropped, retry_events
from aoai_magic.locale import gettext as _
from aoai_magic.state.container_copies import ContainerCopies, Kept
from aoai_magic.turn import events
from aoai_magic.turn.events import Event
from aoai_magic.turn.progress import Metered, MeteredFile, current

if TYPE_CHECKING:
    import openai

    from aoai_magic.attach.attachment import Attachment
    from aoai_magic.state.uploads import UploadLog

MOUNT = "/mnt/data"
PICTURE = re.compile(r"c?file[-_]\w+\.(png|jpe?g)")
"""Names that services give to the pictures that code shows."""

LIFE_SECONDS = 20 * 60.0
"""How long a container lives that nobody uses."""

_LIST_SECONDS = 30.0
_PIECE = 1 << 20
"""Bytes that a download holds in memory."""


def is_expired(error: openai.APIStatusError) -> bool:
    """Return whether a refusal means that a container is no longer there."""
    text = str(error.message).lower()
    return "container" in text and ("expired" in text or "not found" in text)


@dataclass
class Container:
    """One container, for the time of a turn.

    Attributes
    ----------
    upload_log, store
        Where the user can look up what was sent, and the name of the service there.
    id
        Its id; empty before it is opened.
    files
        What the model is told of the files that go with the question.
    revived
        Whether it had expired and was rebuilt.
    age
        Its age in minutes at the turn's beginning, 0 for a new one.
    """

    api: openai.AsyncOpenAI
    copies: ContainerCopies
    upload_log: UploadLog
    store: str
    id: str = ""
    files: list[str] = field(default_factory=list)
    revived: bool = False
    age: int = 0
    _born: float = 0.0
    _before: set[tuple[str, int, int]] | None = field(default_factory=set)
    _listed: list[Any] = field(default_factory=list)
    _uploaded: set[str] = field(default_factory=set)

    async def open(self) -> None:
        """Make it, or rebuild it, unless it is there."""
        if not self.id:
            self.id = await self._made()
        elif not await self._alive():
            await self.revive()
        else:
            await self._look()
            await to_thread.run_sync(self._enter_all)

    def minutes(self) -> int:
        """Return the minutes that it has lived, each begun one counted."""
        return max(0, math.ceil((time.time() - self._born) / 60))

    async def _made(self) -> str:
        made = await self.api.containers.create(name="aoai_magic")
        self._born, self.age = time.time(), 0
        return str(made.id)

    async def _alive(self) -> bool:
        import openai

        try:
            found = await self.api.containers.retrieve(self.id)
        except openai.APIStatusError as error:
            if error.status_code == 404 or is_expired(error):
                return False
            raise
        self._born = float(found.created_at)
        self.age = self.minutes()
        return found.status == "running"

    async def revive(self) -> None:
        """Make a new one that holds the files of the old one, as far as we have them."""
        old = self.id
        await self.copy()
        self.revived = True
        await to_thread.run_sync(self.copies.drop, old)
        await self._look()

    async def _look(self) -> None:
        """Remember what is there; where a service does not list it, the turn goes on."""
        import openai

        try:
            self._listed = await self._list()
            self._before = {_state(file) for file in self._listed}
        except openai.APIStatusError as error:
            if error.status_code in (401, 429):
                raise
            self._before = None
        except openai.APITimeoutError:
            self._before = None

    async def copy(self) -> None:
        """Go on as a new one with the same files, as far as we have them."""
        old, self.id = self.id, await self._made()
        self.files = []
        try:
            for kept in await to_thread.run_sync(self.copies.entries, old):
                if not await to_thread.run_sync(self.copies.blob(old, kept).is_file):
                    continue  # somebody deleted our copy
                path = await self._upload(kept.digest, kept.name, self.copies.blob(old, kept))
                self.files.append(f"{kept.path} is now {path}" if path != kept.path else path)
        except BaseException:
            self.id = old  # a half copy is none, and the next try makes another
            raise

    # In

    async def send(self, items: Sequence[Attachment]) -> AsyncIterator[Event]:
        """Send the attachments that are not there, or not as they were sent; yields progress.

        Raises
        ------
        AttachError
            They are more, or larger, than a service takes.
        """
        check_items(items)
        for item in items:
            taken = frozenset(other.filename for other in items if other is not item)
            async for event in retry_events(partial(self._sending, item, taken)):
                yield event
            self.files.append(await to_thread.run_sync(self._told, item))

    async def _sending(
        self, item: Attachment, taken: Collection[str]
    ) -> AsyncGenerator[Event, None]:
        if await to_thread.run_sync(self._has, item, taken):
            return
        yield events.Progress(_("sending {name}").format(name=item.name), 0, item.bytes)
        sending = Metered(self._sent(item, taken))
        async with contextlib.aclosing(sending.events()) as moves:
            async for progress in moves:
                yield progress
        for notice in sending.result:
            yield events.Notice(notice)

    def _has(self, item: Attachment, taken: Collection[str]) -> bool:
        """Return whether the container has an item as it was sent, under a name of its own."""
        kept = self.copies.find(self.id, item.sha256)
        if kept is None or not self._is_untouched(kept):
            return False
        if item.origin != "variable" or not item.filename.endswith(".arrow"):
            return True
        loader = self.copies.find(self.id, _loader(item))
        return loader is not None and self._is_untouched(loader) and kept.name not in taken

    def _is_untouched(self, kept: Kept) -> bool:
        """Return whether code has left a file alone, as far as the service's list says."""
        if self._before is None or kept.id in self._uploaded:
            return True
        here = [file for file in self._listed if file.path == kept.path]
        newest = max(here, key=lambda file: file.created_at, default=None)
        size = self.copies.size(self.id, kept)
        return newest is not None and newest.id == kept.id and newest.bytes in (None, size)

    async def _sent(self, item: Attachment, taken: Collection[str]) -> list[str]:
        typed = await to_thread.run_sync(lambda: convert(item.path, taken))
        if typed is None:
            await self._upload(item.sha256, item.filename, item.path)
            return []
        check_size(item.name, len(typed.data))
        await self._upload(_loader(item), typed.loader_name, typed.loader_data)
        # Last, since the item counts as sent once this is there.
        await self._upload(item.sha256, typed.filename, typed.data)
        if not typed.as_text:
            return []
        columns = ", ".join(typed.as_text)
        return [
            _("{columns} of {name} went as text: CSV has no other form for the values.").format(
                columns=columns, name=item.name
            )
        ]

    async def _upload(self, digest: str, name: str, source: Path | bytes) -> str:
        blob = await to_thread.run_sync(self.copies.copy, self.id, source)
        with MeteredFile(blob) as file:
            file.meter.begin(_("sending {name}").format(name=name), file.size)
            sent = await self.api.containers.files.create(self.id, file=(name, file))
        self._uploaded.add(sent.id)
        kept = Kept(digest, name, str(sent.path), sent.id, blob.name, sent=True)
        await to_thread.run_sync(self.copies.record, self.id, kept)
        await to_thread.run_sync(self._enter, kept)
        return kept.path

    def _enter_all(self) -> None:
        for kept in self.copies.entries(self.id):
            if kept.sent:
                self._enter(kept)

    def _enter(self, kept: Kept) -> None:
        """Write into the upload log what is there, as long as it is."""
        size = self.copies.size(self.id, kept)
        gone = time.time() + LIFE_SECONDS
        self.upload_log.record(self.store, kept.digest, kept.id, kept.name, size, gone)

    def _told(self, item: Attachment) -> str:
        kept = self.copies.find(self.id, item.sha256)
        loader = self.copies.find(self.id, _loader(item))
        path = kept.path if kept else f"{MOUNT}/{item.filename}"
        if loader is None:
            return f"{item.name}: {path}"
        return (
            f"{item.name}: {path}; to define the variable `{item.name}` with its types, run "
            f"exec(open({loader.path!r}).read()) once, also where it was defined before"
        )

    # Out

    async def made(self, cited: dict[str, str], shown: set[str]) -> AsyncIterator[Event]:
        """Fetch what the turn's code left behind.

        Parameters
        ----------
        cited
            Ids and names of the files that the answer cites, in case the list fails.
        shown
            Hashes of the pictures that were shown already.
        """
        import openai

        found: dict[str, str] = {}
        try:
            found = await self._news()
        except openai.APIError as error:
            text = _("The files could not be listed ({reason}); only cited ones came.").format(
                reason=error.message
            )
            yield events.Notice(text)
        for id_, name in {**cited, **found}.items():
            async for event in self._fetched(id_, name, shown):
                yield event

    async def _news(self) -> dict[str, str]:
        """Return ids and names of the files that the code made, if what was there is known."""
        if self._before is None:
            return {}
        news = [file for file in await self._list() if _state(file) not in self._before]
        return {file.id: _name(file.path) for file in news if file.source != "user"}

    async def _list(self) -> list[Any]:
        files = self.api.with_options(timeout=_LIST_SECONDS).containers.files
        return [file async for file in files.list(self.id, limit=100)]

    async def _fetched(self, id_: str, name: str, shown: set[str]) -> AsyncIterator[Event]:
        import openai

        blob: Path | None = None
        try:
            blob = await to_thread.run_sync(self.copies.new, self.id)
            async for progress in retry_events(partial(self._downloaded, id_, name, blob)):
                yield progress
            data = await to_thread.run_sync(blob.read_bytes)
        except Exception as error:
            if blob is not None:
                blob.unlink(missing_ok=True)
            # OSError: the data directory is full or gone.
            if not isinstance(error, openai.APIError | OSError) and not is_dropped(error):
                raise
            # The answer is there all the same.
            yield events.Notice(
                _("{name} could not be fetched ({error}); ask for it again.").format(
                    name=name, error=error
                )
            )
            return
        digest = sha256(data).hexdigest()
        picture = PICTURE.fullmatch(name)
        if picture:
            blob.unlink()
            if digest in shown:
                return
            shown.add(digest)
            media = "image/png" if picture[1] == "png" else "image/jpeg"
            yield events.ImageMade(id_, f"chart-{len(shown)}.{picture[1]}", data, media)
            return
        base, path = name.rpartition("/")[2], f"{MOUNT}/{name}"
        kept = Kept(digest, base, path, id_, blob.name, sent=False)
        await to_thread.run_sync(self.copies.record, self.id, kept)
        yield events.FileMade(name, data, id_)

    async def _downloaded(self, id_: str, name: str, blob: Path) -> AsyncGenerator[Event, None]:
        """Write a file's content to disk as it comes, telling how far it has come."""
        work = Metered(self._download(id_, name, blob))
        async with contextlib.aclosing(work.events()) as moves:
            async for progress in moves:
                yield progress
        _ = work.result  # raises what the work raised

    async def _download(self, id_: str, name: str, blob: Path) -> None:
        content = self.api.containers.files.content.with_streaming_response
        async with content.retrieve(id_, container_id=self.id) as answer:
            length = answer.headers.get("content-length", "")
            meter = current()
            meter.begin(
                _("fetching {name}").format(name=name), int(length) if length.isdecimal() else None
            )
            with blob.open("wb") as file:
                async for piece in answer.iter_bytes(_PIECE):
                    file.write(piece)
                    meter.add(len(piece))


def _loader(item: Attachment) -> str:
    return f"{item.sha256}/loader"


def _state(file: Any) -> tuple[str, int, int]:
    return file.id, file.bytes or 0, file.created_at


def _name(path: str) -> str:
    return path.removeprefix(f"{MOUNT}/")
