"""The version, apart from `aoai_magic`, which imports the whole notebook side lazily."""

__version__ = "0.1.0"

CONTRACT = 1
"""Which form of the engine's extensions to its APIs this is; the notebook's side needs the same.

Raised when a notebook of the older form would misread an engine of the newer one, or be
refused by it; what is only added needs no new number.
"""
