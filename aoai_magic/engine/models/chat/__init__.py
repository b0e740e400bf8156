"""The Chat Completions API as servers really speak it."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Find the openers, which were here when an older installation noted its entry points."""
    if name in ("open_azure", "open_openai"):
        from aoai_magic.engine.models import remote

        return getattr(remote, name)
    raise AttributeError(name)
