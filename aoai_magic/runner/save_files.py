"""Writing what came back into a folder or a document, without touching what is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from aoai_magic.errors import AssistantError
from aoai_magic.locale import gettext as _
from aoai_magic.turn.view import File, Image, Input, View


def save(view: View, folder: str | Path, *, overwrite: bool = False) -> View:
    """Write files and pictures; give the view that knows where each of them is.

    Raises
    ------
    AssistantError
        If a file of that name is there already and ``overwrite`` is false, nothing is
        written; or if the folder cannot be written.
    """
    target = Path(folder).expanduser()
    view = _placed(view, target)
    _write(view, {}, target, overwrite)
    return view


def save_document(
    view: View, path: str | Path, inputs: Mapping[str, Input], *, overwrite: bool = False
) -> list[Path]:
    """Write a turn as ``.md``, ``.html`` or ``.ipynb``, files and pictures in a folder beside it.

    ``inputs`` are the files that were attached, as what they are in the notebook.

    Returns
    -------
    list[Path]
        The document, then what is in the folder ``NAME_files``.

    Raises
    ------
    AssistantError
        As `save`.
    """
    from aoai_magic.display.saved.documents import WRITERS

    document = Path(path).expanduser()
    folder = document.with_name(f"{document.stem}_files")
    view = _placed(view, folder)
    text = WRITERS[document.suffix.lower()](_seen_from(view, document.parent), inputs)
    # Lone surrogates (odd names) have no UTF-8.
    _write(view, {document: text.encode("utf-8", "replace")}, folder, overwrite)
    return [document, *paths(view)]


def is_document(path: str | Path) -> bool:
    """Tell whether the name is that of a document that `save_document` can write."""
    return Path(path).suffix.lower() in (".md", ".html", ".ipynb")


def _placed(view: View, target: Path) -> View:
    """Give everything that came back a path in the folder, seen from the working folder."""
    from aoai_magic.text.file_names import safe_name

    taken: set[str] = set()

    def place(made: File | Image) -> str:
        name = safe_name(made.name, taken)
        taken.add(name)
        return os.path.relpath(target / name)

    return _each(view, place)


def _seen_from(view: View, folder: Path) -> View:
    return _each(view, lambda made: os.path.relpath(made.saved or "", folder))


def _each(view: View, place: Callable[[File | Image], str]) -> View:
    files = tuple(replace(file, saved=place(file)) for file in view.files)
    parts = tuple(
        replace(part, saved=place(part)) if isinstance(part, Image) else part for part in view.parts
    )
    return replace(view, files=files, parts=parts)


def paths(view: View) -> list[Path]:
    """Give the paths of what was saved."""
    return [Path(made.saved) for made in _made(view) if made.saved]


def _made(view: View) -> list[File | Image]:
    return [*view.files, *(part for part in view.parts if isinstance(part, Image))]


def _write(view: View, more: Mapping[Path, bytes], target: Path, overwrite: bool) -> None:
    wanted = {**more, **{Path(made.saved or ""): made.data for made in _made(view)}}
    if not overwrite:
        _refuse_existing(wanted)
    try:
        for path, data in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    except OSError as error:
        raise AssistantError(
            _(
                "{target} cannot be written ({reason}); save to another folder with "
                "%assistant save DIR."
            ).format(target=target, reason=error.strerror)
        ) from error


def _refuse_existing(wanted: Mapping[Path, bytes]) -> None:
    """Refuse to replace; what holds the same already, as after a second run, stays as it is."""
    existing = [str(path) for path, data in wanted.items() if path.exists() and not _is(path, data)]
    if existing:
        raise AssistantError(
            _(
                "Nothing was written because {files} exists already; give --overwrite "
                "(overwrite=True) to replace it, or another folder."
            ).format(files=", ".join(existing))
        )


def _is(path: Path, data: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
