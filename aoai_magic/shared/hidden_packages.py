"""Files of the user's that stand in for a package of the same name, such as ``openai.py``."""

from __future__ import annotations

import contextlib
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from aoai_magic.errors import UsageError
from aoai_magic.locale import gettext as _

_OF_PACKAGES = ("site-packages", "dist-packages")


@contextlib.contextmanager
def named() -> Iterator[None]:
    """Name the file that hides a package where that is what an error comes of.

    Raises
    ------
    UsageError
        In place of the error; says which file, and what to do.
    """
    try:
        yield
    except Exception as error:
        for name in _suspects(error):
            refuse(name)
        raise


def refuse(name: str) -> None:
    """Raise `UsageError` if a file hides the package ``name``; nothing is imported for that."""
    path = hiding(name)
    if path is not None:
        raise UsageError(
            _(
                "{file} in {folder} hides the package {name}, which aoai_magic needs; give the "
                "file another name and restart the kernel."
            ).format(file=path.name, folder=path.parent, name=name)
        )


def hiding(name: str) -> Path | None:
    """Return the file or folder that is imported in place of an installed package."""
    origins = [path for entry in sys.path if (path := _origin(name, entry)) is not None]
    loaded = getattr(sys.modules.get(name), "__file__", None)
    first = Path(loaded) if loaded else next(iter(origins), None)
    if first is None or _installed(first) or not any(map(_installed, origins)):
        return None
    return first.parent if first.name == "__init__.py" else first


def _origin(name: str, entry: str) -> Path | None:
    spec: ModuleSpec | None = PathFinder.find_spec(name, [entry or str(Path.cwd())])
    return Path(spec.origin) if spec and spec.has_location and spec.origin else None


def _installed(path: Path) -> bool:
    """Return whether a file is of Python's library or of an installed package.

    What ``pip install --target`` has put into a folder of its own is installed too, and
    stands before others because somebody wants that.
    """
    library = Path(sysconfig.get_path("stdlib"))
    if any(part in _OF_PACKAGES for part in path.parts) or path.is_relative_to(library):
        return True
    folder = path.parent.parent if path.name == "__init__.py" else path.parent
    return any(folder.glob("*.dist-info"))


def _module(path: Path) -> str:
    return path.parent.name if path.name == "__init__.py" else path.stem


def _suspects(error: BaseException | None) -> Iterator[str]:
    """Yield the names of modules that an error, or what it came of, is about."""
    while error is not None:
        if isinstance(error, ImportError) and error.name:
            yield error.name.partition(".")[0]
        if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
            yield error.obj.__name__.partition(".")[0]
        if isinstance(error, SyntaxError) and error.filename:
            yield _module(Path(error.filename))
        for frame in traceback.extract_tb(error.__traceback__):
            path = Path(frame.filename)
            if not _installed(path):
                yield _module(path)
        error = error.__cause__ or error.__context__
