"""Files, folders, texts, JSON, pictures: everything that is no frame."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import re
import stat
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aoai_magic import frame_codec
from aoai_magic.attach import file_card, fingerprint, losses, pictures
from aoai_magic.attach.attachment import Attachment, Parcel
from aoai_magic.errors import AttachError
from aoai_magic.frame_codec import portable
from aoai_magic.locale import Say
from aoai_magic.locale import gettext as _
from aoai_magic.turn import progress as meter

FOLDER_FILES = 10_000
"""Files that an attached folder may hold."""

TABLES = frozenset({".csv", ".tsv", ".parquet", ".xlsx", ".json", ".jsonl", ".feather", ".arrow"})
"""Suffixes of files that are tables, from which ``--rows`` cannot take a sample."""

_URL = re.compile(r"\s*(?:https?|ftp|s3|gs|abfss?|wasbs?)://\S+\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Form:
    """A type of object and the file that is made of it.

    ``describe`` gives a few words on it, which it hands to what translates them, ``suffix``
    the file's suffix, ``dump`` its bytes.
    """

    matches: Callable[[Any], bool]
    describe: Callable[[Any, Say], str]
    suffix: Callable[[Any], str]
    dump: Callable[[Any], bytes]


def describe(value: object) -> str | None:
    """Describe in a few words what the value is, or None if no file is made of it; fast."""
    if isinstance(value, Path):
        return _("path, {name}").format(name=value.name or value)
    form = _form(value)
    return form.describe(value, _) if form else None


def estimate(value: object) -> int:
    """Return the bytes of a text or of bytes; 0 where only writing would show."""
    return len(value) if isinstance(value, (str, bytes, bytearray)) else 0


def suffix(value: object) -> str:
    """Return the suffix of the file that is made of a value that `describe` knows."""
    form = _form(value)
    return form.suffix(value) if form else ""


def attach_object(
    name: str, value: object, filename: str, *, schema_only: bool, folder: Path
) -> Attachment:
    """Make a file of a value that `describe` knows and that is no path.

    Raises
    ------
    AttachError
        The value holds what its kind of file cannot hold.
    """
    form = _form(value)
    assert form is not None
    with portable.collecting() as lost:
        data = form.dump(value)
    words = form.describe(value, str)
    title = "\n".join(filter(None, [losses.card_line(tuple(lost)), f"`{name}`: {words}"]))
    return Attachment(
        name=name,
        kind=words.partition(",")[0],
        filename=filename,
        sha256=fingerprint.of_bytes(data, filename),
        card=file_card.of_bytes(title, filename, data, schema_only),
        origin="variable",
        parcel=Parcel(lambda: _written(folder / filename, data), len(data)),
        notice=losses.notice(name, tuple(lost)),
        is_picture=pictures.is_picture(filename) and not schema_only,
    )


def attach_file(path: Path, filename: str, *, rows: int | None, schema_only: bool) -> Attachment:
    """Attach a file as it is, under the name `filename`.

    Raises
    ------
    AttachError
        It cannot be read, is no regular file, or `rows` asks for a sample of it.
    """
    if rows is not None and path.suffix.lower() in TABLES:
        raise AttachError(
            _(
                "--rows takes a sample of frames, and {name} is a file that would go whole; "
                "read it into a DataFrame and attach that, or leave --rows out."
            ).format(name=path.name)
        )
    try:
        size = _regular(path).st_size
        meter.current().begin(_("looking for changes in {name}").format(name=path.name), size)
        digest = fingerprint.of_files([("", path)], filename)
        card = file_card.of_file(path, filename, size, schema_only)
    except OSError as error:
        raise AttachError(_unreadable(path, error)) from error
    kind = path.suffix.lower().lstrip(".") or "file"
    return Attachment(
        path.name,
        kind,
        filename,
        digest,
        card,
        "file",
        Parcel(lambda: path, size),
        is_picture=pictures.is_picture(filename) and not schema_only,
    )


def attach_document(path: Path, filename: str) -> Attachment:
    """Get a file ready that is searched: of it, the model is told what a search finds.

    Raises
    ------
    AttachError
        It cannot be read, or is no regular file.
    """
    try:
        size = _regular(path).st_size
        meter.current().begin(_("looking for changes in {name}").format(name=path.name), size)
        digest = fingerprint.of_files([("", path)], filename)
    except OSError as error:
        raise AttachError(_unreadable(path, error)) from error
    return Attachment(
        path.name, "document", filename, digest, "", "file", Parcel(lambda: path, size)
    )


def attach_folder(path: Path, filename: str, *, schema_only: bool, folder: Path) -> Attachment:
    """Attach a folder as one ZIP archive; hidden files, caches and links stay out.

    Raises
    ------
    AttachError
        It is empty, holds more than `FOLDER_FILES` files, or one cannot be read.
    """
    try:
        files = list(inside(path))
        size = sum(file.stat().st_size for _, file in files)
        meter.current().begin(_("looking for changes in {name}").format(name=path.name), size)
        digest = fingerprint.of_files(files, filename)
    except OSError as error:
        raise AttachError(_unreadable(path, error)) from error
    names = [name for name, _ in files]
    return Attachment(
        name=path.name,
        kind="folder",
        filename=filename,
        sha256=digest,
        card=file_card.of_folder(path.name, filename, names, size, schema_only),
        origin="file",
        parcel=Parcel(lambda: _zipped(folder / filename, files), size),
    )


def is_url(value: object) -> bool:
    """Return whether a text is nothing but the address of something elsewhere."""
    return isinstance(value, str) and _URL.fullmatch(value) is not None


def _form(value: object) -> Form | None:
    return next((form for form in FORMS if form.matches(value)), None)


def _regular(path: Path) -> os.stat_result:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(
            _("{name} is not a regular file").format(name=path.name)
        )  # a FIFO would be waited for
    with path.open("rb"):
        return status


def _unreadable(path: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return _("{path} cannot be read ({reason}); check the path and its permissions.").format(
        path=path, reason=reason
    )


def inside(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a folder with their names in it; hidden ones and caches stay out.

    Raises
    ------
    AttachError
        There are none, or more than `FOLDER_FILES`.
    """
    count = 0
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__pycache__")
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith(".") or not stat.S_ISREG(path.lstat().st_mode):
                continue
            count += 1
            if count > FOLDER_FILES:
                raise AttachError(
                    _(
                        "{folder} holds more than {most:,} files; attach a folder within it, or "
                        "files by a pattern such as @*.csv."
                    ).format(folder=folder, most=FOLDER_FILES)
                )
            yield path.relative_to(folder).as_posix(), path
    if not count:
        raise AttachError(
            _("{folder} holds no files that could be attached; name another folder.").format(
                folder=folder
            )
        )


def _raise(error: OSError) -> None:
    raise error


def _zipped(target: Path, files: list[tuple[str, Path]]) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    progress = meter.current()
    progress.begin(
        _("packing {name}").format(name=target.name), sum(path.stat().st_size for _, path in files)
    )
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for name, path in files:
            archive.write(path, name)
            progress.add(path.stat().st_size)
    return target


def _written(target: Path, data: bytes) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return target


# What files are made of


def _of(module: str, name: str) -> Callable[[Any], bool]:
    """Return whether a value is of that class, which is never imported."""

    def matches(value: Any) -> bool:
        kind = getattr(sys.modules.get(module), name, None)
        return isinstance(kind, type) and isinstance(value, kind)

    return matches


def _json(value: Any) -> bytes:
    try:
        text = json.dumps(value, default=_plain, ensure_ascii=False, indent=1)
        return text.encode("utf-8", "backslashreplace")
    except (TypeError, ValueError, RecursionError) as error:
        raise AttachError(
            _(
                "A {type} is sent as JSON, which cannot hold this one ({error}); attach its "
                "parts, each as its own variable, or make a DataFrame of it."
            ).format(type=type(value).__name__, error=error)
        ) from error


def _plain(value: Any) -> Any:
    """Return what stands in JSON for what JSON has no form for; a frame is not taken for a text."""
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, Path):
        return str(value)
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    if frame_codec.supported(value):
        raise TypeError(f"a {type(value).__name__}")
    return portable.replaced(value)


def _figure_png(figure: Any) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", bbox_inches="tight")
    return out.getvalue()


def _image_png(image: Any) -> bytes:
    out = io.BytesIO()
    # PNG knows these modes; the others (CMYK, YCbCr, LAB, HSV, F) lose least as RGB.
    plain = image.mode in {"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"}
    (image if plain else image.convert("RGB")).save(out, "PNG")
    return out.getvalue()


_SIGNATURES = {
    b"\x89PNG\r\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF8": ".gif",
    b"%PDF-": ".pdf",
    b"PK\x03\x04": ".zip",
    b"PAR1": ".parquet",
    b"ARROW1": ".arrow",
}


def _bytes_suffix(data: Any) -> str:
    head = bytes(data[:8])
    return next((s for magic, s in _SIGNATURES.items() if head.startswith(magic)), ".bin")


def _is_file_object(value: Any) -> bool:
    return isinstance(value, io.IOBase) and not value.closed and value.readable()


def _file_suffix(file: Any) -> str:
    name = getattr(file, "name", None)
    suffix = Path(name).suffix if isinstance(name, str) else ""
    return suffix or (".txt" if isinstance(file, io.TextIOBase) else ".bin")


def _file_bytes(file: Any) -> bytes:
    """Read a file object from where it stands, and put it back there."""
    place = file.tell() if file.seekable() else None
    data = file.read() or b""
    if place is not None:
        file.seek(place)
    return data.encode() if isinstance(data, str) else bytes(data)


def _fixed(suffix: str) -> Callable[[Any], str]:
    return lambda _: suffix


def _with_length(kind: str = "") -> Callable[[Any, Say], str]:
    return lambda value, say: say("{type}, length {count:,}").format(
        type=kind or type(value).__name__, count=len(value)
    )


FORMS = (
    Form(
        lambda v: isinstance(v, str) and not is_url(v),
        lambda v, say: say("text, length {count:,}").format(count=len(v)),
        _fixed(".txt"),
        lambda v: v.encode("utf-8", "backslashreplace"),
    ),
    Form(
        lambda v: isinstance(v, (bytes, bytearray)),
        _with_length("bytes"),
        _bytes_suffix,
        bytes,
    ),
    Form(
        lambda v: isinstance(v, dict),
        _with_length("dict"),
        _fixed(".json"),
        _json,
    ),
    Form(
        lambda v: isinstance(v, (list, tuple)),
        _with_length(),
        _fixed(".json"),
        _json,
    ),
    Form(
        _of("matplotlib.figure", "Figure"),
        lambda v, say: say("matplotlib figure"),
        _fixed(".png"),
        _figure_png,
    ),
    Form(
        _of("matplotlib.axes", "Axes"),
        lambda v, say: say("matplotlib axes"),
        _fixed(".png"),
        lambda v: _figure_png(v.figure),
    ),
    Form(
        _of("PIL.Image", "Image"),
        lambda v, say: say("picture, {width:,} × {height:,} pixels").format(
            width=v.width, height=v.height
        ),
        _fixed(".png"),
        _image_png,
    ),
    Form(
        _of("plotly.basedatatypes", "BaseFigure"),
        lambda v, say: say("plotly figure"),
        _fixed(".json"),
        lambda v: v.to_json().encode(),
    ),
    Form(
        _of("altair", "TopLevelMixin"),
        lambda v, say: say("altair chart"),
        _fixed(".json"),
        lambda v: v.to_json().encode(),
    ),
    Form(
        _is_file_object,
        lambda v, say: say("file object, {type}").format(type=type(v).__name__),
        _file_suffix,
        _file_bytes,
    ),
)
