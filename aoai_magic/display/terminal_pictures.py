"""Pictures of a turn in a terminal: drawn where IPython has a way to, else files to open."""

from __future__ import annotations

import sys
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from aoai_magic.display import labels
from aoai_magic.display.outputs import publish
from aoai_magic.display.saved import bundles
from aoai_magic.text.file_names import inert_name, safe_name
from aoai_magic.turn import view as views

_WRITTEN: dict[bytes, Path] = {}


def picture_text(part: views.Image) -> str:
    """Return what a picture shows and where its file is; only the former if it was drawn.

    A file that was not saved is in a folder of this process, which goes when that ends.
    """
    words = labels.picture(part)
    output = bundles.answer_output(part)
    if output is not None and _is_drawn(part.media_type):
        publish(output)
        return words
    return f"{words}: {part.saved or _written(part)}"


def _is_drawn(media_type: str) -> bool:
    """Return whether the user has set how IPython draws such pictures in this terminal."""
    core = sys.modules.get("IPython")
    shell = core.get_ipython() if core is not None else None
    return media_type in getattr(shell, "mime_renderers", {})


def _written(part: views.Image) -> Path:
    data = part.data
    digest = sha256(data).digest()
    if digest not in _WRITTEN:
        taken = {path.name for path in _WRITTEN.values()}
        path = Path(_folder().name) / safe_name(inert_name(safe_name(part.name, ())), taken)
        path.write_bytes(data)
        _WRITTEN[digest] = path
    return _WRITTEN[digest]


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="aoai-magic-pictures-", ignore_cleanup_errors=True)
