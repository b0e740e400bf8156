"""The embedded engine: an Assistants-compatible server with a real code interpreter.

It runs in its own process (``aoai-magic serve``) and is reached over HTTP alone;
it imports nothing of the notebook side.
"""
