"""Packed files put into the folder are variables, loaded when code can reach them."""

from __future__ import annotations

import contextlib
import keyword
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path
from typing import Any, NoReturn

from aoai_magic import frame_codec
from aoai_magic.frame_codec import Manifest

_SUFFIXES = (".parquet", ".arrow")
_WORD = re.compile(r"\w+")

_REACH_ALL = frozenset(
    (
        *("globals", "locals", "vars", "eval", "exec", "__main__", "__dict__", "modules"),
        *("inspect", "_getframe", "currentframe", "f_globals", "f_locals", "runpy", "run"),
        *("get_ipython", "user_ns", "user_global_ns", "who", "whos", "who_ls", "psearch"),
        *("query", "evaluate", "sql", "duckdb", "SQLContext", "pandasql"),
    )
)
"""Words of code that may reach a variable whose name it never spells out."""


class Unloaded:
    """Stands in the namespace for a value that no code has reached yet."""

    __slots__ = ("manifest", "path")

    def __init__(self, manifest: Manifest, path: Path) -> None:
        self.manifest = manifest
        self.path = path

    def __repr__(self) -> str:
        about = self.manifest
        size = f"{about.rows:,} rows × {about.columns:,} columns"
        return f"<{about.name}: {about.kind}, {size}; loaded when code names it>"

    def __getattr__(self, name: str) -> NoReturn:
        text = f"{self.manifest.name} is loaded when code names it; write its name in the cell"
        raise AttributeError(text)


class LazyFrames:
    """Binds the packed files of ``folder`` in ``namespace``, under the names they were packed with.

    A name is there from the start, whatever it meant before; its value is loaded before the
    first cell that can reach it. Code reaches a variable by its name, through a function of
    an earlier cell that names it, or by one of the ways in `_REACH_ALL`: hence all words of
    the session's code count, not only those of the cell. (A namespace that loads on access
    would have to be a subclass of dict, with which Python looks up every global of the
    session's code on its slow path.)
    """

    def __init__(self, folder: Path, namespace: MutableMapping[str, Any]) -> None:
        self._folder = folder
        self._namespace = namespace
        self._words: set[str] = set()
        self._put: dict[str, None] = {}
        self._is_new = True

    def prepare(self, code: str, put: Iterable[str]) -> None:
        """Bind the files that were ``put`` since the last cell, and load what ``code`` can reach.

        The first cell of an interpreter finds all packed files of the folder bound.
        """
        self._put.update(dict.fromkeys(put))
        with contextlib.suppress(OSError):  # a file is gone, or the code has closed the folder
            self._bind([*self._names(), *self._put] if self._is_new else self._put)
        # Only now, lest an interrupt leave a name with what it meant before.
        self._is_new = False
        self._put.clear()
        self._words.update(_WORD.findall(unicodedata.normalize("NFKC", code)))
        reaches_all = not self._words.isdisjoint(_REACH_ALL)
        for name, value in list(self._namespace.items()):
            if type(value) is Unloaded and (reaches_all or name in self._words):
                self._load(name, value)

    def _names(self) -> Iterator[str]:
        with os.scandir(self._folder) as entries:
            yield from sorted(e.name for e in entries if e.is_file(follow_symlinks=False))

    def _bind(self, names: Iterable[str]) -> None:
        found: dict[str, Unloaded] = {}
        for name in names:
            path = self._folder / name
            manifest = frame_codec.peek(path) if name.endswith(_SUFFIXES) else None
            if manifest is None or not _is_variable(manifest.name):
                continue
            # Of two files packed under one name, the one that is called so is the variable.
            if manifest.name not in found or path.stem == manifest.name:
                found[manifest.name] = Unloaded(manifest, path)
        self._namespace.update(found)

    def _load(self, name: str, value: Unloaded) -> None:
        try:
            self._namespace[name] = frame_codec.unpack(value.path)
        except Exception as error:
            # Rather no variable than one that holds something else.
            del self._namespace[name]
            reason = error if str(error) else type(error).__name__
            text = f"{name} could not be loaded from {value.path.name}: {reason}"
            print(text, file=sys.stderr)  # noqa: T201


def _is_variable(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)
