"""Models behind a server: what both of its APIs share, and the choice between them."""

from aoai_magic.engine.models.remote.endpoint import open_azure, open_openai

__all__ = ["open_azure", "open_openai"]
