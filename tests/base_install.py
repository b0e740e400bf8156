"""An environment that holds what `pip install aoai-magic` brings, made of links to this one."""

from __future__ import annotations

import importlib.metadata
import re
import site
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement


def make_environment(folder: Path, *more: str) -> Path:
    """Make a virtual environment without extras but with ``more``, and return its Python.

    Packages are linked from this environment, so that no index is needed.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    shown = subprocess.check_output([python, "-c", "import site; print(site.getsitepackages()[0])"])
    target = Path(shown.decode().strip())
    for name in _packages("aoai-magic", *more):
        for entry in _entries(name):
            if not (target / entry.name).exists():
                (target / entry.name).symlink_to(entry)
    (target / "checkout.pth").write_text(str(Path(__file__).parents[1]))
    return python


def _packages(*names: str) -> set[str]:
    """Return the normalised names of packages and of all that they depend on."""
    found, waiting = set[str](), [*names]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name not in found:
            found.add(name)
            waiting += _requirements(name)
    return found


def _requirements(name: str) -> Iterator[str]:
    for line in importlib.metadata.requires(name) or ():
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            yield needed.name


def _entries(name: str) -> set[Path]:
    """Return what a distribution put into this environment's folder of packages."""
    files = importlib.metadata.distribution(name).files or ()
    folders = {Path(place) for place in site.getsitepackages()}
    tops = {(file.parts[0], Path(file.locate()).parents[len(file.parts) - 1]) for file in files}
    return {at / top for top, at in tops if at in folders and top not in ("..", "__pycache__")}
