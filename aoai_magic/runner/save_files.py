"""Writing what came back into a folder or a document, without touching what is there.

The names are a model's: none may make Python, pytest or Jupyter run the file because of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from aoai_magic.errors import AssistantError
from aoai_magic.locale import gettext as _
from aoai_magic.turn.view import File, Image, Input, Notice, View

MODULES_FOLDER = "assistant_files"
"""Where Python files go if the next kernel would find them by ``import`` in the folder itself."""

_RENAMED = "renamed-files"


def save(view: View, folder: str | Path, *, overwrite: bool = False) -> View:
    """Write files and pictures; return the view that knows where each of them is.

    A file that Python or a tool would run because of its name gets another one, and a Python
    file stays out of a folder that kernels import from; a notice in the view says so.

    Raises
    ------
    AssistantError
        If a file of that name is there already and ``overwrite`` is false, nothing is
        written; or if the folder cannot be written.
    """
    target = _expanded(folder)
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

    document = _expanded(path)
    folder = document.with_name(f"{document.stem}_files")
    view = _placed(view, folder)
    text = WRITERS[document.suffix.lower()](_seen_from(view, document.parent), inputs)
    # Lone surrogates (odd names) have no UTF-8.
    _write(view, {document: text.encode("utf-8", "replace")}, folder, overwrite)
    return [document, *paths(view)]


def is_document(path: str | Path) -> bool:
    """Return whether the name is that of a document that `save_document` can write."""
    return Path(path).suffix.lower() in (".md", ".html", ".ipynb")


def _expanded(path: str | Path) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # ~name of nobody
        raise AssistantError(
            _("{path} does not name a user's folder; use the full path.").format(path=path)
        ) from error


def _placed(view: View, target: Path) -> View:
    """Return everything that came back a path in the folder, seen from the working folder."""
    from aoai_magic.text.file_names import inert_name, is_importable, safe_name

    taken: set[str] = set()
    modules = target / MODULES_FOLDER if _is_imported_from(target) else target
    moved: dict[str, str] = {}

    def place(made: File | Image) -> str:
        plain = safe_name(made.name, ())
        name = safe_name(inert_name(plain), taken)
        taken.add(name)
        folder = modules if is_importable(name) else target
        path = os.path.relpath(folder / name)
        if folder != target or inert_name(plain) != plain:
            moved[made.name] = path
        return path

    return _with_notice(_each(view, place), moved)


def _is_imported_from(folder: Path) -> bool:
    """Whether a kernel, this one or that of a notebook in the folder, imports from there."""
    try:
        here = folder.resolve()
        searched = {Path(entry).resolve() for entry in ("", *sys.path)}
        return here in searched or any(here.glob("*.ipynb"))
    except OSError:  # what is wrong with the folder is said when it is written
        return True


def _with_notice(view: View, moved: Mapping[str, str]) -> View:
    """Add what was renamed, in the place of what an earlier save said."""
    parts = tuple(part for part in view.parts if part.id != _RENAMED)
    if moved:
        names = ", ".join(f"{name} → {path}" for name, path in moved.items())
        text = _(
            "Saved under another name, so that Python or a tool does not run it unasked: {names}. "
            "Read it before you rename it."
        ).format(names=names)
        parts = (*parts, Notice(_RENAMED, text))
    return replace(view, parts=parts)


def _seen_from(view: View, folder: Path) -> View:
    return _each(view, lambda made: os.path.relpath(made.saved or "", folder))


def _each(view: View, place: Callable[[File | Image], str]) -> View:
    files = tuple(replace(file, saved=place(file)) for file in view.files)
    parts = tuple(
        replace(part, saved=place(part)) if isinstance(part, Image) else part for part in view.parts
    )
    return replace(view, files=files, parts=parts)


def paths(view: View) -> list[Path]:
    """Return the paths of what was saved."""
    return [Path(made.saved) for made in _made(view) if made.saved]


def _made(view: View) -> list[File | Image]:
    return [*view.files, *(part for part in view.parts if isinstance(part, Image))]


def _write(view: View, more: Mapping[Path, bytes], target: Path, overwrite: bool) -> None:
    wanted = {**more, **{Path(made.saved or ""): made.data for made in _made(view)}}
    try:
        if not overwrite:
            _refuse_existing(wanted)
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
                "Nothing was written because {files} already exists; use --overwrite "
                "(overwrite=True) to replace it, or another folder."
            ).format(files=", ".join(existing))
        )


def _is(path: Path, data: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
