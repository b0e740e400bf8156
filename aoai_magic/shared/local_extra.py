"""What the engine needs of other packages: they come with an extra, for ``local`` alone."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator

from aoai_magic.locale import gettext as _

EXTRA = "aoai-magic[local]"

_NEED = re.compile(r"([\w.-]+)[^\[;]*;.*\bextra == ['\"](\w+)['\"]")


def missing_packages() -> list[str]:
    """Return the names of packages without which no engine starts, and that are not installed."""
    return [name for name in _needs() if not _is_installed(name)]


def missing_sentence(names: list[str]) -> str:
    """Return what is missing, and the command that installs it."""
    return _(
        "The local engine needs packages that are not installed ({names}); install them with "
        "pip install '{extra}'."
    ).format(names=", ".join(names), extra=EXTRA)


def _needs() -> Iterator[str]:
    """Yield the names of the extra's own packages; those of ``data`` are the sandbox's."""
    try:
        lines = importlib.metadata.requires("aoai-magic") or []
    except importlib.metadata.PackageNotFoundError:  # run from a folder that nobody installed
        lines = []
    found = {(need[1], need[2]) for need in map(_NEED.match, lines) if need}
    yield from sorted(
        name for name, extra in found if extra == "local" and (name, "data") not in found
    )


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
