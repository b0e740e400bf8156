"""A turn as JSON, saved beside its last line: what others read, search or replay.

The form is described by ``turn.schema.json``; ``version`` changes when a reader of the
old form would misunderstand the new one.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict
from typing import Any

from aoai_magic.turn import view as views
from aoai_magic.turn.view import View

MEDIA_TYPE = "application/vnd.aoai-magic.turn+json"
FILES_TYPE = "application/vnd.aoai-magic.files+json"
VERSION = 1
INLINE_FILE_BYTES = 16_384


def record(view: View) -> dict[str, Any]:
    """Return what a turn was, less what stands above: pictures, files and the text of the work."""
    return {
        "version": VERSION,
        "thread": _text(view.thread),
        "target": _text(view.target),
        "model": _text(view.model),
        "isolation": _text(view.isolation),
        "effort": _text(view.effort),
        "context": _text(view.context),
        "status": view.status,
        "error": _text(view.error),
        "seconds": view.seconds,
        "times": asdict(view.times) if view.times else None,
        "usage": {
            "input_tokens": view.usage.input_tokens,
            "output_tokens": view.usage.output_tokens,
            "cached_tokens": view.usage.cached_tokens,
            "container_minutes": view.usage.container_minutes,
            "estimated": view.usage.estimated,
        },
        "cost": view.cost,
        "parts": [_part(part) for part in view.parts],
        "files": [
            {"name": _text(f.name), "id": _text(f.id), **_digest(f.data)} for f in view.files
        ],
        "cell": _text(view.cell),
        "questions": [_text(question) for question in view.questions],
        "value": None if view.value is None else json.loads(view.value),
    }


def _part(part: views.Part) -> dict[str, Any]:
    facts: dict[str, Any] = {"type": type(part).__name__.lower(), "id": _text(part.id)}
    if isinstance(part, views.Text | views.Notice):
        return {**facts, "text": _text(part.text)}
    if isinstance(part, views.Sources):
        named = [(one.number, _text(one.file), _text(one.place)) for one in part.passages]
        keys = ("number", "file", "place")
        return {**facts, "passages": [dict(zip(keys, one, strict=True)) for one in named]}
    if isinstance(part, views.Code):
        error = _text(part.error)
        tried = {"state": part.state, "attempt": part.attempt, "error": error}
        return {**facts, **tried, "seconds": part.seconds}
    if isinstance(part, views.Image):
        shown = {"name": _text(part.name), "media_type": _text(part.media_type)}
        return {**facts, **shown, **_digest(part.data)}
    return facts


def file_record(file: views.File, kind: str, way: str) -> dict[str, Any]:
    """Return a file with its bytes if it is small, what it is, and how to get it in Python."""
    is_small = file.blob.size <= INLINE_FILE_BYTES
    data = base64.b64encode(file.data).decode("ascii") if is_small else None
    facts = {"name": _text(file.name), "size": file.blob.size, "kind": kind, "way": way}
    return {**facts, "data": data}


def _digest(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _text(text: str | None) -> str | None:
    # Lone surrogates (odd file names) cannot be sent or saved.
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")
