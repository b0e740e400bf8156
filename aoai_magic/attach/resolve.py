"""From what the user typed to what is attached."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from aoai_magic import frame_codec
from aoai_magic.attach import (
    files,
    frames,
    nested_frames,
    schema_card,
    text_column,
)
from aoai_magic.attach.attachment import Attachment
from aoai_magic.attach.mentions import Mention, find_mentions, near_misses
from aoai_magic.attach.pictures import is_picture
from aoai_magic.errors import AttachError
from aoai_magic.locale import gettext as _
from aoai_magic.text.file_names import safe_name

MOST = 1_000
"""Files that a pattern may name."""

_MAGIC = re.compile(r"[*?\[]")
_NAME = re.compile(r"[^\W\d]\w*")
_NOT_MEANT = frozenset({"In", "Out"})
_WAYS = ("to_pandas", "toPandas", "compute", "to_arrow", "to_df")


@dataclass(frozen=True)
class Description:
    """An item as a dry run shows it; nothing was packed or hashed for it.

    Attributes
    ----------
    name, kind
        Variable or file, and what it is in a few words.
    rows, columns
        Size of a frame, None for others.
    bytes
        Of a file on disk, else an estimate from memory.
    is_picture
        Whether a model that sees is shown it.
    """

    name: str
    kind: str
    rows: int | None
    columns: int | None
    bytes: int
    is_picture: bool = False


@dataclass(frozen=True)
class _Variable:
    name: str
    value: object
    expression: str


_Source = _Variable | Path


def resolve(
    items: Sequence[str],
    prompt: str,
    namespace: Mapping[str, object],
    cwd: Path,
    *,
    rows: int | None = None,
    schema_only: bool = False,
    folder: Path,
) -> list[Attachment]:
    """Find what is to be attached and get it ready.

    Parameters
    ----------
    items
        Names of variables, or ``@path`` and ``@glob``.
    prompt
        Text as the user typed it, in which ``@name`` attaches too, if it names a variable
        that can be attached or a file that exists.
    namespace
        The notebook's variables.
    cwd
        Folder from which paths are taken.
    rows
        Attach of each frame a random sample of so many rows, the same each time.
    schema_only
        Write cards without any value.
    folder
        Where variables are packed when their `Attachment.path` is read.

    Raises
    ------
    AttachError
        Something named in `items` is not there, a mention in `prompt` is a near miss of
        something that is, or anything cannot be attached.
    """
    taken: set[str] = set()
    attachments = []
    for number, source in enumerate(_sources(items, prompt, namespace, cwd)):
        # A folder each, since a variable and a file may have the same file name.
        place = folder / str(number)
        attachments.append(_attachment(source, rows, schema_only, place, taken))
    return attachments


def documents(
    named: Sequence[str], namespace: Mapping[str, object], cwd: Path, folder: Path
) -> list[Attachment]:
    """Find what is to be searched: files, globs, folders with all in them, frames' columns.

    Columns are written into ``folder``.

    Raises
    ------
    AttachError
        There is no such file or column, or one cannot be read.
    """
    taken: set[str] = set()
    paths, columns = _searched(named, namespace, cwd)
    found = {
        file: within
        for path, within in paths.items()
        for file in ([one for _, one in files.inside(path)] if path.is_dir() else [path])
    }
    searched = [
        replace(files.attach_document(path, _claim(path.name, taken)), within=within)
        for path, within in found.items()
    ]
    for name, column in columns:
        filename = _claim(f"{name}.jsonl", taken)
        place = folder / "search" / filename
        place.parent.mkdir(parents=True, exist_ok=True)
        made = files.attach_document(text_column.write(column, place), filename)
        searched.append(replace(made, expression=name, within=name))
    return searched


def describe_documents(
    named: Sequence[str], namespace: Mapping[str, object], cwd: Path
) -> list[Description]:
    """Describe what `documents` would attach, without reading any data.

    Raises
    ------
    AttachError
        As `documents`, for what is not there.
    """
    paths, columns = _searched(named, namespace, cwd)
    described = [
        Description(name, type(column).__name__, len(column), 1, frames.estimate(column))
        for name, column in columns
    ]
    return [*map(_described, paths), *described]


def _searched(
    named: Sequence[str], namespace: Mapping[str, object], cwd: Path
) -> tuple[dict[Path, str], list[tuple[str, Any]]]:
    """Return the paths, each with what named it, and the columns; a file comes before a column."""
    paths, columns = dict[Path, str](), list[tuple[str, Any]]()
    for text in (one.removeprefix("@") for one in named):
        column = None if _is_there(_path(text, cwd)) else text_column.find(text, namespace)
        if column is None:
            paths |= dict.fromkeys(_paths(text, cwd), str(_path(text, cwd)))
        else:
            columns.append(column)
    return paths, columns


def describe(
    items: Sequence[str], prompt: str, namespace: Mapping[str, object], cwd: Path
) -> list[Description]:
    """Describe what `resolve` would attach, without reading any data.

    Raises
    ------
    AttachError
        As `resolve`, for what is not there.
    """
    return [_described(source) for source in _sources(items, prompt, namespace, cwd)]


def attachable(value: object) -> str | None:
    """Describe in a few words what a value is, such as ``DataFrame, 1,234 × 8``.

    Returns
    -------
    str | None
        None if the value cannot be attached. Nothing is imported, nothing copied.
    """
    if isinstance(value, type):
        return None
    try:
        value = frames.native(value)
        return frames.describe(value) or nested_frames.describe(value) or files.describe(value)
    except Exception:  # a foreign object's property may raise anything at all
        return None


def _sources(
    items: Sequence[str], prompt: str, namespace: Mapping[str, object], cwd: Path
) -> list[_Source]:
    """Everything named, once, in the order in which it was named."""
    named = [source for item in items for source in _item(item, namespace, cwd)]
    return _unique([*named, *_mentions(prompt, namespace, cwd)], namespace)


def _unique(sources: Iterable[_Source], namespace: Mapping[str, object]) -> list[_Source]:
    """Return each source once; two members of different variables get two names."""
    seen: dict[str | Path, _Source] = {}
    names: set[str] = set()
    for source in sources:
        key = source.expression if isinstance(source, _Variable) else source
        if key in seen:
            continue
        if isinstance(source, _Variable):
            if source.name in names:
                name = nested_frames.untaken(source.name, names, namespace)
                source = replace(source, name=name)
            names.add(source.name)
        seen[key] = source
    return list(seen.values())


def _item(item: str, namespace: Mapping[str, object], cwd: Path) -> Iterator[_Source]:
    if item.startswith("@"):
        # As in the question, @name may be a variable where there is no such file.
        is_variable = item[1:] in namespace and not _is_there(_path(item[1:], cwd))
        yield from _variables(item[1:], namespace) if is_variable else _paths(item[1:], cwd)
    elif item not in namespace:
        raise AttachError(_unknown(item, namespace, cwd))
    else:
        yield from _variables(item, namespace)


def _variables(name: str, namespace: Mapping[str, object]) -> Iterator[_Source]:
    value = frames.native(namespace[name])
    if attachable(value) is None:
        raise AttachError(_refusal(name, value))
    if isinstance(value, Path):
        yield value
        return
    own = nested_frames.identifier(name, namespace)
    expression = name if own == name else f"globals()[{name!r}]"
    if nested_frames.holds_frames(value):
        for member in nested_frames.members(own, value, namespace, expression):
            yield _Variable(member.name, member.value, member.expression)
    else:
        yield _Variable(own, value, expression)


def _paths(text: str, cwd: Path) -> list[Path]:
    path = _path(text, cwd)
    if path.exists():
        return [path]
    if re.match(r"\w+://", text):
        raise AttachError(
            _(
                "{text} is a URL, and the interpreter has no network to open it; read it here "
                "first, e.g. with pd.read_csv, and attach the result."
            ).format(text=text)
        )
    if not _MAGIC.search(text):
        raise AttachError(_no_file(text, path))
    # Only what was typed is a pattern; the folder's own name may hold brackets.
    start = Path(path.anchor) if Path(text).expanduser().is_absolute() else cwd
    found = sorted(p for p in start.glob(str(path.relative_to(start))) if p.is_file())
    if not found:
        raise AttachError(
            _("No file matches {text}; check the pattern, it starts at {cwd}.").format(
                text=text, cwd=cwd
            )
        )
    if len(found) > MOST:
        raise AttachError(
            _("{text} matches {count:,} files; name at most {most:,}.").format(
                text=text, count=len(found), most=MOST
            )
        )
    return found


def _path(text: str, cwd: Path) -> Path:
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # ~nobody
        path = Path(text)
    return cwd / path


def _mentions(prompt: str, namespace: Mapping[str, object], cwd: Path) -> Iterator[_Source]:
    for mention in find_mentions(prompt):
        yield from _mention(mention, namespace, cwd)


def _mention(mention: Mention, namespace: Mapping[str, object], cwd: Path) -> Sequence[_Source]:
    """Find the longest part of the word that names something.

    Raises
    ------
    AttachError
        Nothing has that name, but something has nearly that name, or it looks like a path.
    """
    for text in mention.readings:
        if _is_meant(text) and text in namespace and attachable(namespace[text]) is not None:
            return list(_variables(text, namespace))
        if _is_file(path := _path(text, cwd)):
            return [path]
    if not mention.quoted and (refusal := _refuse_mention(mention, namespace, cwd)):
        text = _("{refusal} (To send @{word} as text, put it in backticks.)")
        raise AttachError(text.format(refusal=refusal, word=mention.word))
    return []


def unattached(prompt: str, namespace: Mapping[str, object], cwd: Path) -> list[str]:
    """Return the mentions of a prompt that attach nothing and stay text, each once.

    Raises
    ------
    AttachError
        As `resolve`.
    """
    found = (one for one in find_mentions(prompt) if not _mention(one, namespace, cwd))
    words = (one.word.rstrip("./-?") for one in found)
    return list(dict.fromkeys(f"@{word}" for word in words if word))


def mentioned_outside(
    items: Sequence[str], prompt: str, namespace: Mapping[str, object], cwd: Path
) -> list[Path]:
    """Return the files outside `cwd` that the prompt alone names, each once, links followed.

    Raises
    ------
    AttachError
        As `resolve`.
    """
    named = [source for item in items for source in _item(item, namespace, cwd)]
    paths = {source.resolve() for source in named if isinstance(source, Path)}
    found = (path.resolve() for path in _mentioned_files(prompt, namespace, cwd))
    inside = cwd.resolve()
    return [
        path
        for path in dict.fromkeys(found)
        if path not in paths and not path.is_relative_to(inside)
    ]


def _mentioned_files(prompt: str, namespace: Mapping[str, object], cwd: Path) -> Iterator[Path]:
    for mention in find_mentions(prompt):
        # A variable that holds a path is the user's own word.
        if not any(text in namespace for text in mention.readings):
            yield from (one for one in _mention(mention, namespace, cwd) if isinstance(one, Path))


def _is_file(path: Path) -> bool:
    return _is_there(path, Path.is_file)


def _is_there(path: Path, test: Callable[[Path], bool] = Path.exists) -> bool:
    try:
        return test(path)
    except (OSError, ValueError):  # a name too long, or not to be looked at
        return False


def _is_meant(name: str) -> bool:
    """Leave IPython's own variables alone."""
    return bool(_NAME.fullmatch(name)) and not name.startswith("_") and name not in _NOT_MEANT


def _attachment(
    source: _Source, rows: int | None, schema_only: bool, folder: Path, taken: set[str]
) -> Attachment:
    if isinstance(source, _Variable):
        return _of_variable(source, rows, schema_only, folder, taken)
    if source.is_dir():
        name = _claim(f"{source.resolve().name or 'folder'}.zip", taken)
        return files.attach_folder(source, name, schema_only=schema_only, folder=folder)
    name = _claim(source.name, taken)
    return files.attach_file(source, name, rows=rows, schema_only=schema_only)


def _of_variable(
    source: _Variable, rows: int | None, schema_only: bool, folder: Path, taken: set[str]
) -> Attachment:
    name, value = source.name, source.value
    if frames.describe(value) is None:
        filename = _claim(f"{name}{files.suffix(value)}", taken)
        item = files.attach_object(name, value, filename, schema_only=schema_only, folder=folder)
    else:
        filename = _claim(f"{name}.arrow", taken)
        item = frames.attach(
            name, value, filename, rows=rows, schema_only=schema_only, folder=folder
        )
    if source.expression == name:
        return item
    line = f"`{name}` is {schema_card.clean(source.expression, 200)} of the user's notebook."
    return replace(item, expression=source.expression, card=f"{line}\n{item.card}")


def _claim(name: str, taken: set[str]) -> str:
    safe = safe_name(name, taken)
    taken.add(safe)
    return safe


def _described(source: _Source) -> Description:
    if isinstance(source, _Variable):
        size = frame_codec.shape(source.value)
        measure = frames.estimate if frames.describe(source.value) else files.estimate
        rows, columns = size or (None, None)
        kind = attachable(source.value) or ""
        shown = is_picture(files.suffix(source.value))
        return Description(source.name, kind, rows, columns, measure(source.value), shown)
    if source.is_dir():
        inside = (path for path in source.rglob("*") if path.is_file())
        return Description(source.name, _("folder"), None, None, sum(map(_size, inside)))
    shown = is_picture(source.name)
    return Description(source.name, _("file"), None, None, _size(source), shown)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise AttachError(
            _("{path} cannot be read ({reason}).").format(path=path, reason=error.strerror or error)
        ) from error


# What is said when it cannot be


def _refuse_mention(mention: Mention, namespace: Mapping[str, object], cwd: Path) -> str:
    """Describe why a mention is taken for one that went wrong; empty for what is mere text."""
    for text in mention.readings:
        if _is_meant(text) and text in namespace and not _is_definition(namespace[text]):
            return _refusal(text, namespace[text])
        if text.strip("./~") and _is_there(_path(text, cwd), Path.is_dir):
            return _(
                "@{name} is a folder; to attach all files in it, name it on the magic line: "
                "%%assistant @{name}"
            ).format(name=text)
        if _MAGIC.search(text) and (mention.is_path or _matches(text, cwd)):
            return _(
                "@{pattern} in the question attaches nothing; patterns go on the magic line: "
                "%%assistant @{pattern}"
            ).format(pattern=text)
    near = near_misses(mention, [*_attachable_names(namespace), *_files_beside(mention, cwd)])
    if near:
        return _("There is no variable or file {name}; did you mean {names}?").format(
            name=mention.word, names=_or([f"@{name}" for name in near])
        )
    return _no_file(mention.word, _path(mention.word, cwd)) if mention.is_path else ""


def _matches(pattern: str, cwd: Path) -> bool:
    try:
        return bool(re.search(r"\w", pattern)) and any(cwd.glob(pattern))
    except (OSError, ValueError, NotImplementedError):  # no pattern, or not below the folder
        return False


def _is_definition(value: object) -> bool:
    """Return whether a value is one that code names after an @, as it does a decorator."""
    return callable(value) or isinstance(value, ModuleType)


def _attachable_names(namespace: Mapping[str, object]) -> list[str]:
    return [k for k, v in list(namespace.items()) if _is_meant(k) and attachable(v) is not None]


def _files_beside(mention: Mention, cwd: Path) -> list[str]:
    """List the files where a mention would lie, named as it names them."""
    folder = mention.word.rpartition("/")[0]
    try:
        there = _path(folder or ".", cwd).iterdir()
        names = [one.name for one in islice(there, MOST) if one.is_file()]
    except (OSError, ValueError):
        return []
    return [f"{folder}/{name}" if folder else name for name in names]


def _unknown(name: str, namespace: Mapping[str, object], cwd: Path) -> str:
    if _path(name, cwd).exists():
        return _(
            "There is no variable {name}; to attach the file of that name, write @{name}."
        ).format(name=name)
    known = _attachable_names(namespace)
    near = difflib.get_close_matches(name, known, n=3)
    if near:
        return _("There is no variable {name}; did you mean {names}?").format(
            name=name, names=_or(near)
        )
    if not known:
        return _(
            "No variable is named {name}, and none here can be attached. Use @path for a file."
        ).format(name=name)
    return _("No variable is named {name}. You can attach {names}; use @path for a file.").format(
        name=name, names=", ".join(sorted(known)[:5])
    )


def _no_file(text: str, path: Path) -> str:
    try:
        there = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return _("There is no file {text}, and no folder {folder} either; check the path.").format(
            text=text, folder=path.parent
        )
    near = difflib.get_close_matches(path.name, there, n=3)
    if near:
        names = _or([f"@{name}" for name in near])
        return _("There is no file {text}; did you mean {names}?").format(text=text, names=names)
    return _("There is no file {text} in {folder}; check the path.").format(
        text=text, folder=path.parent
    )


def _or(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return _("{names} or {last}").format(names=", ".join(names[:-1]), last=names[-1])


def _refusal(name: str, value: object) -> str:
    if files.is_url(value):
        return _(
            "{name} is a URL, and the interpreter has no network to open it; read it here first, "
            "e.g. with pd.read_csv({name}), and attach the result."
        ).format(name=name)
    way = next((way for way in _WAYS if callable(getattr(value, way, None))), None)
    if way and not isinstance(value, type):
        return _(
            "{name} is of type {type}, which cannot be attached as it is; attach the result of "
            "{name}.{way}(), of a part if it is large."
        ).format(name=name, type=type(value).__name__, way=way)
    return _(
        "{name} is of type {type}, which cannot be attached; DataFrames, Series, "
        "arrays, Arrow tables, text, bytes, lists, dicts, figures, pictures, paths "
        "and open files can."
    ).format(name=name, type=type(value).__name__)
