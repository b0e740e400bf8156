"""Calls that a model wrote by hand and that are no JSON: what they mean, where that is plain."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection
from typing import Any

from aoai_magic.engine.models.base import PYTHON_TOOL

_NAME = re.compile(r"""["']?(?:name|function|tool)["']?\s*[:=]\s*["'](\w+)["']""")
_CODE = re.compile(r"""["']?code["']?\s*[:=]\s*""")
_DIRECT = re.compile(r"\s*python\(\s*(?:code\s*=\s*)?(?=[\"'])")
_QUOTES = re.compile(r"""(\"{3}|'{3}|```(?:\w+\n)?|["'`])""")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def loose_call(text: str, tools: Collection[str]) -> tuple[str, str] | None:
    """Return a call's name and its arguments as JSON; None where the text is no call."""
    named = _NAME.search(text)
    name = named[1] if named else PYTHON_TOOL if _DIRECT.match(text) else ""
    if name not in tools:
        return None
    literal = _literal(text)
    if literal is not None:
        return name, literal
    code = loose_code(text) if name == PYTHON_TOOL else None
    return None if code is None else (name, json.dumps({"code": code}, ensure_ascii=False))


def loose_code(text: str) -> str | None:
    """Return the code that stands in a broken call of the python tool, None if none does."""
    start = _CODE.search(text) or _DIRECT.match(text)
    quotes = _QUOTES.match(text, start.end()) if start else None
    if quotes is None:
        return None
    mark = quotes[1][:3] if quotes[1][:1] == "`" and len(quotes[1]) > 1 else quotes[1]
    end = text.rfind(mark)
    if end < quotes.end() or re.search(r"\w", text[end + len(mark) :]):
        return None  # half a call: what is missing may matter
    return _unescaped(text[quotes.end() : end])


def _unescaped(code: str) -> str:
    """Undo the escapes of JSON, where the code has them in place of its lines' ends."""
    if "\n" in code.strip() and "\\n" not in re.sub(r"""(["']).*?\1""", "", code):
        return code.replace('\\"', '"')
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), code)


def _literal(text: str) -> str | None:
    """Read arguments that are written as Python would have them."""
    try:
        value: Any = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if isinstance(value, dict):
        arguments = value.get("arguments", value.get("parameters"))
        if isinstance(arguments, dict):
            return json.dumps(arguments, ensure_ascii=False, default=str)
    return None
