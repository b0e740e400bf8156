"""The version, apart from `aoai_magic`, which imports the whole notebook side lazily."""

__version__ = "0.1.0"
