"""Pictures that a cell has saved and not shown are shown when it is over, once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from aoai_magic.sandbox.child.figures import Figures

_KINDS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
_MOST, _LARGEST = 8, 8 << 20
_MOST_FOLDERS, _MOST_ENTRIES = 20, 2000

_Stamp = tuple[int, int]


class SavedPictures:
    """Compares a folder before and after a cell."""

    def __init__(self, folder: Path, show: Callable[[dict[str, bytes | str]], None]) -> None:
        self._folder = folder
        self._show = show
        self._before: dict[Path, _Stamp] = {}

    def begin(self) -> None:
        """Remember what pictures there are before the cell runs."""
        self._before = dict(self._pictures())

    def flush(self, figures: Figures) -> None:
        """Show what is new, but for figures that have been shown in another way."""
        new = {path: stamp for path, stamp in self._pictures() if self._before.get(path) != stamp}
        paths = [path for path in sorted(new, key=new.__getitem__) if not figures.was_shown(path)]
        for path in paths[:_MOST]:
            with contextlib.suppress(OSError):
                if 0 < path.stat().st_size <= _LARGEST:
                    self._show_one(path, figures.described(path))
        if (more := len(paths) - _MOST) and more > 0:
            self._show({"text/plain": f"{more} more pictures were saved."})

    def _show_one(self, path: Path, described: dict[str, str]) -> None:
        mime = _KINDS[path.suffix.lower()]
        content = path.read_bytes()
        name = str(path.relative_to(self._folder))
        shown = content.decode("utf-8", "replace") if mime == "image/svg+xml" else content
        self._show({mime: shown, **described, "text/plain": name})

    def _pictures(self) -> Iterator[tuple[Path, _Stamp]]:
        folders, entries = [self._folder], 0
        for folder in folders:
            with contextlib.suppress(OSError), os.scandir(folder) as found:
                for entry in found:
                    entries += 1
                    if entries > _MOST_ENTRIES:
                        return
                    if entry.is_dir(follow_symlinks=False) and len(folders) < _MOST_FOLDERS:
                        folders.append(Path(entry.path))
                    elif Path(entry.name).suffix.lower() in _KINDS:
                        status = entry.stat(follow_symlinks=False)
                        yield Path(entry.path), (status.st_mtime_ns, status.st_size)
