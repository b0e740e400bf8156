"""``%assistant share``: frames of this kernel for the user's own MCP server, and nothing else.

The kernel listens on a Unix socket in a folder that only this account can enter. A file that
only this account can read, at the same place for the same notebook, says where, and has the
token. What is asked for is packed between two cells, when no cell changes it.
"""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import hmac
import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aoai_magic.attach import frames
from aoai_magic.attach.resolve import resolve
from aoai_magic.errors import AttachError, UsageError
from aoai_magic.locale import gettext as _
from aoai_magic.runner.event_loop import run_blocking
from aoai_magic.shared.private_files import private_folder, write_whole

_IDLE_SECONDS = 60.0
_REQUEST_SECONDS = 10.0


class Share:
    """The frames that a kernel shares, by the names of their variables.

    Parameters
    ----------
    namespace
        The notebook's variables.
    folder
        The data directory.
    place
        The notebook; see `threads.place`.

    Raises
    ------
    UsageError
        Nothing tells when no cell runs, as in IPython in a terminal; or this is Windows.
    """

    def __init__(self, namespace: Mapping[str, Any], folder: Path, place: str) -> None:
        serve = getattr(asyncio, "start_unix_server", None)
        if serve is None:
            raise UsageError(_("Sharing needs Unix sockets, which Python lacks on Windows."))
        self.names: tuple[str, ...] = ()
        self._namespace = namespace
        try:
            self._kernel = asyncio.get_running_loop()
        except RuntimeError:
            raise UsageError(_("Only a Jupyter kernel can share; this is none.")) from None
        number = hashlib.sha256(place.encode()).hexdigest()[:16]
        self.file = private_folder(private_folder(folder) / "shares") / f"{number}.json"
        self._folder = Path(tempfile.mkdtemp(prefix="aoai-magic-share-"))
        self._token = secrets.token_urlsafe(32)
        socket = str(self._folder / "socket")
        self._where = json.dumps({"socket": socket, "token": self._token}).encode()
        self._server = run_blocking(serve(self._serve, socket))
        write_whole(self.file, self._where)
        atexit.register(self.stop)

    def add(self, names: Sequence[str]) -> None:
        """Share these variables too.

        Raises
        ------
        UsageError
            One is not there, or is no frame.
        """
        for name in names:
            describe_frame(name, self._namespace)
        self.names = tuple(dict.fromkeys([*self.names, *names]))

    def lines(self) -> list[str]:
        """Describe what is shared, and how a client comes by it."""
        options = ["-m", "aoai_magic", "mcp", "--notebook", str(self.file)]
        program = {"command": sys.executable, "args": options}
        return [
            _("Shared with your own MCP clients on this machine, as copies:"),
            *(f"  {one['name']}: {one['kind']}" for one in map(self._described, self.names)),
            _('In a client\'s configuration, below "mcpServers":'),
            f"  {json.dumps({'notebook': program})[1:-1]}",
            _("%assistant share --stop ends it."),
        ]

    def stop(self) -> None:
        """Stop to listen; delete what was written."""
        atexit.unregister(self.stop)
        run_blocking(self._close())
        if self.file.exists() and self.file.read_bytes() == self._where:
            self.file.unlink()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _close(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request: a line of JSON."""
        try:
            line = await asyncio.wait_for(reader.readline(), _REQUEST_SECONDS)
            answer = await self._answer(json.loads(line))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError, asyncio.TimeoutError):
            pass  # not of our own client
        finally:
            writer.close()

    async def _answer(self, request: Any) -> dict[str, Any]:
        if not isinstance(request, dict) or not self._is_token(request.get("token")):
            return {"error": _("The token is not that of this kernel.")}
        asked = self._between_cells(str(request.get("action")), str(request.get("name")))
        work = asyncio.run_coroutine_threadsafe(asked, self._kernel)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(work), _IDLE_SECONDS)
        except asyncio.TimeoutError:
            return {"error": _("The notebook is running a cell; try again when it is over.")}

    def _is_token(self, given: object) -> bool:
        return hmac.compare_digest(str(given).encode("utf-8", "replace"), self._token.encode())

    async def _between_cells(self, action: str, name: str) -> dict[str, Any]:
        try:
            if action == "list":
                return {"variables": [self._described(one) for one in self.names]}
            if action in ("describe", "copy"):
                return self._copy(name, is_packed=action == "copy")
        except AttachError as error:
            return {"error": str(error)}
        return {"error": f"{action!r}?"}

    def _described(self, name: str) -> dict[str, Any]:
        try:
            return {"name": name, "kind": describe_frame(name, self._namespace)}
        except UsageError as error:
            return {"name": name, "kind": str(error)}

    def _copy(self, name: str, *, is_packed: bool) -> dict[str, Any]:
        if name not in self.names:
            text = _("{name!r} is not shared; shared are: {names}.")
            return {"error": text.format(name=name[:100], names=", ".join(self.names))}
        try:
            describe_frame(name, self._namespace)
        except UsageError as error:
            return {"error": str(error)}
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        only = {name: self._namespace[name]}
        item = resolve([name], "", only, Path(), folder=folder)[0]
        fields = {"name": item.name, "kind": item.kind, "card": item.card, "notice": item.notice}
        packed = {"filename": item.filename, "path": str(item.path)} if is_packed else {}
        return {**fields, **packed}


def describe_frame(name: str, namespace: Mapping[str, Any]) -> str:
    """Describe the frame of that name, such as ``DataFrame, 5 × 3``.

    Raises
    ------
    UsageError
        There is no variable of that name, or it is no frame.
    """
    if not name.isidentifier() or name not in namespace:
        raise UsageError(_("There is no variable {name!r} to share.").format(name=name))
    kind = frames.describe(frames.native(namespace[name]))
    if kind is None:
        text = _("{name} is of type {type}; only DataFrames, Series, arrays and tables are shared.")
        raise UsageError(text.format(name=name, type=type(namespace[name]).__name__))
    return kind
