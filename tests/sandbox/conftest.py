"""Sandboxes to test with."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from aoai_magic.sandbox.host.local import LocalSandbox
from aoai_magic.sandbox.protocol import Limits

from .escape import RUNGS

collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]


@pytest.fixture
def open_folder():
    """Return a folder below directories that are open to every account."""
    folder = Path(tempfile.mkdtemp(prefix="sandbox-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def make_sandbox(tmp_path):
    """Return a function that makes sandboxes, closed at the end of the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(limits: Limits | None = None, level: str = "namespaces", **options):
            options.setdefault("preload", ["IPython"])
            folder = tmp_path / f"sandbox-{level}"
            sandbox = LocalSandbox(folder, limits or Limits(), RUNGS[level], **options)
            await sandbox.start()
            stack.push_async_callback(sandbox.close)
            return sandbox

        yield make
