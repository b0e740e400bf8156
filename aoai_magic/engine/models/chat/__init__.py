"""Models behind any endpoint that speaks the Chat Completions API."""

from aoai_magic.engine.models.chat.endpoint import open_azure, open_openai
from aoai_magic.engine.models.chat.model import ChatModel

__all__ = ["ChatModel", "open_azure", "open_openai"]
