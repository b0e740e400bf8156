"""Paths of the session in a turn's code become paths of the notebook.

Only string literals are changed, and by their values: a path is data that somebody else may
have named, so it goes back into code quoted, whatever stands in it.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

MOUNT = "/mnt/data"

_STARTS = getattr(tokenize, "FSTRING_START", None)
_ENDS = getattr(tokenize, "FSTRING_END", None)
_MAGIC = re.compile(r"^([ \t]*)([!%].*)$", re.MULTILINE)

_HARMLESS = re.compile(r"[\w@%+=:,./-]+")

Span = tuple[int, int]


class SessionPaths:
    """What the session's paths are in the notebook.

    ``files`` maps the names of attached files in the session's folder to their paths here;
    everything else in that folder is in the notebook's working folder.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        names = "|".join(re.escape(name) for name in sorted(files, key=len, reverse=True))
        # One pass, so that no path that was put in is read again; and whole names only.
        known = rf"(?P<name>{names})(?![\w.-])" if names else r"(?P<name>(?!))"
        self._pattern = re.compile(rf"{MOUNT}(?:/{known}|(?P<inside>/)|(?P<folder>(?![\w.-])))")

    def here(self, code: str) -> str:
        """Return code with the paths of the notebook."""
        lines: dict[str, str] = {}

        def hide(match: re.Match[str]) -> str:
            lines[name := f"{mark}{len(lines)}__"] = self.bare(match[2])
            return match[1] + name

        mark = free_mark([code])
        if _parsed(code) is not None:
            return self.python(code)
        hidden = _MAGIC.sub(hide, code)
        found = self.python(hidden) if _parsed(hidden) is not None else self.bare(hidden)
        return re.sub(rf"{mark}\d+__", lambda match: lines[match[0]], found)

    def python(self, code: str) -> str:
        """Return code that is Python with the paths of the notebook."""
        for start, end in reversed(list(_literals(code))):
            code = code[:start] + self._literal(code[start:end]) + code[end:]
        return code

    def _literal(self, source: str) -> str:
        """Return a literal with another value; in its own style where that can be."""
        try:
            return self._changed(source)
        except RecursionError:  # an f-string of something that is nested deeply
            return source

    def _changed(self, source: str) -> str:
        tree = _parsed_expression(source)
        if tree is None:
            return source
        before = ast.dump(tree)
        wanted = _Values(self._value).visit(tree)
        if ast.dump(wanted) == before:
            return source
        for candidate in (self._text(source), self._requoted(source)):
            plain = _parsed_expression(candidate)
            if plain is not None and ast.dump(plain) == ast.dump(wanted):
                return candidate
        try:
            return ast.unparse(wanted)
        except ValueError:  # an f-string that this Python has no form for: it stays as it was
            return source

    def _value(self, text: str) -> str:
        # The session works in that folder, and paths are joined of parts.
        return self.files[text] if text in self.files else self._text(text)

    def _requoted(self, source: str) -> str:
        """Return a literal that is nothing but a name with the path between the same quotes."""
        found = re.fullmatch(r"(\w*(['\"]+))(.*)\2", source, re.DOTALL)
        return f"{found[1]}{self._value(found[3])}{found[2]}" if found else source

    def _text(self, text: str, path: Callable[[re.Match[str]], str] | None = None) -> str:
        def here(match: re.Match[str]) -> str:
            if match["name"] is not None:
                return path(match) if path else self.files[match["name"]]
            return "" if match["inside"] else "."

        return self._pattern.sub(here, text)

    def bare(self, text: str) -> str:
        """Return a line for the shell or of a magic, in which IPython expands ``{}`` and ``$``.

        A path that might mean more than itself there is left as the session had it: no file
        has that name here, and the line says so.
        """

        def path(match: re.Match[str]) -> str:
            own = self.files[match["name"]]
            return own if _HARMLESS.fullmatch(own) else match[0]

        return self._text(text, path)


class _Values(ast.NodeTransformer):
    """Changes the texts of a string or an f-string."""

    def __init__(self, change: Callable[[str], str]) -> None:
        self._change = change

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """Change a text, or bytes that are one."""
        value: Any = node.value
        if isinstance(value, str):
            value = self._change(value)
        elif isinstance(value, bytes):
            value = self._change(value.decode("utf-8", "surrogateescape"))
            value = value.encode("utf-8", "surrogateescape")
        return ast.Constant(value, node.kind)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Change the parts of an f-string; one that is empty is no part."""
        parts = [self.visit(part) for part in node.values]
        kept = [part for part in parts if not (isinstance(part, ast.Constant) and not part.value)]
        return ast.JoinedStr(kept)


def free_mark(codes: Sequence[str]) -> str:
    """Return a beginning of names that stands nowhere in some code."""
    mark = "__line_"
    while any(mark in code for code in codes):
        mark += "_"
    return mark


def _literals(code: str) -> Iterator[Span]:
    """Yield where string literals are, an f-string as one."""
    offsets = [0]
    for line in io.StringIO(code):  # as `tokenize` reads them
        offsets.append(offsets[-1] + len(line))
    depth, start = 0, 0
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        first, last = (offsets[row - 1] + column for row, column in (token.start, token.end))
        if token.type == _STARTS:
            start, depth = (start if depth else first), depth + 1
        elif token.type == _ENDS:
            depth -= 1
            if not depth:
                yield start, last
        elif token.type == tokenize.STRING and not depth:
            yield first, last


def _parsed(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _parsed_expression(source: str) -> ast.Expression | None:
    try:
        return ast.parse(source, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
