"""File names that every file system takes."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from fnmatch import fnmatchcase

_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))}
)


_FORBIDDEN = frozenset('<>:"|?*')


_NAME_BYTES = 200


def safe_name(name: str, taken: Collection[str]) -> str:
    """Return a file name that is safe on every system and is not among `taken`.

    Path parts, control and format characters, reserved names and trailing dots go; a
    name that is taken already, in whatever case, becomes ``name-2.csv``.
    """
    base = unicodedata.normalize("NFC", name.replace("\\", "/").rstrip("/").rpartition("/")[2])
    base = "".join("_" if _is_forbidden(c) else c for c in base).strip(" .") or "file"
    stem, dot, suffix = base.rpartition(".")
    if not dot:
        stem, suffix = base, ""
    if stem.lower() in _RESERVED or base.partition(".")[0].lower() in _RESERVED:
        stem = f"_{stem}"
    return untaken(_short(stem, _NAME_BYTES), dot + _short(suffix, 20), taken)


_RUN_UNASKED = (
    *("conftest.py", "test_*.py", "*_test.py", "setup.py", "noxfile.py", "*.pth"),
    *("sitecustomize.*", "usercustomize.*", "__init__.*", "__main__.*"),
    *("jupyter*config*", "ipython*config*", "pyvenv.cfg", "matplotlibrc"),
    *("pyproject.toml", "setup.cfg", "pytest.ini", "tox.ini", "mypy.ini", "ruff.toml"),
    *("makefile", "gnumakefile", "desktop.ini", "autorun.inf"),
    *("assistant.md", "agents.md", "claude.md", "gemini.md"),
)
"""Files that Python, pytest, Jupyter, a tool or an assistant runs or obeys unasked."""

_MODULES = frozenset({"py", "pyc", "pyo", "pyw", "so", "pyd"})


def inert_name(name: str) -> str:
    """Return the name, with ``.txt`` added to one that programs run or obey without being asked.

    A ``conftest.py`` runs with the next pytest, a ``jupyter_server_config.json`` configures
    the next server: what a model wrote must be read before it does.
    """
    lowered = name.casefold()
    return f"{name}.txt" if any(fnmatchcase(lowered, one) for one in _RUN_UNASKED) else name


def is_importable(name: str) -> bool:
    """Return whether an ``import`` statement finds the file if its folder is searched.

    Any name may be one that some package imports where it is installed (``bottleneck.py``),
    so a list of names that are taken would never be complete.
    """
    stem, _, suffix = name.partition(".")
    return stem.isidentifier() and suffix.rpartition(".")[2].casefold() in _MODULES


def _is_forbidden(char: str) -> bool:
    # Cc, Cf, Cs, Co, Cn: among them are the marks that turn the direction of text, with
    # which "exe.csv" can be made of "csv.exe".
    return char in _FORBIDDEN or unicodedata.category(char)[0] == "C"


def _short(text: str, limit: int) -> str:
    return text.encode()[:limit].decode("utf-8", "ignore")


def untaken(stem: str, suffix: str, taken: Collection[str]) -> str:
    """Return the name, numbered where it is among `taken` in whatever case."""
    used = {name.casefold() for name in taken}
    name, count = f"{stem}{suffix}", 1
    while name.casefold() in used:
        count += 1
        name = f"{stem}-{count}{suffix}"
    return name
