"""The first process of a session, as the host holds it: watched, and ended with all below it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path


class Handle:
    """A process of the zygote's, held by a pidfd; when it is gone, nothing of the session runs."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @property
    def pid(self) -> int:
        """Its process id; 0 when it is gone."""
        for line in Path(f"/proc/self/fdinfo/{self._descriptor}").read_text().splitlines():
            if line.startswith("Pid:"):
                return max(int(line.split()[1]), 0)
        return 0

    def watch(self, gone: Callable[[], None]) -> None:
        """Call ``gone``, once, in the running event loop when it has ended."""
        loop = asyncio.get_running_loop()

        def tell() -> None:
            loop.remove_reader(self._descriptor)
            gone()

        loop.add_reader(self._descriptor, tell)

    def kill(self) -> None:
        """Kill it and all its descendants."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def close(self) -> None:
        """Return the descriptor back."""
        os.close(self._descriptor)
