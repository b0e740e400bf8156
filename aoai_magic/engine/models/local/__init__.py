"""Models on this machine: of a server that runs here, or of a file."""

from aoai_magic.engine.models.local.gguf import open_gguf
from aoai_magic.engine.models.local.servers import open_lmstudio, open_ollama

__all__ = ["open_gguf", "open_lmstudio", "open_ollama"]
