"""Skill bundles: what a client uploads as a skill, read with distrust and packed anew.

A bundle is a folder with a ``SKILL.md`` whose front matter has the skill's name and its
description (https://agentskills.io/specification). What is stored is a zip file that this
module wrote, of regular files under safe names within bounds, so that unpacking it later
cannot surprise.
"""

from __future__ import annotations

import re
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import yaml

from aoai_magic.engine.errors import ApiError

MOST_FILES = 500
MOST_BYTES = 50 << 20
"""Of all files of a bundle together, unpacked; one file may have half of them."""
LARGEST_UPLOAD = 16 << 20
"""Of a bundle as it is sent; the list of a zip file's names alone takes memory."""

_MANIFEST = "SKILL.md"
_LONGEST_MANIFEST = 1 << 20
_CHUNK = 1 << 16
_IN_MEMORY = 1 << 20
_JUNK = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$)")
_PART = re.compile(r"(?!\.{1,2}$)[^\x00-\x1f\x7f\\/:]{1,200}")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_NAME, _LONGEST_DESCRIPTION = 64, 1024
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    OSError,
    ValueError,
)
"""What reading a zip file raises that is damaged, encrypted or packed in an unknown way."""


@dataclass(frozen=True)
class Bundle:
    """A skill as it is stored: a zip file of what is in its folder."""

    name: str
    description: str
    file: IO[bytes]


_Source = tuple[str, Callable[[], IO[bytes]]]
"""A file's path in the bundle, and what opens it."""


def read_zip(source: IO[bytes]) -> Bundle:
    """Read a zip file.

    Raises
    ------
    ApiError
        When it is no bundle, or breaks a bound.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            return _pack([(_checked(info), partial(archive.open, info)) for info in infos])
    except _BROKEN as error:
        raise _invalid(f"the zip file cannot be read ({error})") from error


def read_files(files: Iterable[tuple[str, IO[bytes]]]) -> Bundle:
    """Read files that were uploaded one by one, by their paths; raises as `read_zip` does."""
    return _pack([(path, partial(_open, source)) for path, source in files])


def _open(source: IO[bytes]) -> IO[bytes]:
    return source


def unpack(bundle: Path, folder: Path) -> None:
    """Unpack a stored bundle into a folder that every account may read, whole or not at all."""
    half = folder.with_name(f".{folder.name}")
    shutil.rmtree(half, ignore_errors=True)
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(half)
    for path in (half, *half.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    half.rename(folder)


def check_name(name: str, description: str) -> None:
    """Check what a skill is called and said to be for; raises `ApiError`."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise _invalid(
            f"its name must be lower-case letters, digits and single hyphens, at most "
            f"{_LONGEST_NAME}; {name[:80]!r} is not"
        )
    if not description.strip() or len(description) > _LONGEST_DESCRIPTION:
        raise _invalid(f"its description must have 1 to {_LONGEST_DESCRIPTION} characters")


def _invalid(reason: str) -> ApiError:
    return ApiError(f"Invalid skill: {reason}.", param="files", code="invalid_skill")


def _checked(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise _invalid(f"{info.filename[:80]!r} is not a regular file")
    # Others ask for memory by their header before a byte is unpacked.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _invalid(f"{info.filename[:80]!r} is not packed by 'deflate'")
    return info.filename


def _pack(files: Sequence[_Source]) -> Bundle:
    kept = [(path, opened) for path, opened in files if not _JUNK.search(path)]
    names = list(_names([path for path, _ in kept]))
    packed = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by who stores it
    left, manifest = MOST_BYTES, b""
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        for name, (_, opened) in zip(names, kept, strict=True):
            with opened() as source, out.open(zipfile.ZipInfo(name), "w") as target:
                for piece in _pieces(source, min(left, MOST_BYTES // 2)):
                    left -= len(piece)
                    target.write(piece)
                    if name == _MANIFEST and len(manifest) < _LONGEST_MANIFEST:
                        manifest += piece
    packed.seek(0)
    return Bundle(*_front_matter(manifest), packed)


def _names(paths: list[str]) -> Iterator[str]:
    """Yield the names within the skill's folder; a folder around everything is left out."""
    if not paths or len(paths) > MOST_FILES:
        raise _invalid(f"it must have 1 to {MOST_FILES} files, not {len(paths)}")
    tops = {path.partition("/")[0] for path in paths}
    around = len(tops) == 1 and all("/" in path for path in paths)
    around = around and all(map(_PART.fullmatch, tops))
    names = [path.partition("/")[2] if around else path for path in paths]
    if _MANIFEST not in names:
        raise _invalid(f"there is no {_MANIFEST} at the top of its folder")
    folded = {name.casefold() for name in names}
    for path, name in zip(paths, names, strict=True):
        parts = name.split("/")
        if not all(map(_PART.fullmatch, parts)) or len(name) > 400:
            raise _invalid(f"{path[:80]!r} is not a path that a skill may have")
        if {"/".join(parts[:count]).casefold() for count in range(1, len(parts))} & folded:
            raise _invalid(f"{path[:80]!r} lies in a file")
    if len(folded) < len(names):
        raise _invalid("two of its files have one name")
    yield from names


def _pieces(source: IO[bytes], most: int) -> Iterator[bytes]:
    """Yield what a file really holds, whatever its header says of its size."""
    total = 0
    while piece := source.read(_CHUNK):
        total += len(piece)
        if total > most:
            raise _invalid(f"its files hold more than {MOST_BYTES >> 20} MB, or one more than half")
        yield piece


def _front_matter(manifest: bytes) -> tuple[str, str]:
    """Read name and description."""
    found = re.match(r"---[ \t]*\r?\n(.*?)\r?\n---", manifest.decode(errors="replace"), re.DOTALL)
    try:
        given = yaml.safe_load(found[1][:10_000]) if found else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _invalid(f"the front matter of {_MANIFEST} is no YAML") from error
    values = [given.get(key) for key in ("name", "description")] if isinstance(given, dict) else []
    if not values or not all(isinstance(value, str) for value in values):
        raise _invalid(f"{_MANIFEST} must begin with a front matter of 'name' and 'description'")
    name, description = map(str, values)
    check_name(name, description)
    return name, description
