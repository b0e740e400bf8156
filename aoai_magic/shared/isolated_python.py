"""Programs of ours in a Python of their own, whatever lies in the folder they start in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

_BOOT = (
    "import sys; module = sys.argv.pop(1); sys.path += sys.argv.pop(1).splitlines(); "
    "import importlib; sys.exit(importlib.import_module(module).main())"
)


def isolated(module: str, paths: Iterable[str], *arguments: str) -> list[str]:
    """Return the words that call ``main()`` of a module, which reads ``sys.argv``.

    ``-I`` keeps the working folder and ``PYTHONPATH`` off the front of ``sys.path``: a
    ``random.py`` beside the notebook would stand in for Python's own. ``paths`` come last,
    so that they add packages and hide none.
    """
    return [sys.executable, "-I", "-c", _BOOT, module, "\n".join(paths), *arguments]


def package_paths() -> list[str]:
    """Return where this process finds packages, in its order: absolute, the working folder not.

    A package may be found by ``PYTHONPATH``, in the user's own site or in a folder that
    was put on ``sys.path`` by hand, all of which ``-I`` leaves out.
    """
    found = [Path(__file__).parents[2], *map(Path, sys.path)]
    return [str(path) for path in found if path.is_absolute() and not _is_working(path)]


def _is_working(path: Path) -> bool:
    try:
        return path.samefile(os.curdir)
    except OSError:  # one of them is not there any more
        return False
