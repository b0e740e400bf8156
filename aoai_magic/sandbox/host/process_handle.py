"""The first process of a session, as the host holds it: watched, and ended with all below it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from aoai_magic.sandbox.host.processes import descendants


class Leader(Protocol):
    """A session's first process; when it is gone, nothing of the session goes on."""

    @property
    def pid(self) -> int:
        """Its process id; 0 when it is gone."""
        ...

    def watch(self, gone: Callable[[], None]) -> None:
        """Call ``gone``, once, in the running event loop when it has ended."""
        ...

    def kill(self) -> None:
        """End it and all below it at once."""
        ...

    def close(self) -> None:
        """Let go of it, once it is gone."""
        ...


class Handle:
    """A process of the zygote's, held by a pidfd; the kernel ends what is below it."""

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
        """End it and all below it at once."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


class Child:
    """A process that the host itself has started, on any system."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id; 0 when it is gone."""
        return self._process.pid if self._process.poll() is None else 0

    def watch(self, gone: Callable[[], None]) -> None:
        """Call ``gone``, once, in the running event loop when it has ended."""
        loop = asyncio.get_running_loop()

        def wait() -> None:
            self._process.wait()
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(gone)

        threading.Thread(target=wait, name="session", daemon=True).start()

    def kill(self) -> None:
        """End it and all below it at once."""
        for process in [*descendants(self.pid), self.pid]:
            if process:
                with contextlib.suppress(OSError):
                    os.kill(process, signal.SIGKILL)

    def close(self) -> None:
        """Do nothing: `watch` has waited for it."""
