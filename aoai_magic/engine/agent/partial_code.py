"""Code, read out of a tool call while the model still writes it.

Models put code into Markdown fences, or type it with no-break spaces and curly quotes, which
Python refuses. Whatever may have to be cleaned is held back until all of it is there, so that
what clients were sent is what runs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import jiter

from aoai_magic.engine.models.remote.loose_calls import loose_code

_FENCE = re.compile(r"\s*```[\w+-]*[ \t]*\r?\n(.*?)\s*(?:```\s*)?", re.DOTALL)
_SPACES = "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000"
_NOTHING = "\u200b\u200c\u200d\u2060\ufeff"
_TYPED = re.compile(
    r"""
    (?P<kept> \"{3}(?:\\.|[^\\])*?\"{3} | '{3}(?:\\.|[^\\])*?'{3}
            | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | \#[^\n]* )
    | [“„](?P<double> [^“”„"\\\n]* )[“”]
    | [‘‚](?P<single> [^‘’‚'\\\n]* )[‘’]
    """
    rf"| (?P<space> [{_SPACES}] ) | [{_NOTHING}]",
    re.DOTALL | re.VERBOSE,
)
_SUSPECT = re.compile(f"[`“”„‘’‚{_SPACES}{_NOTHING}]")
_SHELL = re.compile(r"^([ \t]*)[%!].*$", re.MULTILINE)
_LONGEST = 200_000
"""Characters of code that is looked at; the parser's memory is bounded by it."""


class CodeReader:
    """The ``code`` of a python tool call, from pieces of its JSON arguments.

    Some models send the bare code instead of JSON; it is taken as it is.
    """

    def __init__(self) -> None:
        self._arguments = ""
        self._read = ""
        self._repaired = False
        self.code = ""

    def take(self, piece: str) -> str:
        """Read on; gives what the piece added to the code."""
        self._arguments += piece
        code = _code(_parse(self._arguments)) if self._is_json else self._arguments
        if code is None or not code.startswith(self._read):
            return ""
        self._read = code
        suspect = _SUSPECT.search(code, len(self.code))
        ready = code[: suspect.start()] if suspect else code
        return self._add(ready) if ready.strip() else ""

    def end(self) -> str:
        """Record that the code is complete; return what was held back, cleaned if need be."""
        if not self.complete:
            self._repair()
        cleaned = clean_code(self._read)
        return self._add(cleaned if cleaned.startswith(self.code) else self._read)

    def _repair(self) -> None:
        """Return the code in what is nearly JSON, where that is plain."""
        code = loose_code(self._arguments)
        if code is not None and code.startswith(self.code):
            self._read, self._repaired = code, True

    def _add(self, code: str) -> str:
        added = code[len(self.code) :]
        self.code = code
        return added

    @property
    def _is_json(self) -> bool:
        return self._arguments.lstrip()[:1] in ("", "{")

    @property
    def complete(self) -> bool:
        """Whether the arguments were whole, so that the code may be run."""
        if self._repaired or not self._is_json:
            return bool(self._arguments)
        try:
            return _code(jiter.from_json(self._arguments.encode(errors="replace"))) is not None
        except ValueError:
            return False


def clean_code(code: str) -> str:
    """Return the code without fences and typographic characters, where only so it is Python."""
    if not _SUSPECT.search(code) or len(code) > _LONGEST or _is_python(code):
        return code
    return next(filter(_is_python, _candidates(code)), code)


def _candidates(code: str) -> Iterator[str]:
    fenced = _FENCE.fullmatch(code)
    bare = fenced[1] if fenced else code
    yield bare
    yield _TYPED.sub(_retyped, bare)


def _retyped(match: re.Match[str]) -> str:
    """Write one thing with the characters that Python takes; what a string holds is kept."""
    if match["kept"] is not None:
        return match[0]
    for name, quote in (("double", '"'), ("single", "'")):
        if match[name] is not None:
            return f"{quote}{match[name]}{quote}"
    return " " if match["space"] else ""


def _is_python(code: str) -> bool:
    try:
        # Lines for IPython's shell are no Python, and nobody's mistake.
        ast.parse(_SHELL.sub(r"\1pass", code))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _parse(arguments: str) -> Any:
    try:
        return jiter.from_json(arguments.encode(errors="replace"), partial_mode="trailing-strings")
    except ValueError:
        return None


def _code(arguments: Any) -> str | None:
    code = arguments.get("code") if isinstance(arguments, dict) else None
    return code if isinstance(code, str) else None
