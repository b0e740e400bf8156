"""A notebook's kernel that shares frames; its side is `aoai_magic.runner.share`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from aoai_magic.shared.private_files import open_regular

_LONGEST = 16 << 20
_GONE = "The notebook shares nothing now; run %assistant share NAMES in it, and try again."


class NotSharedError(Exception):
    """The notebook does not give what was asked for; the text is one sentence."""


class SharedNotebook:
    """The kernel that the file at ``path`` leads to, at the time of each request.

    The file is read anew each time: a kernel that was restarted shares from another place.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def request(self, action: str, name: str = "") -> dict[str, Any]:
        """Ask the kernel; return what it answers.

        Raises
        ------
        NotSharedError
            Nothing is shared, or not that.
        """
        try:
            where = self._where()
            reader, writer = await asyncio.open_unix_connection(where["socket"], limit=_LONGEST)
        except (OSError, ValueError, LookupError) as error:
            raise NotSharedError(_GONE) from error
        try:
            request = {"token": where["token"], "action": action, "name": name}
            writer.write(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await reader.readline())
        except (OSError, ValueError) as error:
            raise NotSharedError(_GONE) from error
        finally:
            writer.close()
        if "error" in answer:
            raise NotSharedError(answer["error"])
        return answer

    def _where(self) -> dict[str, str]:
        file = open_regular(self._path)
        if file is None:
            raise FileNotFoundError(self._path)
        with file:
            where: dict[str, str] = json.load(file)
        return where
