"""An IPython shell whose output is collected instead of shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import List
from traitlets.config import Config


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts in English, whatever the machine speaks."""
    monkeypatch.setenv("AOAI_MAGIC_LANG", "en")


class Collecting(DisplayPublisher):
    """Collects as ``%%capture`` does, but is not that, where nobody looks yet."""

    outputs = List()

    def publish(self, data, metadata=None, source=None, *, transient=None, update=False):
        self.outputs.append(
            {"data": data, "metadata": metadata, "transient": transient, "update": update}
        )


@pytest.fixture
def published() -> Iterator[list[dict]]:
    """Every display message in order: ``data``, ``metadata``, ``transient``, ``update``."""
    # No history: its database would be written to after the test's home has gone.
    config = Config({"HistoryManager": {"enabled": False}})
    shell = InteractiveShell.instance(config=config)
    before = shell.display_pub
    shell.display_pub = Collecting()
    yield shell.display_pub.outputs
    shell.display_pub = before
    InteractiveShell.clear_instance()
