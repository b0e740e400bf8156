"""Models behind any endpoint that speaks the Chat Completions API."""

from .endpoint import open_azure, open_openai
from .model import ChatModel

__all__ = ["ChatModel", "open_azure", "open_openai"]
